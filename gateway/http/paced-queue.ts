/** Processing time after which the queue rests. */
const SLICE_MS = 5;

/** Maximum duration of a rest: work that waits for something else takes long, but does not block. */
const MAX_REST_MS = 250;

/**
 * Runs expensive requests one at a time, for at most about half of the time of the event loop: after several
 * milliseconds of work, it rests for as long as the work took. Otherwise a program that repeats such a request in a
 * loop would stop all streams. Addresses take turns, so that it delays only itself.
 */
export class PacedQueue {
  /** Waiting work by address, in the order of their turns. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #isBusy = false;
  /** Processing time that has not been rested for. */
  #owedMs = 0;
  #endedAtMs = 0;

  /**
   * Runs work when it is its turn.
   *
   * @param address of the sender, as returned by `addressKey`.
   * @returns the result of the work; rejects with its error.
   */
  async run<T>(address: string, work: () => T | Promise<T>): Promise<T> {
    if (this.#isBusy) await new Promise<void>((start) => this.#wait(address, start));
    this.#isBusy = true;
    const fromMs = performance.now();
    try {
      return await work();
    } finally {
      this.#ended(fromMs);
    }
  }

  #wait(address: string, start: () => void): void {
    const own = this.#waiting.get(address);
    if (own === undefined) this.#waiting.set(address, [start]);
    else own.push(start);
  }

  #ended(fromMs: number): void {
    const nowMs = performance.now();
    const idleMs = Math.max(0, fromMs - this.#endedAtMs);
    this.#endedAtMs = nowMs;
    this.#owedMs = Math.min(MAX_REST_MS, Math.max(0, this.#owedMs - idleMs) + nowMs - fromMs);
    if (this.#owedMs < SLICE_MS) setImmediate(() => this.#next());
    else setTimeout(() => this.#next(), this.#owedMs);
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) {
      this.#isBusy = false;
      return;
    }
    const [address, own] = first;
    const [start, ...others] = own;
    this.#waiting.delete(address);
    if (others.length > 0) this.#waiting.set(address, others);
    start?.();
  }
}
