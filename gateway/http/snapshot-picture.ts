import sharp, { type Matrix3x3, type Matrix4x4, type Sharp } from 'sharp';
import { FRAME_LIMITS } from '../../shared/frame.ts';
import { GearwayError } from '../../shared/errors.ts';
import { alignedSamples, toEightBit } from '../codecs/eight-bit.ts';
import type { Frame } from '../hub/frame.ts';
import type { SnapshotOptions } from './snapshots.ts';

const JPEG_QUALITY = 90;

/** Blue and red change places. */
const SWAPS: { readonly 3: Matrix3x3; readonly 4: Matrix4x4 } = {
  3: [[0, 0, 1], [0, 1, 0], [1, 0, 0]],
  4: [[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]],
};

// Every frame is another: what the library would remember is never asked for again.
sharp.cache(false);
sharp.concurrency(1);

/**
 * Encodes a frame, on the library's threads.
 *
 * @throws {GearwayError} `dtype-unsupported`, `picture-invalid`.
 */
export async function encodePicture(frame: Frame, { format, width }: SnapshotOptions): Promise<Uint8Array> {
  let image = format === 'png' ? (openSixteenBit(frame) ?? (await open(frame))) : await open(frame);
  if (width !== null) image = image.resize({ width, withoutEnlargement: true });
  try {
    // A JPEG has no alpha; what comes from OpenCV has it opaque.
    image.timeout({ seconds: MAX_SECONDS });
    return await (format === 'jpg' ? image.removeAlpha().jpeg({ quality: JPEG_QUALITY }) : image.png({ compressionLevel: PNG_COMPRESSION })).toBuffer();
  } catch (error) {
    throw new GearwayError('picture-invalid', 'the latest frame cannot be decoded', { cause: error });
  }
}

/** Of zlib's 9: beyond this a camera's picture takes much longer and gets hardly smaller. */
const PNG_COMPRESSION = 3;

/** A picture of the largest size that a frame can have takes two or three on a desktop machine. */
const MAX_SECONDS = 10;

// A frame's size was checked against this when it came; the library is told too, since it reads the picture's own header.
const LIMITS = { limitInputPixels: FRAME_LIMITS.pixels, failOn: 'error' } as const;

async function open(frame: Frame): Promise<Sharp> {
  if (frame.encoding.kind === 'jpeg') return sharp(frame.payload, LIMITS);
  const { data, width, height, channels } = await toEightBit(frame);
  const image = sharp(data, { ...LIMITS, raw: { width, height, channels } });
  if (channels === 1) return image.toColourspace('b-w');
  return image.recomb(SWAPS[channels]);
}

/** @returns null for anything but 16-bit gray, BGR and BGRA. */
function openSixteenBit({ encoding, payload, width, height }: Frame): Sharp | null {
  if (encoding.kind === 'jpeg' || encoding.dtype !== 'uint16') return null;
  const channels = encoding.shape[2] ?? 1;
  if (channels !== 1 && channels !== 3 && channels !== 4) return null;
  const values = alignedSamples(payload, Uint16Array);
  if (channels === 1) return sharp(values, { ...LIMITS, raw: { width, height, channels } }).toColourspace('grey16');
  // The library's own way to change channels has 8 bits.
  const swapped = new Uint16Array(values);
  for (let at = 0; at < swapped.length; at += channels) {
    swapped[at] = values[at + 2] ?? 0;
    swapped[at + 2] = values[at] ?? 0;
  }
  return sharp(swapped, { ...LIMITS, raw: { width, height, channels } }).toColourspace('rgb16');
}
