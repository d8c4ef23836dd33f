import { FRAME_LIMITS } from '../../../shared/frame.ts';
import { errorText, GearwayError } from '../../../shared/errors.ts';
import { checkNDArray, type NDArray } from '../../../shared/ndarray.ts';
import { readJpegHeader } from '../../codecs/jpeg-header.ts';
import type { Sendable } from '../../netgear/picture.ts';
import { isBmp, readBmp } from '../../codecs/bmp-file.ts';
import { JpegSequenceReader } from '../../codecs/jpeg-sequence-reader.ts';
import { isNpy, readNpy } from '../../codecs/npy.ts';

/** Names of files that can be frames. Hidden ones are somebody's own, such as the half of a file that rsync has. */
export const IMAGE_NAME = /^[^.].*\.(?:jpe?g|png|bmp|webp|tiff?|npy)$/is;

/** What files begin with that the library decodes. It knows more formats, among them some that can name other files. */
const DECODED: readonly RegExp[] = [/^\x89PNG\r\n\x1a\n/, /^RIFF[\s\S]{4}WEBP/, /^II[*+]\0/, /^MM\0[*+]/];

/**
 * Makes a frame of an image file's bytes: a JPEG stays as it is, `.npy` is read in place, PNG, BMP, WebP and TIFF are decoded, to gray
 * or BGR with 8 or 16 bits a sample, as they have them.
 *
 * @throws {GearwayError} `image-invalid`, `jpeg-invalid`, `npy-invalid`, `array-misfit`, `dtype-unknown`, `shape-invalid` for what is none, or not all of it.
 */
export async function readImage(bytes: Uint8Array): Promise<Sendable> {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return readJpeg(bytes);
  if (isNpy(bytes)) {
    const array = readNpy(bytes);
    checkNDArray(array);
    return array;
  }
  if (isBmp(bytes)) return readBmp(bytes);
  const begin = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 16)).toString('latin1');
  if (!DECODED.some((magic) => magic.test(begin))) throw new GearwayError('image-invalid', 'the file does not begin as JPEG, PNG, BMP, WebP, TIFF or .npy do');
  try {
    return await decode(bytes);
  } catch (error) {
    if (error instanceof GearwayError) throw error;
    throw new GearwayError('image-invalid', `the file cannot be decoded, or not all of it is there: ${errorText(error).split('\n', 1).join()}`, { cause: error });
  }
}

/** @returns the JPEG alone: phones put more behind it, such as a short film. */
function readJpeg(bytes: Uint8Array): Uint8Array {
  try {
    readJpegHeader(bytes);
    return bytes;
  } catch (error) {
    const first = firstJpeg(bytes);
    if (first === null) throw error;
    readJpegHeader(first);
    return first;
  }
}

function firstJpeg(bytes: Uint8Array): Uint8Array | null {
  const found: Uint8Array[] = [];
  const reader = new JpegSequenceReader({ maxJpegBytes: bytes.byteLength, onJpeg: (jpeg) => found.push(jpeg) });
  try {
    reader.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  } catch {
    // What stands behind the JPEG is none.
  }
  return found[0] ?? null;
}

/** For one file. Large ones take two or three on a desktop machine. */
const MAX_SECONDS = 15;

async function decode(bytes: Uint8Array): Promise<NDArray> {
  // Loading it takes a fifth of the time that the gateway needs to start, and JPEGs do without.
  const { default: sharp } = await import('sharp');
  // What it would remember is never asked for again.
  sharp.cache(false);
  // Samples as they stand in the file: a colour profile would change them.
  const image = sharp(bytes, { limitInputPixels: FRAME_LIMITS.pixels, failOn: 'error', ignoreIcc: true }).timeout({ seconds: MAX_SECONDS });
  const { depth, space } = await image.metadata();
  if (depth !== 'uchar' && depth !== 'ushort') throw new GearwayError('image-invalid', `the samples are of ${depth}, expected 8 or 16 bits; other ones can be saved as .npy`);
  const isDeep = depth === 'ushort';
  const isGray = space === 'b-w' || space === 'grey16';
  const colourspace = isGray ? (isDeep ? 'grey16' : 'b-w') : isDeep ? 'rgb16' : 'srgb';
  const { data, info } = await image.removeAlpha().toColourspace(colourspace).raw({ depth }).toBuffer({ resolveWithObject: true });
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
