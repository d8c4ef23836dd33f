import { checkNDArray, type NDArray } from '../../shared/ndarray.ts';
import type { Value } from '../../shared/protocol.ts';
import { describeJpeg } from './picture.ts';
import { formatPythonJson } from '../codecs/python-json.ts';
import type { Reply, ReplyData } from './reply-codec.ts';

/** A JPEG that stands for an array of this channel order, `BGR` by default: a NetGear server decodes it. */
export interface Jpeg {
  readonly jpeg: Uint8Array;
  readonly colorspace?: string;
}

/** What a receiver can return: what Python's JSON can hold, an array, or one JPEG. */
export type ReturnData = Value | NDArray | Uint8Array | Jpeg;

/** What a client has returned: a value, an array, or the bytes of one JPEG, whose array only a decoder can tell. */
export type Returned = Value | NDArray | Uint8Array;

/** Whether return data is an array: a dict that came as JSON can hold no bytes. */
export function isNDArray(data: ReturnData): data is NDArray {
  return typeof data === 'object' && data !== null && 'data' in data && (data as { data: unknown }).data instanceof Uint8Array;
}

/**
 * Makes what a reply carries. It is checked since what is malformed would end a real server.
 *
 * @throws {GearwayError} `value-invalid`, `too-large`, `array-misfit`, `dtype-unknown`, `shape-invalid`, `jpeg-invalid`, `colorspace-unknown`.
 */
export function toReplyData(data: ReturnData): ReplyData {
  if (data instanceof Uint8Array) return jpegReply(data);
  if (isNDArray(data)) {
    const { dtype, shape, data: bytes } = data;
    checkNDArray(data);
    return { kind: 'array', array: { dtype, shape: [...shape], data: bytes } };
  }
  if (isJpeg(data)) return jpegReply(data.jpeg, data.colorspace);
  return { kind: 'value', json: formatPythonJson(data) };
}

/** What a reply has brought, as a program wants it. */
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

function isJpeg(data: ReturnData): data is Jpeg {
  return typeof data === 'object' && data !== null && 'jpeg' in data && (data as { jpeg: unknown }).jpeg instanceof Uint8Array;
}

function jpegReply(data: Uint8Array, colorspace?: string): ReplyData {
  return { kind: 'jpeg', data, colorspace: describeJpeg(data, colorspace).colorspace };
}
