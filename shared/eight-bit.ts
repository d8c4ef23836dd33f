import { everyValue, readSamples, SAMPLES_AT_ONCE } from './arrays/sample-reader.ts';
import { GearwayError } from './errors.ts';
import type { Encoding } from './frame.ts';
import { parseDtype, pictureChannels, type SampleType } from './ndarray.ts';

/**
 * The values that are shown as black and as white. Values between these two are mapped linearly; all other values are
 * clamped.
 */
export interface SampleRange {
  readonly low: number;
  readonly high: number;
}

/**
 * Factor by which values are multiplied before they are subtracted from each other: the difference of two finite
 * numbers may be infinite, but the difference of their halves is finite.
 */
export function subtractionFactor({ low, high }: SampleRange): 1 | 0.5 {
  return Number.isFinite(high - low) ? 1 : 0.5;
}

/** The range of a type: floats from 0 to 1, booleans false and true, integers all values of the type. */
export function rangeOfType({ kind, bytes }: SampleType): SampleRange {
  if (kind === 'float' || kind === 'bool') return { low: 0, high: 1 };
  const values = 2 ** (8 * bytes);
  return kind === 'uint' ? { low: 0, high: values - 1 } : { low: -values / 2, high: values / 2 - 1 };
}

/**
 * Converts the samples of a picture to 8 bits, in the gateway (MJPEG, snapshots) and in the browser: both show a
 * value as the same gray. Rounds halves to even; NaN is black.
 */
export class EightBitConverter {
  readonly type: SampleType;
  readonly #factor: number;
  /** `low` times the factor. */
  readonly #low: number;
  readonly #scale: number;
  /**
   * For types of one or two bytes: the gray of every possible value, indexed by its bytes as a little-endian integer.
   */
  readonly #table: Uint8ClampedArray | null;

  /** @throws {GearwayError} `dtype-unsupported`. */
  constructor(dtype: string, range?: SampleRange) {
    const type = parseDtype(dtype);
    if (type === undefined) throw unsupportedDtype(dtype);
    const { low, high } = range ?? rangeOfType(type);
    this.type = type;
    this.#factor = subtractionFactor({ low, high });
    this.#low = low * this.#factor;
    this.#scale = high > low ? 255 / (high * this.#factor - this.#low) : 0;
    this.#table = type.bytes > 2 ? null : this.#createTable();
  }

  /**
   * Converts the samples `from` (inclusive) to `to` (exclusive).
   *
   * @param bytes bytes of all samples, at any alignment.
   * @param out receives the gray values, from its beginning.
   */
  convert(bytes: Uint8Array, from: number, to: number, out: Uint8ClampedArray): void {
    const table = this.#table;
    if (table === null) this.#convertWide(bytes, from, to, out);
    else if (this.type.bytes === 1) for (let at = from; at < to; at += 1) out[at - from] = table[bytes[at] ?? 0] ?? 0;
    else
      for (let at = from; at < to; at += 1)
        out[at - from] = table[(bytes[2 * at] ?? 0) | ((bytes[2 * at + 1] ?? 0) << 8)] ?? 0;
  }

  #convertWide(bytes: Uint8Array, from: number, to: number, out: Uint8ClampedArray): void {
    const values = new Float64Array(Math.min(SAMPLES_AT_ONCE, to - from));
    for (let at = from; at < to; at += SAMPLES_AT_ONCE) {
      const count = Math.min(SAMPLES_AT_ONCE, to - at);
      readSamples(this.type, bytes, at, count, values);
      for (let index = 0; index < count; index += 1)
        out[at - from + index] = ((values[index] ?? 0) * this.#factor - this.#low) * this.#scale;
    }
  }

  #createTable(): Uint8ClampedArray {
    const values = everyValue(this.type);
    const table = new Uint8ClampedArray(values.length);
    // Several times as fast as Uint8ClampedArray.from with a function.
    for (let index = 0; index < values.length; index += 1)
      table[index] = ((values[index] ?? 0) * this.#factor - this.#low) * this.#scale;
    return table;
  }
}

/**
 * Minimum and maximum of an array; NaN is skipped.
 *
 * @throws {GearwayError} `dtype-unsupported`.
 */
export function rangeOfSamples(dtype: string, bytes: Uint8Array): SampleRange {
  const type = parseDtype(dtype);
  if (type === undefined) throw unsupportedDtype(dtype);
  let low = Infinity;
  let high = -Infinity;
  const samples = bytes.byteLength / type.bytes;
  const values = new Float64Array(Math.min(SAMPLES_AT_ONCE, samples));
  for (let at = 0; at < samples; at += SAMPLES_AT_ONCE) {
    const count = Math.min(SAMPLES_AT_ONCE, samples - at);
    readSamples(type, bytes, at, count, values);
    for (const value of values.subarray(0, count)) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return { low, high };
}

/**
 * Checks that raw frames can be shown as a picture. NetGear clients accept other arrays as well.
 *
 * @throws {GearwayError} `dtype-unsupported`, `channels-unsupported`.
 */
export function checkShowable(encoding: Encoding): 1 | 3 | 4 {
  if (encoding.kind === 'jpeg') throw new GearwayError('frame-encoded', 'the frame is a JPEG, expected samples');
  const { dtype, shape } = encoding;
  if (parseDtype(dtype) === undefined) throw unsupportedDtype(dtype);
  const channels = pictureChannels(shape);
  if (channels === null) {
    throw new GearwayError(
      'channels-unsupported',
      `arrays of shape [${shape.join(', ')}] cannot be shown as a picture, expected 1 (gray), 3 (BGR) or 4 (BGRA) channels`,
    );
  }
  return channels;
}

function unsupportedDtype(dtype: string): GearwayError {
  return new GearwayError(
    'dtype-unsupported',
    `samples of dtype ${JSON.stringify(dtype)} cannot be shown as a picture, expected bool, integers or floats of at most 64 bits`,
  );
}
