import { errorText, GearwayError } from '../../../shared/errors.ts';
import type { PortReturn, ReturnData } from '../../hub/returns/returns.ts';
import { canonicalDtype, checkNDArray, type NDArray } from '../../../shared/ndarray.ts';
import type { Value } from '../../../shared/protocol.ts';
import {
  formatPythonJson,
  parsePythonJson,
  parseTypedPythonJson,
  PythonFloat,
  type TypedValue,
} from '../../codecs/python-json.ts';
import { BytesMap, pack, type Packable, unpack, type Unpacked } from '../../codecs/message-pack.ts';

/** A message of a `NetGear_Async` server. */
export type AsyncMessage =
  /**
   * `array` is a view of the parts' memory, `messageJson` the message as Python JSON. `bidirectional`: the server
   * expects return data.
   */
  | {
      readonly kind: 'frame';
      readonly array: NDArray;
      readonly message: Value;
      readonly messageJson: string;
      readonly bidirectional: boolean;
    }
  | { readonly kind: 'termination' };

/** Maximum size of the part before a frame. */
const MAX_HEADER_BYTES = 1 << 20;

/**
 * Decodes a message of VidGear's `NetGear_Async`: MessagePack of `{terminate, bi_mode, data}`, followed by an array in
 * the format of msgpack_numpy. Does not check that the array can be a frame.
 *
 * @throws {GearwayError} `parts-invalid`, `header-invalid`, `array-invalid`, `value-invalid`, and the errors of {@link
 * checkNDArray}.
 */
export function decodeAsyncMessage(parts: readonly Uint8Array[]): AsyncMessage {
  const [header, frame] = parts;
  if (header === undefined || parts.length > 2)
    throw new GearwayError('parts-invalid', `message has ${parts.length} parts, expected a header and a frame`);
  if (header.byteLength > MAX_HEADER_BYTES)
    throw new GearwayError(
      'header-invalid',
      `header is ${header.byteLength} bytes, expected at most ${MAX_HEADER_BYTES}`,
    );
  const fields = unpackMap(header, 'header-invalid');
  const terminate = fields.get('terminate');
  if (terminate === true) return { kind: 'termination' };
  if (terminate !== false)
    throw new GearwayError('header-invalid', 'the header has no terminate, expected true or false');
  if (frame === undefined) throw new GearwayError('parts-invalid', 'message has 1 part, expected a header and a frame');
  const data = fields.get('data');
  // The server sends an empty string for None.
  const messageJson = data === undefined || data === '' ? 'null' : formatPythonJson(toTyped(data));
  return {
    kind: 'frame',
    array: readArray(unpackMap(frame, 'array-invalid')),
    message: parsePythonJson(messageJson),
    messageJson,
    bidirectional: fields.get('bi_mode') === true,
  };
}

/** Reply for a server without bidirectional mode, which accepts any. */
export const ASYNC_RECEIVED = 'Data received on client: gearway !';

/** Encodes the reply to a termination. */
export function encodeAsyncTerminated(): Uint8Array {
  return pack({ terminated: 'Client-`gearway` successfully terminated!' });
}

/** Encodes return data for a server in bidirectional mode. */
export function encodeAsyncReturn(json: string): Uint8Array[] {
  const value = parseTypedPythonJson(json);
  return [pack({ return_type: pythonType(value), return_data: value ?? '' })];
}

/** Encodes the data of all clients as a dict by port, with arrays and JPEGs as `{"$ndarray": …}` with base64 data. */
export function encodeAsyncPorts(all: readonly PortReturn[]): Uint8Array[] {
  const values = Object.fromEntries(all.map(({ port, data }) => [String(port), toPortValue(data)]));
  return [pack({ return_type: 'dict', return_data: values })];
}

function toPortValue(data: ReturnData): TypedValue {
  switch (data.kind) {
    case 'value':
      return parseTypedPythonJson(data.json);
    case 'array':
      return { $ndarray: { dtype: data.array.dtype, shape: data.array.shape, data: toBase64(data.array.data) } };
    case 'jpeg':
      return { $ndarray: { jpeg: toBase64(data.data) } };
    default:
      return data satisfies never;
  }
}

function toBase64(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
}

/** Encodes an array as return data. Its bytes are borrowed. */
export function encodeAsyncArray({ dtype, shape, data }: NDArray): Uint8Array[] {
  const array: Packable = new BytesMap([
    ['nd', true],
    ['type', dtype],
    ['kind', new Uint8Array(0)],
    ['shape', shape],
    ['data', data],
  ]);
  return [pack({ return_type: 'ndarray', return_data: null }), pack(array)];
}

/** The name of a value's Python type. */
function pythonType(value: TypedValue): string {
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'string':
      return 'str';
    case 'bigint':
    case 'number':
      return 'int';
    default:
      if (value === null) return 'NoneType';
      if (value instanceof PythonFloat) return 'float';
      return Array.isArray(value) ? 'list' : 'dict';
  }
}

function unpackMap(bytes: Uint8Array, code: string): ReadonlyMap<string, Unpacked> {
  let unpacked: Unpacked;
  try {
    unpacked = unpack(bytes);
  } catch (error) {
    throw new GearwayError(code, errorText(error), { cause: error });
  }
  if (!(unpacked instanceof Map)) throw new GearwayError(code, 'a part is not a MessagePack map');
  return unpacked as ReadonlyMap<string, Unpacked>;
}

/**
 * Decodes an array of msgpack_numpy 0.4.8. Rejects arrays of Python objects, which are pickles and therefore unsafe.
 */
function readArray(fields: ReadonlyMap<string, Unpacked>): NDArray {
  const [type, shape, data] = [fields.get('type'), fields.get('shape'), fields.get('data')];
  if (fields.get('nd') !== true || !Array.isArray(shape) || !(data instanceof Uint8Array)) {
    throw new GearwayError(
      'array-invalid',
      'the frame is not an array of msgpack_numpy, expected nd, type, shape and data',
    );
  }
  const code = type instanceof Uint8Array ? Buffer.from(type).toString('latin1') : type;
  if (typeof code !== 'string')
    throw new GearwayError('array-invalid', 'the frame is an array of records or objects, expected numbers');
  const array = { dtype: canonicalDtype(code), shape: shape as readonly number[], data };
  checkNDArray(array);
  return array;
}

/** Converts MessagePack to Python JSON values. @throws {GearwayError} `value-invalid` for types that JSON lacks. */
function toTyped(unpacked: Unpacked): TypedValue {
  if (unpacked instanceof Uint8Array)
    throw new GearwayError('value-invalid', 'the data contains bytes, expected only numbers, strings, lists and dicts');
  if (unpacked instanceof Map)
    return Object.fromEntries(
      [...(unpacked as ReadonlyMap<string, Unpacked>)].map(([key, value]) => [key, toTyped(value)]),
    );
  if (Array.isArray(unpacked)) return (unpacked as readonly Unpacked[]).map(toTyped);
  return unpacked as Exclude<typeof unpacked, ReadonlyMap<string, Unpacked> | readonly Unpacked[]>;
}
