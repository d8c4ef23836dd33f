import { describe, expect, it } from 'vitest';
import {
  areaStatistics,
  clipArea,
  HISTOGRAM_STEPS,
  type InspectedSamples,
  pixelValues,
} from '../../../../shared/arrays/inspection.ts';

const samples = (
  dtype: string,
  data: Uint16Array | Float32Array | Float64Array | Uint8Array,
  width: number,
  channels = 1,
): InspectedSamples => ({
  dtype,
  width,
  height: data.length / width / channels,
  channels,
  bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
});

describe('pixelValues', () => {
  const colors = samples(
    'uint8',
    Uint8Array.from({ length: 18 }, (_, at) => at),
    3,
    3,
  );

  it('reads all channels in their order', () => {
    expect(pixelValues(colors, 2, 1)).toEqual([15, 16, 17]);
    expect(pixelValues(samples('>u2', Uint16Array.of(0, 0x0102), 2), 1, 0)).toEqual([0x0201]);
    expect(pixelValues(samples('float32', Float32Array.of(NaN, -Infinity), 2), 0, 0)).toEqual([NaN]);
  });

  it.each([
    [-1, 0],
    [3, 0],
    [0, 2],
    [0, -1],
    [0.5, 0],
  ])('has no value at %d, %d', (x, y) => {
    expect(pixelValues(colors, x, y)).toBeNull();
  });
});

describe('clipArea', () => {
  const size = { width: 10, height: 5 };

  it('keeps the part within the picture, in whole pixels', () => {
    expect(clipArea(size, { x: -3, y: 1.5, width: 5, height: 1 })).toEqual({ x: 0, y: 1, width: 2, height: 2 });
    expect(clipArea(size, { x: 8, y: 4, width: 100, height: 100 })).toEqual({ x: 8, y: 4, width: 2, height: 1 });
    expect(clipArea(size, { x: 10, y: 0, width: 1, height: 1 })).toBeNull();
    expect(clipArea(size, { x: NaN, y: 0, width: 1, height: 1 })).toBeNull();
  });
});

describe('areaStatistics', () => {
  it('counts finite values that were measured', () => {
    const depth = samples('uint16', Uint16Array.of(0, 100, 200, 300, 9, 9, 9, 9), 4);
    const [channel] = areaStatistics(depth, { x: 0, y: 0, width: 4, height: 1 }, 0);
    expect(channel).toMatchObject({ count: 3, mean: 200, min: 100, max: 300 });
    // numpy.histogram([100, 200, 300], 32)
    expect(channel!.histogram.flatMap((count, step) => (count > 0 ? [[step, count]] : []))).toEqual([
      [0, 1],
      [16, 1],
      [31, 1],
    ]);
    expect(channel!.histogram).toHaveLength(HISTOGRAM_STEPS);
  });

  it('measures each channel of an area', () => {
    const colors = samples(
      'uint8',
      Uint8Array.from({ length: 27 }, (_, at) => at),
      3,
      3,
    );
    expect(
      areaStatistics(colors, { x: 1, y: 1, width: 2, height: 2 }, null).map(({ mean, min, max }) => [mean, min, max]),
    ).toEqual([
      [18, 12, 24],
      [19, 13, 25],
      [20, 14, 26],
    ]);
  });

  it('has finite statistics of values whose sum and difference are infinite', () => {
    const wild = samples('float64', Float64Array.of(-1.7e308, -1.7e308, 1.7e308, 1.7e308, 1.7e308, 1.7e308), 6);
    const [both] = areaStatistics(wild, { x: 0, y: 0, width: 6, height: 1 }, null);
    expect(both).toMatchObject({ count: 6, min: -1.7e308, max: 1.7e308 });
    expect(both!.mean! / 1.7e308).toBeCloseTo(1 / 3, 12);
    expect(both!.histogram).toEqual([2, ...Array.from({ length: 30 }, () => 0), 4]);
    expect(areaStatistics(wild, { x: 2, y: 0, width: 3, height: 1 }, null)[0]!.mean! / 1.7e308).toBeCloseTo(1, 12);
  });

  it('has no statistics if nothing was measured, and one bin if all values are equal', () => {
    const floats = samples('float32', Float32Array.of(NaN, Infinity, 7, 7), 2);
    expect(areaStatistics(floats, { x: 0, y: 0, width: 2, height: 1 }, null)).toEqual([
      { count: 0, mean: null, min: null, max: null, histogram: [] },
    ]);
    expect(areaStatistics(floats, { x: 0, y: 1, width: 2, height: 1 }, null)[0]).toMatchObject({
      count: 2,
      mean: 7,
      min: 7,
      max: 7,
      histogram: [2, ...Array.from({ length: 31 }, () => 0)],
    });
  });
});
