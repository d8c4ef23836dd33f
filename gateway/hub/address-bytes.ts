import { GearwayError } from '../../shared/errors.ts';
import { ByteBudget } from './byte-budget.ts';

/** A byte budget shared by all addresses; a single address may use half of it. Unused addresses take no memory. */
export class AddressBytes {
  readonly #all: ByteBudget;
  readonly #budgets = new Map<string, ByteBudget>();

  constructor(capacity: number) {
    this.#all = new ByteBudget(capacity);
  }

  /** Number of addresses with reserved bytes. */
  get addresses(): number {
    return this.#budgets.size;
  }

  /**
   * @param address as returned by `addressKey`.
   * @returns releases the bytes; call it exactly once.
   * @throws {GearwayError} `address-limit` when this address would exceed its half, `busy` when the shared budget is
   * used up.
   */
  reserve(address: string, bytes: number): () => void {
    const budget = this.#budgets.get(address) ?? new ByteBudget(Math.floor(this.#all.capacity / 2), this.#all);
    if (budget.used + bytes > budget.capacity) {
      throw new GearwayError(
        'address-limit',
        `your address is already uploading ${budget.used} bytes of pictures; retry later`,
      );
    }
    if (!budget.reserve(bytes)) {
      throw new GearwayError('busy', `${this.#all.used} bytes of pictures are already being uploaded; retry later`);
    }
    this.#budgets.set(address, budget);
    return () => {
      budget.release(bytes);
      if (budget.used === 0) this.#budgets.delete(address);
    };
  }
}
