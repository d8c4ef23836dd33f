import { describe, expect, it } from 'vitest';
import { ConcurrencyLimit } from '../../../shared/concurrency-limit.ts';

describe('ConcurrencyLimit', () => {
  it('runs the maximum number of tasks concurrently, and the others in order, even after a failure', async () => {
    const limit = new ConcurrencyLimit(2);
    const started: number[] = [];
    const ends: (() => void)[] = [];
    const results = Array.from({ length: 5 }, (_none, n) =>
      limit.run(async () => {
        started.push(n);
        await new Promise<void>((resolve) => (ends[n] = resolve));
        if (n === 1) throw new Error('failed');
        return n;
      }),
    );
    const settled = Promise.allSettled(results);
    expect([started, limit.pending]).toEqual([[0, 1], 5]);
    for (const n of [1, 0, 2, 3, 4]) {
      ends[n]!();
      await expect.poll(() => limit.pending).toBe(4 - [1, 0, 2, 3, 4].indexOf(n));
    }
    expect(started).toEqual([0, 1, 2, 3, 4]);
    expect((await settled).map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
      'fulfilled',
    ]);
    expect(limit.pending).toBe(0);
  });
});
