import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PacedQueue } from '../../../gateway/http/paced-queue.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Work that takes this long. */
const taking =
  (ms: number, then: () => void = () => undefined) =>
  (): void => {
    vi.advanceTimersByTime(ms);
    then();
  };

describe('PacedQueue', () => {
  it('returns the result, passes errors on, and continues afterwards', async () => {
    const queue = new PacedQueue();
    const results = Promise.allSettled([
      queue.run('a', () => 1),
      queue.run('a', () => Promise.resolve(2)),
      queue.run('a', () => {
        throw new TypeError('wrong');
      }),
      queue.run('a', () => 4),
    ]);
    await vi.runAllTimersAsync();
    expect((await results).map((each) => (each.status === 'fulfilled' ? each.value : String(each.reason)))).toEqual([
      1,
      2,
      'TypeError: wrong',
      4,
    ]);
  });

  it('runs addresses in turns, and the work of one in its order', async () => {
    const queue = new PacedQueue();
    const order: string[] = [];
    const add = (address: string, name: string): Promise<void> => queue.run(address, () => void order.push(name));
    const all = [
      ...['a1', 'a2', 'a3', 'a4'].map((name) => add('a', name)),
      ...['b1', 'b2'].map((name) => add('b', name)),
    ];
    await vi.runAllTimersAsync();
    await Promise.all(all);
    expect(order).toEqual(['a1', 'a2', 'b1', 'a3', 'b2', 'a4']);
  });

  it('leaves half of the time to others', async () => {
    const queue = new PacedQueue();
    const fromMs = performance.now();
    let count = 0;
    const all = Array.from({ length: 50 }, () =>
      queue.run(
        'a',
        taking(20, () => (count += 1)),
      ),
    );
    await vi.runAllTimersAsync();
    await Promise.all(all);
    expect(count).toBe(50);
    expect(performance.now() - fromMs).toBeGreaterThanOrEqual(1900);
  });

  it('does not delay requests with pauses between them', async () => {
    const queue = new PacedQueue();
    for (let n = 0; n < 10; n += 1) {
      const fromMs = performance.now();
      await queue.run('a', taking(20));
      expect(performance.now() - fromMs).toBe(20);
      await vi.advanceTimersByTimeAsync(30);
    }
  });
});
