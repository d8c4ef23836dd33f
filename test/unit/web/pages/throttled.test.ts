import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { throttled } from '../../../../web/pages/shared/throttled.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('throttled', () => {
  /** Times of the calls within two seconds, if they are requested 100 times per second. */
  function calls(durationMs: number): number[] {
    const times: number[] = [];
    const soon = throttled(() => {
      times.push(performance.now());
      vi.setSystemTime(Date.now() + durationMs);
      vi.advanceTimersByTime(0);
      took += durationMs;
    }, 100);
    let took = 0;
    const now = vi.spyOn(performance, 'now').mockImplementation(() => Date.now());
    const startMs = Date.now();
    while (Date.now() - startMs < 2000) {
      soon();
      vi.advanceTimersByTime(10);
    }
    now.mockRestore();
    expect(took).toBe(times.length * durationMs);
    return times.map((ms) => ms - startMs);
  }

  it('calls once per interval', () => {
    expect(calls(0).slice(0, 3)).toEqual([100, 200, 300]);
  });

  it('calls a slow function less often, so that it uses a tenth of the time', () => {
    const [first = 0, second = 0, third = 0] = calls(50);
    expect(first).toBe(100);
    for (const pause of [second - first, third - second]) expect(pause).toBeGreaterThanOrEqual(550);
  });
});
