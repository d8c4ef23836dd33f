/** A number of bytes that several users share. What is reserved must be released again, exactly. */
export class ByteBudget {
  readonly #capacity: number;
  readonly #parent: ByteBudget | null;
  #used = 0;

  /** @param parent a budget that this one is part of: what is reserved here is reserved there as well. */
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

  /** @returns false when so many are not left, here or in the parent; none is reserved then. */
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
