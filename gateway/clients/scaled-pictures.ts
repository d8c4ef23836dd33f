import type { ArrayStyleTexts } from '../../shared/arrays/array-style.ts';
import { GearwayError } from '../../shared/errors.ts';
import type { EncodedPicture, PictureFormat } from '../codecs/encode-picture.ts';
import type { Frame } from '../hub/frame.ts';
import { FrameResults } from './frame-results.ts';
import { scaleJpeg } from './scale-jpeg.ts';
import { StyledArrays, styleKey } from './styled-arrays.ts';

/** How a stream's pictures are scaled and compressed, and, if they are arrays, styled; at least one property is set. */
export interface Scaling extends Pick<PictureFormat, 'width' | 'quality'> {
  /** Valid. Absent: the default. */
  readonly style?: ArrayStyleTexts;
}

/**
 * Maximum number of different scalings in use, per stream and in all streams. Each costs up to one encoding per frame.
 */
export const SCALING_LIMITS = { perStream: 8, total: 32 } as const;

/**
 * Scaled JPEGs of all streams, each made once per frame and scaling for all clients that use it. Nothing is encoded
 * ahead or queued: clients request the frame that they send next, so if the encoder is slower than the source, frames
 * are skipped.
 */
export class ScaledPictures {
  readonly #encoded = new FrameResults<EncodedPicture>();
  /** Number of users by scaling, by stream. */
  readonly #uses = new Map<string, Map<string, number>>();

  /** Number of different scalings in use. */
  get size(): number {
    return [...this.#uses.values()].reduce((sum, uses) => sum + uses.size, 0);
  }

  /**
   * Begins to use a scaling. The caller releases it.
   *
   * @param stream name of the stream.
   * @param arrays renders the arrays of the stream. Pass the object that its other pictures use, so that all are shown
   * with the same range.
   * @throws {GearwayError} `too-many` if a limit on the number of scalings is reached.
   */
  acquire(stream: string, scaling: Scaling, arrays = new StyledArrays()): ScaledStream {
    const uses = this.#uses.get(stream) ?? new Map<string, number>();
    const key = `${scaling.width} ${scaling.quality} ${styleKey(scaling.style ?? {})}`;
    const users = uses.get(key) ?? 0;
    if (users === 0) {
      const { perStream, total } = SCALING_LIMITS;
      if (uses.size >= perStream)
        throw new GearwayError(
          'too-many',
          `${perStream} different sizes, qualities and styles of the stream ${stream} are in use; ask for one of them, or retry later`,
        );
      if (this.size >= total)
        throw new GearwayError('too-many', `${total} different sizes, qualities and styles are in use; retry later`);
    }
    this.#uses.set(stream, uses.set(key, users + 1));
    const release = (): void => {
      const left = (uses.get(key) ?? 0) - 1;
      if (left > 0) uses.set(key, left);
      else uses.delete(key);
      if (uses.size === 0) this.#uses.delete(stream);
    };
    const { width, quality, style = {} } = scaling;
    const encode = (frame: Frame): Promise<EncodedPicture> =>
      this.#encoded.get(frame, key, () => scaleJpeg(() => arrays.eightBit(frame, style, true), { width, quality }));
    return new ScaledStream(encode, release);
  }
}

/** One client's use of a scaling. */
class ScaledStream {
  readonly #encode: (frame: Frame) => Promise<EncodedPicture>;
  readonly #release: () => void;
  #isReleased = false;

  constructor(encode: (frame: Frame) => Promise<EncodedPicture>, release: () => void) {
    this.#encode = encode;
    this.#release = release;
  }

  /** The frame as a scaled JPEG with its size. Rejects with the codes of `encodePicture`. */
  encode(frame: Frame): Promise<EncodedPicture> {
    return this.#encode(frame);
  }

  /** The JPEG alone. */
  async jpeg(frame: Frame): Promise<Uint8Array> {
    return (await this.#encode(frame)).data;
  }

  /** Idempotent. Running encodings are finished. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#release();
  }
}
