import { ArrayRenderer } from '../../../shared/arrays/array-renderer.ts';
import { type ArrayStyleTexts, parseArrayStyle } from '../../../shared/arrays/array-style.ts';
import { errorText } from '../../../shared/errors.ts';
import type { FrameMessage } from '../../../shared/protocol.ts';
import type { DecodedPicture } from '../painter.ts';
import type { ShownArray } from './shown-array.ts';

/** Decodes raw frames of one stream, in the file that is loaded when the first one arrives. */
export class ArrayDecoder {
  readonly #renderer = new ArrayRenderer(parseArrayStyle({}));
  readonly #onShown: (shown: ShownArray) => void;
  #problem: string | null = null;
  #shownKey = '';
  #styleNumber = 0;

  /** @param onShown called when an array is decoded with another range, type or style than the one before. */
  constructor(onShown: (shown: ShownArray) => void) {
    this.#onShown = onShown;
  }

  /** Sets how arrays are shown. An invalid style is replaced by the default, and reported with the next array. */
  setStyle(texts: ArrayStyleTexts): void {
    this.#styleNumber += 1;
    this.#problem = null;
    try {
      this.#renderer.style = parseArrayStyle(texts);
    } catch (error) {
      this.#problem = errorText(error);
      this.#renderer.style = parseArrayStyle({});
    }
  }

  /**
   * @param isNext whether the frame is a new one of the stream, which the automatic range follows.
   * @throws {GearwayError} `dtype-unsupported`, `channels-unsupported`, `array-misfit`.
   */
  decode(frame: FrameMessage, isNext = true): DecodedPicture {
    const { width, height } = frame;
    const shown = this.#renderer.prepare(frame, isNext);
    const source = new ImageData(width, height);
    this.#renderer.render(0, width * height, new Uint32Array(source.data.buffer));
    const key = `${this.#styleNumber} ${shown.dtype} ${shown.channels} ${shown.low} ${shown.high}`;
    if (key !== this.#shownKey) {
      this.#shownKey = key;
      this.#onShown({ ...shown, colors: this.#renderer.colors, problem: this.#problem });
    }
    return { source, width, height, close: () => undefined };
  }

  /** The next array is not a successor of the last one: the automatic range begins again, and is reported. */
  reset(): void {
    this.#shownKey = '';
    this.#renderer.reset();
  }
}
