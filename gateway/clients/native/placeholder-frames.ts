import { runInBackground } from '../../../shared/background.ts';
import { errorText } from '../../../shared/errors.ts';
import type { Logger } from '../../../shared/logger.ts';
import type { Frame, FrameSize } from '../../hub/frame.ts';
import type { Stream } from '../../hub/stream.ts';

/** How long a client waits for a frame before it gets a placeholder, if the stream has had frames. */
const WAIT_MS = 2000;

/**
 * How long a client waits while the size of the frames is unknown. It is long, because a program may open a video file
 * with the size of its first frame, but shorter than the 12 s after which NetGear times out.
 */
const UNKNOWN_SIZE_WAIT_MS = 8000;

interface PlaceholderOptions {
  readonly stream: Pick<Stream, 'lastSize'>;
  /** @param size of the stream's frames; null if it is not known. */
  readonly create: (size: FrameSize | null) => Promise<Frame>;
  readonly log: Logger;
}

/** Placeholder frames of a stream, in the size of its last frame. Shared by its native clients; drawn on demand. */
export class PlaceholderFrames {
  readonly #options: PlaceholderOptions;
  #frame: Frame | null = null;
  /** The size for which `#frame` was drawn, or is being drawn; undefined before the first one. */
  #size: FrameSize | null | undefined;

  constructor(options: PlaceholderOptions) {
    this.#options = options;
  }

  /** How long a client that has received nothing waits for a frame before it gets a placeholder. */
  get waitMs(): number {
    return this.#options.stream.lastSize === null ? UNKNOWN_SIZE_WAIT_MS : WAIT_MS;
  }

  /**
   * The placeholder in the size of the stream's last frame; null while it is being drawn, which begins with this call.
   */
  get(): Frame | null {
    const { lastSize } = this.#options.stream;
    if (this.#size === undefined || this.#size?.width !== lastSize?.width || this.#size?.height !== lastSize?.height) {
      this.#frame = null;
      this.#size = lastSize;
      runInBackground(this.#draw(lastSize), (error) =>
        this.#options.log.warn({}, `the placeholder frame could not be created: ${errorText(error)}`),
      );
    }
    return this.#frame;
  }

  /** Discards the drawn placeholder, because the source, whose reason it shows, has changed. */
  forget(): void {
    this.#size = undefined;
    this.#frame = null;
  }

  async #draw(size: FrameSize | null): Promise<void> {
    const frame = await this.#options.create(size);
    if (this.#size === size) this.#frame = frame;
  }
}
