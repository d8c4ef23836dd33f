/** Maximum age of the samples, short enough to detect a slower link within a second. */
const WINDOW_MS = 1500;

/** Minimum number of samples that are used, regardless of their age. */
const MIN_SAMPLES = 3;

/** The minimum round trip is that of the last one or two windows of this length, because the route may change. */
const ROUND_TRIP_WINDOW_MS = 10_000;

/** Shortest transmission time that clocks and the event loop can measure. */
const MIN_TRANSMISSION_MS = 1;

/**
 * A frame that takes longer than the samples suggest, by this factor and time, indicates that the link has changed, or
 * has stalled. Smaller differences are jitter.
 */
const CHANGED = { factor: 2, ms: 300 } as const;

/**
 * Quantile of the samples' rates that is used. A busy program or gateway delays acknowledgements, so most samples are
 * too low, and few too high.
 */
const QUANTILE = 0.75;

/** Frames count as queued if the interval between their arrivals exceeds that between their sending by this factor. */
const DISPERSION = 1.2;

interface Sample {
  readonly atMs: number;
  readonly bytes: number;
  readonly transmissionMs: number;
  readonly roundTripMs: number;
}

interface SentFrame {
  readonly sequence: number;
  readonly bytes: number;
  readonly sentAtMs: number;
}

/** Delivery rate of a link. */
interface MeasuredRate {
  /** Null before the first acknowledgement. */
  readonly bitsPerSecond: number | null;
  /**
   * Whether at least two consecutive frames agree. A single slow frame may be due to a stall of the link or of a
   * program.
   */
  readonly isCertain: boolean;
}

/**
 * Delivery rate of the link of a connection, from the gateway's acknowledgements. The transmission of a frame begins
 * when the frame was sent and the previous frame has arrived, and ends when the frame has arrived: at the time of its
 * acknowledgement minus the minimum round trip. The rate is therefore correct for single and for consecutive frames,
 * even if the link could carry more than is sent.
 *
 * After a stall, such as that of a radio link that repeats a lost packet, the frames in flight arrive together. They
 * show that the link is as fast as before, and the first, slow frame does not count.
 */
export class UplinkRate {
  /** Frames in flight, in order. */
  readonly #inFlight: SentFrame[] = [];
  #samples: Sample[] = [];
  /** The samples before the latest frame, if that was the first slow one; otherwise null. */
  #formerSamples: Sample[] | null = null;
  /** Frames that were sent before this time waited for the end of a stall. */
  #stalledUntilMs = -Infinity;
  #takenAtMs = -Infinity;
  #lastSentAtMs = -Infinity;
  /**
   * The highest rate at which consecutive frames have arrived, in the current window and in the one before; in bytes
   * per millisecond.
   */
  #spread = 0;
  #lastSpread = 0;
  /** Minima of the current window and of the one before. */
  #roundTripMs: number;
  #lastRoundTripMs = Infinity;
  #windowSinceMs: number;

  /** @param roundTripMs round trip of the greeting, which does not wait for frames; Infinity if it is unknown. */
  constructor(roundTripMs = Infinity, nowMs = 0) {
    this.#roundTripMs = roundTripMs;
    this.#windowSinceMs = nowMs;
  }

  /** Minimum round trip in milliseconds; null before it is known. */
  get minRoundTripMs(): number | null {
    const ms = Math.min(this.#roundTripMs, this.#lastRoundTripMs);
    return ms === Infinity ? null : ms;
  }

  /** Increase of the round trip over the minimum: the median of the samples. 0 before it is known. */
  get queueingMs(): number {
    const minMs = this.minRoundTripMs ?? 0;
    const delays = this.#samples.map(({ roundTripMs }) => roundTripMs - minMs).sort((a, b) => a - b);
    return delays[Math.floor(delays.length / 2)] ?? 0;
  }

  sent(sequence: number, bytes: number, nowMs: number): void {
    this.#inFlight.push({ sequence, bytes, sentAtMs: nowMs });
  }

  /** Called when the gateway has received all frames up to this one. */
  taken(sequence: number, nowMs: number): void {
    for (let [first] = this.#inFlight; first !== undefined && first.sequence <= sequence; [first] = this.#inFlight) {
      this.#inFlight.shift();
      const { bytes, sentAtMs } = first;
      this.#addSpacing(first, nowMs);
      this.#addRoundTrip(nowMs - sentAtMs, bytes, nowMs);
      const transmissionMs = this.#transmissionMs(sentAtMs, nowMs);
      this.#addSample({ atMs: nowMs, bytes, transmissionMs, roundTripMs: nowMs - sentAtMs });
      this.#takenAtMs = nowMs;
      this.#lastSentAtMs = sentAtMs;
    }
    const oldest = this.#samples.findIndex(({ atMs }) => nowMs - atMs <= WINDOW_MS);
    const excess = Math.min(oldest < 0 ? Infinity : oldest, this.#samples.length - MIN_SAMPLES);
    if (excess > 0) this.#samples.splice(0, excess);
  }

  /**
   * Delivery rate. A frame that has been in flight for much longer than expected counts before it is acknowledged, with
   * the time since it was sent.
   */
  measured(nowMs: number): MeasuredRate {
    const known = bitsPerSecondOf(this.#samples);
    const certain = { bitsPerSecond: known, isCertain: this.#formerSamples === null };
    const [pending] = this.#inFlight;
    if (pending === undefined) return certain;
    const pendingMs = this.#transmissionMs(pending.sentAtMs, nowMs);
    if (!isSlower(pending.bytes, pendingMs, this.#samples)) return certain;
    return { bitsPerSecond: (pending.bytes * 8000) / pendingMs, isCertain: false };
  }

  #addSample(sample: Sample): void {
    const { bytes, transmissionMs, atMs, roundTripMs } = sample;
    const former = this.#formerSamples;
    if (former === null && isSlower(bytes, transmissionMs, this.#samples)) {
      this.#formerSamples = this.#samples;
      this.#samples = [sample];
      return;
    }
    this.#formerSamples = null;
    if (former !== null && !isSlower(bytes, transmissionMs, former)) {
      this.#samples = former;
      this.#stalledUntilMs = this.#takenAtMs;
    }
    if (atMs - roundTripMs >= this.#stalledUntilMs) this.#samples.push(sample);
  }

  /** Time for which the link was busy with a frame. */
  #transmissionMs(sentAtMs: number, nowMs: number): number {
    const startMs = Math.max(sentAtMs + (this.minRoundTripMs ?? 0), this.#takenAtMs);
    return Math.max(MIN_TRANSMISSION_MS, nowMs - startMs);
  }

  /**
   * Frames that arrive farther apart than they were sent have queued: their spacing is the link's rate (packet
   * dispersion).
   */
  #addSpacing({ bytes, sentAtMs }: SentFrame, nowMs: number): void {
    const spacingMs = nowMs - this.#takenAtMs;
    if (this.#takenAtMs <= sentAtMs || spacingMs < DISPERSION * (sentAtMs - this.#lastSentAtMs)) return;
    this.#spread = Math.max(this.#spread, bytes / Math.max(MIN_TRANSMISSION_MS, spacingMs));
  }

  /** Records the round trip of a ping, whose own transmission time is negligible. */
  roundTrip(ms: number, nowMs: number): void {
    this.#turn(nowMs);
    this.#roundTripMs = Math.min(this.#roundTripMs, ms);
  }

  /**
   * The round trip without the frame's own transmission time, if this time is known from the spacing of frames.
   * Otherwise, a link that is always full would look like a link with a long round trip. At most half is subtracted,
   * because a slow program also increases the spacing of frames. A frame whose whole round trip is shorter than its
   * transmission would be at that rate proves that the link has become faster.
   */
  #addRoundTrip(ms: number, bytes: number, nowMs: number): void {
    this.#turn(nowMs);
    if (bytes > Math.max(this.#spread, this.#lastSpread) * ms) this.#spread = this.#lastSpread = 0;
    const spread = Math.max(this.#spread, this.#lastSpread);
    const linkMs = spread === 0 ? 0 : Math.min(ms / 2, bytes / spread);
    this.#roundTripMs = Math.min(this.#roundTripMs, ms - linkMs);
  }

  /** Begins a new window if the current one has ended. */
  #turn(nowMs: number): void {
    if (nowMs - this.#windowSinceMs <= ROUND_TRIP_WINDOW_MS) return;
    this.#lastRoundTripMs = this.#roundTripMs;
    this.#roundTripMs = Infinity;
    // A link that is always full does not change the spacing: frames are sent as they arrive.
    if (this.#spread > 0) this.#lastSpread = this.#spread;
    this.#spread = 0;
    this.#windowSinceMs = nowMs;
  }
}

/** Bits per second of the samples; null for none. */
function bitsPerSecondOf(samples: readonly Sample[]): number | null {
  const rates = samples.map(({ bytes, transmissionMs }) => (bytes * 8000) / transmissionMs).sort((a, b) => a - b);
  return rates[Math.floor((rates.length - 1) * QUANTILE)] ?? null;
}

/** Whether a transmission takes longer than these samples explain. */
function isSlower(bytes: number, transmissionMs: number, samples: readonly Sample[]): boolean {
  const known = bitsPerSecondOf(samples);
  return known !== null && transmissionMs > CHANGED.factor * ((bytes * 8000) / known) + CHANGED.ms;
}
