import { GearwayError } from '../../shared/errors.ts';
import { MAX_THUMBNAIL_WIDTH, type Thumbnail } from '../renditions/thumbnail.ts';

/** Request of a gateway to the owner of a stream for one small picture. */
export interface ThumbnailRequest {
  readonly stream: string;
  /** Maximum width in pixels. */
  readonly width: number;
}

/** Maximum length of the name of a stream. */
const MAX_NAME = 64;

/** Size of the number and the age before the JPEG: two 64-bit floats. */
const HEAD_BYTES = 16;

/** The answer if there is no picture. */
export const NO_THUMBNAIL = Buffer.alloc(0);

export function encodeThumbnailRequest(request: ThumbnailRequest): string {
  return JSON.stringify(request);
}

/** @throws {GearwayError} `request-invalid`. */
export function decodeThumbnailRequest(bytes: Uint8Array): ThumbnailRequest {
  let request: Partial<Record<string, unknown>> | null = null;
  try {
    request = JSON.parse(Buffer.from(bytes).toString('utf8')) as Partial<Record<string, unknown>> | null;
  } catch {
    // Reported below.
  }
  const { stream, width } = request ?? {};
  const isStream = typeof stream === 'string' && stream.length <= MAX_NAME;
  const isWidth = typeof width === 'number' && Number.isInteger(width) && width >= 1 && width <= MAX_THUMBNAIL_WIDTH;
  if (!isStream || !isWidth)
    throw new GearwayError('request-invalid', 'a request for a thumbnail from another gateway is malformed');
  return { stream, width };
}

export function encodeThumbnail({ sequence, ageUs, jpeg }: Thumbnail): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + jpeg.byteLength);
  bytes.writeDoubleBE(sequence, 0);
  bytes.writeDoubleBE(ageUs, 8);
  bytes.set(jpeg, HEAD_BYTES);
  return bytes;
}

/** @returns null if there is no picture, or the answer is malformed. The JPEG is a view of `bytes`. */
export function decodeThumbnail(bytes: Uint8Array): Thumbnail | null {
  if (bytes.byteLength <= HEAD_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [sequence, ageUs] = [view.getFloat64(0), view.getFloat64(8)];
  const jpeg = bytes.subarray(HEAD_BYTES);
  const isJpeg = jpeg[0] === 0xff && jpeg[1] === 0xd8;
  if (!isJpeg || !(Number.isSafeInteger(sequence) && sequence >= 1) || !(ageUs >= 0 && ageUs <= MAX_AGE_US))
    return null;
  return { sequence, ageUs, jpeg };
}

/** Maximum age of a picture: a year. */
const MAX_AGE_US = 366 * 86_400 * 1e6;
