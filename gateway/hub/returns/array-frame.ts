import { FRAME_LIMITS } from '../../../shared/frame.ts';
import { GearwayError } from '../../../shared/errors.ts';
import { itemBytes, isPictureShape, type NDArray } from '../../../shared/ndarray.ts';
import type { Frame } from '../frame.ts';

/** Maximum number of pixels of a frame made from an array; larger arrays are decimated. */
const MAX_PIXELS = 1 << 22;

/** The dtypes that raw frames support and that need no conversion, by NumPy code. */
const DISPLAYABLE: Readonly<Record<string, string>> = { u1: 'uint8', b1: 'bool', u2: 'uint16', f4: 'float32', f8: 'float64' };

/** NumPy codes of the dtype names that NetGear sends. */
const CODES: Readonly<Record<string, string>> = {
  bool: 'b1', uint8: 'u1', int8: 'i1', uint16: 'u2', int16: 'i2', float16: 'f2', uint32: 'u4', int32: 'i4', float32: 'f4', uint64: 'u8', int64: 'i8', float64: 'f8',
};

/** Decimation step of rows and columns for a picture of this width; null for the largest picture possible. */
export function decimation({ shape: [height = 0, columns = 0] }: NDArray, width: number | null): number {
  // Keep twice the width that was requested, so that scaling it down afterwards still smooths the picture.
  return Math.max(1, Math.ceil(Math.sqrt((height * columns) / MAX_PIXELS)), width === null ? 1 : Math.floor(columns / (2 * width)));
}

/**
 * Converts an array to a raw frame. 16-bit samples are shown from 0 to 65535, floats from 0 to 1, booleans as black and
 * white. Signed, 32-bit and 64-bit integers are scaled from the array's minimum to its maximum.
 *
 * @param step takes every n-th row and column.
 * @throws {GearwayError} `no-picture` if the shape is not that of a picture, `dtype-unsupported`.
 */
export function frameOfArray({ dtype, shape, data }: NDArray, step: number): Frame {
  const [height = 0, width = 0] = shape;
  const { side } = FRAME_LIMITS;
  if (!isPictureShape(shape) || width > side || height > side) {
    const expected = `[height, width] or [height, width, 1, 3 or 4] with sides of at most ${side}`;
    const text = `array of shape [${shape.join(', ')}] is not a picture, expected ${expected}`;
    throw new GearwayError('no-picture', `${text}; the client's status describes the array`);
  }
  const bytes = itemBytes(dtype) ?? 1;
  const decimated = decimate(data, { height, width, pixelBytes: bytes * (shape[2] ?? 1), step });
  const samples = dtype.startsWith('>') ? swapBytes(decimated.data, bytes) : decimated.data;
  const code = CODES[dtype] ?? dtype.replace(/^[<>=|]/, '');
  const shown = DISPLAYABLE[code];
  const encoding = { kind: 'raw', dtype: shown ?? (code === 'f2' ? 'float32' : 'uint8'), shape: [decimated.height, decimated.width, ...shape.slice(2)] } as const;
  const payload = shown === undefined ? convert(samples, code) : samples;
  return { sequence: 0, receivedAtUs: 0, width: decimated.width, height: decimated.height, encoding, payload, message: null, wireHeader: null };
}

interface Decimated {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

function decimate(data: Uint8Array, { height, width, pixelBytes, step }: { height: number; width: number; pixelBytes: number; step: number }): Decimated {
  if (step === 1) return { data, width, height };
  const size = { width: Math.ceil(width / step), height: Math.ceil(height / step) };
  const out = new Uint8Array(size.width * size.height * pixelBytes);
  let to = 0;
  for (let y = 0; y < height; y += step) {
    for (let x = 0; x < width; x += step) {
      const from = (y * width + x) * pixelBytes;
      for (let at = 0; at < pixelBytes; at += 1) out[to + at] = data[from + at] ?? 0;
      to += pixelBytes;
    }
  }
  return { data: out, ...size };
}

function swapBytes(data: Uint8Array, itemSize: number): Uint8Array {
  const swapped = Buffer.from(data);
  if (itemSize === 2) return swapped.swap16();
  if (itemSize === 4) return swapped.swap32();
  return itemSize === 8 ? swapped.swap64() : swapped;
}

/** Converts little-endian samples to float32 or to 8 bits. */
function convert(data: Uint8Array, code: string): Uint8Array {
  const { buffer } = Uint8Array.from(data); // a copy, so that it is aligned for every type
  switch (code) {
    case 'f2':
      return halfToFloat(new Uint16Array(buffer));
    case 'i1':
      return normalize(new Int8Array(buffer));
    case 'i2':
      return normalize(new Int16Array(buffer));
    case 'i4':
      return normalize(new Int32Array(buffer));
    case 'u4':
      return normalize(new Uint32Array(buffer));
    case 'i8':
      return normalize(toNumbers(new BigInt64Array(buffer)));
    case 'u8':
      return normalize(toNumbers(new BigUint64Array(buffer)));
    default:
      throw new GearwayError('dtype-unsupported', `cannot show samples of dtype ${code}`);
  }
}

/** Maps the minimum to black and the maximum to white. */
function normalize(values: Int8Array | Int16Array | Int32Array | Uint32Array | Float64Array): Uint8Array {
  let least = Infinity;
  let greatest = -Infinity;
  for (const value of values) {
    if (value < least) least = value;
    if (value > greatest) greatest = value;
  }
  const scale = greatest > least ? 255 / (greatest - least) : 0;
  const shown = new Uint8Array(values.length);
  for (let at = 0; at < shown.length; at += 1) shown[at] = Math.round(((values[at] ?? 0) - least) * scale);
  return shown;
}

function toNumbers(values: BigInt64Array | BigUint64Array): Float64Array {
  const numbers = new Float64Array(values.length);
  for (let at = 0; at < numbers.length; at += 1) numbers[at] = Number(values[at] ?? 0);
  return numbers;
}

function halfToFloat(halves: Uint16Array): Uint8Array {
  const floats = new Float32Array(halves.length);
  for (let at = 0; at < floats.length; at += 1) floats[at] = halfToNumber(halves[at] ?? 0);
  return new Uint8Array(floats.buffer);
}

/** IEEE 754 binary16. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
