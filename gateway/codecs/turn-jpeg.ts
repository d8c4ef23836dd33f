import type { Sharp } from 'sharp';
import { ConcurrencyLimit } from '../../shared/concurrency-limit.ts';
import { errorText, GearwayError } from '../../shared/errors.ts';
import { FRAME_LIMITS } from '../../shared/frame.ts';
import type { Orientation } from './exif-orientation.ts';
import { readJpegHeader } from './jpeg-header.ts';

/** Operations that make a stored picture upright. sharp mirrors before it rotates. */
const TURNS: Readonly<Record<Orientation, (image: Sharp) => Sharp>> = {
  1: (image) => image,
  2: (image) => image.flop(),
  3: (image) => image.rotate(180),
  4: (image) => image.flip(),
  5: (image) => image.flop().rotate(270),
  6: (image) => image.rotate(90),
  7: (image) => image.flop().rotate(90),
  8: (image) => image.rotate(270),
};

/** The loss is not visible: 50 dB for a camera picture of quality 90, which becomes a fifth larger. */
const QUALITY = 95;

/** Timeout of a picture. 12 megapixels take 0.3 s on a desktop machine. */
const MAX_SECONDS = 15;

/**
 * Maximum number of concurrent rotations in this process: half of the thread pool, which also encodes and reads files.
 */
const turning = new ConcurrencyLimit(2);

/**
 * Rotates a JPEG according to its EXIF orientation, on the thread pool. It is decoded and encoded again, because no
 * available library rotates JPEGs without loss. The result has the colour profile, but no EXIF data. Damaged parts stay
 * as decoders show them.
 *
 * @param jpeg must not change until the promise settles.
 * @throws {GearwayError} `jpeg-invalid`.
 */
export async function turnUpright(jpeg: Uint8Array): Promise<Uint8Array> {
  const { orientation, components, isHalfChroma } = readJpegHeader(jpeg);
  return turning.run(async () => {
    try {
      // Loaded on demand: it takes a fifth of the gateway's start-up time.
      const { default: sharp } = await import('sharp');
      sharp.cache(false);
      sharp.concurrency(1);
      // Does not apply the colour profile, which would change the samples, but keeps it in the result.
      const image = sharp(jpeg, { limitInputPixels: FRAME_LIMITS.pixels, failOn: 'none', ignoreIcc: true })
        .timeout({ seconds: MAX_SECONDS })
        .keepIccProfile();
      const coloured =
        components === 1 ? image.toColourspace('b-w') : components === 4 ? image.toColourspace('cmyk') : image;
      return await TURNS[orientation](coloured)
        .jpeg({ quality: QUALITY, chromaSubsampling: isHalfChroma ? '4:2:0' : '4:4:4' })
        .toBuffer();
    } catch (error) {
      const detail = errorText(error).split('\n', 1).join();
      throw new GearwayError(
        'jpeg-invalid',
        `the JPEG has the EXIF orientation ${orientation}, and cannot be decoded to be rotated: ${detail}`,
        { cause: error },
      );
    }
  });
}
