import { describe, expect, it } from 'vitest';
import { isFlat, regress, studentT } from '../../fuzz/regression.ts';

describe('regress', () => {
  it('finds an exact line', () => {
    const { slope, intercept, slopeError } = regress([
      [0, 1],
      [1, 3],
      [2, 5],
      [3, 7],
    ]);
    expect(slope).toBeCloseTo(2);
    expect(intercept).toBeCloseTo(1);
    expect(slopeError).toBeCloseTo(0);
  });

  it('agrees with an example calculated by hand', () => {
    // y = 1, 2, 1.3, 3.75, 2.25 at x = 1 … 5: slope 0.425, standard error 0.3054, t(3) = 3.182.
    const { slope, intercept, slopeError } = regress([
      [1, 1],
      [2, 2],
      [3, 1.3],
      [4, 3.75],
      [5, 2.25],
    ]);
    expect(slope).toBeCloseTo(0.425, 3);
    expect(intercept).toBeCloseTo(0.785, 3);
    expect(slopeError / 3.182).toBeCloseTo(0.3054, 2);
  });

  it('returns no error for two points', () => {
    expect(
      regress([
        [0, 0],
        [1, 1],
      ]).slopeError,
    ).toBe(Infinity);
  });
});

describe('studentT', () => {
  it.each([
    [1, 12.706],
    [2, 4.303],
    [3, 3.182],
    [5, 2.571],
    [10, 2.228],
    [30, 2.042],
    [1000, 1.962],
  ])('is correct for %d degrees of freedom', (degrees, expected) => {
    expect(Math.abs(studentT(degrees) / expected - 1)).toBeLessThan(0.01);
  });
});

describe('isFlat', () => {
  const rising = regress(Array.from({ length: 60 }, (_, n) => [n, 100 + n * 0.5 + (n % 2)]));
  const noisy = regress(Array.from({ length: 60 }, (_, n) => [n, 100 + (n % 7)]));

  it('finds a leak in noise, and no leak in noise alone', () => {
    expect(isFlat(rising, 0.1)).toBe(false);
    expect(isFlat(noisy, 0)).toBe(true);
  });

  it('ignores a rise below the threshold', () => {
    expect(isFlat(rising, 1)).toBe(true);
  });
});
