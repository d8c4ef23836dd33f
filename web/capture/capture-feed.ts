import { runInBackground } from '../background.ts';
import type { CapturedPicture } from './capture-types.ts';
import type { FeedEvent, FeedSource } from './feed-messages.ts';
import { FrameClock } from './frame-clock.ts';
import type { RateLimit } from './rate-limit.ts';
import { framesOf } from './track-frames.ts';

/** Source of a session's pictures. */
export interface CaptureFeed {
  /** When a picture last arrived or was requested, by `performance.now()`; null while none is expected. */
  readonly silentSinceMs: number | null;
  /** Called when the rate limit was restarted: the next picture is due immediately. */
  limitRestarted(): void;
  /** Stops the feed. Idempotent; no picture is offered afterwards. */
  close(): void;
}

/** The receiver of the pictures. */
export interface FeedSink {
  readonly limit: RateLimit;
  /** Whether a picture would be encoded immediately. */
  isReady(): boolean;
  /** Receives a picture that is due, and owns it. */
  offer(picture: CapturedPicture): void;
  /** Called when a picture is due, but is not captured because the sink is not ready. */
  skip(): void;
}

/**
 * Opens the feed of a session.
 *
 * @param emit sends an event to the page.
 * @returns null if this thread cannot read frames from a track; the event `track-unsupported` was then emitted.
 */
export function openFeed(source: FeedSource, sink: FeedSink, emit: (event: FeedEvent) => void): CaptureFeed | null {
  switch (source.kind) {
    case 'frames':
      return new FrameFeed(source.readable, sink);
    case 'track': {
      const readable = framesOf(source.track);
      if (readable !== null) return new FrameFeed(readable, sink, () => source.track.stop());
      source.track.stop();
      emit({ kind: 'track-unsupported' });
      return null;
    }
    case 'pulled':
      return new PullFeed(() => emit({ kind: 'pull' }), sink);
    default:
      return source satisfies never;
  }
}

/** Reads the frames of a camera as they arrive. */
export class FrameFeed implements CaptureFeed {
  readonly #sink: FeedSink;
  readonly #clock = new FrameClock();
  readonly #reader: ReadableStreamDefaultReader<VideoFrame>;
  readonly #release: () => void;
  #lastFrameAtMs = performance.now();
  #closed = false;

  /** @param release called once, when the feed is closed. */
  constructor(readable: ReadableStream<VideoFrame>, sink: FeedSink, release: () => void = () => undefined) {
    this.#sink = sink;
    this.#release = release;
    this.#reader = readable.getReader();
    runInBackground(this.#read());
  }

  get silentSinceMs(): number {
    return this.#lastFrameAtMs;
  }

  limitRestarted(): void {
    // Nothing to do: a camera delivers frames whether they are due or not, so the next one arrives anyway.
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // Rejects for a failed stream, which is already closed.
    this.#reader.cancel().catch(() => undefined);
    this.#release();
  }

  async #read(): Promise<void> {
    try {
      for (let next = await this.#reader.read(); !next.done; next = await this.#reader.read()) {
        this.#onFrame(next.value);
      }
    } catch {
      // The camera is gone. The track notifies the page.
    }
  }

  #onFrame(frame: VideoFrame): void {
    const cameraMs = frame.timestamp / 1000;
    const capturedAtMs = this.#clock.capturedAtMs(cameraMs, Date.now());
    this.#lastFrameAtMs = performance.now();
    if (this.#closed || !this.#sink.limit.take(cameraMs)) {
      // A camera has few frame buffers, and stops when all are in use.
      frame.close();
      return;
    }
    const { displayWidth: width, displayHeight: height } = frame;
    this.#sink.offer({ source: frame, width, height, capturedAtMs, close: () => frame.close() });
  }
}

/** Requests each picture from the page, which captures it from its video. For browsers without access to frames. */
export class PullFeed implements CaptureFeed {
  readonly #sink: FeedSink;
  readonly #pull: () => void;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #pulledAtMs: number | null = null;
  #closed = false;

  constructor(pull: () => void, sink: FeedSink) {
    this.#pull = pull;
    this.#sink = sink;
    this.#schedule();
  }

  get silentSinceMs(): number | null {
    return this.#pulledAtMs;
  }

  limitRestarted(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#schedule();
  }

  /** Receives the picture that was requested. */
  picture(bitmap: ImageBitmap, capturedAtMs: number | null): void {
    // The feed is closed, or an earlier feed requested the picture.
    if (this.#closed || this.#pulledAtMs === null) {
      bitmap.close();
      return;
    }
    this.#pulledAtMs = null;
    const { width, height } = bitmap;
    this.#sink.offer({ source: bitmap, width, height, capturedAtMs, close: () => bitmap.close() });
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (this.#closed || this.#pulledAtMs !== null || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#onDue();
    }, this.#sink.limit.waitMs(performance.now()));
  }

  #onDue(): void {
    if (!this.#sink.limit.take(performance.now())) {
      this.#schedule();
      return;
    }
    if (this.#sink.isReady()) {
      this.#pulledAtMs = performance.now();
      this.#pull();
      return;
    }
    this.#sink.skip();
    this.#schedule();
  }
}
