/** Maximum age of the samples: short enough to detect a slower link within a second. */
const WINDOW_MS = 1500;

/** Minimum number of samples that are used, regardless of their age. */
const MIN_SAMPLES = 3;

/** The minimum round trip covers one or two of these windows, because the route may change. */
const ROUND_TRIP_WINDOW_MS = 10_000;

/** Shortest transmission time that clocks and the event loop can measure. */
const MIN_TRANSMISSION_MS = 1;

/**
 * A frame that takes longer than the samples suggest, by this factor and time, indicates that the link has changed: the
 * samples are discarded. Smaller differences are jitter.
 */
const CHANGED = { factor: 2, ms: 300 } as const;

/**
 * Quantile of the samples' rates that is used. A busy program or gateway delays acknowledgements, so most samples are
 * too low, and few too high.
 */
const QUANTILE = 0.75;

/** Minimum increase of the interval between frames from sending to arrival by which they count as queued. */
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

/**
 * Delivery rate of the link of a connection, from the gateway's acknowledgements. A frame's transmission takes from the
 * moment at which the link was free for it (it was sent and the previous frame had arrived) to its own arrival: the
 * time of its acknowledgement less the minimum round trip. Therefore, the rate is correct for single frames and for
 * consecutive ones, and also if the link carries more than is sent.
 */
export class UplinkRate {
  /** Frames in flight, in order. */
  readonly #inFlight: SentFrame[] = [];
  #samples: Sample[] = [];
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

  /**
   * Increase of the round trip over the minimum: the median of the samples, or that of a frame in flight if it
   * is already longer. 0 before it is known.
   */
  queueingMs(nowMs: number): number {
    const minMs = this.minRoundTripMs ?? 0;
    const delays = this.#samples.map(({ roundTripMs }) => roundTripMs - minMs).sort((a, b) => a - b);
    const median = delays[Math.floor(delays.length / 2)] ?? 0;
    const [pending] = this.#inFlight;
    return pending === undefined ? median : Math.max(median, nowMs - pending.sentAtMs - minMs);
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
      if (this.#isChanged(bytes, transmissionMs)) this.#samples = [];
      this.#samples.push({ atMs: nowMs, bytes, transmissionMs, roundTripMs: nowMs - sentAtMs });
      this.#takenAtMs = nowMs;
      this.#lastSentAtMs = sentAtMs;
    }
    const oldest = this.#samples.findIndex(({ atMs }) => nowMs - atMs <= WINDOW_MS);
    const excess = Math.min(oldest < 0 ? Infinity : oldest, this.#samples.length - MIN_SAMPLES);
    if (excess > 0) this.#samples.splice(0, excess);
  }

  /**
   * Delivery rate in bits per second; null before the first acknowledgement. A frame that is in flight for much longer
   * than expected counts before it is acknowledged, with its time in flight so far.
   */
  bitsPerSecond(nowMs: number): number | null {
    const known = this.#sampledBitsPerSecond();
    const [pending] = this.#inFlight;
    if (pending === undefined || known === null) return known;
    const pendingMs = this.#transmissionMs(pending.sentAtMs, nowMs);
    return this.#isChanged(pending.bytes, pendingMs) ? (pending.bytes * 8000) / pendingMs : known;
  }

  #sampledBitsPerSecond(): number | null {
    const rates = this.#samples
      .map(({ bytes, transmissionMs }) => (bytes * 8000) / transmissionMs)
      .sort((a, b) => a - b);
    return rates[Math.floor((rates.length - 1) * QUANTILE)] ?? null;
  }

  /** Time for which the link was busy with a frame. */
  #transmissionMs(sentAtMs: number, nowMs: number): number {
    const startMs = Math.max(sentAtMs + (this.minRoundTripMs ?? 0), this.#takenAtMs);
    return Math.max(MIN_TRANSMISSION_MS, nowMs - startMs);
  }

  #isChanged(bytes: number, transmissionMs: number): boolean {
    const known = this.#sampledBitsPerSecond();
    return known !== null && transmissionMs > CHANGED.factor * ((bytes * 8000) / known) + CHANGED.ms;
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

  /**
   * The round trip without the frame's own transmission time, if that is known from the spacing of
   * frames: otherwise a link that is always full would look like one with a long round trip. At most half is
   * subtracted, because a slow program also increases the spacing of frames.
   */
  #addRoundTrip(ms: number, bytes: number, nowMs: number): void {
    if (nowMs - this.#windowSinceMs > ROUND_TRIP_WINDOW_MS) {
      this.#lastRoundTripMs = this.#roundTripMs;
      this.#roundTripMs = Infinity;
      // A link that is always full does not change the spacing: frames are sent as they arrive.
      if (this.#spread > 0) this.#lastSpread = this.#spread;
      this.#spread = 0;
      this.#windowSinceMs = nowMs;
    }
    const spread = Math.max(this.#spread, this.#lastSpread);
    const linkMs = spread === 0 ? 0 : Math.min(ms / 2, bytes / spread);
    this.#roundTripMs = Math.min(this.#roundTripMs, ms - linkMs);
  }
}
