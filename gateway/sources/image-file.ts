import { errorText, GearwayError } from '../../shared/errors.ts';
import { DEFAULT_FRAME_LIMITS } from '../netgear/frame-codec.ts';
import { readJpegMarkers } from '../netgear/jpeg-markers.ts';
import type { Sendable } from '../netgear/picture.ts';
import { isNpy, readNpy } from './npy.ts';

/** Names of files that can be frames. */
export const IMAGE_NAME = /\.(?:jpe?g|png|webp|tiff?|npy)$/i;

/**
 * Makes a frame of an image file's bytes: a JPEG stays as it is, `.npy` is read in place, PNG, WebP and TIFF are decoded, to gray
 * or BGR with 8 or 16 bits a sample, as they have them.
 *
 * @throws {GearwayError} `image-invalid` for what is none, or not all of it, and what {@link readNpy} throws.
 */
export async function readImage(bytes: Uint8Array): Promise<Sendable> {
  if (isNpy(bytes)) return readNpy(bytes);
  if (bytes[0] === 0xff && bytes[1] === 0xd8) {
    readJpegMarkers(bytes);
    return bytes;
  }
  try {
    return await decode(bytes);
  } catch (error) {
    throw new GearwayError('image-invalid', `the file is no whole JPEG, PNG, WebP, TIFF or .npy: ${errorText(error).split('\n', 1).join()}`, { cause: error });
  }
}

async function decode(bytes: Uint8Array): Promise<Sendable> {
  // Loading it takes a fifth of the time that the gateway needs to start, and JPEGs do without.
  const { default: sharp } = await import('sharp');
  const image = sharp(bytes, { limitInputPixels: DEFAULT_FRAME_LIMITS.pixels, failOn: 'truncated' });
  const { depth, space } = await image.metadata();
  const isDeep = depth === 'ushort';
  const isGray = space === 'b-w' || space === 'grey16';
  const colourspace = isGray ? (isDeep ? 'grey16' : 'b-w') : isDeep ? 'rgb16' : 'srgb';
  const { data, info } = await image.removeAlpha().toColourspace(colourspace).raw({ depth: isDeep ? 'ushort' : 'uchar' }).toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels === 3) swapRedAndBlue(isDeep ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2) : data);
  return { dtype: isDeep ? 'uint16' : 'uint8', shape: channels === 1 ? [height, width] : [height, width, channels], data };
}

/** In place: RGB becomes BGR. */
function swapRedAndBlue(samples: Uint8Array | Uint16Array): void {
  for (let at = 0; at + 2 < samples.length; at += 3) {
    const red = samples[at] ?? 0;
    samples[at] = samples[at + 2] ?? 0;
    samples[at + 2] = red;
  }
}
