import { WindowedMinimum } from '../../hub/windowed-minimum.ts';

/** How long a measured throughput counts as a lower bound of the link's capacity. */
const CAPACITY_WINDOW_MS = 2000;

/**
 * Transmissions that are shorter than the jitter of timers, threads and paths cannot be measured. The jitter is assumed
 * to be the largest of this time, this fraction of the round trip, and the jitter of the latest pings.
 */
const JITTER_MS = 4;
const JITTER_FRACTION = 0.1;

/** Number of pings whose median, compared with their minimum, shows the jitter of the path. */
const JITTER_PINGS = 5;

/** Maximum number of idle pings, sent without frames in flight, that show the current latency of the path. */
const IDLE_PINGS = 5;

/** Maximum age of these pings. */
const IDLE_PING_MS = 4000;

/**
 * Age of the latest idle ping from which another one is needed, if the current latency exceeds the minimum by more than
 * `RAISED_MS`.
 */
const IDLE_PING_INTERVAL_MS = 1000;

/** Excess over the minimum from which the latency counts as raised. */
const RAISED_MS = 50;

/** State of the delivery at the time when a frame was sent. */
export interface SendState {
  /** Number of bytes acknowledged by then. */
  readonly deliveredBytes: number;
  /** Time of the latest acknowledgement; the time of sending if nothing was in flight. */
  readonly deliveredAtMs: number;
}

/** One acknowledgement of new frames. */
export interface Delivery {
  readonly sequence: number;
  /** Size of all frames that were acknowledged together. */
  readonly bytes: number;
  /** When the newest acknowledged frame was sent. */
  readonly sentAtMs: number;
  /** Time beyond {@link LinkEstimator.baseMs}: transmission of the frame, and its wait in queues of the path. */
  readonly delayMs: number;
  /** Time between the frame's arrival and its acknowledgement, as far as is known: the page or its decoder is busy. */
  readonly pageMs: number;
  /** Delivery rate since the frame was sent, in bits per second; the link may be able to carry more. */
  readonly bitsPerSecond: number;
}

/**
 * Estimates a viewer's link from its acknowledgements, in the terms used by BBR: minimum round trip, queueing delay,
 * and delivery rate. The delivery rate is the throughput of the link only while the link is saturated; otherwise the
 * capacity has a lower bound, because the transmission of a frame took at most the time by which its round trip exceeds
 * the minimum ping.
 */
export class LinkEstimator {
  readonly #minimum = new WindowedMinimum();
  /** Minimum round trip of pings alone, whose transmission takes no time. */
  readonly #minimumPing = new WindowedMinimum();
  /** Latest round trips of pings, oldest first. */
  readonly #pings: number[] = [];
  #jitterMs = 0;
  /** Latest idle pings, oldest first. */
  #idlePings: { readonly ms: number; readonly atMs: number }[] = [];
  /** Upper quartile of their round trips. */
  #idleMs = 0;
  #deliveredBytes = 0;
  #deliveredAtMs = 0;
  /**
   * Lower bounds of the capacity, ascending in time and descending in value. The highest one within
   * `CAPACITY_WINDOW_MS` counts.
   */
  #capacities: { readonly bitsPerSecond: number; readonly atMs: number }[] = [];

  /** Records a round trip of a small message, such as a ping. */
  roundTrip(ms: number, nowMs: number): void {
    this.#minimum.add(ms, nowMs);
    this.#minimumPing.add(ms, nowMs);
    this.#pings.push(ms);
    if (this.#pings.length > JITTER_PINGS) this.#pings.shift();
    const sorted = this.#pings.toSorted((a, b) => a - b);
    this.#jitterMs = (sorted[Math.floor(sorted.length / 2)] ?? ms) - (sorted[0] ?? ms);
  }

  /** Records the round trip of a ping that was sent while no frame was in flight, in addition to `roundTrip`. */
  idleRoundTrip(ms: number, nowMs: number): void {
    this.#idlePings = [...this.#idlePings.slice(1 - IDLE_PINGS), { ms, atMs: nowMs }].filter(
      ({ atMs }) => nowMs - atMs <= IDLE_PING_MS,
    );
    const sorted = this.#idlePings.map((ping) => ping.ms).toSorted((a, b) => a - b);
    this.#idleMs = sorted[Math.floor(sorted.length * 0.75)] ?? ms;
  }

  /** Minimum round trip of the last 5 to 10 s; 0 while unknown. */
  minimumMs(nowMs: number): number {
    return this.#minimum.get(nowMs) ?? 0;
  }

  /**
   * Current round trip of a message that does not wait behind a frame: the upper quartile of the latest idle pings, and
   * at least the minimum round trip. On a machine with too little processor time, or beside other traffic, it is much
   * longer than the minimum, and smaller frames would not shorten it.
   */
  baseMs(nowMs: number): number {
    const latest = this.#idlePings.at(-1);
    const isRecent = latest !== undefined && nowMs - latest.atMs <= IDLE_PING_MS;
    return Math.max(this.minimumMs(nowMs), isRecent ? this.#idleMs : 0);
  }

  /** Whether {@link LinkEstimator.baseMs} is much longer than the minimum, and was not measured recently. */
  needsIdlePing(nowMs: number): boolean {
    const latest = this.#idlePings.at(-1);
    return (
      latest !== undefined &&
      nowMs - latest.atMs > IDLE_PING_INTERVAL_MS &&
      this.baseMs(nowMs) > this.minimumMs(nowMs) + RAISED_MS
    );
  }

  /** Call when a frame is sent, and pass the result to {@link LinkEstimator.delivered} when it is acknowledged. */
  sent(isIdle: boolean, nowMs: number): SendState {
    return { deliveredBytes: this.#deliveredBytes, deliveredAtMs: isIdle ? nowMs : this.#deliveredAtMs };
  }

  /**
   * @param newest the newest acknowledged frame.
   * @param bytes of all frames that were acknowledged together.
   * @param arrivedAtMs when the acknowledgement of `newest` would have arrived if the viewer had sent it
   *   immediately.
   */
  delivered(
    newest: { readonly sequence: number; readonly bytes: number; readonly sentAtMs: number; readonly state: SendState },
    bytes: number,
    arrivedAtMs: number,
    nowMs: number,
  ): Delivery {
    const roundTripMs = Math.max(0, arrivedAtMs - newest.sentAtMs);
    this.#minimum.add(roundTripMs, nowMs);
    this.#deliveredBytes += bytes;
    this.#deliveredAtMs = nowMs;
    const delayMs = Math.max(0, roundTripMs - this.baseMs(nowMs));
    this.#addCapacity(newest.bytes, roundTripMs, nowMs);
    const seconds = Math.max(1, arrivedAtMs - newest.state.deliveredAtMs) / 1000;
    return {
      sequence: newest.sequence,
      bytes,
      sentAtMs: newest.sentAtMs,
      delayMs,
      pageMs: nowMs - arrivedAtMs,
      bitsPerSecond: ((this.#deliveredBytes - newest.state.deliveredBytes) * 8) / seconds,
    };
  }

  /** Lower bound of the link's capacity over the last `windowMs`, in bits per second; null if there was no delivery. */
  capacity(nowMs: number, windowMs = CAPACITY_WINDOW_MS): number | null {
    while (this.#capacities[0] !== undefined && nowMs - this.#capacities[0].atMs > CAPACITY_WINDOW_MS)
      this.#capacities.shift();
    return this.#capacities.find(({ atMs }) => nowMs - atMs <= windowMs)?.bitsPerSecond ?? null;
  }

  /** Discards the lower bounds: the link has become slower. */
  slowed(): void {
    this.#capacities = [];
  }

  /**
   * Adds a lower bound of the capacity: the transmission of the frame took at most the time by which its round trip
   * exceeds that of a ping. The minimum round trip of frames cannot be used, because it contains the transmission of a
   * frame.
   */
  #addCapacity(bytes: number, roundTripMs: number, nowMs: number): void {
    const pingMs = this.#minimumPing.get(nowMs);
    // No ping is known, or all pings were delayed by something other than frames.
    if (pingMs === undefined || roundTripMs < pingMs) return;
    const bitsPerSecond =
      (bytes * 8000) / Math.max(JITTER_MS, pingMs * JITTER_FRACTION, this.#jitterMs, roundTripMs - pingMs);
    while ((this.#capacities.at(-1)?.bitsPerSecond ?? Infinity) <= bitsPerSecond) this.#capacities.pop();
    this.#capacities.push({ bitsPerSecond, atMs: nowMs });
  }
}
