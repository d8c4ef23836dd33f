/** Tolerance for early pictures, as a fraction of the interval. It is needed because clocks differ. */
const EARLY = 0.25;

/** Decimates pictures to a maximum rate. Keeps an even pace, which restarts with the next picture after a gap. */
export class RateLimit {
  #intervalMs: number;
  #dueAtMs: number | null = null;

  /** @param fps maximum rate, above 0. */
  constructor(fps: number) {
    this.#intervalMs = 1000 / fps;
  }

  set fps(fps: number) {
    this.#intervalMs = 1000 / fps;
    this.restart();
  }

  /** Lets the next picture pass immediately. */
  restart(): void {
    this.#dueAtMs = null;
  }

  /** Time until the next picture may pass; 0 if it may pass now. */
  waitMs(nowMs: number): number {
    if (this.#dueAtMs === null || this.#isOtherClock(nowMs, this.#dueAtMs)) return 0;
    return Math.max(0, this.#dueAtMs - EARLY * this.#intervalMs - nowMs);
  }

  /** Whether a picture with this timestamp passes. If so, the next one is scheduled. */
  take(nowMs: number): boolean {
    if (this.waitMs(nowMs) > 0) return false;
    const dueAtMs = this.#dueAtMs;
    const isInStep = dueAtMs !== null && !this.#isOtherClock(nowMs, dueAtMs) && nowMs - dueAtMs < this.#intervalMs;
    this.#dueAtMs = (isInStep ? dueAtMs : nowMs) + this.#intervalMs;
    return true;
  }

  /**
   * A due time this far in the future means that the timestamps have another origin, such as that of another camera.
   */
  #isOtherClock(nowMs: number, dueAtMs: number): boolean {
    return dueAtMs - nowMs > 2 * this.#intervalMs;
  }
}
