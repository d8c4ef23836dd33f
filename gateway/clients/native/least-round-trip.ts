/** For so long, longer round trips are taken for chance. */
const PERIOD_MS = 5000;

/** What chance makes of a round trip that has not changed. */
const TOLERANCE = 1.1;
const TOLERANCE_MS = 1;

/**
 * The round trip of a way on which nothing waits, from those that are measured on it.
 *
 * Just the least of the last seconds would follow a queue that always stands there, and a window that is made from it would
 * let the queue grow. When nothing has come near the least for some seconds, `add` says so: who sends has to look again.
 */
export class LeastRoundTrip {
  #ms: number | null = null;
  /** The least since then. */
  #recentMs = Infinity;
  #sinceMs = 0;

  /** null before the first. */
  get ms(): number | null {
    return this.#ms;
  }

  /** @returns whether it is to be looked for: all round trips of the last seconds were longer. */
  add(roundTripMs: number, nowMs: number): boolean {
    if (this.#ms === null) this.#sinceMs = nowMs;
    this.#ms = Math.min(this.#ms ?? Infinity, roundTripMs);
    this.#recentMs = Math.min(this.#recentMs, roundTripMs);
    if (nowMs - this.#sinceMs < PERIOD_MS) return false;
    if (this.#recentMs > this.#ms * TOLERANCE + TOLERANCE_MS) return true;
    this.renew(nowMs);
    return false;
  }

  /** Who sends has looked: the least of late is how it is now. */
  renew(nowMs: number): void {
    if (this.#recentMs !== Infinity) this.#ms = this.#recentMs;
    this.#recentMs = Infinity;
    this.#sinceMs = nowMs;
  }
}
