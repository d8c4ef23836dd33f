import { describe, expect, it } from 'vitest';
import { AutoRange, measureRange, samplingStep } from '../../../../shared/arrays/auto-range.ts';
import type { SampleRange } from '../../../../shared/eight-bit.ts';
import { parseDtype } from '../../../../shared/ndarray.ts';

function measure(
  values: Float32Array,
  width: number,
  { channels = 1, noData = null }: { channels?: number; noData?: number | null } = {},
): SampleRange | null {
  const height = values.length / width / channels;
  return measureRange({
    type: parseDtype('float32')!,
    width,
    height,
    channels,
    bytes: new Uint8Array(values.buffer),
    noData,
  });
}

describe('measureRange', () => {
  it('returns the 1st and the 99th percentile', () => {
    // numpy.percentile(numpy.arange(1000), [1, 99]) with the methods lower and higher.
    expect(
      measure(
        Float32Array.from({ length: 1000 }, (_, at) => (at * 7) % 1000),
        100,
      ),
    ).toEqual({ low: 9, high: 990 });
  });

  it('skips NaN, infinities and the value without a measurement', () => {
    expect(measure(Float32Array.of(NaN, Infinity, -Infinity, 0, 5, 9), 6, { noData: 0 })).toEqual({ low: 5, high: 9 });
    expect(measure(Float32Array.of(NaN, 0), 2, { noData: 0 })).toBeNull();
  });

  it('measures three channels, and no alpha', () => {
    expect(measure(Float32Array.of(1, 2, 3, 99), 1, { channels: 4 })).toEqual({ low: 1, high: 3 });
  });

  it('measures all columns of a large array', () => {
    const values = Float32Array.from({ length: 640 * 480 }, (_, at) => at % 640);
    const { low, high } = measure(values, 640)!;
    expect([low, high].map(Math.round)).toEqual([6, 633]);
  });
});

describe('samplingStep', () => {
  it.each([
    [100, 10, 1],
    [8192, 64, 1],
    [8193, 1, 2],
    [640 * 480, 640, 39],
    [60_200, 301, 8],
    [1 << 26, 8192, 8193],
  ])('of %i pixels in rows of %i is %i', (pixels, width, step) => {
    expect(samplingStep(pixels, width)).toBe(step);
  });
});

describe('AutoRange', () => {
  const after = (...measured: (SampleRange | null)[]): SampleRange | null => {
    const range = new AutoRange();
    for (const each of measured) range.update(each);
    return range.range;
  };
  const first = { low: 0, high: 100 };

  it('uses the first range, and keeps it while nothing is measured', () => {
    expect(after(null)).toBeNull();
    expect(after(null, first, null)).toEqual(first);
  });

  it('keeps its range while the ends deviate by at most a tenth', () => {
    expect(after(first, { low: 9, high: 92 }, { low: -9, high: 109 }, { low: 0, high: 95 })).toEqual(first);
  });

  it('moves gradually to the measured range beyond that, and then keeps it', () => {
    const target = { low: 0, high: 130 };
    expect(after(first, target)).toEqual({ low: 0, high: 103.75 });
    const range = new AutoRange();
    range.update(first);
    const seen: number[] = [];
    for (let frame = 0; frame < 60; frame += 1) {
      range.update(target);
      seen.push(range.range!.high);
    }
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBeGreaterThan(128);
    expect(seen.at(-1)).toBe(seen.at(-2));
  });

  it('is replaced when it deviates by more than half', () => {
    expect(after(first, { low: 1000, high: 1100 })).toEqual({ low: 1000, high: 1100 });
    expect(after(first, { low: 0, high: 1 })).toEqual({ low: 0, high: 1 });
  });

  it('recovers from values whose difference is infinite', () => {
    const wild = { low: -1.7e308, high: 1.7e308 };
    expect(after(first, wild)).toEqual(wild);
    expect(after(wild, first)).toEqual(first);
    expect(after(wild, { low: 0, high: 1.7e308 }, first)).toEqual(first);
  });

  it('restarts after a reset', () => {
    const range = new AutoRange();
    range.update(first);
    range.reset();
    expect(range.range).toBeNull();
  });
});
