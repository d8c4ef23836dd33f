import type { NDArray } from '../../shared/ndarray.ts';
import type { ReturnBody, Value } from '../../shared/protocol.ts';

/** Typed array of numbers, whose class determines the dtype. */
export type TypedArray =
  | Uint8Array
  | Uint8ClampedArray
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

/** A typed array with a shape: the NumPy array of the same dtype, C-contiguous. */
export interface ShapedArray {
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/** Return data: a JSON value, an array, or a Blob with a JPEG. docs/element.md lists the Python types. */
export type Returnable = Value | NDArray | ShapedArray | TypedArray | Blob;

/**
 * Error for refused return data. `code` is one of the gateway's codes (docs/protocol.md), even if the value was refused
 * before it was sent; or `closed` if there is no connection, or if the connection ended before the gateway answered.
 */
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

/** Maximum time to live: one day. */
const MAX_TTL_MS = 86_400_000;

const DTYPES: readonly (readonly [new (length: number) => TypedArray, string])[] = [
  [Uint8Array, 'uint8'],
  [Uint8ClampedArray, 'uint8'],
  [Int8Array, 'int8'],
  [Uint16Array, 'uint16'],
  [Int16Array, 'int16'],
  [Uint32Array, 'uint32'],
  [Int32Array, 'int32'],
  [Float32Array, 'float32'],
  [Float64Array, 'float64'],
  [BigUint64Array, 'uint64'],
  [BigInt64Array, 'int64'],
];

/**
 * Converts a value for the protocol. The result is a copy: the caller may reuse the value's memory.
 *
 * @throws {ReturnRefusedError} `value-invalid` for a value without a Python type; the message names its path.
 * `array-misfit` for an invalid shape.
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
  if (!(ttlMs >= 1 && ttlMs <= MAX_TTL_MS)) {
    throw new ReturnRefusedError('value-invalid', `ttlMs is ${ttlMs}, expected 1 to ${MAX_TTL_MS}`);
  }
  return ttlMs;
}

function isShaped(value: Value | NDArray | ShapedArray): value is NDArray | ShapedArray {
  if (typeof value !== 'object' || value === null || !('data' in value && 'shape' in value)) return false;
  return ArrayBuffer.isView(value.data) && Array.isArray(value.shape);
}

function toArray(
  data: TypedArray,
  shape: readonly number[],
  dtype = DTYPES.find(([type]) => data instanceof type)?.[1],
): ReturnBody {
  if (!shape.every((size) => Number.isSafeInteger(size) && size >= 0) || shape.length > MAX_DIMENSIONS) {
    const expected = `at most ${MAX_DIMENSIONS} non-negative integers`;
    throw new ReturnRefusedError('array-misfit', `shape is [${shape.join(', ')}], expected ${expected}`);
  }
  if (dtype === undefined || typeof dtype !== 'string' || dtype.length > MAX_DTYPE) {
    const found = `the array is a ${data.constructor.name} with dtype ${JSON.stringify(dtype)}`;
    const reason = `${found}, expected a typed array of numbers, or a NumPy dtype name`;
    throw new ReturnRefusedError('value-invalid', reason);
  }
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  return { kind: 'array', array: { dtype, shape: [...shape], data: bytes } };
}

/**
 * Deep copy of a JSON value without arrays or images, such as a message.
 *
 * @throws {ReturnRefusedError} `value-invalid` for a value without a Python type; the message names its path.
 */
export function toValue(value: unknown): Value {
  return copyValue(value, 'value', 0);
}

/** Omits undefined properties, as JSON does, and refuses values that JSON would change silently. */
function copyValue(value: unknown, path: string, depth: number): Value {
  if (depth > MAX_DEPTH) {
    const reason = `the value is nested deeper than ${MAX_DEPTH}, or refers to itself`;
    throw new ReturnRefusedError('value-invalid', reason);
  }
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
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  if (!isPlain) throw invalid(path, `a ${value.constructor.name}`);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [key, copyValue(item, `${path}.${key}`, depth + 1)]),
  );
}

function invalid(path: string, found: string): ReturnRefusedError {
  const expected = 'a JSON value: null, boolean, number, bigint, string, array, plain object';
  return new ReturnRefusedError('value-invalid', `${path} is ${found}, expected ${expected}`);
}
