import { LeastRoundTrip } from '../native/least-round-trip.ts';

const MIN_WINDOW = 2;
const MAX_WINDOW = 8;

/** Most bytes in flight; two frames are always allowed, or nothing would flow. */
const MAX_BYTES_IN_FLIGHT = 8 << 20;

/** How fast the time between arrivals follows shorter and longer ones: it stays near the shortest quarter. */
const SHORTER_WEIGHT = 1 / 4;
const LONGER_WEIGHT = 1 / 12;

/** By so much arrivals are farther apart than the source's frames where the link is the limit. */
const CLEARLY = 1.05;

/** A frame that was sent and not yet acknowledged. */
interface InFlight {
  readonly sequence: number;
  readonly bytes: number;
  readonly sentAtMs: number;
}

/**
 * How many frames may be in flight to one web viewer.
 *
 * The window comes from the least round trip and the frame rate, so that a queue somewhere on the way cannot talk it into
 * growing. The rate is the source's, or the link's, where that is less: frames beyond those under way would only wait in
 * front of it. What a link carries shows in the time between arrivals, and in the shortest of them: where round trips vary,
 * the mean is what a window that is too small lets through. While acknowledgements are slower than the least round trip
 * explains, the window shrinks.
 *
 * A frame that always waits makes all round trips longer, and nothing shows the least one any more. From time to time the
 * way is then looked at with half as many frames on it, for one round trip.
 */
export class Pacer {
  readonly #least = new LeastRoundTrip();
  readonly #inFlight: InFlight[] = [];
  /** What is between two arrivals of frames that were under way together: silence of the source is not in it. */
  #arrivalMs: number | null = null;
  #arrivedAtMs = -Infinity;
  /** The way is looked at until the first frame that was sent since is acknowledged; null for its sequence before that is sent. */
  #look: { readonly first: number | null } | null = null;
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
    if (this.#look !== null) return count < Math.floor(this.#window / 2);
    return count < MIN_WINDOW || (count < this.#window && this.#bytes < MAX_BYTES_IN_FLIGHT);
  }

  sent(sequence: number, bytes: number, nowMs: number): void {
    if (this.#inFlight.length === 0) this.#waitingSinceMs = nowMs;
    this.#inFlight.push({ sequence, bytes, sentAtMs: nowMs });
    if (this.#look?.first === null) this.#look = { first: sequence };
    this.#bytes += bytes;
  }

  /**
   * A cumulative acknowledgement.
   *
   * @param frameTimeMs mean time between the source's frames; undefined while unknown.
   * @returns false when it covers nothing new, and changes nothing.
   */
  acknowledged(sequence: number, frameTimeMs: number | undefined, nowMs: number): boolean {
    const [oldest] = this.#inFlight;
    let newest: InFlight | undefined;
    let count = 0;
    while (this.#inFlight[0] !== undefined && this.#inFlight[0].sequence <= sequence) {
      newest = this.#inFlight.shift();
      if (newest === undefined) break;
      this.#bytes -= newest.bytes;
      count += 1;
    }
    if (oldest === undefined || newest === undefined) return false;
    if (oldest.sentAtMs < this.#arrivedAtMs) this.#arrived((nowMs - this.#arrivedAtMs) / count);
    this.#arrivedAtMs = nowMs;
    const roundTripMs = nowMs - newest.sentAtMs;
    this.#waitingSinceMs = this.#inFlight.length === 0 ? null : nowMs;
    this.#roundTripMs = smooth(this.#roundTripMs, roundTripMs, 1 / 8);
    this.#measured(roundTripMs, sequence, nowMs);
    this.#adapt(frameTimeMs);
    return true;
  }

  /** A pause is over: its time does not count as waiting for what is still in flight. */
  resumed(nowMs: number): void {
    if (this.#waitingSinceMs !== null) this.#waitingSinceMs = nowMs;
  }

  #arrived(afterMs: number): void {
    const isLonger = this.#arrivalMs !== null && afterMs > this.#arrivalMs;
    this.#arrivalMs = smooth(this.#arrivalMs, afterMs, isLonger ? LONGER_WEIGHT : SHORTER_WEIGHT);
  }

  #measured(roundTripMs: number, sequence: number, nowMs: number): void {
    const isDoubtful = this.#least.add(roundTripMs, nowMs);
    if (this.#look === null) {
      if (isDoubtful) this.#look = { first: null };
    } else if (this.#look.first !== null && sequence >= this.#look.first) {
      this.#least.renew(nowMs);
      this.#look = null;
    }
  }

  #adapt(frameTimeMs: number | undefined): void {
    const leastMs = this.#least.ms;
    if (leastMs === null || frameTimeMs === undefined || frameTimeMs <= 0 || this.#roundTripMs === null) return;
    const bySource = Math.ceil(leastMs / frameTimeMs);
    // One more than are under way is what makes a window grow that is itself the limit.
    const byLink = this.#arrivalMs === null || this.#arrivalMs < frameTimeMs * CLEARLY ? bySource : Math.round(leastMs / this.#arrivalMs);
    const wanted = Math.min(bySource, byLink) + 1;
    const queued = this.#roundTripMs > 2 * leastMs + frameTimeMs;
    const next = queued ? Math.min(this.#window - 1, wanted) : wanted;
    this.#window = Math.max(MIN_WINDOW, Math.min(MAX_WINDOW, next));
  }
}

function smooth(before: number | null, value: number, weight: number): number {
  return before === null ? value : before + (value - before) * weight;
}
