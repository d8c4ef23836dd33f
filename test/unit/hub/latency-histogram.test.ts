import { describe, expect, it } from 'vitest';
import { LATENCY_BOUNDS_MS, LatencyHistogram } from '../../../gateway/hub/latency-histogram.ts';

describe('LatencyHistogram', () => {
  it('is empty at first', () => {
    const histogram = new LatencyHistogram();
    expect(histogram.counts).toEqual(Array.from({ length: LATENCY_BOUNDS_MS.length + 1 }, () => 0));
    expect(histogram.sumMs).toBe(0);
  });

  it('counts a duration in the first bucket whose bound it does not exceed', () => {
    const histogram = new LatencyHistogram();
    for (const ms of [0, 1, 1.01, 10_000, 10_000.5]) histogram.observe(ms);
    const counts = LATENCY_BOUNDS_MS.map(() => 0);
    counts[0] = 2;
    counts[1] = 1;
    counts[counts.length - 1] = 1;
    expect(histogram.counts).toEqual([...counts, 1]);
    expect(histogram.sumMs).toBeCloseTo(20_002.51);
  });
});
