import { describe, expect, it } from 'vitest';
import { AddressBudgets, InputBudget, type InputLimits } from '../../../gateway/connection/input-budget.ts';

const tooMuch: unknown = expect.objectContaining({ name: 'GearwayError', code: 'too-much' });
const LIMITS: InputLimits = { messagesPerSecond: 10, bytesPerSecond: 1000, elementsPerSecond: 100 };

describe('InputBudget', () => {
  it('limits messages, bytes and elements separately', () => {
    const budget = new InputBudget(LIMITS);
    for (let index = 0; index < 10; index += 1) budget.spendMessage(0);
    expect(() => budget.spendMessage(0)).toThrow(tooMuch);
    budget.spendBytes(2000, 0);
    expect(() => budget.spendBytes(1, 0)).toThrow(tooMuch);
    expect(budget.availableElements(0)).toBe(100);
    budget.spendElements(100, 0);
    expect(budget.availableElements(0)).toBe(0);
    budget.spendMessage(1000);
    budget.spendBytes(1000, 1000);
    expect(() => budget.spendBytes(1, 1000)).toThrow(tooMuch);
    expect(budget.availableElements(1000)).toBe(100);
    expect(budget.availableElements(9000)).toBe(100);
  });

  it('counts towards the budget of the address as well, and refunds messages to both', () => {
    const address = new InputBudget({ ...LIMITS, messagesPerSecond: 3 });
    const [first, second] = [new InputBudget(LIMITS, address), new InputBudget(LIMITS, address)];
    first.spendMessage(0);
    second.spendMessage(0);
    second.spendMessage(0);
    expect(() => first.spendMessage(0)).toThrow(tooMuch);
    second.refundMessage();
    first.spendMessage(0);
    expect(() => second.spendMessage(0)).toThrow(tooMuch);
    first.spendBytes(2000, 0);
    expect(() => second.spendBytes(1, 0)).toThrow(tooMuch);
    first.spendElements(70, 0);
    expect(second.availableElements(0)).toBe(30);
  });

  it('can change the byte rate', () => {
    const budget = new InputBudget(LIMITS);
    budget.spendBytes(2000, 0);
    budget.allowBytes(10_000);
    budget.spendBytes(20_000, 0);
    expect(() => budget.spendBytes(1, 0)).toThrow(tooMuch);
  });
});

describe('AddressBudgets', () => {
  it('keeps the budget of an address that reconnects', () => {
    const budgets = new AddressBudgets(LIMITS, () => 0);
    budgets.join('a').spendElements(100, 0);
    budgets.leave('a');
    expect(budgets.join('a').availableElements(0)).toBe(0);
    expect(budgets.join('b').availableElements(0)).toBe(100);
  });

  it('keeps only the budgets of connections and of the latest addresses', () => {
    let nowMs = 0;
    const budgets = new AddressBudgets(LIMITS, () => nowMs);
    budgets.join('stays');
    for (let index = 0; index < 10_000; index += 1) {
      budgets.join(`a${index}`);
      budgets.leave(`a${index}`);
      nowMs += 100;
    }
    expect(budgets.size).toBeLessThanOrEqual(256);
    budgets.join('stays').spendElements(100, nowMs);
    budgets.leave('stays');
    expect(budgets.join('stays').availableElements(nowMs)).toBe(0);
  });
});
