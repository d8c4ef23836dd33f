import { describe, expect, it } from 'vitest';
import { agesOf, longestFreezeMs, recoveryMs, type ShownFrame } from '../../bench/shown-film.ts';

/** Frames with the same rate and latency. */
function run(fromMs: number, toMs: number, everyMs: number, latencyMs: number): ShownFrame[] {
  return Array.from({ length: Math.floor((toMs - fromMs) / everyMs) }, (_, index) => ({
    atMs: fromMs + index * everyMs,
    latencyMs,
  }));
}

describe('agesOf', () => {
  it('matches each picture with the latest earlier frame of its number, even if numbers repeat and frames were skipped', () => {
    const handedOver = [
      { number: 0, atMs: 1000 },
      { number: 1, atMs: 1033 },
      { number: 0, atMs: 2000 },
      { number: 1, atMs: 2033 },
    ];
    const shown = [
      { number: 0, atMs: 1100 },
      { number: 0, atMs: 2070 },
      { number: 1, atMs: 2100 },
    ];
    expect(agesOf(handedOver, shown)).toEqual([
      { atMs: 1100, latencyMs: 100 },
      { atMs: 2070, latencyMs: 70 },
      { atMs: 2100, latencyMs: 67 },
    ]);
  });

  it('omits pictures that were not handed over', () => {
    expect(
      agesOf(
        [{ number: 3, atMs: 1000 }],
        [
          { number: 3, atMs: 900 },
          { number: 4, atMs: 1100 },
        ],
      ),
    ).toEqual([]);
  });
});

describe('longestFreezeMs', () => {
  it('is the longest time without a new picture, including the beginning and the end', () => {
    expect(longestFreezeMs(run(1000, 2000, 100, 50), 900, 1950)).toBe(100);
    expect(longestFreezeMs(run(1000, 2000, 100, 50), 500, 1950)).toBe(500);
    expect(longestFreezeMs(run(1000, 2000, 100, 50), 1000, 4000)).toBe(2100);
    expect(longestFreezeMs([], 0, 700)).toBe(700);
  });
});

describe('recoveryMs', () => {
  it('is the time until late pictures are current and stay current', () => {
    expect(recoveryMs([...run(0, 1500, 50, 900), ...run(1500, 6000, 50, 200)], 100, 6000)).toBe(1400);
    // This picture is current only for a moment.
    expect(
      recoveryMs([...run(0, 500, 50, 200), ...run(500, 1500, 50, 900), ...run(1500, 6000, 50, 200)], 0, 6000),
    ).toBe(1500);
  });

  it('is null if pictures stay late, if there are too few, or if the measurement ends too early', () => {
    expect(recoveryMs(run(0, 6000, 50, 501), 0, 6000)).toBeNull();
    expect(recoveryMs(run(0, 6000, 200, 100), 0, 6000)).toBeNull();
    expect(recoveryMs(run(0, 1900, 50, 100), 0, 1900)).toBeNull();
  });
});
