import { errorText, GearwayError } from '../../../shared/errors.ts';
import { checkNDArray, nameOfDtype, type NDArray } from '../../../shared/ndarray.ts';
import type { Value } from '../../../shared/protocol.ts';
import { formatPythonJson, parsePythonJson, parseTypedPythonJson, PythonFloat, type TypedValue } from '../../codecs/python-json.ts';
import { BytesMap, pack, type Packable, unpack, type Unpacked } from '../../codecs/message-pack.ts';

/** What a `NetGear_Async` server sends. */
export type AsyncMessage =
  /** `array` is a view of the parts' memory, `messageJson` the message as Python JSON. `bidirectional`: the server waits for return data and not just for an answer. */
  | { readonly kind: 'frame'; readonly array: NDArray; readonly message: Value; readonly messageJson: string; readonly bidirectional: boolean }
  | { readonly kind: 'termination' };

/** Most bytes of what is sent in front of a frame. */
const MAX_HEADER_BYTES = 1 << 20;

/**
 * Reads what VidGear's `NetGear_Async` sends: MessagePack of `{terminate, bi_mode, data}`, and behind it an array as msgpack_numpy
 * writes it. Whether the array can be a frame is for who takes it.
 *
 * @throws {GearwayError} `parts-invalid`, `header-invalid`, `array-invalid`, `value-invalid`, and what {@link checkNDArray} throws.
 */
export function decodeAsyncMessage(parts: readonly Uint8Array[]): AsyncMessage {
  const [header, frame] = parts;
  if (header === undefined || parts.length > 2) throw new GearwayError('parts-invalid', `message has ${parts.length} parts, expected a header and a frame`);
  if (header.byteLength > MAX_HEADER_BYTES) throw new GearwayError('header-invalid', `header is ${header.byteLength} bytes, expected at most ${MAX_HEADER_BYTES}`);
  const fields = unpackMap(header, 'header-invalid');
  const terminate = fields.get('terminate');
  if (terminate === true) return { kind: 'termination' };
  if (terminate !== false) throw new GearwayError('header-invalid', 'the header has no terminate, expected true or false');
  if (frame === undefined) throw new GearwayError('parts-invalid', 'message has no frame behind its header');
  const data = fields.get('data');
  // The server's own word for nothing.
  const messageJson = data === undefined || data === '' ? 'null' : formatPythonJson(toTyped(data));
  return { kind: 'frame', array: readArray(unpackMap(frame, 'array-invalid')), message: parsePythonJson(messageJson), messageJson, bidirectional: fields.get('bi_mode') === true };
}

/** The answer that a server without bidirectional mode waits for, whatever it says. */
export const ASYNC_RECEIVED = 'Data received on client: gearway !';

/** The answer to a termination. */
export function encodeAsyncTerminated(): Uint8Array {
  return pack({ terminated: 'Client-`gearway` successfully terminated!' });
}

/** Return data as a server in bidirectional mode takes it. */
export function encodeAsyncReturn(json: string): Uint8Array[] {
  const value = parseTypedPythonJson(json);
  return [pack({ return_type: pythonType(value), return_data: value ?? '' })];
}

/** Return data that is an array. Its bytes are borrowed. */
export function encodeAsyncArray({ dtype, shape, data }: NDArray): Uint8Array[] {
  const array: Packable = new BytesMap([['nd', true], ['type', dtype], ['kind', new Uint8Array(0)], ['shape', shape], ['data', data]]);
  return [pack({ return_type: 'ndarray', return_data: null }), pack(array)];
}

/** The name of the value's type in Python. */
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
  if (!(unpacked instanceof Map)) throw new GearwayError(code, 'a part is no MessagePack map');
  return unpacked as ReadonlyMap<string, Unpacked>;
}

/** What msgpack_numpy 0.4.8 makes of an array. One of Python objects is a pickle, which nobody should read. */
function readArray(fields: ReadonlyMap<string, Unpacked>): NDArray {
  const [type, shape, data] = [fields.get('type'), fields.get('shape'), fields.get('data')];
  if (fields.get('nd') !== true || !Array.isArray(shape) || !(data instanceof Uint8Array)) throw new GearwayError('array-invalid', 'the frame is no array of msgpack_numpy, expected nd, type, shape and data');
  const code = type instanceof Uint8Array ? Buffer.from(type).toString('latin1') : type;
  if (typeof code !== 'string') throw new GearwayError('array-invalid', 'the frame is an array of records or objects, expected numbers');
  const array = { dtype: nameOfDtype(code), shape: shape as readonly number[], data };
  checkNDArray(array);
  return array;
}

/** What MessagePack has, as Python's JSON would have it. @throws {GearwayError} `value-invalid` for what JSON lacks. */
function toTyped(unpacked: Unpacked): TypedValue {
  if (unpacked instanceof Uint8Array) throw new GearwayError('value-invalid', 'the data holds bytes, which JSON lacks; expected numbers, texts, lists and dicts');
  if (unpacked instanceof Map) return Object.fromEntries([...(unpacked as ReadonlyMap<string, Unpacked>)].map(([key, value]) => [key, toTyped(value)]));
  if (Array.isArray(unpacked)) return (unpacked as readonly Unpacked[]).map(toTyped);
  return unpacked as Exclude<typeof unpacked, ReadonlyMap<string, Unpacked> | readonly Unpacked[]>;
}
