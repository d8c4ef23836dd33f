/** Limits how many asynchronous tasks run at the same time. The others wait, and start in order. */
export class ConcurrencyLimit {
  readonly #max: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Number of running and waiting tasks. */
  get pending(): number {
    return this.#running + this.#waiting.length;
  }

  /** Runs work as soon as the limit allows. Rejects with the error of the work. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#max) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      return await work();
    } finally {
      // The slot is passed to the next waiting work, so that nothing overtakes it.
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
