import { WorkDebt } from '../hub/work-debt.ts';

/** Processing time after which the queue pauses. */
const SLICE_MS = 5;

/** Maximum duration of a pause: work that waits for something else takes long, but does not block. */
const MAX_REST_MS = 250;

/**
 * Runs expensive requests one at a time, for at most about half of the time of the event loop: after several
 * milliseconds of work, it pauses for as long as the work took. Otherwise a program that repeats such a request in a
 * loop would stop all streams. Addresses are served in turn, so that such a program delays only its own requests.
 */
export class PacedQueue {
  /** Waiting work by address, in the order of their turns. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #isBusy = false;
  readonly #debt = new WorkDebt();

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
    const owedMs = this.#debt.worked(fromMs, MAX_REST_MS);
    if (owedMs < SLICE_MS) setImmediate(() => this.#next());
    else setTimeout(() => this.#next(), owedMs);
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) {
      this.#isBusy = false;
      return;
    }
    const [address, own] = first;
    const start = own.shift();
    // The next turn of this address comes after those of all others.
    this.#waiting.delete(address);
    if (own.length > 0) this.#waiting.set(address, own);
    start?.();
  }
}
