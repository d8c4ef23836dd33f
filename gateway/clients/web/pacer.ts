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

/** Time beyond the minimum round trip after which a ping checks whether the link or the page delays a frame. */
const OVERDUE_MS = 50;

/**
 * Time beyond the round trip of pings from which a frame is late. Shorter delays are normal on a fast link with a busy
 * machine at one of its ends, where a second frame in flight keeps both ends working.
 */
const LATE_MS = 100;

/** A frame that has not been acknowledged yet. */
interface InFlight {
  readonly sequence: number;
  readonly bytes: number;
  readonly sentAtMs: number;
  readonly state: SendState;
  /** When a later ping was answered, which proves that the link has carried the frame; null before. */
  carriedAtMs: number | null;
}

/**
 * Congestion window of one web viewer: the number of frames that may be in flight.
 *
 * The window is the bandwidth-delay product in whole frames, plus one. Any further frame would only be one more frame
 * stuck in transit when the link slows down, because nothing can overtake it. The smoothed round trip is used, so that
 * jitter costs no frames, but at most the minimum plus one frame interval, so that a queue on the path does not enlarge
 * the window. The rate is the lower of the source's and the link's. The link's rate is estimated from the shortest
 * arrival intervals: with jitter, their mean would only reflect a window that is too small. While acknowledgements are
 * slower than the minimum round trip explains, the window shrinks. After a single frame that was much slower, no
 * further frame is sent until all frames in flight are acknowledged: if the link has become slow, they already take
 * long enough.
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
  /**
   * Set while probing, until `first` is acknowledged: the first frame that was sent during the probe; null before that.
   */
  #probe: { readonly first: number | null } | null = null;
  #bytes = 0;
  #roundTripMs: number | null = null;
  #latestRoundTripMs = 0;
  #window = MIN_WINDOW;
  #waitingSinceMs: number | null = null;
  /**
   * Whether no further frame may be sent until none is in flight: the latest acknowledged frame took much longer than
   * the round trip explains, or the current round trip must be measured.
   */
  #drains = false;
  /**
   * Time of the latest answer to a ping that proved that frames had arrived, or that was sent while no frame was in
   * flight.
   */
  #carriedAtMs = -Infinity;
  #pingedAtMs = -Infinity;
  /** Latest period without a frame in flight; ends when the next frame is sent. */
  #emptyFromMs = -Infinity;
  #emptyToMs = Infinity;
  /** When a ping was sent that has not been answered, while no frame was in flight; null if there is none. */
  #idlePingAtMs: number | null = null;

  /** Estimate of the link, from the acknowledgements. */
  readonly link = new LinkEstimator();

  /** When the oldest frame in flight was sent; null if there is none. */
  get oldestSentAtMs(): number | null {
    return this.#inFlight[0]?.sentAtMs ?? null;
  }

  /**
   * Size of the oldest frame that, as far as is known, the link has not carried yet, and the time since which neither
   * an acknowledgement nor the answer to a ping has arrived. Null if there is none, and while a ping that was sent
   * before all frames in flight is not answered: then something else delays them.
   */
  get underWay(): { readonly sinceMs: number; readonly bytes: number } | null {
    const oldest = this.#inFlight.find(({ carriedAtMs }) => carriedAtMs === null);
    if (oldest === undefined || this.#waitingSinceMs === null || this.#idlePingAtMs !== null) return null;
    return { sinceMs: Math.max(this.#waitingSinceMs, this.#carriedAtMs, oldest.sentAtMs), bytes: oldest.bytes };
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
    if (this.#drains) return count === 0;
    if (this.#probe !== null) return count < Math.floor(this.#window / 2);
    return count < MIN_WINDOW || (count < this.#window && this.#bytes < MAX_BYTES_IN_FLIGHT);
  }

  sent(sequence: number, bytes: number, nowMs: number): void {
    if (this.#inFlight.length === 0) {
      this.#waitingSinceMs = nowMs;
      this.#emptyToMs = nowMs;
    }
    this.#inFlight.push({
      sequence,
      bytes,
      sentAtMs: nowMs,
      state: this.link.sent(this.#inFlight.length === 0, nowMs),
      carriedAtMs: null,
    });
    if (this.#probe?.first === null) this.#probe = { first: sequence };
    this.#bytes += bytes;
  }

  /**
   * Records a cumulative acknowledgement.
   *
   * @param frameTimeMs mean interval of the source's frames; undefined if unknown.
   * @param waitMs how long the newest frame waited in the viewer, as the viewer reports.
   * @returns null, without effect, if it acknowledges no new frame.
   */
  acknowledged(sequence: number, frameTimeMs: number | undefined, nowMs: number, waitMs = 0): Delivery | null {
    const count = this.#countAcknowledged(sequence);
    const [oldest] = this.#inFlight;
    let newest: InFlight | undefined;
    let bytes = 0;
    for (let index = 0; index < count; index += 1) {
      newest = this.#inFlight.shift();
      bytes += newest?.bytes ?? 0;
    }
    if (oldest === undefined || newest === undefined) return null;
    this.#bytes -= bytes;
    if (oldest.sentAtMs < this.#arrivedAtMs) this.#arrived((nowMs - this.#arrivedAtMs) / count);
    this.#arrivedAtMs = nowMs;
    const roundTripMs = nowMs - newest.sentAtMs;
    this.#latestRoundTripMs = roundTripMs;
    this.#waitingSinceMs = this.#inFlight.length === 0 ? null : nowMs;
    if (this.#inFlight.length === 0) {
      this.#emptyFromMs = nowMs;
      this.#emptyToMs = Infinity;
    }
    this.#roundTripMs = smooth(this.#roundTripMs, roundTripMs, 1 / 8);
    this.#measured(roundTripMs, sequence, nowMs);
    this.#adapt(frameTimeMs);
    const arrivedAtMs = Math.min(nowMs - waitMs, newest.carriedAtMs ?? Infinity);
    const lateMs = Math.max(this.#minimum.ms ?? 0, this.link.baseMs(nowMs)) + LATE_MS;
    this.#drains =
      arrivedAtMs - newest.sentAtMs > Math.max(this.#queuedMs(frameTimeMs), lateMs) || this.link.needsIdlePing(nowMs);
    return this.link.delivered(newest, bytes, arrivedAtMs, nowMs);
  }

  /**
   * Whether a ping must be sent now: an acknowledgement is overdue. A browser answers pings while the page is busy, so
   * the answer proves that the link has carried the frame. True once per overdue frame.
   */
  needsPing(nowMs: number): boolean {
    const oldest = this.#inFlight.find(({ carriedAtMs }) => carriedAtMs === null);
    if (oldest === undefined || this.#pingedAtMs >= oldest.sentAtMs) return false;
    if (nowMs - oldest.sentAtMs < this.link.minimumMs(nowMs) + OVERDUE_MS) return false;
    this.#pingedAtMs = nowMs;
    return true;
  }

  /**
   * Whether a ping must be sent before the next frame: none is in flight, and the ping shows whether frames cause the
   * latency, see {@link LinkEstimator.baseMs}. True once per such period.
   */
  needsIdlePing(nowMs: number): boolean {
    if (!this.#drains || this.#inFlight.length > 0 || this.#idlePingAtMs !== null) return false;
    this.#idlePingAtMs = nowMs;
    return true;
  }

  /** Records the answer to a ping: the link has carried all frames that were sent before the ping. */
  answered(pingedAtMs: number, nowMs: number): void {
    this.link.roundTrip(nowMs - pingedAtMs, nowMs);
    if (pingedAtMs >= this.#emptyFromMs && pingedAtMs <= this.#emptyToMs)
      this.link.idleRoundTrip(nowMs - pingedAtMs, nowMs);
    if (this.#idlePingAtMs !== null && pingedAtMs >= this.#idlePingAtMs) {
      this.#idlePingAtMs = null;
      this.#carriedAtMs = nowMs;
    }
    for (const frame of this.#inFlight) {
      if (frame.sentAtMs >= pingedAtMs) break;
      if (frame.carriedAtMs !== null) continue;
      frame.carriedAtMs = nowMs;
      this.#carriedAtMs = nowMs;
    }
  }

  /** Ends a pause, whose duration must not count as waiting for an acknowledgement. */
  resumed(nowMs: number): void {
    if (this.#waitingSinceMs !== null) this.#waitingSinceMs = nowMs;
  }

  /**
   * Number of frames in flight that an acknowledgement covers: up to the one with this number. After a switch to
   * another encoding, the first key frame of that encoding may show the same frame as an earlier message. The key frame
   * was sent later, and has its own acknowledgement.
   */
  #countAcknowledged(sequence: number): number {
    let older = 0;
    for (let index = 0; index < this.#inFlight.length; index += 1) {
      const sent = this.#inFlight[index]?.sequence ?? Infinity;
      if (sent === sequence) return index + 1;
      if (sent < sequence && older === index) older += 1;
    }
    return older;
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
    const bySource = Math.floor(Math.min(this.#roundTripMs, minimumMs + frameTimeMs) / frameTimeMs);
    const isLinkLimited = this.#arrivalMs !== null && this.#arrivalMs >= frameTimeMs * LINK_LIMITED_RATIO;
    const byLink = this.#arrivalMs === null || !isLinkLimited ? bySource : Math.round(minimumMs / this.#arrivalMs);
    // The window lasts longer than a round trip, and can grow if it is itself the bottleneck.
    const wanted = Math.min(bySource, byLink) + 1;
    const next = this.#roundTripMs > this.#queuedMs(frameTimeMs) ? Math.min(this.#window - 1, wanted) : wanted;
    this.#window = Math.max(MIN_WINDOW, Math.min(MAX_WINDOW, next));
  }

  /** Round trip above which there is a queue on the path. */
  #queuedMs(frameTimeMs: number | undefined): number {
    return this.#minimum.ms === null || frameTimeMs === undefined ? Infinity : 2 * this.#minimum.ms + frameTimeMs;
  }
}

function smooth(before: number | null, value: number, weight: number): number {
  return before === null ? value : before + (value - before) * weight;
}
