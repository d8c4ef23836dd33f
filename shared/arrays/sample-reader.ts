import type { SampleType } from '../ndarray.ts';

/**
 * Reads samples of any type and byte order as numbers. 64-bit integers become the nearest number.
 *
 * @param bytes bytes of all samples, at any alignment.
 * @param from index of the first sample, not of its byte.
 * @param step distance from one sample to the next; 1 reads all.
 * @param out receives `count` values, from its beginning.
 */
export function readSamples(
  type: SampleType,
  bytes: Uint8Array,
  from: number,
  count: number,
  out: Float64Array,
  step = 1,
): void {
  const { bytes: size, kind } = type;
  const native = step === 1 ? nativeSamples(type, bytes, from, count) : null;
  if (native !== null) {
    out.set(native);
    return;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isLittle = !type.isBigEndian;
  const end = (from + count * step) * size;
  const stride = step * size;
  let at = from * size;
  let to = 0;
  // There is one loop per type, because a function call per sample would take several times longer.
  switch (`${kind === 'bool' ? 'uint' : kind}${size}`) {
    case 'uint1':
      for (; at < end; at += stride) out[to++] = view.getUint8(at);
      return;
    case 'int1':
      for (; at < end; at += stride) out[to++] = view.getInt8(at);
      return;
    case 'uint2':
      for (; at < end; at += stride) out[to++] = view.getUint16(at, isLittle);
      return;
    case 'int2':
      for (; at < end; at += stride) out[to++] = view.getInt16(at, isLittle);
      return;
    case 'float2':
      for (; at < end; at += stride) out[to++] = halfToNumber(view.getUint16(at, isLittle));
      return;
    case 'uint4':
      for (; at < end; at += stride) out[to++] = view.getUint32(at, isLittle);
      return;
    case 'int4':
      for (; at < end; at += stride) out[to++] = view.getInt32(at, isLittle);
      return;
    case 'float4':
      for (; at < end; at += stride) out[to++] = view.getFloat32(at, isLittle);
      return;
    case 'float8':
      for (; at < end; at += stride) out[to++] = view.getFloat64(at, isLittle);
      return;
    default:
      for (; at < end; at += stride) out[to++] = readWideInteger(view, at, kind === 'int', isLittle);
  }
}

/** Array types of the samples that `TypedArray.prototype.set()` converts to numbers, several times as fast as a loop. */
const NATIVE_ARRAYS = { uint4: Uint32Array, int4: Int32Array, float4: Float32Array, float8: Float64Array } as const;

/**
 * Samples as an array of the machine's own type; null if there is none. All current machines are little-endian. Copied
 * if they are not aligned.
 */
function nativeSamples(
  { kind, bytes: size, isBigEndian }: SampleType,
  bytes: Uint8Array,
  from: number,
  count: number,
): Uint32Array | Int32Array | Float32Array | Float64Array | null {
  const key = `${kind}${size}`;
  const Samples = key in NATIVE_ARRAYS ? NATIVE_ARRAYS[key as keyof typeof NATIVE_ARRAYS] : null;
  if (Samples === null || isBigEndian) return null;
  const at = from * size;
  const samples = bytes.subarray(at, at + count * size);
  // `slice()` of Node's Buffer would not copy.
  const { buffer, byteOffset } = samples.byteOffset % size === 0 ? samples : new Uint8Array(samples);
  return new Samples(buffer as ArrayBuffer, byteOffset, count);
}

/**
 * Number of samples that are read at a time, so that their values stay in the processor's cache until they are mapped.
 */
export const SAMPLES_AT_ONCE = 4096;

/** All values of a type of one or two bytes, indexed by its bytes as a little-endian integer. */
export function everyValue(type: SampleType): Float64Array {
  const count = 2 ** (8 * type.bytes);
  const bytes = new Uint8Array(count * type.bytes);
  for (let bits = 0; bits < count; bits += 1) {
    bytes[bits * type.bytes] = bits;
    if (type.bytes === 2) bytes[2 * bits + 1] = bits >> 8;
  }
  const values = new Float64Array(count);
  readSamples(type, bytes, 0, count, values);
  return values;
}

/** Reads a 64-bit integer as the nearest number. A bigint would take ten times as long. */
function readWideInteger(view: DataView, at: number, isSigned: boolean, isLittle: boolean): number {
  const [highAt, lowAt] = isLittle ? [at + 4, at] : [at, at + 4];
  const high = isSigned ? view.getInt32(highAt, isLittle) : view.getUint32(highAt, isLittle);
  return high * 2 ** 32 + view.getUint32(lowAt, isLittle);
}

/** Reads an IEEE 754 binary16 number. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
