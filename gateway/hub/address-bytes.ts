import { GearwayError } from '../../shared/errors.ts';
import { ByteBudget } from './byte-budget.ts';

/** A number of bytes that all addresses share, of which one may have half. An address that has none takes no memory. */
export class AddressBytes {
  readonly #all: ByteBudget;
  readonly #budgets = new Map<string, ByteBudget>();

  constructor(capacity: number) {
    this.#all = new ByteBudget(capacity);
  }

  /** Number of addresses that have bytes. */
  get addresses(): number {
    return this.#budgets.size;
  }

  /**
   * @param address as `addressKey` gives it.
   * @returns gives the bytes back; to be called once.
   * @throws {GearwayError} `address-limit` when this address has its half, `busy` when so many are not left.
   */
  reserve(address: string, bytes: number): () => void {
    const budget = this.#budgets.get(address) ?? new ByteBudget(Math.floor(this.#all.capacity / 2), this.#all);
    if (budget.used + bytes > budget.capacity) throw new GearwayError('address-limit', `pictures of ${budget.used} bytes are on their way from your address already; send again`);
    if (!budget.reserve(bytes)) throw new GearwayError('busy', `pictures of ${this.#all.used} bytes are on their way already; send again`);
    this.#budgets.set(address, budget);
    return () => {
      budget.release(bytes);
      if (budget.used === 0) this.#budgets.delete(address);
    };
  }
}
