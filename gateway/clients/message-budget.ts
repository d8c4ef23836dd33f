/** How many messages a peer may still send: a token bucket that refills evenly and holds one second's worth. */
export class MessageBudget {
  readonly #perSecond: number;
  #tokens: number;
  #filledAtMs: number | null = null;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
  }

  /** @returns false when there is no token left. */
  take(nowMs: number): boolean {
    if (this.#filledAtMs !== null) {
      this.#tokens = Math.min(this.#perSecond, this.#tokens + ((nowMs - this.#filledAtMs) * this.#perSecond) / 1000);
    }
    this.#filledAtMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Gives a token back: the message was an answer to one of ours, which bounds how many there can be. */
  refund(): void {
    this.#tokens = Math.min(this.#perSecond, this.#tokens + 1);
  }
}
