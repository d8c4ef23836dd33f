/** If a frame seems older than this, the camera's clock is assumed to have stopped, as it does on a sleeping phone. */
const MAX_AGE_MS = 1000;

/** Drift allowance: amount by which the smallest offset is increased with each frame. */
const DRIFT_MS = 0.01;

/**
 * Converts the timestamps of a camera, which have an arbitrary origin, to the system clock. The offset is that of the
 * frame that arrived fastest. The minimum latency from the lens to this program cannot be measured.
 */
export class FrameClock {
  /** Smallest offset from the camera's clock to the system clock. */
  #offsetMs: number | null = null;

  /**
   * @param cameraMs timestamp of the frame.
   * @param nowMs system time at which it arrived.
   * @returns system time of the capture, at most `nowMs`.
   */
  capturedAtMs(cameraMs: number, nowMs: number): number {
    const offsetMs = nowMs - cameraMs;
    const best = this.#offsetMs === null ? offsetMs : this.#offsetMs + DRIFT_MS;
    this.#offsetMs = offsetMs < best || offsetMs - best > MAX_AGE_MS ? offsetMs : best;
    return cameraMs + this.#offsetMs;
  }
}
