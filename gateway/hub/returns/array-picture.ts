import { FRAME_LIMITS } from '../../../shared/frame.ts';
import { GearwayError } from '../../../shared/errors.ts';
import { itemBytes, isPictureShape, type NDArray } from '../../../shared/ndarray.ts';
import type { Frame } from '../frame.ts';

/** Most pixels of a picture that is made of an array: one with more is thinned out. */
const MAX_PIXELS = 1 << 22;

/** The dtypes that a frame's samples are shown of as they are, by NumPy's code. */
const SHOWN_AS_THEY_ARE: Readonly<Record<string, string>> = { u1: 'uint8', b1: 'bool', u2: 'uint16', f4: 'float32', f8: 'float64' };

/** NumPy's code of the names that NetGear writes. */
const CODES: Readonly<Record<string, string>> = {
  bool: 'b1', uint8: 'u1', int8: 'i1', uint16: 'u2', int16: 'i2', float16: 'f2', uint32: 'u4', int32: 'i4', float32: 'f4', uint64: 'u8', int64: 'i8', float64: 'f8',
};

/** Every how many rows and columns of an array are enough for a picture `width` wide; null: for one as large as it may be. */
export function thinning({ shape: [height = 0, columns = 0] }: NDArray, width: number | null): number {
  // Twice as wide as is wanted: what is between is made by the one that scales.
  return Math.max(1, Math.ceil(Math.sqrt((height * columns) / MAX_PIXELS)), width === null ? 1 : Math.floor(columns / (2 * width)));
}

/**
 * An array as a frame, so that it is shown as frames are: 16 bits from 0 to 65535, floats from 0 to 1, false and true as black
 * and white. What frames don't have: signed integers, and those of 32 and 64 bits, from the array's least value to its greatest.
 *
 * @param step takes every so many rows and columns.
 * @throws {GearwayError} `no-picture` for a shape that is none of a picture.
 */
export function arrayPicture({ dtype, shape, data }: NDArray, step: number): Frame {
  const [height = 0, width = 0] = shape;
  const { side } = FRAME_LIMITS;
  if (!isPictureShape(shape) || width > side || height > side) {
    throw new GearwayError('no-picture', `an array of shape [${shape.join(', ')}] is no picture, expected [height, width] or [height, width, 1, 3 or 4] of at most ${side} a side; the client's status describes it`);
  }
  const bytes = itemBytes(dtype) ?? 1;
  const thinned = thin(data, { height, width, pixelBytes: bytes * (shape[2] ?? 1), step });
  const samples = dtype.startsWith('>') ? swapBytes(thinned.data, bytes) : thinned.data;
  const code = CODES[dtype] ?? dtype.replace(/^[<>=|]/, '');
  const shown = SHOWN_AS_THEY_ARE[code];
  const encoding = { kind: 'raw', dtype: shown ?? (code === 'f2' ? 'float32' : 'uint8'), shape: [thinned.height, thinned.width, ...shape.slice(2)] } as const;
  const payload = shown === undefined ? convert(samples, code) : samples;
  return { sequence: 0, receivedAtUs: 0, width: thinned.width, height: thinned.height, encoding, payload, message: null, wireHeader: null };
}

interface Thinned {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

function thin(data: Uint8Array, { height, width, pixelBytes, step }: { height: number; width: number; pixelBytes: number; step: number }): Thinned {
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

/** Samples, least significant byte first, as float32 or as 8 bits. */
function convert(data: Uint8Array, code: string): Uint8Array {
  const { buffer } = Uint8Array.from(data); // aligned for every type
  switch (code) {
    case 'f2':
      return halfToFloat(new Uint16Array(buffer));
    case 'i1':
      return spread(new Int8Array(buffer));
    case 'i2':
      return spread(new Int16Array(buffer));
    case 'i4':
      return spread(new Int32Array(buffer));
    case 'u4':
      return spread(new Uint32Array(buffer));
    case 'i8':
      return spread(toNumbers(new BigInt64Array(buffer)));
    case 'u8':
      return spread(toNumbers(new BigUint64Array(buffer)));
    default:
      throw new GearwayError('dtype-unsupported', `cannot show samples of dtype ${code}`);
  }
}

/** The least value becomes black, the greatest white. */
function spread(values: Int8Array | Int16Array | Int32Array | Uint32Array | Float64Array): Uint8Array {
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
