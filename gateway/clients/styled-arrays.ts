import { ArrayRenderer } from '../../shared/arrays/array-renderer.ts';
import { type ArrayStyleTexts, parseArrayStyle } from '../../shared/arrays/array-style.ts';
import { BoundedMap } from '../../shared/bounded-map.ts';
import { ConcurrencyLimit } from '../../shared/concurrency-limit.ts';
import { grayOf, renderPixels } from '../codecs/array-pixels.ts';
import type { EncodablePicture } from '../codecs/encode-picture.ts';
import type { Pixels } from '../codecs/jpeg.ts';
import type { Frame } from '../hub/frame.ts';

/** Maximum number of styles of a stream whose automatic range is kept. */
const MAX_STYLES = 8;

/** A style with its automatic range, which follows the frames of one stream. */
class StyledRenderer {
  readonly #renderer: ArrayRenderer;
  /** Renders one array at a time. */
  readonly #turns = new ConcurrencyLimit(1);
  #lastSequence = 0;

  constructor(style: ArrayStyleTexts) {
    this.#renderer = new ArrayRenderer(parseArrayStyle(style), 'bgra');
  }

  pixels(frame: Frame, isGrayAllowed: boolean): Promise<Pixels> {
    return this.#turns.run(async () => {
      const isNext = frame.sequence > this.#lastSequence;
      if (isNext) this.#lastSequence = frame.sequence;
      const pixels = await renderPixels(this.#renderer, frame, isNext);
      const isGray =
        isGrayAllowed && this.#renderer.isGray && frame.encoding.kind === 'raw' && (frame.encoding.shape[2] ?? 1) === 1;
      return isGray ? await grayOf(pixels) : pixels;
    });
  }
}

/** Arrays of one stream as pixels, for MJPEG and snapshots: both show a frame with the same range. */
export class StyledArrays {
  readonly #renderers = new BoundedMap<string, StyledRenderer>(MAX_STYLES);

  /**
   * A raw frame as pixels.
   *
   * @param style valid: see {@link parseArrayStyle}.
   * @param isGrayAllowed whether gray pictures may have one channel. They then lose their transparency.
   * @throws {GearwayError} `dtype-unsupported`, `channels-unsupported`, `frame-encoded`.
   */
  pixels(frame: Frame, style: ArrayStyleTexts, isGrayAllowed: boolean): Promise<Pixels> {
    return this.#rendererOf(frame, style).pixels(frame, isGrayAllowed);
  }

  /**
   * A frame for encoders of JPEGs and of 8-bit samples: the frame itself if it is suitable, otherwise its pixels.
   *
   * @param isGrayAllowed see {@link pixels}.
   */
  async eightBit(frame: Frame, style: ArrayStyleTexts, isGrayAllowed: boolean): Promise<EncodablePicture> {
    const { encoding } = frame;
    if (encoding.kind === 'jpeg' || (encoding.dtype === 'uint8' && isDefaultStyle(style))) return frame;
    const { data, width, height, channels } = await this.pixels(frame, style, isGrayAllowed);
    return {
      encoding: { kind: 'raw', dtype: 'uint8', shape: [height, width, channels] },
      payload: data,
      width,
      height,
    };
  }

  #rendererOf({ sequence }: Frame, style: ArrayStyleTexts): StyledRenderer {
    // Arrays that clients return are not frames of the stream, and have no number.
    if (sequence === 0) return new StyledRenderer(style);
    const key = styleKey(style);
    const renderer = this.#renderers.get(key) ?? new StyledRenderer(style);
    this.#renderers.set(key, renderer);
    return renderer;
  }
}

/** Key of a style: equal styles have the same key. */
export function styleKey(style: ArrayStyleTexts): string {
  return JSON.stringify(Object.entries(style).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Whether a style changes nothing. */
export function isDefaultStyle(style: ArrayStyleTexts): boolean {
  return Object.keys(style).length === 0;
}
