import type { Sendable } from '../netgear/picture.ts';
import { publishPicture } from './publish-picture.ts';
import type { SourceSink } from './source.ts';

interface PicturePublisherOptions {
  readonly sink: SourceSink;
  /**
   * Whether JPEGs are sent to NetGear clients without verification, because FFmpeg has encoded them, or verification is
   * disabled.
   */
  readonly isTrusted: boolean;
  readonly onPublished: () => void;
  /** Called at most once, if the first pictures were all malformed, or NetGear clients could decode none of them. */
  readonly onAllInvalid: () => void;
}

/** Number of invalid pictures without a valid one after which the source is considered unusable. */
const ALL_INVALID = 10;

/** Publishes the pictures of a program or a camera, and counts valid and invalid ones. */
export class PicturePublisher {
  readonly #options: PicturePublisherOptions;
  #published = 0;
  #rejected = 0;
  #verified = 0;
  #refused = 0;
  #isClosed = false;

  constructor(options: PicturePublisherOptions) {
    this.#options = options;
  }

  get published(): number {
    return this.#published;
  }

  /** Whether there were pictures, and all verified ones are invalid. */
  get allFramesInvalid(): boolean {
    if (this.#published === 0) return this.#rejected > 0;
    return this.#verified === 0 && this.#refused > 0;
  }

  offer(picture: Sendable): void {
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

  /** Stops publishing; no callback is called afterwards. */
  close(): void {
    this.#isClosed = true;
  }

  readonly #onVerified = (isGood: boolean): void => {
    if (isGood) this.#verified += 1;
    else this.#refused += 1;
    if (!this.#isClosed && this.#verified === 0 && this.#refused === ALL_INVALID) this.#options.onAllInvalid();
  };
}
