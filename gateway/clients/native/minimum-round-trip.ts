/** Window in which slower round trips are treated as jitter. */
const PERIOD_MS = 5000;

/** Jitter of an unchanged round trip: factor and absolute tolerance. */
const TOLERANCE = 1.1;
const TOLERANCE_MS = 1;

/**
 * Estimates the round trip of a path without queueing, from measured round trips.
 *
 * A plain minimum over the last seconds would rise with a standing queue, and a congestion window derived from it would
 * let the queue grow. Instead, `add` reports when no round trip has been close to the minimum for a few seconds: the
 * sender then has to probe the path with fewer frames in flight.
 */
export class MinimumRoundTrip {
  #ms: number | null = null;
  /** Minimum since `#sinceMs`. */
  #recentMs = Infinity;
  #sinceMs = 0;

  /** The estimate in milliseconds; null before the first measurement. */
  get ms(): number | null {
    return this.#ms;
  }

  /** @returns whether the path must be probed, because all recent round trips were longer than the estimate. */
  add(roundTripMs: number, nowMs: number): boolean {
    if (this.#ms === null) this.#sinceMs = nowMs;
    this.#ms = Math.min(this.#ms ?? Infinity, roundTripMs);
    this.#recentMs = Math.min(this.#recentMs, roundTripMs);
    if (nowMs - this.#sinceMs < PERIOD_MS) return false;
    if (this.#recentMs > this.#ms * TOLERANCE + TOLERANCE_MS) return true;
    this.renew(nowMs);
    return false;
  }

  /** Replaces the estimate with the recent minimum, after a probe. */
  renew(nowMs: number): void {
    if (this.#recentMs !== Infinity) this.#ms = this.#recentMs;
    this.#recentMs = Infinity;
    this.#sinceMs = nowMs;
  }
}
