import { describe, expect, it } from 'vitest';
import { MinimumRoundTrip } from '../../../../gateway/clients/native/minimum-round-trip.ts';

describe('MinimumRoundTrip', () => {
  it('is the minimum, immediately', () => {
    const minimum = new MinimumRoundTrip();
    expect(minimum.ms).toBeNull();
    for (const ms of [50, 20, 30]) minimum.add(ms, 1000);
    expect(minimum.ms).toBe(20);
  });

  it('requests a probe after 5 s of longer round trips, and keeps its value until it is renewed', () => {
    const minimum = new MinimumRoundTrip();
    minimum.add(20, 1000);
    expect(minimum.add(20, 6000)).toBe(false);
    expect(minimum.add(60, 10_999)).toBe(false);
    expect(minimum.add(60, 11_000)).toBe(true);
    expect(minimum.ms).toBe(20);
    minimum.add(45, 11_100);
    minimum.renew(11_100);
    expect(minimum.ms).toBe(45);
    expect(minimum.add(60, 16_099)).toBe(false);
    expect(minimum.add(60, 16_100)).toBe(true);
  });

  it('tolerates jitter of a tenth and a millisecond', () => {
    for (const [ms, isDoubtful] of [
      [122.9, false],
      [123.1, true],
    ] as const) {
      const minimum = new MinimumRoundTrip();
      minimum.add(110.9, 0);
      minimum.add(110.9, 5000);
      expect(minimum.add(ms, 10_000)).toBe(isDoubtful);
      expect(minimum.ms).toBe(isDoubtful ? 110.9 : ms);
    }
  });

  it('keeps its value if it is renewed without new measurements', () => {
    const minimum = new MinimumRoundTrip();
    minimum.add(20, 0);
    minimum.renew(1);
    minimum.renew(2);
    expect(minimum.ms).toBe(20);
  });
});
