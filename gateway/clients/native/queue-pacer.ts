import { WindowedMinimum } from '../../hub/windowed-minimum.ts';

/** Length of the queue in NetGear's receiver, which answers each frame before it enters the queue. */
const QUEUE_FRAMES = 96;

/** Number of consecutive slow replies, and minimum duration, that indicate a full queue. */
const SLOW_REPLIES = 8;
const SLOW_MS = 800;

/** Fraction of the program's own rate that is sent, so that frames left in the queue are drained. */
const SHARE_OF_USER_RATE = 0.9;

/** Interval between frames while the queue drains: a client that receives nothing for 12 s disconnects. */
const DRAINING_INTERVAL_MS = 3000;

/** Minimum assumed rate of a program, in fps: a slower one cannot be distinguished from a stopped one. */
const MIN_USER_RATE = 0.5;

/**
 * Back-off before the full rate is retried. A failed retry costs a full queue to drain, so the interval doubles each
 * time.
 */
const MIN_RETRY_MS = 60_000;
const RETRY_AFTER_DRAINS = 6;
const MAX_RETRY_MS = 3_600_000;

/** Time at the full rate after which the back-off starts over. */
const FORGIVEN_AFTER_MS = 600_000;

interface QueuePacerOptions {
  /** In fps; Infinity for no limit. */
  readonly maxFramesPerSecond: number;
  /** Whether to detect a full queue. False (`pace: off`) for a recorder, which needs every frame. */
  readonly detectsFullQueue: boolean;
}

/**
 * `free`: every frame is sent; `draining`: few frames until the queue is empty; `paced`: fewer than the program reads.
 */
type Phase =
  | { readonly kind: 'free' }
  | { readonly kind: 'draining'; readonly untilMs: number; readonly userRate: number }
  | { readonly kind: 'paced'; readonly userRate: number };

/**
 * Limits the frame rate of a native client to what its program reads.
 *
 * NetGear's receiver hides a slow program behind a FIFO queue of 96 frames: a program that reads 10 fps of 30 fps gets
 * frames that are seconds old. Replies are fast until the queue is full; then each one is delayed until the program
 * reads a frame. The pacer detects this, derives the program's rate, pauses until the queue is empty, and then sends
 * slightly fewer frames than the program reads.
 */
export class QueuePacer {
  readonly #options: QueuePacerOptions;
  readonly #minimumMs = new WindowedMinimum();
  #phase: Phase = { kind: 'free' };
  #dueAtMs = -Infinity;
  /**
   * Number of frames sent since the queue was certainly empty. While it is lower than the length of the queue, the
   * queue cannot be full.
   */
  #sentSinceEmpty = 0;
  #slow: { readonly sinceMs: number; count: number } | null = null;
  #retryAtMs = Infinity;
  #retryMs = MIN_RETRY_MS;

  constructor(options: QueuePacerOptions) {
    this.#options = options;
  }

  /** Whether the next frame may be sent. */
  isDue(nowMs: number): boolean {
    this.#advance(nowMs);
    return nowMs >= this.#dueAtMs;
  }

  sent(nowMs: number): void {
    this.#sentSinceEmpty += 1;
    const rate = this.#rate();
    if (rate === Infinity) return;
    const intervalMs = 1000 / rate;
    // Relative to the due time, so that slightly late frames do not lower the rate.
    this.#dueAtMs = Math.max(this.#dueAtMs, nowMs - intervalMs) + intervalMs;
  }

  /** Minimum round trip of the last seconds; undefined without replies. */
  minimumMs(nowMs: number): number | undefined {
    return this.#minimumMs.get(nowMs);
  }

  /** Records a reply. @param inFlight number of frames still unanswered. */
  replied(roundTripMs: number, inFlight: number, nowMs: number): void {
    const minimumMs = this.#minimumMs.get(nowMs);
    this.#minimumMs.add(roundTripMs, nowMs);
    if (!this.#options.detectsFullQueue) return;
    if (
      minimumMs === undefined ||
      this.#phase.kind === 'draining' ||
      this.#sentSinceEmpty < QUEUE_FRAMES ||
      roundTripMs < 4 * minimumMs + 15
    ) {
      this.#slow = null;
      return;
    }
    if (this.#slow === null) {
      this.#slow = { sinceMs: nowMs, count: 0 };
      return;
    }
    this.#slow.count += 1;
    const tookMs = nowMs - this.#slow.sinceMs;
    if (this.#slow.count < SLOW_REPLIES || tookMs < SLOW_MS) return;
    this.#drain(Math.max(MIN_USER_RATE, (1000 * this.#slow.count) / tookMs), inFlight, nowMs);
  }

  /** Starts over after a reconnect: the client has an empty queue, or is a different client. */
  reset(): void {
    this.#phase = { kind: 'free' };
    this.#slow = null;
    this.#sentSinceEmpty = 0;
    this.#dueAtMs = -Infinity;
    this.#retryAtMs = Infinity;
    this.#retryMs = MIN_RETRY_MS;
  }

  /** Why the client gets fewer frames than the stream has, as a sentence; null if it gets all. */
  reason(): string | null {
    const { maxFramesPerSecond } = this.#options;
    switch (this.#phase.kind) {
      case 'free':
        return maxFramesPerSecond === Infinity ? null : `limited to ${maxFramesPerSecond} fps`;
      case 'draining':
        return `queue full (reads ${show(this.#phase.userRate)} fps); draining, one frame per ${DRAINING_INTERVAL_MS / 1000} s`;
      case 'paced':
        return `reads ${show(this.#phase.userRate)} fps; limited to ${show(this.#rate())} fps to stay current`;
      default:
        return this.#phase satisfies never;
    }
  }

  #rate(): number {
    const { maxFramesPerSecond } = this.#options;
    if (this.#phase.kind === 'free') return maxFramesPerSecond;
    if (this.#phase.kind === 'draining') return 1000 / DRAINING_INTERVAL_MS;
    return Math.min(maxFramesPerSecond, SHARE_OF_USER_RATE * this.#phase.userRate);
  }

  #drain(userRate: number, inFlight: number, nowMs: number): void {
    const emptiesPerSecond = Math.max(0.1, userRate - 1000 / DRAINING_INTERVAL_MS);
    const drainMs = ((QUEUE_FRAMES + inFlight) * 1000) / emptiesPerSecond;
    const isNew = this.#retryAtMs === Infinity || nowMs - this.#retryAtMs > FORGIVEN_AFTER_MS;
    this.#retryMs = isNew
      ? Math.max(MIN_RETRY_MS, RETRY_AFTER_DRAINS * drainMs)
      : Math.min(MAX_RETRY_MS, 2 * this.#retryMs);
    this.#phase = { kind: 'draining', untilMs: nowMs + drainMs, userRate };
    this.#retryAtMs = this.#phase.untilMs + this.#retryMs;
    this.#slow = null;
    this.#dueAtMs = nowMs + DRAINING_INTERVAL_MS;
  }

  #advance(nowMs: number): void {
    if (this.#phase.kind === 'draining' && nowMs >= this.#phase.untilMs) {
      this.#phase = { kind: 'paced', userRate: this.#phase.userRate };
      this.#sentSinceEmpty = 0;
      this.#dueAtMs = nowMs;
    } else if (this.#phase.kind === 'paced' && nowMs >= this.#retryAtMs) {
      this.#phase = { kind: 'free' };
      this.#dueAtMs = nowMs;
    }
  }
}

function show(rate: number): string {
  return rate.toFixed(rate < 9.95 ? 1 : 0);
}
