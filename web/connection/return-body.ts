import type { NDArray } from '../../shared/ndarray.ts';
import type { ReturnBody, Value } from '../../shared/protocol.ts';

/** Memory of numbers; its type says the dtype. */
export type TypedArray =
  | Uint8Array | Uint8ClampedArray | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array
  | Float32Array | Float64Array | BigUint64Array | BigInt64Array;

/** A typed array with a shape: the NumPy array of the same dtype, C-contiguous. */
export interface ShapedArray {
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/** What can be returned: what Python's JSON holds, an array, or a Blob of a JPEG. See docs/element.md for the Python types. */
export type Returnable = Value | NDArray | ShapedArray | TypedArray | Blob;

/** A value was not accepted. `code` is the gateway's (docs/protocol.md), `value-invalid` before it left, or `closed` when the connection went first. */
export class ReturnRefusedError extends Error {
  readonly code: string;

  constructor(code: string, reason: string) {
    super(reason === '' ? code : reason);
    this.name = 'ReturnRefusedError';
    this.code = code;
  }
}

const MAX_DEPTH = 64;
const MAX_DIMENSIONS = 8;
const MAX_DTYPE = 16;

/** Longest time to live: a day. */
const MAX_TTL_MS = 86_400_000;

const DTYPES: readonly (readonly [new (length: number) => TypedArray, string])[] = [
  [Uint8Array, 'uint8'], [Uint8ClampedArray, 'uint8'], [Int8Array, 'int8'], [Uint16Array, 'uint16'], [Int16Array, 'int16'],
  [Uint32Array, 'uint32'], [Int32Array, 'int32'], [Float32Array, 'float32'], [Float64Array, 'float64'],
  [BigUint64Array, 'uint64'], [BigInt64Array, 'int64'],
];

/**
 * Turns a value into what the protocol carries. All is copied: the caller may go on writing to it.
 *
 * @throws {ReturnRefusedError} `value-invalid` for what has no Python type, naming the place.
 */
export async function toReturnBody(value: Returnable): Promise<ReturnBody> {
  if (value instanceof Blob) return { kind: 'jpeg', data: new Uint8Array(await value.arrayBuffer()) };
  if (ArrayBuffer.isView(value)) return toArray(value as TypedArray, [(value as TypedArray).length]);
  if (isShaped(value)) return toArray(value.data, value.shape, 'dtype' in value ? value.dtype : undefined);
  return { kind: 'value', value: toValue(value) };
}

/**
 * @returns null for no limit.
 * @throws {ReturnRefusedError} `value-invalid`.
 */
export function toTtl(ttlMs: number | undefined): number | null {
  if (ttlMs === undefined) return null;
  if (!(ttlMs >= 1 && ttlMs <= MAX_TTL_MS)) throw new ReturnRefusedError('value-invalid', `ttlMs is ${ttlMs}, expected 1 to ${MAX_TTL_MS}`);
  return ttlMs;
}

function isShaped(value: Value | NDArray | ShapedArray): value is NDArray | ShapedArray {
  return typeof value === 'object' && value !== null && 'data' in value && ArrayBuffer.isView(value.data) && 'shape' in value && Array.isArray(value.shape);
}

function toArray(data: TypedArray, shape: readonly number[], dtype = DTYPES.find(([type]) => data instanceof type)?.[1]): ReturnBody {
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0) || shape.length > MAX_DIMENSIONS) throw new ReturnRefusedError('array-misfit', `the shape is [${shape.join(', ')}], expected at most ${MAX_DIMENSIONS} whole numbers`);
  if (dtype === undefined || typeof dtype !== 'string' || dtype.length > MAX_DTYPE) throw new ReturnRefusedError('value-invalid', `the array is a ${data.constructor.name} of dtype ${JSON.stringify(dtype)}, expected a typed array of numbers, or NumPy's name of a dtype`);
  return { kind: 'array', array: { dtype, shape: [...shape], data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice() } };
}

/**
 * A deep copy of a value without arrays and pictures, as a message is.
 *
 * @throws {ReturnRefusedError} `value-invalid` for what has no Python type, naming the place.
 */
export function toValue(value: unknown): Value {
  return copyValue(value, 'value', 0);
}

/** A deep copy with what JSON would leave out (undefined) left out, and what it would silently change refused. */
function copyValue(value: unknown, path: string, depth: number): Value {
  if (depth > MAX_DEPTH) throw new ReturnRefusedError('value-invalid', `the value is nested deeper than ${MAX_DEPTH}, or refers to itself`);
  switch (typeof value) {
    case 'boolean':
    case 'number':
    case 'bigint':
    case 'string':
      return value;
    case 'undefined':
      return null;
    case 'object':
      break;
    default:
      throw invalid(path, `a ${typeof value}`);
  }
  if (value === null) return null;
  if (Array.isArray(value)) return value.map((item, index) => copyValue(item, `${path}[${index}]`, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) throw invalid(path, `a ${value.constructor.name}`);
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => (item === undefined ? [] : [[key, copyValue(item, `${path}.${key}`, depth + 1)]])),
  );
}

function invalid(path: string, what: string): ReturnRefusedError {
  return new ReturnRefusedError('value-invalid', `${path} is ${what}, expected what Python's JSON can hold: null, boolean, number, bigint, string, array, plain object`);
}
