import { BoundedMap } from '../../shared/bounded-map.ts';
import { GearwayError } from '../../shared/errors.ts';

interface Waiting {
  readonly address: string;
  readonly start: () => void;
  readonly reject: (reason: GearwayError) => void;
}

/** Maximum number of addresses whose checks are counted. */
const MAX_ADDRESSES = 4096;

/**
 * Checks secrets one at a time. The address with the fewest checks since its last correct secret goes first; waiting
 * and refused checks count, too. An attacker with many addresses therefore cannot keep users from logging in. If too
 * many checks wait, the newest one of the address with the most is refused.
 */
export class FairQueue {
  readonly #maxWaiting: number;
  /** In the order of their requests. */
  readonly #waiting: Waiting[] = [];
  /** Number of checks of each address since its last correct secret. */
  readonly #checks = new BoundedMap<string, number>(MAX_ADDRESSES);
  #isRunning = false;

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  /**
   * Checks a secret when it is its turn.
   *
   * @param address of the sender, as returned by `addressKey`.
   * @param check returns whether the secret is correct.
   * @throws {GearwayError} `busy`, as a rejection, if too many checks are waiting, now or later.
   */
  async run(address: string, check: () => Promise<boolean>): Promise<boolean> {
    this.#checks.set(address, this.#count(address) + 1);
    if (this.#isRunning) await this.#turn(address);
    else this.#isRunning = true;
    try {
      const isCorrect = await check();
      if (isCorrect) this.#checks.delete(address);
      return isCorrect;
    } finally {
      this.#next();
    }
  }

  #count(address: string): number {
    return this.#checks.get(address) ?? 0;
  }

  #turn(address: string): Promise<void> {
    return new Promise((start, reject) => {
      this.#waiting.push({ address, start, reject });
      if (this.#waiting.length <= this.#maxWaiting) return;
      const most = this.#waiting.reduce((one, other) =>
        this.#count(other.address) >= this.#count(one.address) ? other : one,
      );
      this.#take(most).reject(
        new GearwayError('busy', `${this.#maxWaiting} log-ins are already being checked; retry later`),
      );
    });
  }

  #next(): void {
    if (this.#waiting.length === 0) {
      this.#isRunning = false;
      return;
    }
    const least = this.#waiting.reduce((one, other) =>
      this.#count(other.address) < this.#count(one.address) ? other : one,
    );
    this.#take(least).start();
  }

  #take(one: Waiting): Waiting {
    this.#waiting.splice(this.#waiting.indexOf(one), 1);
    return one;
  }
}
