import { GearwayError } from '../../shared/errors.ts';
import { type NDArray, checkNDArray } from '../../shared/ndarray.ts';
import type { Value } from '../../shared/protocol.ts';
import { COLORSPACES, decodeUtf8, MULTISERVER_TERMINATION_REPLY, TERMINATION_REPLY } from './frame-codec.ts';
import { parsePythonObject } from '../codecs/python-json.ts';

/** A NetGear client's reply to a frame. Binary data is borrowed from the socket. */
export type Reply =
  /** From a client that is neither bidirectional nor in multi-clients mode, and therefore returns nothing. */
  | { readonly kind: 'text' }
  | { readonly kind: 'termination' }
  /** `json` is the data as the client sent it, so that 2.0 stays a float when it is forwarded. */
  | { readonly kind: 'value'; readonly json: string; readonly value: Value }
  | { readonly kind: 'array'; readonly array: NDArray }
  /** `colorspace` is the channel order of the encoded array. */
  | { readonly kind: 'jpeg'; readonly data: Uint8Array; readonly colorspace: string };

interface ReplyLimits {
  readonly headerBytes: number;
  readonly payloadBytes: number;
}

export const DEFAULT_REPLY_LIMITS: ReplyLimits = { headerBytes: 1 << 20, payloadBytes: 16 << 20 };

/** Reply of a client that returns nothing; the id has 8 characters. */
const RECEIVED = /^Data received on device: \S+ !$/;

/**
 * Decodes a NetGear client's reply.
 *
 * @throws {GearwayError} `parts-unexpected`, `too-large`, `header-invalid`, `array-misfit`, and the errors of
 *   {@link parsePythonObject}.
 */
export function decodeReply(parts: readonly Uint8Array[], limits: ReplyLimits = DEFAULT_REPLY_LIMITS): Reply {
  const [header, payload] = parts;
  if (header === undefined || parts.length > 2)
    throw new GearwayError('parts-unexpected', `reply has ${parts.length} parts, expected 1 or 2`);
  if (header.byteLength > limits.headerBytes)
    throw new GearwayError('too-large', `reply is ${header.byteLength} bytes, expected at most ${limits.headerBytes}`);
  const text = decodeUtf8(header);
  if (!text.startsWith('{')) {
    if (payload !== undefined) throw new GearwayError('parts-unexpected', 'reply is text and has 2 parts, expected 1');
    if (text === TERMINATION_REPLY || text === MULTISERVER_TERMINATION_REPLY) return { kind: 'termination' };
    if (RECEIVED.test(text)) return { kind: 'text' };
    throw new GearwayError(
      'header-invalid',
      `reply is a string of ${text.length} characters, expected JSON or a standard reply of NetGear`,
    );
  }

  const { fields, spans } = parsePythonObject(text);
  if (fields['return_type'] === 'ndarray') {
    if (payload === undefined)
      throw new GearwayError('parts-unexpected', 'reply has 1 part, expected 2: it announces an array');
    if (payload.byteLength > limits.payloadBytes)
      throw new GearwayError(
        'too-large',
        `array is ${payload.byteLength} bytes, expected at most ${limits.payloadBytes}`,
      );
    if (fields['compression'] !== false)
      return { kind: 'jpeg', data: payload, colorspace: readColorspace(fields['compression']) };
    const { array_dtype: dtype, array_shape: shape } = fields;
    if (typeof dtype !== 'string' || !Array.isArray(shape))
      throw new GearwayError('header-invalid', 'reply with an array has no array_dtype and array_shape');
    const array = { dtype, shape: shape as number[], data: payload };
    checkNDArray(array);
    return { kind: 'array', array };
  }
  const span = spans.get('data');
  if (payload !== undefined || span === undefined) {
    throw new GearwayError('header-invalid', 'reply is not return data, expected one part with "data"');
  }
  return { kind: 'value', json: text.slice(span.start, span.end), value: fields['data'] ?? null };
}

function readColorspace(compression: Value | undefined): string {
  const colorspace =
    typeof compression === 'object' && compression !== null && !Array.isArray(compression)
      ? (compression as { [key: string]: Value })['colorspace']
      : undefined;
  if (typeof colorspace !== 'string' || !COLORSPACES.has(colorspace))
    throw new GearwayError('header-invalid', 'reply with a JPEG has no compression with a known colorspace');
  return colorspace;
}

/** Data of a reply to a server. `json` is Python JSON. */
export type ReplyData =
  /** An object, as the pieces of its UTF-8 text, borrowed. */
  | { readonly kind: 'object'; readonly json: readonly Uint8Array[] }
  | { readonly kind: 'value'; readonly json: string }
  | { readonly kind: 'array'; readonly array: NDArray }
  | { readonly kind: 'jpeg'; readonly data: Uint8Array; readonly colorspace: string };

/** Python's None: the data of a client that has returned nothing. */
export const NOTHING_RETURNED: ReplyData = { kind: 'value', json: 'null' };

/** Encoded replies with objects, because the same large object may be sent with every frame. */
const keptReplies = new WeakMap<ReplyData, { readonly port: string; readonly reply: Uint8Array }>();

/**
 * Encodes a reply to an upstream server in the format that servers in every mode accept: JSON with `port`, followed by
 * the bytes of an array, borrowed.
 *
 * @param port as given in the server's options.
 * @param data replies with objects are cached by the identity of `data`.
 */
export function encodeReply(port: string, data: ReplyData): (string | Uint8Array)[] {
  const head = `{"port": ${JSON.stringify(port)}, "return_type": `;
  switch (data.kind) {
    case 'object': {
      const kept = keptReplies.get(data);
      if (kept?.port === port) return [kept.reply];
      const reply = Buffer.concat([Buffer.from(`${head}"dict", "data": `), ...data.json, Buffer.from('}')]);
      keptReplies.set(data, { port, reply });
      return [reply];
    }
    case 'value':
      return [`${head}"${pythonType(data.json)}", "data": ${data.json}}`];
    case 'array': {
      const { dtype, shape, data: bytes } = data.array;
      return [
        `${head}"ndarray", "compression": false, "array_dtype": ${JSON.stringify(dtype)}, "array_shape": [${shape.join(', ')}], "data": null}`,
        bytes,
      ];
    }
    case 'jpeg':
      return [
        `${head}"ndarray", "compression": {"dct": true, "ups": false, "colorspace": "${data.colorspace}"}, "array_dtype": "", "array_shape": "", "data": null}`,
        data.data,
      ];
    default:
      return data satisfies never;
  }
}

/** The name of the Python type of a JSON value. */
function pythonType(json: string): string {
  switch (json[0]) {
    case '{':
      return 'dict';
    case '[':
      return 'list';
    case '"':
      return 'str';
    case 't':
    case 'f':
      return 'bool';
    case 'n':
      return 'NoneType';
    default:
      return /^-?\d+$/.test(json) ? 'int' : 'float';
  }
}
