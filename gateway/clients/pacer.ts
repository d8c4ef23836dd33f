import { WindowedMinimum } from '../hub/windowed-minimum.ts';

const MIN_WINDOW = 2;
const MAX_WINDOW = 8;

/** Most bytes in flight; two frames are always allowed, or nothing would flow. */
const MAX_BYTES_IN_FLIGHT = 8 << 20;

/** A frame that was sent and not yet acknowledged. */
interface InFlight {
  readonly sequence: number;
  readonly bytes: number;
  readonly sentAtMs: number;
  /** How many had been acknowledged when it was sent. */
  readonly acknowledgedBefore: number;
}

/**
 * How many frames may be in flight to one web viewer.
 *
 * The window comes from the *minimum* round trip of the last seconds and the frame rate, so that a queue somewhere on the
 * way cannot talk it into growing. The rate is the source's, or what arrives, where that is less: on a link that carries no
 * more, frames beyond those under way would only wait in front of it. While acknowledgements are slower than the minimum
 * explains, the window shrinks.
 */
export class Pacer {
  readonly #minimumMs = new WindowedMinimum();
  readonly #inFlight: InFlight[] = [];
  #acknowledged = 0;
  /** Smoothed time between the arrivals of frames while some were under way: silence of the source is not in it. */
  #arrivalMs: number | null = null;
  #bytes = 0;
  #roundTripMs: number | null = null;
  #window = MIN_WINDOW;
  #waitingSinceMs: number | null = null;

  get window(): number {
    return this.#window;
  }

  /** Smoothed time from sending a frame to its acknowledgement; null before the first. */
  get roundTripMs(): number | null {
    return this.#roundTripMs;
  }

  /** Since when the oldest frame in flight, or the acknowledgement after the last one, has been waited for; null when nothing is. */
  get waitingSinceMs(): number | null {
    return this.#waitingSinceMs;
  }

  canSend(): boolean {
    const count = this.#inFlight.length;
    return count < MIN_WINDOW || (count < this.#window && this.#bytes < MAX_BYTES_IN_FLIGHT);
  }

  sent(sequence: number, bytes: number, nowMs: number): void {
    if (this.#inFlight.length === 0) this.#waitingSinceMs = nowMs;
    this.#inFlight.push({ sequence, bytes, sentAtMs: nowMs, acknowledgedBefore: this.#acknowledged });
    this.#bytes += bytes;
  }

  /**
   * A cumulative acknowledgement.
   *
   * @param frameTimeMs mean time between the source's frames; undefined while unknown.
   * @returns false when it covers nothing new, and changes nothing.
   */
  acknowledged(sequence: number, frameTimeMs: number | undefined, nowMs: number): boolean {
    let newest: InFlight | undefined;
    while (this.#inFlight[0] !== undefined && this.#inFlight[0].sequence <= sequence) {
      const done = this.#inFlight.shift();
      if (done === undefined) break;
      this.#bytes -= done.bytes;
      this.#acknowledged += 1;
      newest = done;
    }
    if (newest === undefined) return false;
    const roundTripMs = nowMs - newest.sentAtMs;
    this.#waitingSinceMs = this.#inFlight.length === 0 ? null : nowMs;
    this.#minimumMs.add(roundTripMs, nowMs);
    this.#roundTripMs = smooth(this.#roundTripMs, roundTripMs, 1 / 8);
    this.#arrivalMs = smooth(this.#arrivalMs, roundTripMs / (this.#acknowledged - newest.acknowledgedBefore), 1 / 4);
    this.#adapt(frameTimeMs, nowMs);
    return true;
  }

  /** A pause is over: its time does not count as waiting for what is still in flight. */
  resumed(nowMs: number): void {
    if (this.#waitingSinceMs !== null) this.#waitingSinceMs = nowMs;
  }

  #adapt(frameTimeMs: number | undefined, nowMs: number): void {
    const minimumMs = this.#minimumMs.get(nowMs);
    if (minimumMs === undefined || frameTimeMs === undefined || frameTimeMs <= 0 || this.#roundTripMs === null || this.#arrivalMs === null) return;
    // By what arrives, one more than are under way: a window that is too small grows by it, until the source is the limit.
    const wanted = Math.min(Math.ceil(minimumMs / frameTimeMs), Math.round(minimumMs / this.#arrivalMs)) + 1;
    const queued = this.#roundTripMs > 2 * minimumMs + frameTimeMs;
    const next = queued ? Math.min(this.#window - 1, wanted) : wanted;
    this.#window = Math.max(MIN_WINDOW, Math.min(MAX_WINDOW, next));
  }
}

function smooth(before: number | null, value: number, weight: number): number {
  return before === null ? value : before + (value - before) * weight;
}
