/** A picture may come earlier than it is due by this part of the time between two: no two clocks are the same. */
const EARLY = 0.25;

/** Thins pictures out to a rate. In step with it as long as they come; after a gap it begins anew. */
export class RateLimit {
  #intervalMs: number;
  #dueAtMs: number | null = null;

  /** @param fps frames a second, above 0. */
  constructor(fps: number) {
    this.#intervalMs = 1000 / fps;
  }

  set fps(fps: number) {
    this.#intervalMs = 1000 / fps;
    this.restart();
  }

  /** The next picture may pass at once. */
  restart(): void {
    this.#dueAtMs = null;
  }

  /** How long it is until the next one may pass; 0 when it may. */
  waitMs(nowMs: number): number {
    if (this.#dueAtMs === null || this.#isAnotherClock(nowMs, this.#dueAtMs)) return 0;
    return Math.max(0, this.#dueAtMs - EARLY * this.#intervalMs - nowMs);
  }

  /** Whether a picture of this time passes; then the next one is due. */
  take(nowMs: number): boolean {
    if (this.waitMs(nowMs) > 0) return false;
    const isInStep = this.#dueAtMs !== null && !this.#isAnotherClock(nowMs, this.#dueAtMs) && nowMs - this.#dueAtMs < this.#intervalMs;
    this.#dueAtMs = (isInStep && this.#dueAtMs !== null ? this.#dueAtMs : nowMs) + this.#intervalMs;
    return true;
  }

  /** Nothing is ever due so far ahead: the times start from somewhere else, as those of another camera. */
  #isAnotherClock(nowMs: number, dueAtMs: number): boolean {
    return dueAtMs - nowMs > 2 * this.#intervalMs;
  }
}
