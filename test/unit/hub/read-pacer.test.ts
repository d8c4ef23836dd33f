import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ReadPacer } from '../../../gateway/hub/read-pacer.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function create(): { readonly pacer: ReadPacer; readonly calls: string[]; readonly work: (ms: number) => void } {
  const calls: string[] = [];
  const pacer = new ReadPacer({ pause: () => calls.push('pause'), resume: () => calls.push('resume') });
  return { pacer, calls, work: (ms) => pacer.run(() => vi.advanceTimersByTime(ms)) };
}

describe('ReadPacer', () => {
  it('rests for as long as the processing took', () => {
    const { pacer, calls, work } = create();
    work(6);
    expect(calls).toEqual([]);
    work(5);
    expect([calls, pacer.isResting]).toEqual([['pause'], true]);
    vi.advanceTimersByTime(10);
    expect(calls).toEqual(['pause']);
    vi.advanceTimersByTime(1);
    expect([calls, pacer.isResting]).toEqual([['pause', 'resume'], false]);
    work(9);
    expect(calls).toEqual(['pause', 'resume']);
  });

  it('never pauses a reader that takes less than half of the time', () => {
    const { calls, work } = create();
    for (let n = 0; n < 1000; n += 1) {
      work(4);
      vi.advanceTimersByTime(4);
    }
    expect(calls).toEqual([]);
  });

  it('leaves half of the time to others if data keeps arriving', () => {
    const { pacer, work } = create();
    let busyMs = 0;
    const fromMs = performance.now();
    while (performance.now() - fromMs < 1000) {
      if (pacer.isResting) vi.advanceTimersByTime(1);
      else {
        work(2);
        busyMs += 2;
      }
    }
    expect(busyMs).toBeGreaterThan(400);
    expect(busyMs).toBeLessThan(550);
  });

  it('returns the result, passes errors on, and resumes nothing after close()', () => {
    const { pacer, calls } = create();
    expect(pacer.run(() => 7)).toBe(7);
    const fail = (): never => {
      vi.advanceTimersByTime(10);
      throw new TypeError('wrong');
    };
    expect(() => pacer.run(fail)).toThrow('wrong');
    expect(calls).toEqual(['pause']);
    pacer.close();
    pacer.close();
    vi.advanceTimersByTime(100);
    expect(calls).toEqual(['pause']);
  });
});
