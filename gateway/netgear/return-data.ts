import { checkNDArray, type NDArray } from '../../shared/ndarray.ts';
import type { Value } from '../../shared/protocol.ts';
import { describeJpeg } from './picture.ts';
import { formatPythonJson } from '../codecs/python-json.ts';
import type { Reply, ReplyData } from './reply-codec.ts';

/** A JPEG that a NetGear server decodes to an array of this channel order, `BGR` by default. */
export interface Jpeg {
  readonly jpeg: Uint8Array;
  readonly colorspace?: string;
}

/** Data that a receiver can return: a value that Python's JSON can represent, an array, or a JPEG. */
export type Returnable = Value | NDArray | Uint8Array | Jpeg;

/** Data that a client has returned: a value, an array, or the bytes of a JPEG, which is not decoded. */
export type Returned = Value | NDArray | Uint8Array;

/** Whether return data is an array. Unambiguous, because a dict from JSON cannot contain bytes. */
export function isNDArray(data: Returnable): data is NDArray {
  return (
    typeof data === 'object' &&
    data !== null &&
    'data' in data &&
    (data as { data: unknown }).data instanceof Uint8Array
  );
}

/**
 * Converts return data to the data of a reply, and validates it: malformed data would crash a real server.
 *
 * @throws {GearwayError} `value-invalid`, `too-large`, `array-misfit`, `dtype-unknown`, `shape-invalid`,
 * `jpeg-invalid`, `colorspace-unknown`.
 */
export function toReplyData(data: Returnable): ReplyData {
  if (data instanceof Uint8Array) return jpegReply(data);
  if (isNDArray(data)) {
    const { dtype, shape, data: bytes } = data;
    checkNDArray(data);
    return { kind: 'array', array: { dtype, shape: [...shape], data: bytes } };
  }
  if (isJpeg(data)) return jpegReply(data.jpeg, data.colorspace);
  return { kind: 'value', json: formatPythonJson(data) };
}

/** Converts a reply to return data for a program. */
export function fromReply(reply: Reply): Returned {
  switch (reply.kind) {
    case 'text':
    case 'termination':
      return null;
    case 'value':
      return reply.value;
    case 'array':
      return reply.array;
    case 'jpeg':
      return reply.data;
    default:
      return reply satisfies never;
  }
}

function isJpeg(data: Returnable): data is Jpeg {
  return (
    typeof data === 'object' &&
    data !== null &&
    'jpeg' in data &&
    (data as { jpeg: unknown }).jpeg instanceof Uint8Array
  );
}

function jpegReply(data: Uint8Array, colorspace?: string): ReplyData {
  const { jpeg, colorspace: decoded } = describeJpeg(data, colorspace);
  return { kind: 'jpeg', data: jpeg, colorspace: decoded };
}
