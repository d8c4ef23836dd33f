import { GearwayError } from '../../shared/errors.ts';

interface Waiting {
  readonly start: () => void;
  readonly reject: (reason: GearwayError) => void;
}

/**
 * Runs expensive checks one at a time, in turn for each address, so that no address has to wait for more than one check
 * of each other one. Addresses under suspicion wait for all others, as do those with several waiting checks. If too
 * many checks wait, the newest one of the address with the most checks is refused, first among the addresses under
 * suspicion.
 */
export class FairQueue {
  readonly #maxWaiting: number;
  readonly #ordinary = new Turns();
  readonly #suspects = new Turns();
  #isRunning = false;

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  /**
   * Runs the work when it is its turn.
   *
   * @param address whose turn it uses, as returned by `addressKey`.
   * @param isSuspect whether the address is under suspicion.
   * @throws {GearwayError} `busy`, as a rejection, if too many checks are waiting, now or later.
   */
  async run<T>(address: string, isSuspect: boolean, work: () => Promise<T>): Promise<T> {
    if (this.#isRunning) await this.#turn(address, isSuspect);
    else this.#isRunning = true;
    try {
      return await work();
    } finally {
      this.#next();
    }
  }

  async #turn(address: string, isSuspect: boolean): Promise<void> {
    // A user waits for the answer before the next attempt.
    const isEager = this.#ordinary.moveTo(this.#suspects, address) || this.#suspects.count(address) > 0;
    const turns = isSuspect || isEager ? this.#suspects : this.#ordinary;
    if (this.#ordinary.size + this.#suspects.size >= this.#maxWaiting) this.#makeRoom(address, turns);
    return new Promise((start, reject) => turns.add(address, { start, reject }));
  }

  /** Refuses the newest check of the address that has the most, if it has more than this one would have. */
  #makeRoom(address: string, turns: Turns): void {
    const busy = new GearwayError('busy', `${this.#maxWaiting} log-ins are already being checked; retry later`);
    const displaced =
      turns === this.#ordinary && this.#suspects.size > 0
        ? this.#suspects.takeNewestOfMost(0)
        : turns.takeNewestOfMost(turns.count(address) + 1);
    if (displaced === null) throw busy;
    displaced.reject(busy);
  }

  #next(): void {
    const next = this.#ordinary.takeNext() ?? this.#suspects.takeNext();
    if (next === null) this.#isRunning = false;
    else next.start();
  }
}

/** Waiting checks. The addresses take turns, with one check each. */
class Turns {
  /** Keyed by address, in the order of their turns. No list is empty. */
  readonly #waiting = new Map<string, Waiting[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  count(address: string): number {
    return this.#waiting.get(address)?.length ?? 0;
  }

  add(address: string, check: Waiting): void {
    const own = this.#waiting.get(address) ?? [];
    own.push(check);
    this.#waiting.set(address, own);
    this.#size += 1;
  }

  /** Moves the checks of an address. @returns whether there were any. */
  moveTo(other: Turns, address: string): boolean {
    const own = this.#waiting.get(address);
    if (own === undefined) return false;
    this.#waiting.delete(address);
    this.#size -= own.length;
    for (const check of own) other.add(address, check);
    return true;
  }

  takeNext(): Waiting | null {
    const [first] = this.#waiting;
    if (first === undefined) return null;
    const [address, own] = first;
    const next = own.shift();
    this.#size -= 1;
    // The next turn of this address comes after those of all others.
    this.#waiting.delete(address);
    if (own.length > 0) this.#waiting.set(address, own);
    return next ?? null;
  }

  /** Takes the newest check of the address that has the most. @returns null if no address has more than `count`. */
  takeNewestOfMost(count: number): Waiting | null {
    const [most] = [...this.#waiting].sort(([, a], [, b]) => b.length - a.length);
    if (most === undefined || most[1].length <= count) return null;
    const [address, own] = most;
    const newest = own.pop();
    this.#size -= 1;
    if (own.length === 0) this.#waiting.delete(address);
    return newest ?? null;
  }
}
