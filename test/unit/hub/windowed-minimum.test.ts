import { describe, expect, it } from 'vitest';
import { WindowedMinimum } from '../../../gateway/hub/windowed-minimum.ts';

describe('WindowedMinimum', () => {
  it('is undefined before the first value', () => {
    expect(new WindowedMinimum().get(0)).toBeUndefined();
  });

  it('is the minimum', () => {
    const minimum = new WindowedMinimum();
    for (const value of [7, 3, 5]) minimum.add(value, 1000);
    expect(minimum.get(1000)).toBe(3);
  });

  it('keeps a value for at least 5 s and at most 10 s, whether or not it is read', () => {
    for (const asks of [true, false]) {
      const minimum = new WindowedMinimum();
      minimum.add(1, 1000);
      minimum.add(9, 5999);
      if (asks) expect(minimum.get(5999)).toBe(1);
      minimum.add(8, 6000);
      if (asks) expect(minimum.get(10_999)).toBe(1);
      expect(minimum.get(11_000)).toBe(8);
    }
  });

  it('is undefined again after 10 s without a value', () => {
    const minimum = new WindowedMinimum();
    minimum.add(1, 1000);
    expect(minimum.get(10_999)).toBe(1);
    expect(minimum.get(100_000)).toBeUndefined();
    minimum.add(1, 100_000);
    expect(minimum.get(110_000)).toBeUndefined();
  });
});
