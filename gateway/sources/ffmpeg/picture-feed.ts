import type { NDArray } from '../../../shared/ndarray.ts';
import { publishPicture } from '../publish-picture.ts';
import type { SourceSink } from '../source.ts';

export interface PictureFeedOptions {
  readonly sink: SourceSink;
  /** Whether the JPEGs go to NetGear clients without being verified: FFmpeg has encoded them itself, or nobody wants it. */
  readonly isTrusted: boolean;
  readonly onPublished: () => void;
  /** Called at most once: the first pictures were malformed without exception, or NetGear clients could decode none of them. */
  readonly onAllInvalid: () => void;
}

/** Number of pictures, all of them invalid, after which no valid one is expected. */
const ALL_INVALID = 10;

/** A program's pictures on their way into the stream, with a count of the valid ones. */
export class PictureFeed {
  readonly #options: PictureFeedOptions;
  #published = 0;
  #rejected = 0;
  #verified = 0;
  #refused = 0;
  #isClosed = false;

  constructor(options: PictureFeedOptions) {
    this.#options = options;
  }

  get published(): number {
    return this.#published;
  }

  /** Whether there were pictures and all of them were invalid, so far as that was verified. */
  get isAllInvalid(): boolean {
    if (this.#published === 0) return this.#rejected > 0;
    return this.#verified === 0 && this.#refused > 0;
  }

  offer(picture: Buffer | NDArray): void {
    if (this.#isClosed) return;
    const { sink, isTrusted, onPublished } = this.#options;
    try {
      publishPicture(sink, picture, isTrusted ? {} : { onVerified: this.#onVerified }, isTrusted);
      this.#published += 1;
      onPublished();
    } catch (error) {
      sink.reject(error);
      this.#rejected += 1;
      if (this.#published === 0 && this.#rejected === ALL_INVALID) this.#options.onAllInvalid();
    }
  }

  /** Nothing reaches the stream afterwards, and nothing is called. */
  close(): void {
    this.#isClosed = true;
  }

  readonly #onVerified = (isGood: boolean): void => {
    if (isGood) this.#verified += 1;
    else this.#refused += 1;
    if (!this.#isClosed && this.#verified === 0 && this.#refused === ALL_INVALID) this.#options.onAllInvalid();
  };
}
