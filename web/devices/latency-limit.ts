/** Interval between checks, because latency grows while no frame arrives. */
const CHECK_INTERVAL_MS = 100;

/** How long the latency must stay below the limit before the limit no longer counts as exceeded. */
export const RECOVERY_MS = 1000;

/** Monitors the latency of the picture on screen against a limit. Without a live picture, the limit is exceeded. */
export class LatencyLimit {
  readonly #isLive: () => boolean;
  readonly #onChange: () => void;
  #maxMs: number | null = null;
  /** Latency of the last frame when it was shown. */
  #shown: { readonly latencyMs: number; readonly atMs: number } | null = null;
  #exceededAtMs = -Infinity;
  #isExceeded = false;
  #timer: ReturnType<typeof setInterval> | null = null;

  /**
   * @param isLive whether frames arrive.
   * @param onChange called when {@link isExceeded} has changed.
   */
  constructor(isLive: () => boolean, onChange: () => void) {
    this.#isLive = isLive;
    this.#onChange = onChange;
  }

  get isExceeded(): boolean {
    return this.#isExceeded;
  }

  /**
   * Whether the latency is below the limit now. The limit counts as exceeded until this has been true for
   * {@link RECOVERY_MS}.
   */
  get isKept(): boolean {
    // Not `latency > limit`: a limit that is NaN must count as exceeded.
    return this.#isLive() && (this.latencyMs ?? Infinity) <= (this.#maxMs ?? Infinity);
  }

  /** Current latency in milliseconds, growing while no frame arrives; null before the first one. */
  get latencyMs(): number | null {
    return this.#shown === null ? null : this.#shown.latencyMs + performance.now() - this.#shown.atMs;
  }

  /** @param maxMs null for no limit. */
  set(maxMs: number | null): void {
    this.#maxMs = maxMs;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = maxMs === null ? null : setInterval(() => this.check(), CHECK_INTERVAL_MS);
    this.check();
  }

  /** Records that a frame is shown. @param latencyMs null if it is unknown. */
  shown(latencyMs: number | null): void {
    if (latencyMs === null) return;
    // The camera's clock may be slightly ahead of the gateway's.
    this.#shown = { latencyMs: Math.max(0, latencyMs), atMs: performance.now() };
    this.check();
  }

  /** Ends the checks, and discards the last frame. Setting a limit again resumes the checks. */
  stop(): void {
    this.#shown = null;
    this.set(null);
  }

  check(): void {
    const now = performance.now();
    const isLate = this.#maxMs !== null && !this.isKept;
    if (isLate) this.#exceededAtMs = now;
    const isExceeded = this.#maxMs !== null && now - this.#exceededAtMs < RECOVERY_MS;
    if (isExceeded === this.#isExceeded) return;
    this.#isExceeded = isExceeded;
    this.#onChange();
  }
}
