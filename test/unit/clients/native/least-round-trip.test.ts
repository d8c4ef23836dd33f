import { describe, expect, it } from 'vitest';
import { LeastRoundTrip } from '../../../../gateway/clients/native/least-round-trip.ts';

describe('LeastRoundTrip', () => {
  it('is the minimum, immediately', () => {
    const least = new LeastRoundTrip();
    expect(least.ms).toBeNull();
    for (const ms of [50, 20, 30]) least.add(ms, 1000);
    expect(least.ms).toBe(20);
  });

  it('requests a probe after 5 s of longer round trips, and keeps its value until it is renewed', () => {
    const least = new LeastRoundTrip();
    least.add(20, 1000);
    expect(least.add(20, 6000)).toBe(false);
    expect(least.add(60, 10_999)).toBe(false);
    expect(least.add(60, 11_000)).toBe(true);
    expect(least.ms).toBe(20);
    least.add(45, 11_100);
    least.renew(11_100);
    expect(least.ms).toBe(45);
    expect(least.add(60, 16_099)).toBe(false);
    expect(least.add(60, 16_100)).toBe(true);
  });

  it('tolerates jitter of a tenth and a millisecond', () => {
    for (const [ms, isDoubtful] of [
      [122.9, false],
      [123.1, true],
    ] as const) {
      const least = new LeastRoundTrip();
      least.add(110.9, 0);
      least.add(110.9, 5000);
      expect(least.add(ms, 10_000)).toBe(isDoubtful);
      expect(least.ms).toBe(isDoubtful ? 110.9 : ms);
    }
  });

  it('keeps its value if it is renewed without new measurements', () => {
    const least = new LeastRoundTrip();
    least.add(20, 0);
    least.renew(1);
    least.renew(2);
    expect(least.ms).toBe(20);
  });
});
