import type { ArrayStyleTexts } from '../../../shared/arrays/array-style.ts';
import { errorText, GearwayError } from '../../../shared/errors.ts';
import type { FrameMessage } from '../../../shared/protocol.ts';
import type { DecodedPicture } from '../painter.ts';
import type { ArrayDecoder } from './array-decoder.ts';
import type { ShownArray } from './shown-array.ts';

/** Exports of the array decoder's file. */
interface ArraysModule {
  readonly ArrayDecoder: typeof ArrayDecoder;
}

/**
 * Pictures of raw frames. The code for them is a file of its own, `gearway-arrays.js`, which is loaded when the first
 * raw frame arrives.
 */
export class ArrayPictures {
  readonly #load: () => Promise<unknown>;
  readonly #onShown: (shown: ShownArray | null) => void;
  #isShown = false;
  #decoder: Promise<ArrayDecoder> | null = null;
  #style: ArrayStyleTexts = {};

  /**
   * @param load function that imports the file.
   * @param onShown called when an array is decoded with a range, type, unit or style that differs from the previous one, and
   * with null when another picture follows.
   */
  constructor(load: () => Promise<unknown>, onShown: (shown: ShownArray | null) => void) {
    this.#load = load;
    this.#onShown = onShown;
  }

  /** Sets how arrays are shown, from the next array on. */
  async setStyle(style: ArrayStyleTexts): Promise<void> {
    this.#style = style;
    (await this.#decoder)?.setStyle(style);
  }

  /**
   * @param isNext whether the frame is a new one of the stream, which the automatic range follows.
   * @throws {GearwayError} `dtype-unsupported`, `channels-unsupported`, `array-misfit`; `arrays-unavailable` if the
   * file cannot be loaded.
   */
  async decode(frame: FrameMessage, isNext = true): Promise<DecodedPicture> {
    const decoder = await this.decoder();
    try {
      return await decoder.decode(frame, isNext);
    } catch (error) {
      // The loaded file has its own copy of `GearwayError`: `instanceof` would not recognize its errors.
      const code = (error as { readonly code?: unknown } | null)?.code;
      throw typeof code === 'string' ? new GearwayError(code, errorText(error), { cause: error }) : error;
    }
  }

  /** The decoder, loaded on the first call. @throws {GearwayError} `arrays-unavailable`. */
  decoder(): Promise<ArrayDecoder> {
    this.#decoder ??= this.#load().then(
      (module) => {
        const decoder = new (module as ArraysModule).ArrayDecoder((shown) => {
          this.#isShown = true;
          this.#onShown(shown);
        });
        decoder.setStyle(this.#style);
        return decoder;
      },
      (error: unknown) => {
        this.#decoder = null;
        throw new GearwayError(
          'arrays-unavailable',
          `the code for arrays, gearway-arrays.js, could not be loaded: ${errorText(error)}`,
          { cause: error },
        );
      },
    );
    return this.#decoder;
  }

  /** Called for a new connection, or a picture that is not an array: the automatic range starts over. */
  async reset(): Promise<void> {
    if (this.#isShown) {
      this.#isShown = false;
      this.#onShown(null);
    }
    (await this.#decoder)?.reset();
  }
}
