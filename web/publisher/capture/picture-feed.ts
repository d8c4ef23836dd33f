import { runInBackground } from '../../background.ts';
import { FrameClock } from './frame-clock.ts';
import type { CapturedPicture } from '../publisher-messages.ts';
import type { RateLimit } from './rate-limit.ts';

/** Where a session's pictures come from. */
export interface PictureFeed {
  /** Since when it has given nothing though it should, by `performance.now()`; null while nothing is awaited. */
  readonly silentSinceMs: number | null;
  /** The limit was started again: the next picture is wanted at once. */
  restarted(): void;
  /** Nothing is offered afterwards. Idempotent. */
  close(): void;
}

/** What a feed needs of its session. */
export interface FeedSink {
  readonly limit: RateLimit;
  /** Whether a picture would be encoded at once. */
  isReady(): boolean;
  /** Takes a picture that is due. */
  offer(picture: CapturedPicture): void;
  /** One was due, and is not made at all. */
  skip(): void;
}

/** A camera's own frames, each as it comes. */
export class FrameFeed implements PictureFeed {
  readonly #sink: FeedSink;
  readonly #clock = new FrameClock();
  readonly #reader: ReadableStreamDefaultReader<VideoFrame>;
  readonly #release: () => void;
  #seenAtMs = performance.now();
  #closed = false;

  /** @param release called once, when nothing is read any more. */
  constructor(readable: ReadableStream<VideoFrame>, sink: FeedSink, release: () => void = () => undefined) {
    this.#sink = sink;
    this.#release = release;
    this.#reader = readable.getReader();
    runInBackground(this.#read());
  }

  /** A camera gives pictures whether they are due or not. */
  get silentSinceMs(): number {
    return this.#seenAtMs;
  }

  restarted(): void {
    // It comes by itself.
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // A stream that has failed is closed already.
    this.#reader.cancel().catch(() => undefined);
    this.#release();
  }

  async #read(): Promise<void> {
    try {
      for (let next = await this.#reader.read(); !next.done; next = await this.#reader.read()) this.#take(next.value);
    } catch {
      // The camera has gone, which the page hears of its track.
    }
  }

  #take(frame: VideoFrame): void {
    const cameraMs = frame.timestamp / 1000;
    const takenAtMs = this.#clock.takenAtMs(cameraMs, Date.now());
    this.#seenAtMs = performance.now();
    if (this.#closed || !this.#sink.limit.take(cameraMs)) {
      // Cameras have few of them, and stop when all are held.
      frame.close();
      return;
    }
    this.#sink.offer({ source: frame, width: frame.displayWidth, height: frame.displayHeight, takenAtMs, close: () => frame.close() });
  }
}

/** Pictures that the page makes of its video, each when it is asked for: where a browser gives frames to nobody else. */
export class AskedFeed implements PictureFeed {
  readonly #sink: FeedSink;
  readonly #ask: () => void;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #askedAtMs: number | null = null;
  #closed = false;

  constructor(ask: () => void, sink: FeedSink) {
    this.#ask = ask;
    this.#sink = sink;
    this.#plan();
  }

  get silentSinceMs(): number | null {
    return this.#askedAtMs;
  }

  restarted(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#plan();
  }

  /** The answer. */
  picture(bitmap: ImageBitmap, takenAtMs: number | null): void {
    // One that was asked for by the feed before this one.
    if (this.#closed || this.#askedAtMs === null) {
      bitmap.close();
      return;
    }
    this.#askedAtMs = null;
    this.#sink.offer({ source: bitmap, width: bitmap.width, height: bitmap.height, takenAtMs, close: () => bitmap.close() });
    this.#plan();
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #plan(): void {
    if (this.#closed || this.#askedAtMs !== null || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#due();
    }, this.#sink.limit.waitMs(performance.now()));
  }

  #due(): void {
    if (!this.#sink.limit.take(performance.now())) {
      this.#plan();
      return;
    }
    if (this.#sink.isReady()) {
      this.#askedAtMs = performance.now();
      this.#ask();
      return;
    }
    this.#sink.skip();
    this.#plan();
  }
}
