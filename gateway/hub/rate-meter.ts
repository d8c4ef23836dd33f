const WINDOW_MS = 2000;
const SLOTS = 128;

/** Events per second over the last two seconds, at least two and at most 128 events. Constant memory and time. */
export class RateMeter {
  readonly #times = new Float64Array(SLOTS);
  #count = 0;

  /** @param nowMs a monotonic clock. */
  mark(nowMs: number): void {
    this.#times[this.#count % SLOTS] = nowMs;
    this.#count += 1;
  }

  perSecond(nowMs: number): number {
    const kept = Math.min(this.#count, SLOTS);
    let oldest = nowMs;
    let newest = -Infinity;
    let events = 0;
    for (let i = 1; i <= kept; i += 1) {
      const time = this.#times[(this.#count - i) % SLOTS] ?? 0;
      // The latest two events always count: a still picture may arrive every few seconds.
      if (nowMs - time > WINDOW_MS && events >= 2) break;
      newest = Math.max(newest, time);
      oldest = time;
      events += 1;
    }
    if (events < 2) return 0;
    // While events arrive, use their mean interval; once they stop, the rate must fall with the length of the silence.
    const meanMs = (newest - oldest) / (events - 1);
    const silentMs = nowMs - newest;
    if (silentMs > WINDOW_MS && silentMs > 3 * meanMs) return 0;
    return silentMs > 3 * meanMs ? ((events - 1) * 1000) / (nowMs - oldest) : 1000 / Math.max(meanMs, 0.001);
  }

  /** Mean interval of the last nine events, regardless of their age; undefined before the second event. */
  recentIntervalMs(): number | undefined {
    const intervals = Math.min(this.#count - 1, 8);
    if (intervals < 1) return undefined;
    const newest = this.#times[(this.#count - 1) % SLOTS] ?? 0;
    const oldest = this.#times[(this.#count - 1 - intervals) % SLOTS] ?? 0;
    return (newest - oldest) / intervals;
  }
}
