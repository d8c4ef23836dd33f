import { Packr, Unpackr } from 'msgpackr';
import { errorText, GearwayError } from '../../shared/errors.ts';
import type { NDArray } from '../../shared/ndarray.ts';
import type { Value } from '../../shared/protocol.ts';
import { formatPythonJson } from '../netgear/python-json.ts';

/** What a `NetGear_Async` server sends. */
export type AsyncMessage =
  /** `array` is a view of the parts' memory. `bidirectional`: the server waits for return data and not just for an answer. */
  | { readonly kind: 'frame'; readonly array: NDArray; readonly message: Value; readonly bidirectional: boolean }
  | { readonly kind: 'termination' };

/** Most bytes of what is sent in front of a frame. */
const MAX_HEADER_BYTES = 1 << 20;

// Maps as Map: msgpack_numpy's have keys of bytes.
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: false });
const packr = new Packr({ useRecords: false, variableMapSize: true });

/** What stands in the maps of msgpack_numpy, 0.4.8: an array, by NumPy's own code for its dtype. */
const DTYPES: ReadonlyMap<string, string> = new Map(Object.entries({
  '|b1': 'bool', '|u1': 'uint8', '|i1': 'int8', '<u2': 'uint16', '<i2': 'int16', '<f2': 'float16', '<u4': 'uint32', '<i4': 'int32', '<f4': 'float32', '<u8': 'uint64', '<i8': 'int64', '<f8': 'float64',
}));

/**
 * Reads what VidGear's `NetGear_Async` sends: MessagePack of `{terminate, bi_mode, data}`, and behind it an array as msgpack_numpy
 * writes it. Whether the array can be a frame is for who takes it.
 *
 * @throws {GearwayError} `parts-invalid`, `header-invalid`, `array-invalid`, and what {@link formatPythonJson} throws for `data`.
 */
export function decodeAsyncMessage(parts: readonly Uint8Array[]): AsyncMessage {
  const [header, frame] = parts;
  if (header === undefined || parts.length > 2) throw new GearwayError('parts-invalid', `message has ${parts.length} parts, expected a header and a frame`);
  if (header.byteLength > MAX_HEADER_BYTES) throw new GearwayError('header-invalid', `header is ${header.byteLength} bytes, expected at most ${MAX_HEADER_BYTES}`);
  const fields = unpackMap(header, 'header-invalid');
  if (fields.get('terminate') === true) return { kind: 'termination' };
  if (frame === undefined) throw new GearwayError('parts-invalid', 'message has no frame behind its header');
  const data = fields.get('data');
  // The server's own word for nothing.
  const message = data === undefined || data === '' ? null : toValue(data);
  formatPythonJson(message);
  return { kind: 'frame', array: readArray(unpackMap(frame, 'array-invalid')), message, bidirectional: fields.get('bi_mode') === true };
}

/** The answer that a server without bidirectional mode waits for, whatever it says. */
export const ASYNC_RECEIVED = 'Data received on client: gearway !';

/** The answer to a termination. */
export function encodeAsyncTerminated(): Uint8Array {
  return Uint8Array.from(packr.pack({ terminated: 'Client-`gearway` successfully terminated!' }));
}

/** Return data as a server in bidirectional mode takes it: `type` is Python's name of what `value` is there. */
export function encodeAsyncReturn(value: Value): Uint8Array {
  return Uint8Array.from(packr.pack({ return_type: pythonType(value), return_data: value ?? '' }));
}

function pythonType(value: Value): string {
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'string':
      return 'str';
    case 'bigint':
      return 'int';
    case 'number':
      return Number.isInteger(value) ? 'int' : 'float';
    default:
      return value === null ? 'NoneType' : Array.isArray(value) ? 'list' : 'dict';
  }
}

function unpackMap(bytes: Uint8Array, code: string): ReadonlyMap<string, unknown> {
  let unpacked: unknown;
  try {
    unpacked = unpackr.unpack(bytes);
  } catch (error) {
    throw new GearwayError(code, `a part is not one MessagePack value: ${errorText(error)}`, { cause: error });
  }
  if (!(unpacked instanceof Map)) throw new GearwayError(code, 'a part is no MessagePack map');
  return new Map([...(unpacked as Map<unknown, unknown>)].map(([key, value]) => [toText(key), value]));
}

function readArray(fields: ReadonlyMap<string, unknown>): NDArray {
  const [type, shape, data] = [fields.get('type'), fields.get('shape'), fields.get('data')];
  if (fields.get('nd') !== true || !Array.isArray(shape) || !(data instanceof Uint8Array) || (typeof type !== 'string' && !(type instanceof Uint8Array))) {
    throw new GearwayError('array-invalid', 'the frame is no array of msgpack_numpy, expected nd, type, shape and data');
  }
  const code = toText(type);
  return { dtype: DTYPES.get(code) ?? code, shape: shape as number[], data };
}

/** What MessagePack has, as Python's JSON would have it. @throws {GearwayError} `value-invalid` for what JSON lacks. */
function toValue(unpacked: unknown): Value {
  if (unpacked === null || typeof unpacked === 'boolean' || typeof unpacked === 'number' || typeof unpacked === 'bigint' || typeof unpacked === 'string') return unpacked;
  if (Array.isArray(unpacked)) return unpacked.map(toValue);
  if (unpacked instanceof Map) return Object.fromEntries([...(unpacked as Map<unknown, unknown>)].map(([key, value]) => [toText(key), toValue(value)]));
  throw new GearwayError('value-invalid', 'the data holds bytes or another type that JSON lacks, expected numbers, texts, lists and dicts');
}

function toText(key: unknown): string {
  return key instanceof Uint8Array ? new TextDecoder().decode(key) : String(key);
}
