import { GearwayError } from './errors.ts';

/**
 * A C-contiguous NumPy array.
 *
 * `dtype` is NumPy's name as NetGear writes it (`uint8`, `float32`, `>u2`, …), `shape` has 0 to 8 dimensions,
 * and `data` contains exactly `product(shape) × itemsize` bytes, borrowed from the creator of the array.
 */
export interface NDArray {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** Type of an array's elements. */
export interface SampleType {
  /**
   * The canonical spelling: NumPy's name (`uint16`), or the code of a big-endian type (`>u2`),
   * which has no name.
   */
  readonly name: string;
  readonly kind: 'bool' | 'uint' | 'int' | 'float';
  /** Bytes per element. */
  readonly bytes: 1 | 2 | 4 | 8;
  readonly isBigEndian: boolean;
}

const KINDS = { b: 'bool', u: 'uint', i: 'int', f: 'float' } as const;

/** NumPy's names and codes of the types that NetGear sends. */
const NAMES = {
  bool: 'b1',
  uint8: 'u1',
  int8: 'i1',
  uint16: 'u2',
  int16: 'i2',
  float16: 'f2',
  uint32: 'u4',
  int32: 'i4',
  float32: 'f4',
  uint64: 'u8',
  int64: 'i8',
  float64: 'f8',
} as const;

/**
 * All spellings: the names, and the codes with and without a byte order. `=` and no prefix mean the byte order of the
 * machine, little-endian; `|` is for single bytes.
 */
const TYPES: ReadonlyMap<string, SampleType> = new Map(
  Object.entries(NAMES).flatMap(([name, code]) => {
    const bytes = Number(code[1]) as SampleType['bytes'];
    const little: SampleType = { name, kind: KINDS[code[0] as keyof typeof KINDS], bytes, isBigEndian: false };
    const big: SampleType = bytes === 1 ? little : { ...little, name: `>${code}`, isBigEndian: true };
    return [
      [name, little],
      ...['', '<', '=', '|'].map((order) => [order + code, little] as const),
      [`>${code}`, big],
    ] as [string, SampleType][];
  }),
);

/** Reads a dtype in any of NumPy's spellings; undefined if it is not one that NetGear sends. */
export function parseDtype(dtype: string): SampleType | undefined {
  return TYPES.get(dtype);
}

/** Returns the canonical spelling of a dtype, and an unknown dtype unchanged. */
export function canonicalDtype(dtype: string): string {
  return TYPES.get(dtype)?.name ?? dtype;
}

const MAX_DIMENSIONS = 8;

/** Bytes of one element; undefined if the dtype is not one that NetGear sends. */
export function itemBytes(dtype: string): number | undefined {
  return TYPES.get(dtype)?.bytes;
}

/**
 * Number of bytes of an array of this dtype and shape.
 *
 * @throws {GearwayError} `dtype-unknown`, or `shape-invalid` when the shape is not a list of at most 8 sizes or its
 * product is not a safe integer.
 */
export function arrayBytes(dtype: string, shape: readonly unknown[]): number {
  const bytes = itemBytes(dtype);
  if (bytes === undefined)
    throw new GearwayError(
      'dtype-unknown',
      `dtype is ${JSON.stringify(dtype)}, expected a type of real numbers such as "uint8", "int16" or "float32"`,
    );
  let product = bytes;
  for (const size of shape) {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      throw new GearwayError('shape-invalid', 'shape is not a list of non-negative integers');
    }
    product *= size;
  }
  if (shape.length > MAX_DIMENSIONS || !Number.isSafeInteger(product)) {
    throw new GearwayError(
      'shape-invalid',
      `shape has ${shape.length} dimensions and ${product} bytes, expected at most ${MAX_DIMENSIONS} dimensions and ${Number.MAX_SAFE_INTEGER} bytes`,
    );
  }
  return product;
}

/**
 * Checks that an array's bytes fit its dtype and shape: a mismatch crashes a Python peer.
 *
 * @throws {GearwayError} `array-misfit`, and the errors of {@link arrayBytes}.
 */
export function checkNDArray(array: NDArray): void {
  const expected = arrayBytes(array.dtype, array.shape);
  if (array.data.byteLength !== expected) {
    throw new GearwayError(
      'array-misfit',
      `array data is ${array.data.byteLength} bytes, dtype and shape announce ${expected}`,
    );
  }
}

/**
 * Number of channels of a picture: 1 for `[height, width]`, otherwise the third size, which is 1 (gray), 3 (BGR) or 4
 * (BGRA); null if an array of this shape is not a picture.
 */
export function pictureChannels(shape: readonly number[]): 1 | 3 | 4 | null {
  const [height = 0, width = 0, channels = 1] = shape;
  if (shape.length < 2 || shape.length > 3 || height < 1 || width < 1) return null;
  return channels === 1 || channels === 3 || channels === 4 ? channels : null;
}
