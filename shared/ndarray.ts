import { GearwayError } from './errors.ts';

/**
 * A C-contiguous NumPy array.
 *
 * `dtype` is NumPy's name as NetGear writes it (`uint8`, `float32`, `>u2`, …), `shape` has 0 to 8 dimensions,
 * and `data` holds exactly `product(shape) × itemsize` bytes, borrowed from whoever made the array.
 */
export interface NDArray {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** Bytes of one element by dtype: NumPy's names and its byte-order codes. */
const ITEM_BYTES: ReadonlyMap<string, number> = new Map([
  ['bool', 1], ['uint8', 1], ['int8', 1],
  ['uint16', 2], ['int16', 2], ['float16', 2],
  ['uint32', 4], ['int32', 4], ['float32', 4],
  ['uint64', 8], ['int64', 8], ['float64', 8],
]);

/** NumPy's one-letter kinds, as they appear in codes such as `>u2`. */
const CODE = /^[<>=|]?(?:b1|[ui][1248]|f[248])$/;

/** NumPy's codes, as `dtype.str` has them, of what has a name that NetGear writes; what is most significant byte first has none. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['|b1', 'bool'], ['|u1', 'uint8'], ['|i1', 'int8'],
  ['<u2', 'uint16'], ['<i2', 'int16'], ['<f2', 'float16'],
  ['<u4', 'uint32'], ['<i4', 'int32'], ['<f4', 'float32'],
  ['<u8', 'uint64'], ['<i8', 'int64'], ['<f8', 'float64'],
]);

/** The name of a dtype by its code; the code itself where it has none. */
export function nameOfDtype(code: string): string {
  return NAMES.get(code) ?? code;
}

const MAX_DIMENSIONS = 8;

/** Bytes of one element, or undefined when the dtype is none that NetGear sends. */
export function itemBytes(dtype: string): number | undefined {
  return ITEM_BYTES.get(dtype) ?? (CODE.test(dtype) ? Number(dtype.at(-1)) : undefined);
}

/**
 * The bytes that an array of this dtype and shape takes.
 *
 * @throws {GearwayError} `dtype-unknown`, or `shape-invalid` when the shape is not a list of at most 8 sizes or its product is not a safe integer.
 */
export function arrayBytes(dtype: string, shape: readonly unknown[]): number {
  const bytes = itemBytes(dtype);
  if (bytes === undefined) throw new GearwayError('dtype-unknown', `dtype is ${JSON.stringify(dtype)}, expected a NumPy numeric type such as "uint8"`);
  let product = bytes;
  for (const size of shape) {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      throw new GearwayError('shape-invalid', 'shape is not a list of non-negative integers');
    }
    product *= size;
  }
  if (shape.length > MAX_DIMENSIONS || !Number.isSafeInteger(product)) {
    throw new GearwayError('shape-invalid', `shape has ${shape.length} dimensions and ${product} bytes, expected at most ${MAX_DIMENSIONS} dimensions`);
  }
  return product;
}

/**
 * Checks that an array's bytes fit its dtype and shape: a misfit kills a Python peer.
 *
 * @throws {GearwayError} `array-misfit`, and what {@link arrayBytes} throws.
 */
export function checkNDArray(array: NDArray): void {
  const expected = arrayBytes(array.dtype, array.shape);
  if (array.data.byteLength !== expected) {
    throw new GearwayError('array-misfit', `array data is ${array.data.byteLength} bytes, dtype and shape announce ${expected}`);
  }
}

/** Whether an array can be looked at: `[height, width]`, or with 1, 3 (BGR) or 4 (BGRA) channels. */
export function isPictureShape(shape: readonly number[]): boolean {
  const [height = 0, width = 0, channels = 1] = shape;
  return (shape.length === 2 || shape.length === 3) && height > 0 && width > 0 && (channels === 1 || channels === 3 || channels === 4);
}
