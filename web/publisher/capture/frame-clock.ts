/** Older than this, a picture is of a clock that has stopped, as a phone's does while it sleeps. */
const MAX_AGE_MS = 1000;

/** An old best is believed a little less with every picture, since clocks drift. */
const DRIFT_MS = 0.01;

/**
 * When a camera's pictures were taken. Their times count from anywhere; the picture that was here fastest tells from where. What all of them
 * have taken at least, from the lens to this program, cannot be seen.
 */
export class FrameClock {
  /** From the camera's time to ours, at the least. */
  #offsetMs: number | null = null;

  /**
   * @param cameraMs the picture's own time.
   * @param nowMs ours, when it has come.
   * @returns by our clock, at most `nowMs`.
   */
  takenAtMs(cameraMs: number, nowMs: number): number {
    const offsetMs = nowMs - cameraMs;
    const best = this.#offsetMs === null ? offsetMs : this.#offsetMs + DRIFT_MS;
    this.#offsetMs = offsetMs < best || offsetMs - best > MAX_AGE_MS ? offsetMs : best;
    return cameraMs + this.#offsetMs;
  }
}
