/** A token bucket: refills at a constant rate up to its capacity. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #capacity: number;
  #tokens: number;
  #filledAtMs: number | null = null;

  /** @param capacity maximum number of tokens; by default, the tokens that one second adds. */
  constructor(perSecond: number, capacity = perSecond) {
    this.#perSecond = perSecond;
    this.#capacity = capacity;
    this.#tokens = capacity;
  }

  /** Number of tokens that may be taken now. */
  available(nowMs: number): number {
    if (this.#filledAtMs !== null) {
      this.#tokens = Math.min(this.#capacity, this.#tokens + ((nowMs - this.#filledAtMs) * this.#perSecond) / 1000);
    }
    this.#filledAtMs = nowMs;
    return this.#tokens;
  }

  /** Takes tokens. @returns false, without taking any, if not enough tokens are left. */
  take(nowMs: number, amount = 1): boolean {
    this.available(nowMs);
    if (this.#tokens < amount) return false;
    this.#tokens -= amount;
    return true;
  }

  /** Returns tokens to the bucket. */
  refund(amount = 1): void {
    this.#tokens = Math.min(this.#capacity, this.#tokens + amount);
  }
}
