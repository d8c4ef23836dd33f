import { describe, expect, it } from 'vitest';
import { RateMeter } from '../../../gateway/hub/rate-meter.ts';

/** A meter after `count` events with the interval `everyMs`, and the time of the last one. */
function marked(everyMs: number, count: number): { meter: RateMeter; lastMs: number } {
  const meter = new RateMeter();
  for (let i = 0; i < count; i += 1) meter.mark(5000 + i * everyMs);
  return { meter, lastMs: 5000 + (count - 1) * everyMs };
}

describe('RateMeter', () => {
  it('is unknown before the second event', () => {
    const meter = new RateMeter();
    expect(meter.perSecond(0)).toBe(0);
    expect(meter.recentIntervalMs()).toBeUndefined();
    meter.mark(100);
    expect(meter.perSecond(100)).toBe(0);
    expect(meter.recentIntervalMs()).toBeUndefined();
    meter.mark(150);
    expect(meter.perSecond(150)).toBeCloseTo(20);
    expect(meter.recentIntervalMs()).toBe(50);
  });

  it.each([
    [1, 1000],
    [10, 100],
    [40, 25],
    [1000, 1],
  ])('measures %i events per second', (perSecond, everyMs) => {
    const { meter, lastMs } = marked(everyMs, 400);
    expect(meter.perSecond(lastMs)).toBeCloseTo(perSecond);
    expect(meter.recentIntervalMs()).toBe(everyMs);
  });

  it('falls when events stop, to 0 after two seconds', () => {
    const { meter, lastMs } = marked(25, 100);
    expect(meter.perSecond(lastMs + 75)).toBeCloseTo(40);
    const after = [100, 500, 1000, 1900].map((ms) => meter.perSecond(lastMs + ms));
    expect(after).toEqual([...after].sort((a, b) => b - a));
    expect(after.at(-1)).toBeLessThan(5);
    expect(meter.perSecond(lastMs + 2001)).toBe(0);
    expect(meter.recentIntervalMs()).toBe(25);
  });

  it('measures pictures that arrive every few seconds, until the next one is late', () => {
    const { meter, lastMs } = marked(5000, 4);
    expect(meter.perSecond(lastMs + 4900)).toBeCloseTo(0.2);
    expect(meter.perSecond(lastMs + 15_001)).toBe(0);
  });

  it('follows a new rate within nine events', () => {
    const { meter, lastMs } = marked(25, 100);
    for (let i = 1; i <= 8; i += 1) meter.mark(lastMs + i * 100);
    expect(meter.recentIntervalMs()).toBe(100);
  });

  it('stays finite for events at the same time', () => {
    const { meter } = marked(0, 10);
    expect(Number.isFinite(meter.perSecond(5000))).toBe(true);
    expect(meter.recentIntervalMs()).toBe(0);
  });
});
