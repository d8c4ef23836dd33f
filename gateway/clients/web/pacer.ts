import { MinimumRoundTrip } from '../native/minimum-round-trip.ts';
import { type Delivery, LinkEstimator, type SendState } from './link-estimator.ts';

const MIN_WINDOW = 2;
const MAX_WINDOW = 8;

/** Maximum number of bytes in flight; two frames are always allowed, so that large frames do not stall. */
const MAX_BYTES_IN_FLIGHT = 8 << 20;

/** Weights of shorter and longer intervals in the smoothed arrival interval: it stays near the shortest quarter. */
const SHORTER_WEIGHT = 1 / 4;
const LONGER_WEIGHT = 1 / 12;

/** Ratio of arrival interval to frame interval above which the link is the bottleneck. */
const LINK_LIMITED_RATIO = 1.05;

/** A frame that has not been acknowledged yet. */
interface InFlight {
  readonly sequence: number;
  readonly bytes: number;
  readonly sentAtMs: number;
  readonly state: SendState;
}

/**
 * Congestion window of one web viewer: the number of frames that may be in flight.
 *
 * The window is the bandwidth-delay product in frames, computed from the minimum round trip, so that a queue on the
 * path does not enlarge it. The rate is the lower of the source's and the link's. The link's rate is estimated from the
 * shortest arrival intervals: with jitter, their mean would only reflect a window that is too small. While
 * acknowledgements are slower than the minimum round trip explains, the window shrinks.
 *
 * A standing queue lengthens every round trip and hides the minimum. In that case the path is probed with half the
 * window for one round trip.
 */
export class Pacer {
  readonly #minimum = new MinimumRoundTrip();
  readonly #inFlight: InFlight[] = [];
  /**
   * Smoothed interval between arrivals of frames that were in flight together, so that pauses of the source do not
   * count.
   */
  #arrivalMs: number | null = null;
  #arrivedAtMs = -Infinity;
  /** Set while probing. Ends when the first frame sent since (null before it is sent) is acknowledged. */
  #probe: { readonly first: number | null } | null = null;
  #bytes = 0;
  #roundTripMs: number | null = null;
  #latestRoundTripMs = 0;
  #window = MIN_WINDOW;
  #waitingSinceMs: number | null = null;

  /** Estimate of the link, from the acknowledgements. */
  readonly link = new LinkEstimator();

  /** When the oldest frame in flight was sent; null if there is none. */
  get oldestSentAtMs(): number | null {
    return this.#inFlight[0]?.sentAtMs ?? null;
  }

  /** Size of the oldest frame in flight, in bytes; 0 if there is none. */
  get oldestBytes(): number {
    return this.#inFlight[0]?.bytes ?? 0;
  }

  get bytesInFlight(): number {
    return this.#bytes;
  }

  get window(): number {
    return this.#window;
  }

  /** Smoothed round trip from sending a frame to its acknowledgement; null before the first. */
  get roundTripMs(): number | null {
    return this.#roundTripMs;
  }

  /** Unsmoothed round trip of the latest acknowledgement; 0 before the first. */
  get latestRoundTripMs(): number {
    return this.#latestRoundTripMs;
  }

  /**
   * Time since which an acknowledgement has been pending, counted from the latest one; null if no frame is in flight.
   */
  get waitingSinceMs(): number | null {
    return this.#waitingSinceMs;
  }

  canSend(): boolean {
    const count = this.#inFlight.length;
    if (this.#probe !== null) return count < Math.floor(this.#window / 2);
    return count < MIN_WINDOW || (count < this.#window && this.#bytes < MAX_BYTES_IN_FLIGHT);
  }

  sent(sequence: number, bytes: number, nowMs: number): void {
    if (this.#inFlight.length === 0) this.#waitingSinceMs = nowMs;
    this.#inFlight.push({
      sequence,
      bytes,
      sentAtMs: nowMs,
      state: this.link.sent(this.#inFlight.length === 0, nowMs),
    });
    if (this.#probe?.first === null) this.#probe = { first: sequence };
    this.#bytes += bytes;
  }

  /**
   * Records a cumulative acknowledgement.
   *
   * @param frameTimeMs mean interval of the source's frames; undefined if unknown.
   * @param waitMs how long the newest frame waited in the viewer.
   * @returns null, without effect, if it acknowledges no new frame.
   */
  acknowledged(sequence: number, frameTimeMs: number | undefined, nowMs: number, waitMs = 0): Delivery | null {
    const [oldest] = this.#inFlight;
    let newest: InFlight | undefined;
    let count = 0;
    let bytes = 0;
    for (let [next] = this.#inFlight; next !== undefined && next.sequence <= sequence; [next] = this.#inFlight) {
      this.#inFlight.shift();
      // After a switch to another encoding, its first key frame may show the same frame as the previous message or an
      // earlier one. It was sent later, so its round trip has not ended with this acknowledgement.
      if (newest === undefined || next.sequence > newest.sequence) newest = next;
      bytes += next.bytes;
      count += 1;
    }
    if (oldest === undefined || newest === undefined) return null;
    this.#bytes -= bytes;
    if (oldest.sentAtMs < this.#arrivedAtMs) this.#arrived((nowMs - this.#arrivedAtMs) / count);
    this.#arrivedAtMs = nowMs;
    const roundTripMs = nowMs - newest.sentAtMs;
    this.#latestRoundTripMs = roundTripMs;
    this.#waitingSinceMs = this.#inFlight.length === 0 ? null : nowMs;
    this.#roundTripMs = smooth(this.#roundTripMs, roundTripMs, 1 / 8);
    this.#measured(roundTripMs, sequence, nowMs);
    this.#adapt(frameTimeMs);
    return this.link.delivered(newest, bytes, waitMs, nowMs);
  }

  /** Ends a pause, whose duration must not count as waiting for an acknowledgement. */
  resumed(nowMs: number): void {
    if (this.#waitingSinceMs !== null) this.#waitingSinceMs = nowMs;
  }

  #arrived(afterMs: number): void {
    const isLonger = this.#arrivalMs !== null && afterMs > this.#arrivalMs;
    this.#arrivalMs = smooth(this.#arrivalMs, afterMs, isLonger ? LONGER_WEIGHT : SHORTER_WEIGHT);
  }

  #measured(roundTripMs: number, sequence: number, nowMs: number): void {
    const needsProbe = this.#minimum.add(roundTripMs, nowMs);
    if (this.#probe === null) {
      if (needsProbe) this.#probe = { first: null };
    } else if (this.#probe.first !== null && sequence >= this.#probe.first) {
      this.#minimum.renew(nowMs);
      this.#probe = null;
    }
  }

  #adapt(frameTimeMs: number | undefined): void {
    const minimumMs = this.#minimum.ms;
    if (minimumMs === null || frameTimeMs === undefined || frameTimeMs <= 0 || this.#roundTripMs === null) return;
    const bySource = Math.ceil(minimumMs / frameTimeMs);
    const isLinkLimited = this.#arrivalMs !== null && this.#arrivalMs >= frameTimeMs * LINK_LIMITED_RATIO;
    const byLink = this.#arrivalMs === null || !isLinkLimited ? bySource : Math.round(minimumMs / this.#arrivalMs);
    // One extra frame, so that the window can grow if it is itself the bottleneck.
    const wanted = Math.min(bySource, byLink) + 1;
    const queued = this.#roundTripMs > 2 * minimumMs + frameTimeMs;
    const next = queued ? Math.min(this.#window - 1, wanted) : wanted;
    this.#window = Math.max(MIN_WINDOW, Math.min(MAX_WINDOW, next));
  }
}

function smooth(before: number | null, value: number, weight: number): number {
  return before === null ? value : before + (value - before) * weight;
}
