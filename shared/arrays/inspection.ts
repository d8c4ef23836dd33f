import { subtractionFactor } from '../eight-bit.ts';
import { parseDtype } from '../ndarray.ts';
import { readSamples } from './sample-reader.ts';

/** Samples of a picture: C-contiguous rows of pixels. */
export interface InspectedSamples {
  readonly dtype: string;
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly bytes: Uint8Array;
}

/** Area of whole pixels. */
export interface PixelArea {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Statistics of the finite values of one channel. */
export interface ChannelStatistics {
  /** Number of finite values; the others are NaN or infinite. */
  readonly count: number;
  /** Mean; null without finite values, like the next two. */
  readonly mean: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /**
   * Number of values in each of the equal bins from `min` to `max`; the last bin includes `max`, as in
   * `numpy.histogram`.
   */
  readonly histogram: readonly number[];
}

/** Number of bins of a histogram. */
export const HISTOGRAM_STEPS = 32;

/** The values of one pixel, one per channel in the order of the samples; null outside the picture. */
export function pixelValues(samples: InspectedSamples, x: number, y: number): readonly number[] | null {
  const { dtype, width, height, channels, bytes } = samples;
  const type = parseDtype(dtype);
  const isInside = Number.isInteger(x) && Number.isInteger(y) && x >= 0 && y >= 0 && x < width && y < height;
  if (type === undefined || !isInside) return null;
  const values = new Float64Array(channels);
  readSamples(type, bytes, (y * width + x) * channels, channels, values);
  return [...values];
}

/** The part of an area that lies in the picture; null if there is none. */
export function clipArea(
  { width, height }: Pick<InspectedSamples, 'width' | 'height'>,
  area: PixelArea,
): PixelArea | null {
  const [left, top] = [Math.max(0, Math.floor(area.x)), Math.max(0, Math.floor(area.y))];
  const [right, bottom] = [
    Math.min(width, Math.ceil(area.x + area.width)),
    Math.min(height, Math.ceil(area.y + area.height)),
  ];
  return right > left && bottom > top ? { x: left, y: top, width: right - left, height: bottom - top } : null;
}

/**
 * Statistics of an area, per channel in the order of the samples.
 *
 * @param area inside the picture: see {@link clipArea}.
 * @param noData value that is ignored; null for none.
 */
export function areaStatistics(
  samples: InspectedSamples,
  area: PixelArea,
  noData: number | null,
): readonly ChannelStatistics[] {
  return Array.from({ length: samples.channels }, (_, channel) =>
    channelStatistics(valuesOf(samples, area, channel), noData),
  );
}

function valuesOf({ dtype, width, channels, bytes }: InspectedSamples, area: PixelArea, channel: number): Float64Array {
  const values = new Float64Array(area.width * area.height);
  const type = parseDtype(dtype);
  if (type === undefined) return values;
  for (let row = 0; row < area.height; row += 1) {
    const from = ((area.y + row) * width + area.x) * channels + channel;
    readSamples(type, bytes, from, area.width, values.subarray(row * area.width), channels);
  }
  return values;
}

function channelStatistics(all: Float64Array, noData: number | null): ChannelStatistics {
  const values = all.filter((value) => Number.isFinite(value) && value !== noData);
  if (values.length === 0) return { count: 0, mean: null, min: null, max: null, histogram: [] };
  let [sum, min, max] = [0, Infinity, -Infinity];
  for (const value of values) {
    sum += value;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const histogram = Array.from({ length: HISTOGRAM_STEPS }, () => 0);
  const factor = subtractionFactor({ low: min, high: max });
  const extent = max * factor - min * factor;
  for (const value of values) {
    const part = extent > 0 ? (value * factor - min * factor) / extent : 0;
    const step = Math.min(HISTOGRAM_STEPS - 1, Math.floor(part * HISTOGRAM_STEPS));
    histogram[step] = (histogram[step] ?? 0) + 1;
  }
  const count = values.length;
  // The sum of finite values may be infinite, but not their mean.
  const mean = Number.isFinite(sum) ? sum / count : values.reduce((total, value) => total + value / count, 0);
  return { count, mean, min, max, histogram };
}
