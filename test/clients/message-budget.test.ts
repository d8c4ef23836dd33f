import { describe, expect, it } from 'vitest';
import { MessageBudget } from '../../gateway/clients/message-budget.ts';

/** How many of `count` messages at one time are let through. */
function taken(budget: MessageBudget, count: number, nowMs: number): number {
  return Array.from({ length: count }, () => budget.take(nowMs)).filter(Boolean).length;
}

describe('MessageBudget', () => {
  it("lets a second's worth through at once, and no more", () => {
    expect(taken(new MessageBudget(500), 500, 1000)).toBe(500);
    expect(taken(new MessageBudget(500), 501, 1000)).toBe(500);
  });

  it('refills evenly', () => {
    const budget = new MessageBudget(500);
    taken(budget, 500, 1000);
    expect(taken(budget, 10, 1001)).toBe(0);
    expect(taken(budget, 10, 1002)).toBe(1);
    expect(taken(budget, 100, 1100)).toBe(49);
  });

  it("holds one second's worth after any pause", () => {
    const budget = new MessageBudget(500);
    taken(budget, 500, 1000);
    expect(taken(budget, 1000, 1_000_000)).toBe(500);
  });

  it('lets its rate through for ever, and not more', () => {
    const budget = new MessageBudget(500);
    for (let ms = 0; ms < 60_000; ms += 2) expect(budget.take(ms)).toBe(true);
    const faster = new MessageBudget(500);
    let refused = 0;
    for (let ms = 0; ms < 2000; ms += 1) if (!faster.take(ms)) refused += 1;
    expect(refused).toBeGreaterThan(0);
  });
});
