import sharp, { type Matrix3x3, type Matrix4x4, type Sharp } from 'sharp';
import { FRAME_LIMITS } from '../../shared/frame.ts';
import { GearwayError } from '../../shared/errors.ts';
import { unusualJpegKind } from '../../shared/jpeg-kind.ts';
import { parseDtype, pictureChannels } from '../../shared/ndarray.ts';
import { toEightBit } from '../codecs/eight-bit.ts';
import type { Frame } from '../hub/frame.ts';

/** Requested properties of a snapshot. */
export interface SnapshotOptions {
  readonly format: 'jpg' | 'png';
  /** Pixels; pictures are never enlarged. null: the frame's own width. */
  readonly width: number | null;
}

const JPEG_QUALITY = 90;

/** Matrices that swap blue and red. */
const SWAPS: { readonly 3: Matrix3x3; readonly 4: Matrix4x4 } = {
  3: [[0, 0, 1], [0, 1, 0], [1, 0, 0]],
  4: [[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]],
};

// No cache: each frame is encoded only once.
sharp.cache(false);
sharp.concurrency(1);

/**
 * Encodes a frame, on sharp's thread pool.
 *
 * @throws {GearwayError} `dtype-unsupported`, `channels-unsupported`, `jpeg-unsupported`, `picture-invalid`.
 */
export async function encodePicture(frame: Frame, { format, width }: SnapshotOptions): Promise<Uint8Array> {
  let image = format === 'png' ? (openSixteenBit(frame) ?? (await open(frame))) : await open(frame);
  if (width !== null) image = image.resize({ width, withoutEnlargement: true });
  try {
    image.timeout({ seconds: MAX_SECONDS });
    // JPEG has no alpha channel; that of OpenCV's pictures is opaque.
    const encoder = format === 'jpg' ? image.removeAlpha().jpeg({ quality: JPEG_QUALITY }) : image.png({ compressionLevel: PNG_COMPRESSION });
    return await encoder.toBuffer();
  } catch (error) {
    const kind = frame.encoding.kind === 'jpeg' ? unusualJpegKind(frame.payload) : null;
    if (kind !== null) throw new GearwayError('jpeg-unsupported', `the latest frame is ${kind}, which the gateway cannot decode`, { cause: error });
    throw new GearwayError('picture-invalid', 'the latest frame is damaged and cannot be decoded', { cause: error });
  }
}

/** zlib level: higher ones take much longer for camera pictures, and hardly reduce the size. */
const PNG_COMPRESSION = 3;

/** Timeout of an encoding. The largest possible frame takes two or three seconds on a desktop machine. */
const MAX_SECONDS = 10;

// The frame's size has already been checked, but sharp reads the size from the picture's own header.
const LIMITS = { limitInputPixels: FRAME_LIMITS.pixels, failOn: 'error' } as const;

async function open(frame: Frame): Promise<Sharp> {
  if (frame.encoding.kind === 'jpeg') return sharp(frame.payload, LIMITS);
  const { data, width, height, channels } = await toEightBit(frame);
  const image = sharp(data, { ...LIMITS, raw: { width, height, channels } });
  if (channels === 1) return image.toColourspace('b-w');
  return image.recomb(SWAPS[channels]);
}

/** @returns null unless the frame is unsigned 16-bit gray, BGR or BGRA. */
function openSixteenBit({ encoding, payload, width, height }: Frame): Sharp | null {
  if (encoding.kind === 'jpeg') return null;
  const type = parseDtype(encoding.dtype);
  const channels = pictureChannels(encoding.shape);
  if (type?.kind !== 'uint' || type.bytes !== 2 || channels === null) return null;
  const values = new Uint16Array(width * height * channels);
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  for (let at = 0; at < values.length; at += 1) values[at] = view.getUint16(2 * at, !type.isBigEndian);
  const image = { ...LIMITS, raw: { width, height, channels } };
  if (channels === 1) return sharp(values, image).toColourspace('grey16');
  // BGR to RGB by hand, because sharp's `recomb` has only 8 bits.
  for (let at = 0; at < values.length; at += channels) {
    const blue = values[at] ?? 0;
    values[at] = values[at + 2] ?? 0;
    values[at + 2] = blue;
  }
  return sharp(values, image).toColourspace('rgb16');
}
