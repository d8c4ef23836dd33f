/** A byte budget shared by several users. Each reservation must be released with the same number of bytes. */
export class ByteBudget {
  readonly #capacity: number;
  readonly #parent: ByteBudget | null;
  #used = 0;

  /** @param parent a larger budget from which every reservation is taken as well. */
  constructor(capacity: number, parent: ByteBudget | null = null) {
    this.#capacity = capacity;
    this.#parent = parent;
  }

  get capacity(): number {
    return this.#capacity;
  }

  get used(): number {
    return this.#used;
  }

  /** @returns false, with nothing reserved, if this budget or its parent does not have enough bytes left. */
  reserve(bytes: number): boolean {
    if (this.#used + bytes > this.#capacity) return false;
    if (this.#parent !== null && !this.#parent.reserve(bytes)) return false;
    this.#used += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#used -= bytes;
    this.#parent?.release(bytes);
  }
}
