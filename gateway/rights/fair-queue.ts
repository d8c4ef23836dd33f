import { GearwayError } from '../../shared/errors.ts';

interface Waiting {
  readonly start: () => void;
  readonly reject: (reason: GearwayError) => void;
}

/**
 * Runs expensive checks one at a time, in turn for each address, so that no address has to wait for more than one check
 * of each other one. If too many wait, those of the address with the most of them are refused, the newest first.
 */
export class FairQueue {
  readonly #maxWaiting: number;
  /** By address, in the order of their turns. No list is empty. */
  readonly #waiting = new Map<string, Waiting[]>();
  #waitingInAll = 0;
  #isRunning = false;

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  /**
   * Runs work when it is its turn.
   *
   * @param address whose turn it uses, as returned by `addressKey`.
   * @throws {GearwayError} `busy`, as a rejection, if too many checks are waiting, now or later.
   */
  async run<T>(address: string, work: () => Promise<T>): Promise<T> {
    if (this.#isRunning) await this.#turn(address);
    else this.#isRunning = true;
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  async #turn(address: string): Promise<void> {
    if (this.#waitingInAll >= this.#maxWaiting) this.#makeRoom(address);
    const own = this.#waiting.get(address) ?? [];
    this.#waiting.set(address, own);
    this.#waitingInAll += 1;
    return new Promise((start, reject) => own.push({ start, reject }));
  }

  /** Refuses the newest check of the address that has the most, if it has more than this one would have. */
  #makeRoom(address: string): void {
    const busy = new GearwayError('busy', `${this.#maxWaiting} log-ins are already being checked; retry later`);
    const own = this.#waiting.get(address)?.length ?? 0;
    const [most] = [...this.#waiting].sort(([, a], [, b]) => b.length - a.length);
    if (most === undefined || most[1].length <= own + 1) throw busy;
    const displaced = most[1].pop();
    this.#waitingInAll -= 1;
    displaced?.reject(busy);
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) {
      this.#isRunning = false;
      return;
    }
    const [address, own] = first;
    const next = own.shift();
    this.#waitingInAll -= 1;
    // Its next turn comes after those of all others.
    this.#waiting.delete(address);
    if (own.length > 0) this.#waiting.set(address, own);
    next?.start();
  }
}
