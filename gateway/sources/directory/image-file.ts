import { FRAME_LIMITS } from '../../../shared/frame.ts';
import { errorText, GearwayError } from '../../../shared/errors.ts';
import { checkNDArray, type NDArray } from '../../../shared/ndarray.ts';
import { repairJpeg } from '../../codecs/repair-jpeg.ts';
import { turnUpright } from '../../codecs/turn-jpeg.ts';
import type { Sendable } from '../../netgear/picture.ts';
import { isBmp, readBmp } from '../../codecs/bmp-file.ts';
import { inTurns, SAMPLES_PER_TURN } from '../../codecs/in-turns.ts';
import { isNpy, readNpy } from '../../codecs/npy.ts';

/** File names of images. Dot files are skipped: rsync writes partial files under such names. */
export const IMAGE_NAME = /^[^.].*\.(?:jpe?g|png|bmp|webp|tiff?|npy)$/is;

/** Magic numbers of files that sharp decodes. It supports more formats, but some can refer to other files. */
const DECODED: readonly RegExp[] = [/^\x89PNG\r\n\x1a\n/, /^RIFF[\s\S]{4}WEBP/, /^II[*+]\0/, /^MM\0[*+]/];

/** Whether the first 16 bytes of a file are those of an image other than JPEG. */
export function isImage(bytes: Uint8Array): boolean {
  return isNpy(bytes) || isBmp(bytes) || isDecoded(bytes);
}

/**
 * Converts an image file to an upright frame. A JPEG is decoded only if its EXIF orientation requires it. `.npy` is read
 * without a copy. PNG, BMP, WebP and TIFF are decoded to gray or BGR with 8 or 16 bits per sample, as in the file.
 *
 * @throws {GearwayError} `image-invalid`, `jpeg-invalid`, `npy-invalid`, `array-misfit`, `dtype-unknown`,
 * `shape-invalid` if the file
 *   is invalid or incomplete, `too-large`.
 */
export async function readImage(bytes: Uint8Array): Promise<Sendable> {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return await readJpeg(bytes);
  if (isNpy(bytes)) {
    const array = readNpy(bytes);
    checkNDArray(array);
    return array;
  }
  if (isBmp(bytes)) return await readBmp(bytes);
  if (!isDecoded(bytes)) {
    throw new GearwayError('image-invalid', 'unknown file format, expected JPEG, PNG, BMP, WebP, TIFF or .npy');
  }
  try {
    return await decode(bytes);
  } catch (error) {
    if (error instanceof GearwayError) throw error;
    const detail = errorText(error).split('\n', 1).join();
    throw new GearwayError('image-invalid', `the file cannot be decoded, or is incomplete: ${detail}`, {
      cause: error,
    });
  }
}

function isDecoded(bytes: Uint8Array): boolean {
  const begin = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 16)).toString('latin1');
  return DECODED.some((magic) => magic.test(begin));
}

/** Rotates the picture here, because the stream could replace it with the next file before it is rotated. */
async function readJpeg(bytes: Uint8Array): Promise<Uint8Array> {
  const { jpeg, header } = repairJpeg(bytes);
  return header.orientation === 1 ? jpeg : turnUpright(jpeg);
}

/** Timeout per file. Large ones take two or three seconds on a desktop machine. */
const MAX_SECONDS = 15;

async function decode(bytes: Uint8Array): Promise<NDArray> {
  // Loaded on demand: it takes a fifth of the gateway's start-up time, and JPEGs do not need it.
  const { default: sharp } = await import('sharp');
  // sharp's cache is disabled, because each file is decoded only once.
  sharp.cache(false);
  // Ignores colour profiles, which would change the samples.
  const image = sharp(bytes, { limitInputPixels: FRAME_LIMITS.pixels, failOn: 'error', ignoreIcc: true }).timeout({
    seconds: MAX_SECONDS,
  });
  const { depth, space, width: fileWidth, height: fileHeight } = await image.metadata();
  if (depth !== 'uchar' && depth !== 'ushort') {
    throw new GearwayError(
      'image-invalid',
      `the samples are of type ${depth}, expected 8 or 16 bits; save other types as .npy`,
    );
  }
  const isDeep = depth === 'ushort';
  const isGray = space === 'b-w' || space === 'grey16';
  // Checked before decoding: a file of a few hundred kilobytes can decode to more pixels than fit into memory.
  const bytesOfSamples = fileWidth * fileHeight * (isGray ? 1 : 3) * (isDeep ? 2 : 1);
  if (bytesOfSamples > FRAME_LIMITS.payloadBytes) {
    throw new GearwayError(
      'too-large',
      `the picture is ${fileWidth}×${fileHeight} pixels, ${bytesOfSamples} bytes, expected at most ${FRAME_LIMITS.payloadBytes}`,
    );
  }
  const colourspace = isGray ? (isDeep ? 'grey16' : 'b-w') : isDeep ? 'rgb16' : 'srgb';
  const { data, info } = await image
    .autoOrient()
    .removeAlpha()
    .toColourspace(colourspace)
    .raw({ depth })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels === 3)
    await swapRedAndBlue(isDeep ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2) : data);
  return {
    dtype: isDeep ? 'uint16' : 'uint8',
    shape: channels === 1 ? [height, width] : [height, width, channels],
    data,
  };
}

/** Converts RGB to BGR, in place. Yields to the event loop. */
async function swapRedAndBlue(samples: Uint8Array | Uint16Array): Promise<void> {
  await inTurns(Math.floor(samples.length / 3), SAMPLES_PER_TURN / 3, (from, to) => {
    for (let at = 3 * from; at < 3 * to; at += 3) {
      const red = samples[at] ?? 0;
      samples[at] = samples[at + 2] ?? 0;
      samples[at + 2] = red;
    }
  });
}
