import type { NDArray } from '../../../shared/ndarray.ts';
import { publishPicture } from '../publish-picture.ts';
import type { SourceSink } from '../source.ts';
import { JpegChecker } from './jpeg-checker.ts';

export interface PictureFeedOptions {
  readonly sink: SourceSink;
  /** Whether JPEGs are decoded once before they go out. */
  readonly isChecked: boolean;
  /** Whether the newest picture counts where that takes too long, and not each. */
  readonly isLive: boolean;
  readonly onPublished: () => void;
  /** Called once, when the first ones were all bad: no good one will come. */
  readonly onHopeless: () => void;
}

/** So many that are all bad are no accident. */
const HOPELESS = 10;

/** A program's pictures on their way into the stream, and how many were good. */
export class PictureFeed {
  readonly #options: PictureFeedOptions;
  readonly #checker: JpegChecker;
  #published = 0;
  #rejected = 0;

  constructor(options: PictureFeedOptions) {
    this.#options = options;
    this.#checker = new JpegChecker({ isLive: options.isLive, onGood: (jpeg) => this.#publish(jpeg), onBad: (error) => this.#reject(error) });
  }

  get published(): number {
    return this.#published;
  }

  get rejected(): number {
    return this.#rejected;
  }

  offer(picture: Buffer | NDArray): void {
    if (this.#options.isChecked && Buffer.isBuffer(picture)) this.#checker.offer(picture);
    else this.#publish(picture);
  }

  /** When more may be offered; null: at once. */
  ready(): Promise<void> | null {
    return this.#checker.ready();
  }

  /** Resolves when all that was offered is published or rejected. */
  drained(): Promise<void> {
    return this.#checker.drained();
  }

  /** Nothing reaches the stream afterwards. */
  close(): void {
    this.#checker.close();
  }

  #publish(picture: Uint8Array | NDArray): void {
    try {
      publishPicture(this.#options.sink, picture);
      this.#published += 1;
      this.#options.onPublished();
    } catch (error) {
      this.#reject(error);
    }
  }

  #reject(error: unknown): void {
    this.#options.sink.reject(error);
    this.#rejected += 1;
    if (this.#published === 0 && this.#rejected === HOPELESS) this.#options.onHopeless();
  }
}
