import { GearwayError } from '../../shared/errors.ts';
import type { Encoding } from '../../shared/frame.ts';
import { checkNDArray, type NDArray } from '../../shared/ndarray.ts';
import { COLORSPACES } from './frame-codec.ts';
import { readJpegHeader } from '../codecs/jpeg-header.ts';

/** The picture of a frame, without what was said with it. */
export interface Picture {
  readonly encoding: Encoding;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** One JPEG, or the samples as `encoding` describes them. */
  readonly payload: Uint8Array;
  /** The channel order that was encoded as JPEG, and that a NetGear receiver decodes it to; null for a raw frame. */
  readonly colorspace: string | null;
}

const received = new WeakSet<Picture>();

/** Marks a picture as one that a NetGear server has sent: its JPEG is of an encoder that NetGear's clients can decode. */
export function markReceived(picture: Picture): Picture {
  received.add(picture);
  return picture;
}

/** Whether a picture is one that a NetGear server has sent. */
export function isReceived(picture: Sendable): boolean {
  return received.has(picture as Picture);
}

/** What can be sent as a frame: one JPEG, an array of `[height, width]` or `[height, width, channels]`, or a picture as it was received. */
export type Sendable = Uint8Array | NDArray | Picture;

/**
 * Makes a picture of what is to be sent. It is checked since a malformed one would end a real client's receiver thread.
 *
 * @param colorspace of a JPEG, as {@link describeJpeg} takes it.
 * @throws {GearwayError} `jpeg-invalid`, `colorspace-unknown`, `array-misfit`, `dtype-unknown`, `shape-invalid`.
 */
export function toPicture(frame: Sendable, colorspace?: string): Picture {
  if (frame instanceof Uint8Array) return jpegPicture(frame, colorspace);
  if ('dtype' in frame) return arrayPicture(frame);
  const { encoding, payload } = frame;
  if (encoding.kind === 'jpeg') return jpegPicture(payload, colorspace ?? frame.colorspace ?? undefined);
  return arrayPicture({ dtype: encoding.dtype, shape: encoding.shape, data: payload });
}

/** A JPEG's size, and the channel order that a peer decodes it to. */
export interface DescribedJpeg {
  readonly colorspace: string;
  readonly width: number;
  readonly height: number;
}

/**
 * Checks a JPEG's header, without decoding it.
 *
 * @param colorspace the channel order that the peer decodes it to: `BGR` when not given, `CMYK` for four components, which have no other.
 * @throws {GearwayError} `jpeg-invalid`, `jpeg-too-complex`, `colorspace-unknown`.
 */
export function describeJpeg(jpeg: Uint8Array, colorspace?: string): DescribedJpeg {
  if (colorspace !== undefined && !COLORSPACES.has(colorspace)) throw new GearwayError('colorspace-unknown', `colorspace is ${JSON.stringify(colorspace)}, expected one of ${[...COLORSPACES].join(', ')}`);
  const { width, height, components } = readJpegHeader(jpeg, colorspace);
  return { colorspace: colorspace ?? (components === 4 ? 'CMYK' : 'BGR'), width, height };
}

function jpegPicture(payload: Uint8Array, colorspace: string | undefined): Picture {
  const { width, height, colorspace: decoded } = describeJpeg(payload, colorspace);
  return { encoding: { kind: 'jpeg' }, width, height, payload, colorspace: decoded };
}

function arrayPicture(array: NDArray): Picture {
  checkNDArray(array);
  const { dtype, shape, data } = array;
  const [height = 0, width = 0] = shape;
  if (shape.length < 2 || shape.length > 3 || shape.includes(0)) {
    throw new GearwayError('shape-invalid', `shape is [${shape.join(', ')}], expected [height, width] or [height, width, channels]`);
  }
  return { encoding: { kind: 'raw', dtype, shape: [...shape] }, width, height, payload: data, colorspace: null };
}
