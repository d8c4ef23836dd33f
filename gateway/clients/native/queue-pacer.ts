import { WindowedMinimum } from '../../hub/windowed-minimum.ts';

/** NetGear's receiver queues so many frames for its user, and answers each before it stands in the queue. */
const QUEUE_FRAMES = 96;

/** So many slow answers in a row, over at least so long, are a full queue, and no hiccup. */
const SLOW_REPLIES = 8;
const SLOW_MS = 800;

/** Below the user's own rate, so that what is left in the queue is worked off. */
const SHARE_OF_USER_RATE = 0.9;

/** A client that hears nothing for 12 s gives up; while its queue drains it gets a frame so often. */
const DRAINING_INTERVAL_MS = 3000;

/** Slower than this a user cannot be told from a stopped one. Frames a second. */
const MIN_USER_RATE = 0.5;

/** When the full rate is tried again: the user may have been slow for once. A try that fails costs a queue to drain; the time doubles with each. */
const MIN_RETRY_MS = 60_000;
const RETRY_AFTER_DRAINS = 6;
const MAX_RETRY_MS = 3_600_000;

/** At the full rate for so long without a full queue: a new one is a new matter. */
const FORGIVEN_AFTER_MS = 600_000;

export interface QueuePacerOptions {
  /** Most frames a second; Infinity for no limit. */
  readonly maxFramesPerSecond: number;
  /** Whether a full queue is looked for; `pace: off` for a recorder, whose queue is the disk's. */
  readonly detectsFullQueue: boolean;
}

/** What a client gets: every frame, one now and then until its queue is empty, or fewer than its user takes. */
type Phase = { readonly kind: 'free' } | { readonly kind: 'draining'; readonly untilMs: number; readonly userRate: number } | { readonly kind: 'paced'; readonly userRate: number };

/**
 * How many frames a native client gets.
 *
 * NetGear's receiver hides a slow user behind a queue of 96 frames, first in, first out: 10 frames/s taken of 30 sent are seconds old, and
 * stay so. The answers are fast until the queue is full; then each waits until the user has taken a frame. That is seen, tells the
 * user's rate, and is answered by a pause until the queue must be empty, and by fewer frames than the user takes from then on.
 */
export class QueuePacer {
  readonly #options: QueuePacerOptions;
  readonly #minimumMs = new WindowedMinimum();
  #phase: Phase = { kind: 'free' };
  #dueAtMs = -Infinity;
  /** Frames since the queue was empty for certain: with fewer than it holds, it is not full. */
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
    // Counted from when it was due, so that frames that come a little late don't add up to a lower rate.
    this.#dueAtMs = Math.max(this.#dueAtMs, nowMs - intervalMs) + intervalMs;
  }

  /** The least time of the last seconds from a frame to its answer; undefined without answers. */
  minimumMs(nowMs: number): number | undefined {
    return this.#minimumMs.get(nowMs);
  }

  /** An answer has come; `inFlight` are still out. */
  replied(roundTripMs: number, inFlight: number, nowMs: number): void {
    const minimumMs = this.#minimumMs.get(nowMs);
    this.#minimumMs.add(roundTripMs, nowMs);
    if (!this.#options.detectsFullQueue) return;
    if (minimumMs === undefined || this.#phase.kind === 'draining' || this.#sentSinceEmpty < QUEUE_FRAMES || roundTripMs < 4 * minimumMs + 15) {
      this.#slow = null;
      return;
    }
    if (this.#slow === null) {
      this.#slow = { sinceMs: nowMs, count: 0 };
      return;
    }
    this.#slow.count += 1;
    const tookMs = nowMs - this.#slow.sinceMs;
    if (this.#slow.count >= SLOW_REPLIES && tookMs >= SLOW_MS) this.#drain(Math.max(MIN_USER_RATE, (1000 * this.#slow.count) / tookMs), inFlight, nowMs);
  }

  /** Another client may be there now, or the same with an empty queue. */
  reset(): void {
    this.#phase = { kind: 'free' };
    this.#slow = null;
    this.#sentSinceEmpty = 0;
    this.#dueAtMs = -Infinity;
    this.#retryAtMs = Infinity;
    this.#retryMs = MIN_RETRY_MS;
  }

  /** Why the client gets fewer frames than there are, as a sentence; null when it gets all. */
  reason(): string | null {
    const { maxFramesPerSecond } = this.#options;
    switch (this.#phase.kind) {
      case 'free':
        return maxFramesPerSecond === Infinity ? null : `gets at most ${maxFramesPerSecond} frames/s`;
      case 'draining':
        return `its queue is full, as its user takes ${show(this.#phase.userRate)} frames/s: it gets one frame in ${DRAINING_INTERVAL_MS / 1000} s until the queue is empty`;
      case 'paced':
        return `gets ${show(this.#rate())} frames/s, as its user takes ${show(this.#phase.userRate)}`;
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
    this.#retryMs = isNew ? Math.max(MIN_RETRY_MS, RETRY_AFTER_DRAINS * drainMs) : Math.min(MAX_RETRY_MS, 2 * this.#retryMs);
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
