import { describe, expect, it } from 'vitest';
import { at, ProcessorWait } from '../../fuzz/processor-wait.ts';

describe('at', () => {
  const samples = [
    { atMs: 100, waitedMs: 5 },
    { atMs: 200, waitedMs: 25 },
    { atMs: 300, waitedMs: 25 },
  ];

  it.each([
    [50, 5],
    [100, 5],
    [150, 15],
    [200, 25],
    [250, 25],
    [400, 25],
  ])('is correct at %d ms', (ms, expected) => {
    expect(at(samples, ms)).toBeCloseTo(expected);
  });

  it('is 0 without samples', () => {
    expect(at([], 5)).toBe(0);
  });
});

describe('ProcessorWait', () => {
  it("reads the scheduler's record of a running process", () => {
    using wait = new ProcessorWait(process.pid);
    const fromMs = performance.now();
    wait.sample();
    expect(wait.between(fromMs, performance.now())).toBeGreaterThanOrEqual(0);
  });
});
