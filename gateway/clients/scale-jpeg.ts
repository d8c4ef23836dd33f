import { ConcurrencyLimit } from '../../shared/concurrency-limit.ts';
import type { EncodablePicture, EncodedPicture, PictureFormat } from '../codecs/encode-picture.ts';

/** Shared by the whole gateway: half of the thread pool, because other work uses the pool too. */
const scalings = new ConcurrencyLimit(2);

/**
 * A frame as a scaled JPEG, for viewers with slow links and MJPEG clients. Waits while two others are being made.
 *
 * @param picture called when it is its turn.
 * @throws {GearwayError} see `encodePicture`.
 */
export function scaleJpeg(
  picture: () => EncodablePicture | Promise<EncodablePicture>,
  options: Pick<PictureFormat, 'width' | 'quality'>,
): Promise<EncodedPicture> {
  return scalings.run(async () => {
    // Loaded on demand: sharp is slow to load, and most gateways never need it.
    const { encodePicture } = await import('../codecs/encode-picture.ts');
    return encodePicture(await picture(), { ...options, format: 'jpg' });
  });
}
