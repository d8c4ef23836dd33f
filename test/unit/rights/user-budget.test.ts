import { describe, expect, it } from 'vitest';
import { UserBudget } from '../../../gateway/rights/user-budget.ts';

const LIMITS = { viewers: 2, bitsPerSecond: 8000, returnsPerSecond: 3 };

describe('UserBudget', () => {
  it('admits viewers up to the limit, and another after one has left', () => {
    const budget = new UserBudget('wall', LIMITS);
    const leave = budget.enter();
    budget.enter();
    expect(() => budget.enter()).toThrow(expect.objectContaining({ code: 'user-limit' }) as Error);
    leave();
    leave();
    budget.enter();
    expect(() => budget.enter()).toThrow(expect.objectContaining({ code: 'user-limit' }) as Error);
  });

  it('allows a picture when the time of the earlier pictures is over', () => {
    const budget = new UserBudget('wall', LIMITS);
    expect(budget.maySend(1000)).toBe(true);
    budget.sent(500, 1000); // half a second
    budget.sent(250, 1000);
    expect(budget.maySend(1749)).toBe(false);
    expect(budget.maySend(1750)).toBe(true);
    // Time without pictures does not accumulate.
    budget.sent(1000, 9000);
    expect([budget.maySend(9999), budget.maySend(10_000)]).toEqual([false, true]);
  });

  it('allows a certain number of returned values per second', () => {
    const budget = new UserBudget('wall', LIMITS);
    expect([1, 2, 3, 4].map(() => budget.takeReturn(0))).toEqual([true, true, true, false]);
    expect([budget.takeReturn(334), budget.takeReturn(335)]).toEqual([true, false]);
  });

  it('has no limits by default', () => {
    const budget = new UserBudget('wall');
    for (let i = 0; i < 2000; i += 1) {
      budget.enter();
      expect(budget.takeReturn(0)).toBe(true);
      budget.sent(1e9, 0);
    }
    expect(budget.maySend(0)).toBe(true);
  });
});
