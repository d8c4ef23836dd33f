import { ConcurrencyLimit } from '../../shared/concurrency-limit.ts';
import { FRAME_LIMITS } from '../../shared/frame.ts';
import { GearwayError } from '../../shared/errors.ts';

const QUALITY = 90;

/** Maximum number of concurrent encodings in the whole gateway: half of the thread pool, which other work uses, too. */
const encodings = new ConcurrencyLimit(2);

/** Timeout of one encoding. */
const MAX_SECONDS = 10;

/**
 * Decodes a JPEG and encodes it as baseline, for clients that cannot decode its kind: arithmetic coding, lossless.
 * Keeps the size and the EXIF orientation. Runs on the thread pool, and waits while two others run.
 *
 * @throws {GearwayError} `jpeg-unsupported` if the JPEG is damaged, or the gateway cannot decode it either.
 */
export async function encodeBaseline(jpeg: Uint8Array): Promise<Uint8Array> {
  return encodings.run(async () => {
    try {
      // Loaded on demand: sharp is slow to load, and few streams need it.
      const { default: sharp } = await import('sharp');
      const image = sharp(jpeg, { limitInputPixels: FRAME_LIMITS.pixels, failOn: 'error' }).timeout({
        seconds: MAX_SECONDS,
      });
      return await image.toColourspace('srgb').keepExif().jpeg({ quality: QUALITY }).toBuffer();
    } catch (error) {
      throw new GearwayError('jpeg-unsupported', 'the gateway cannot decode this JPEG either', { cause: error });
    }
  });
}
