import { GearwayError } from '../../shared/errors.ts';
import type { Encoding } from '../../shared/frame.ts';
import { canonicalDtype, checkNDArray, type NDArray } from '../../shared/ndarray.ts';
import { COLORSPACES } from './frame-codec.ts';
import type { Orientation } from '../codecs/exif-orientation.ts';
import { repairJpeg } from '../codecs/repair-jpeg.ts';

/** The picture of a frame, without its message. */
export interface Picture {
  readonly encoding: Encoding;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** One JPEG, or the samples as `encoding` describes them. */
  readonly payload: Uint8Array;
  /** Channel order to which a NetGear receiver decodes the JPEG; null for a raw frame. */
  readonly colorspace: string | null;
}

/** A picture to send. Its width and height are those before rotation. */
export interface SentPicture extends Picture {
  /** EXIF orientation of a JPEG, by which it must be rotated. */
  readonly orientation: Orientation;
}

const received = new WeakSet<Picture>();

/** Marks a picture as received from a NetGear server, whose JPEGs NetGear clients can decode. */
export function markReceived(picture: Picture): Picture {
  received.add(picture);
  return picture;
}

/** Whether a picture was received from a NetGear server. */
export function isReceived(picture: Sendable): boolean {
  return received.has(picture as Picture);
}

/** A frame to send: a JPEG, an array of `[height, width]` or `[height, width, channels]`, or a received picture. */
export type Sendable = Uint8Array | NDArray | Picture;

/**
 * Converts a frame to a picture, repairs it as in {@link repairJpeg}, and validates it: a malformed one would end a
 * real client's receiver thread.
 *
 * @param colorspace of a JPEG, as in {@link describeJpeg}.
 * @throws {GearwayError} `jpeg-invalid`, `colorspace-unknown`, `array-misfit`, `dtype-unknown`, `shape-invalid`.
 */
export function toPicture(frame: Sendable, colorspace?: string): SentPicture {
  if (frame instanceof Uint8Array) return jpegPicture(frame, colorspace);
  if ('dtype' in frame) return rawPicture(frame);
  const { encoding, payload } = frame;
  if (encoding.kind === 'jpeg') return jpegPicture(payload, colorspace ?? frame.colorspace ?? undefined);
  return rawPicture({ dtype: encoding.dtype, shape: encoding.shape, data: payload });
}

/** A repaired JPEG, its size, and the channel order to which a peer decodes it. */
interface DescribedJpeg extends Pick<SentPicture, 'width' | 'height' | 'orientation'> {
  readonly jpeg: Uint8Array;
  readonly colorspace: string;
}

/**
 * Repairs a JPEG and validates its header, without decoding it.
 *
 * @param colorspace channel order to which the peer decodes it: by default `BGR`, or `CMYK` for four components.
 * @throws {GearwayError} `jpeg-invalid`, `jpeg-too-complex`, `colorspace-unknown`.
 */
export function describeJpeg(jpeg: Uint8Array, colorspace?: string): DescribedJpeg {
  if (colorspace !== undefined && !COLORSPACES.has(colorspace)) {
    const expected = `one of ${[...COLORSPACES].join(', ')}`;
    throw new GearwayError('colorspace-unknown', `colorspace is ${JSON.stringify(colorspace)}, expected ${expected}`);
  }
  const { jpeg: repaired, header } = repairJpeg(jpeg, colorspace);
  const { width, height, components, orientation } = header;
  return { jpeg: repaired, colorspace: colorspace ?? (components === 4 ? 'CMYK' : 'BGR'), width, height, orientation };
}

function jpegPicture(payload: Uint8Array, colorspace: string | undefined): SentPicture {
  const { jpeg, colorspace: decoded, width, height, orientation } = describeJpeg(payload, colorspace);
  return { encoding: { kind: 'jpeg' }, width, height, payload: jpeg, colorspace: decoded, orientation };
}

function rawPicture(array: NDArray): SentPicture {
  checkNDArray(array);
  const { dtype, shape, data } = array;
  const [height = 0, width = 0] = shape;
  if (shape.length < 2 || shape.length > 3 || shape.includes(0)) {
    throw new GearwayError(
      'shape-invalid',
      `shape is [${shape.join(', ')}], expected [height, width] or [height, width, channels] without a 0`,
    );
  }
  return {
    encoding: { kind: 'raw', dtype: canonicalDtype(dtype), shape: [...shape] },
    width,
    height,
    payload: data,
    colorspace: null,
    orientation: 1,
  };
}
