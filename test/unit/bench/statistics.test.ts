import { describe, expect, it } from 'vitest';
import { percentile, slope } from '../../bench/statistics.ts';

describe('percentile', () => {
  it('lies between the two nearest values', () => {
    expect(percentile([30, 10, 20], 0.5)).toBe(20);
    expect(percentile([10, 20], 0.95)).toBeCloseTo(19.5);
    expect(percentile([7], 0.95)).toBe(7);
  });
});

describe('slope', () => {
  it('is that of a line', () => {
    expect(
      slope([
        [0, 5],
        [1, 3],
        [3, -1],
      ]),
    ).toBe(-2);
  });

  it('is not affected by a few outliers', () => {
    const flat = Array.from({ length: 20 }, (_, x): [number, number] => [x, 100 + (x % 2)]);
    expect(Math.abs(slope([...flat, [20, 5000], [21, 9000]]))).toBeLessThan(0.1);
  });

  it('ignores points at the same position, and throws if there are no others', () => {
    expect(
      slope([
        [1, 1],
        [1, 9],
        [2, 5],
      ]),
    ).toBe(0);
    expect(() =>
      slope([
        [1, 1],
        [1, 2],
      ]),
    ).toThrow(RangeError);
  });
});
