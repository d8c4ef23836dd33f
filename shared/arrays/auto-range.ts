import type { SampleRange } from '../eight-bit.ts';
import type { SampleType } from '../ndarray.ts';
import { readSamples } from './sample-reader.ts';

/** Maximum number of pixels that are measured; in larger arrays, every n-th pixel is. */
const MAX_SAMPLES = 8192;

/** Fraction of the values that are below the range, and fraction of the values that are above it. */
const TAIL = 0.01;

/** The range moves when one of its ends is off by more than this fraction of the range. */
const TOLERANCE = 0.1;

/** The range is set immediately instead of moved when an end is off by more than this fraction of the range. */
const JUMP = 0.5;

/** Fraction of the remaining distance by which the range moves per frame. */
const EASING = 1 / 8;

/** A movement ends when both ends are off by less than this fraction of the range. */
const ARRIVED = 0.01;

/** Samples of an array whose range is measured. */
interface MeasuredArray {
  readonly type: SampleType;
  readonly width: number;
  readonly height: number;
  /** Total number of channels; the fourth one is not measured. */
  readonly channels: number;
  readonly bytes: Uint8Array;
  /** Value that is ignored; null for none. */
  readonly noData: number | null;
}

/**
 * The 1st and the 99th percentile of an array's finite values (NumPy's `percentile` with the methods `lower` and
 * `higher`). In arrays of more than 8192 pixels, only every n-th pixel is measured. null if there is no finite value.
 */
export function measureRange({ type, width, height, channels, bytes, noData }: MeasuredArray): SampleRange | null {
  const pixels = width * height;
  const measured = Math.min(channels, 3);
  const step = samplingStep(pixels, width);
  const count = Math.ceil(pixels / step);
  const values = new Float64Array(count * measured);
  for (let channel = 0; channel < measured; channel += 1) {
    readSamples(type, bytes, channel, count, values.subarray(channel * count), step * channels);
  }
  let valid = 0;
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at] ?? 0;
    if (!Number.isFinite(value) || value === noData) continue;
    values[valid] = value;
    valid += 1;
  }
  if (valid === 0) return null;
  const sorted = values.subarray(0, valid).sort();
  return { low: sorted[Math.floor(TAIL * (valid - 1))] ?? 0, high: sorted[Math.ceil((1 - TAIL) * (valid - 1))] ?? 0 };
}

/** Distance between measured pixels. It has no divisor in common with the width, so that all columns are measured. */
export function samplingStep(pixels: number, width: number): number {
  let step = Math.max(1, Math.ceil(pixels / MAX_SAMPLES));
  while (greatestCommonDivisor(step, width) > 1) step += 1;
  return step;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/**
 * Range that follows the values without flicker: it stays while its ends are off by at most a tenth of it, moves
 * gradually beyond that, and is set immediately if they are off by more than half of it.
 */
export class AutoRange {
  #range: SampleRange | null = null;
  #isMoving = false;

  /** The range of the last frame; null before the first value. */
  get range(): SampleRange | null {
    return this.#range;
  }

  /** @param measured range of the next frame; null if it has no finite value. */
  update(measured: SampleRange | null): void {
    if (measured === null) return;
    const current = this.#range;
    if (current === null) {
      this.#range = measured;
      return;
    }
    const extent = Math.max(current.high - current.low, measured.high - measured.low);
    const off = Math.max(Math.abs(measured.low - current.low), Math.abs(measured.high - current.high));
    // A range whose extent is infinite cannot be compared with another one.
    if (extent === Infinity || off > JUMP * extent) {
      this.#range = measured;
      this.#isMoving = false;
      return;
    }
    if (off > TOLERANCE * extent) this.#isMoving = true;
    else if (off <= ARRIVED * extent) this.#isMoving = false;
    if (!this.#isMoving) return;
    this.#range = {
      low: current.low + (measured.low - current.low) * EASING,
      high: current.high + (measured.high - current.high) * EASING,
    };
  }

  reset(): void {
    this.#range = null;
    this.#isMoving = false;
  }
}
