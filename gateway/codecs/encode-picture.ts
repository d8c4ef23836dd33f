import sharp, { type Matrix3x3, type Matrix4x4, type Sharp } from 'sharp';
import { FRAME_LIMITS, type FrameHeader } from '../../shared/frame.ts';
import { GearwayError } from '../../shared/errors.ts';
import { unusualJpegKind } from '../../shared/jpeg-kind.ts';
import { checkShowable } from '../../shared/eight-bit.ts';
import { type NDArray, parseDtype, pictureChannels } from '../../shared/ndarray.ts';
import { inTurns, SAMPLES_PER_TURN } from './in-turns.ts';

/** A JPEG, or samples with their type and shape: 8 bits, or for a PNG also unsigned 16 bits. */
export type EncodablePicture = Pick<FrameHeader, 'encoding' | 'width' | 'height'> & { readonly payload: Uint8Array };

export interface PictureFormat {
  readonly format: 'jpg' | 'png';
  /** Width in pixels; pictures are never enlarged. null: the picture's own width. The height keeps the aspect ratio. */
  readonly width: number | null;
  /** Quality of a JPEG, 1 to 100; null for 90. */
  readonly quality: number | null;
}

export interface EncodedPicture {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

const JPEG_QUALITY = 90;

/** Matrices that swap blue and red. */
const SWAPS: { readonly 3: Matrix3x3; readonly 4: Matrix4x4 } = {
  3: [
    [0, 0, 1],
    [0, 1, 0],
    [1, 0, 0],
  ],
  4: [
    [0, 0, 1, 0],
    [0, 1, 0, 0],
    [1, 0, 0, 0],
    [0, 0, 0, 1],
  ],
};

// No cache: each frame is encoded only once.
sharp.cache(false);
sharp.concurrency(1);

/**
 * Scales and encodes a picture on the thread pool. All pictures are scaled here, for snapshots, MJPEG and
 * viewers. A JPEG is decoded at ½, ¼ or ⅛ of its size where that is still large enough (libjpeg-turbo's scaled
 * decoding). Scaling 1280×720 to a width of 640 takes 16 to 18 ms of CPU time, to 320 9 ms. Callers limit the concurrency.
 *
 * @param picture must not change until the promise settles.
 * @throws {GearwayError} `dtype-unsupported`, `channels-unsupported`, `jpeg-unsupported`, `picture-invalid`.
 */
export async function encodePicture(
  picture: EncodablePicture,
  { format, width, quality }: PictureFormat,
): Promise<EncodedPicture> {
  let image = (format === 'png' ? await openSixteenBit(picture) : null) ?? open(picture);
  if (width !== null) image = image.resize({ width, withoutEnlargement: true, kernel: 'cubic' });
  try {
    image.timeout({ seconds: MAX_SECONDS });
    // JPEG has no alpha channel, and the alpha channel of OpenCV's pictures is opaque.
    const encoder =
      format === 'jpg'
        ? image.removeAlpha().jpeg({ quality: quality ?? JPEG_QUALITY })
        : image.png({ compressionLevel: PNG_COMPRESSION });
    const { data, info } = await encoder.toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height };
  } catch (error) {
    throw decodeError(picture, error);
  }
}

function decodeError({ encoding, payload }: EncodablePicture, cause: unknown): GearwayError {
  const kind = encoding.kind === 'jpeg' ? unusualJpegKind(payload) : null;
  if (kind !== null)
    return new GearwayError('jpeg-unsupported', `the latest frame is ${kind}, which the gateway cannot decode`, {
      cause,
    });
  return new GearwayError('picture-invalid', 'the latest frame is damaged and cannot be decoded', { cause });
}

/** zlib level: higher levels take much longer for camera pictures, and hardly reduce the size. */
const PNG_COMPRESSION = 3;

/** Timeout of an encoding. The largest possible frame takes two or three seconds on a desktop machine. */
const MAX_SECONDS = 10;

// The picture's size has already been checked, but sharp reads the size from the picture's own header.
const LIMITS = { limitInputPixels: FRAME_LIMITS.pixels, failOn: 'error' } as const;

function open({ encoding, payload, width, height }: EncodablePicture): Sharp {
  if (encoding.kind === 'jpeg') return sharp(payload, LIMITS);
  const channels = checkShowable(encoding);
  if (encoding.dtype !== 'uint8')
    throw new GearwayError(
      'dtype-unsupported',
      `the samples are ${encoding.dtype}, expected uint8: arrays have to be rendered first`,
    );
  const image = sharp(payload, { ...LIMITS, raw: { width, height, channels } });
  if (channels === 1) return image.toColourspace('b-w');
  return image.recomb(SWAPS[channels]);
}

/**
 * Decodes a JPEG on the thread pool to samples: `[height, width]`, or BGR `[height, width, 3]`, as OpenCV does.
 *
 * @throws {GearwayError} `jpeg-unsupported`, `picture-invalid`.
 */
export async function decodeSamples(jpeg: EncodablePicture): Promise<NDArray> {
  try {
    const image = open(jpeg).timeout({ seconds: MAX_SECONDS });
    const isGray = (await image.metadata()).channels === 1;
    const samples = isGray ? image.toColourspace('b-w') : image.toColourspace('srgb').recomb(SWAPS[3]);
    const { data, info } = await samples.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    return { dtype: 'uint8', shape: [info.height, info.width, ...(isGray ? [] : [info.channels])], data };
  } catch (error) {
    throw decodeError(jpeg, error);
  }
}

/** Yields to the event loop. @returns null unless the picture is unsigned 16-bit gray, BGR or BGRA. */
async function openSixteenBit({ encoding, payload, width, height }: EncodablePicture): Promise<Sharp | null> {
  if (encoding.kind === 'jpeg') return null;
  const type = parseDtype(encoding.dtype);
  const channels = pictureChannels(encoding.shape);
  if (type?.kind !== 'uint' || type.bytes !== 2 || channels === null) return null;
  const values = new Uint16Array(width * height * channels);
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  // BGR is converted to RGB here, because sharp's `recomb` supports only 8 bits.
  const last = channels === 1 ? 0 : 2;
  await inTurns(width * height, SAMPLES_PER_TURN / channels, (from, to) => {
    for (let pixel = from * channels; pixel < to * channels; pixel += channels)
      for (let channel = 0; channel < channels; channel += 1)
        values[pixel + channel] = view.getUint16(
          2 * (pixel + (channel <= last ? last - channel : channel)),
          !type.isBigEndian,
        );
  });
  const image = { ...LIMITS, raw: { width, height, channels } };
  return sharp(values, image).toColourspace(channels === 1 ? 'grey16' : 'rgb16');
}
