import { GearwayError } from './errors.ts';
import type { Encoding } from './frame.ts';
import { parseDtype, pictureChannels, type SampleType } from './ndarray.ts';

/** The values that are shown as black and as white. Those between are mapped linearly, those outside are clamped. */
export interface SampleRange {
  readonly low: number;
  readonly high: number;
}

/** The range of a type: floats from 0 to 1, booleans false and true, integers all values that the type has. */
export function rangeOfType({ kind, bytes }: SampleType): SampleRange {
  if (kind === 'float' || kind === 'bool') return { low: 0, high: 1 };
  const values = 2 ** (8 * bytes);
  return kind === 'uint' ? { low: 0, high: values - 1 } : { low: -values / 2, high: values / 2 - 1 };
}

/**
 * Converts the samples of a picture to 8 bits, for the gateway (MJPEG, snapshots) and the browser alike: both show a
 * value as the same gray. Rounds halves to even; NaN is black.
 */
export class EightBitConverter {
  readonly type: SampleType;
  readonly #low: number;
  readonly #scale: number;
  /** For types of one or two bytes: the gray of every possible value, by its bytes read as a little-endian integer. */
  readonly #table: Uint8ClampedArray | null;

  /** @throws {GearwayError} `dtype-unsupported`. */
  constructor(dtype: string, range?: SampleRange) {
    const type = parseDtype(dtype);
    if (type === undefined) throw unsupportedDtype(dtype);
    const { low, high } = range ?? rangeOfType(type);
    this.type = type;
    this.#low = low;
    this.#scale = high > low ? 255 / (high - low) : 0;
    this.#table = type.bytes > 2 ? null : this.#createTable();
  }

  /**
   * Converts samples `from` (included) to `to` (excluded).
   *
   * @param bytes of all samples, at any alignment.
   * @param out receives them, from its beginning.
   */
  convert(bytes: Uint8Array, from: number, to: number, out: Uint8ClampedArray): void {
    const table = this.#table;
    if (table === null) this.#convertWide(bytes, from, to, out);
    else if (this.type.bytes === 1) for (let at = from; at < to; at += 1) out[at - from] = table[bytes[at] ?? 0] ?? 0;
    else for (let at = from; at < to; at += 1) out[at - from] = table[(bytes[2 * at] ?? 0) | ((bytes[2 * at + 1] ?? 0) << 8)] ?? 0;
  }

  #convertWide(bytes: Uint8Array, from: number, to: number, out: Uint8ClampedArray): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const isLittle = !this.type.isBigEndian;
    const low = this.#low;
    const scale = this.#scale;
    // A loop per type: a function called per sample would take several times longer.
    switch (this.type.name.replace(/^>/, '')) {
      case 'uint32':
      case 'u4':
        for (let at = from; at < to; at += 1) out[at - from] = (view.getUint32(4 * at, isLittle) - low) * scale;
        return;
      case 'int32':
      case 'i4':
        for (let at = from; at < to; at += 1) out[at - from] = (view.getInt32(4 * at, isLittle) - low) * scale;
        return;
      case 'float32':
      case 'f4':
        for (let at = from; at < to; at += 1) out[at - from] = (view.getFloat32(4 * at, isLittle) - low) * scale;
        return;
      case 'float64':
      case 'f8':
        for (let at = from; at < to; at += 1) out[at - from] = (view.getFloat64(8 * at, isLittle) - low) * scale;
        return;
      default:
        for (let at = from; at < to; at += 1) out[at - from] = (readWideInteger(view, 8 * at, this.type) - low) * scale;
    }
  }

  #createTable(): Uint8ClampedArray {
    const { bytes } = this.type;
    const table = new Uint8ClampedArray(2 ** (8 * bytes));
    const value = new DataView(new ArrayBuffer(2));
    for (let bits = 0; bits < table.length; bits += 1) {
      value.setUint16(0, bits, true);
      table[bits] = (readNarrow(value, 0, this.type) - this.#low) * this.#scale;
    }
    return table;
  }
}

/** Converters are kept, because a table takes a millisecond to fill. There is one per dtype. */
const converters = new Map<string, EightBitConverter>();

/**
 * The converter of a type with its own range.
 *
 * @throws {GearwayError} `dtype-unsupported`.
 */
export function converterOf(dtype: string): EightBitConverter {
  let converter = converters.get(dtype);
  if (converter === undefined) {
    converter = new EightBitConverter(dtype);
    converters.set(dtype, converter);
  }
  return converter;
}

/**
 * Least and greatest value of an array; NaN is skipped.
 *
 * @throws {GearwayError} `dtype-unsupported`.
 */
export function rangeOfSamples(dtype: string, bytes: Uint8Array): SampleRange {
  const type = parseDtype(dtype);
  if (type === undefined) throw unsupportedDtype(dtype);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let low = Infinity;
  let high = -Infinity;
  for (let at = 0; at < bytes.byteLength; at += type.bytes) {
    const value = readSample(view, at, type);
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return { low, high };
}

/**
 * Checks that raw frames can be shown as a picture. NetGear clients take other arrays as well.
 *
 * @throws {GearwayError} `dtype-unsupported`, `channels-unsupported`.
 */
export function checkShowable(encoding: Encoding): 1 | 3 | 4 {
  if (encoding.kind === 'jpeg') throw new GearwayError('frame-encoded', 'the frame is a JPEG, expected samples');
  const { dtype, shape } = encoding;
  if (parseDtype(dtype) === undefined) throw unsupportedDtype(dtype);
  const channels = pictureChannels(shape);
  if (channels === null) {
    throw new GearwayError('channels-unsupported', `arrays of shape [${shape.join(', ')}] cannot be shown as a picture, expected 1 (gray), 3 (BGR) or 4 (BGRA) channels`);
  }
  return channels;
}

function unsupportedDtype(dtype: string): GearwayError {
  return new GearwayError('dtype-unsupported', `samples of dtype ${JSON.stringify(dtype)} cannot be shown as a picture, expected bool, integers or floats of at most 64 bits`);
}

function readSample(view: DataView, at: number, type: SampleType): number {
  const { kind, bytes, isBigEndian } = type;
  if (bytes === 8) return kind === 'float' ? view.getFloat64(at, !isBigEndian) : readWideInteger(view, at, type);
  if (bytes === 4 && kind === 'float') return view.getFloat32(at, !isBigEndian);
  if (bytes === 4) return kind === 'int' ? view.getInt32(at, !isBigEndian) : view.getUint32(at, !isBigEndian);
  return readNarrow(view, at, type);
}

/** A sample of one or two bytes. */
function readNarrow(view: DataView, at: number, { kind, bytes, isBigEndian }: SampleType): number {
  if (bytes === 1) return kind === 'int' ? view.getInt8(at) : view.getUint8(at);
  if (kind === 'float') return halfToNumber(view.getUint16(at, !isBigEndian));
  return kind === 'int' ? view.getInt16(at, !isBigEndian) : view.getUint16(at, !isBigEndian);
}

/** A 64-bit integer as the nearest number. A bigint would take ten times as long. */
function readWideInteger(view: DataView, at: number, { kind, isBigEndian }: SampleType): number {
  const [highAt, lowAt] = isBigEndian ? [at, at + 4] : [at + 4, at];
  const high = kind === 'int' ? view.getInt32(highAt, !isBigEndian) : view.getUint32(highAt, !isBigEndian);
  return high * 2 ** 32 + view.getUint32(lowAt, !isBigEndian);
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
