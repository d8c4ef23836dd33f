import { describe, expect, it } from 'vitest';
import { TokenBucket } from '../../../shared/token-bucket.ts';

/** Number of messages that pass of a burst of `count`. */
function taken(budget: TokenBucket, count: number, nowMs: number): number {
  return Array.from({ length: count }, () => budget.take(nowMs)).filter(Boolean).length;
}

describe('TokenBucket', () => {
  it("admits one second's worth in one burst, and no more", () => {
    expect(taken(new TokenBucket(500), 500, 1000)).toBe(500);
    expect(taken(new TokenBucket(500), 501, 1000)).toBe(500);
  });

  it('refills evenly', () => {
    const budget = new TokenBucket(500);
    taken(budget, 500, 1000);
    expect(taken(budget, 10, 1001)).toBe(0);
    expect(taken(budget, 10, 1002)).toBe(1);
    expect(taken(budget, 100, 1100)).toBe(49);
  });

  it("contains one second's worth after any pause", () => {
    const budget = new TokenBucket(500);
    taken(budget, 500, 1000);
    expect(taken(budget, 1000, 1_000_000)).toBe(500);
  });

  it('admits its rate indefinitely, and no more', () => {
    const budget = new TokenBucket(500);
    const times = Array.from({ length: 30_000 }, (_, index) => 2 * index);
    expect(times.filter((ms) => !budget.take(ms))).toEqual([]);
    const faster = new TokenBucket(500);
    let refused = 0;
    for (let ms = 0; ms < 2000; ms += 1) if (!faster.take(ms)) refused += 1;
    expect(refused).toBeGreaterThan(0);
  });
});

describe('TokenBucket of amounts', () => {
  it('spends an amount completely or not at all', () => {
    const bucket = new TokenBucket(100, 250);
    expect(bucket.take(0, 251)).toBe(false);
    expect(bucket.take(0, 250)).toBe(true);
    expect(bucket.take(0, 1)).toBe(false);
    expect(bucket.take(1000, 101)).toBe(false);
    expect(bucket.take(1000, 100)).toBe(true);
  });

  it('adds refunds, up to its capacity', () => {
    const bucket = new TokenBucket(100, 250);
    bucket.take(0, 250);
    bucket.refund(1000);
    expect(bucket.take(0, 251)).toBe(false);
    expect(bucket.take(0, 250)).toBe(true);
  });
});
