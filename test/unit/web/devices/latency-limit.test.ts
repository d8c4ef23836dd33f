import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LatencyLimit, RECOVERY_MS } from '../../../../web/devices/latency-limit.ts';

describe('LatencyLimit', () => {
  let isLive = true;
  const changes: boolean[] = [];
  let limit: LatencyLimit;
  beforeEach(() => {
    vi.useFakeTimers();
    isLive = true;
    changes.length = 0;
    limit = new LatencyLimit(
      () => isLive,
      () => changes.push(limit.isExceeded),
    );
  });
  afterEach(() => {
    limit.stop();
    vi.useRealTimers();
  });

  /** Shows frames of this latency, ten per second. */
  const show = (latencyMs: number, durationMs: number): void => {
    for (let ms = 0; ms < durationMs; ms += 100) {
      limit.shown(latencyMs);
      vi.advanceTimersByTime(100);
    }
  };

  it('is exceeded until pictures have been below it for one second', () => {
    limit.set(300);
    expect(limit.isExceeded).toBe(true);
    show(150, RECOVERY_MS - 100);
    expect(limit.isExceeded).toBe(true);
    show(150, 200);
    expect(changes).toEqual([true, false]);
  });

  it('is kept in the second in which it still counts as exceeded', () => {
    limit.set(300);
    expect([limit.isExceeded, limit.isKept]).toEqual([true, false]);
    limit.shown(100);
    expect([limit.isExceeded, limit.isKept]).toEqual([true, true]);
    show(100, 2000);
    limit.shown(301);
    expect([limit.isExceeded, limit.isKept]).toEqual([true, false]);
    isLive = false;
    limit.shown(100);
    expect(limit.isKept).toBe(false);
  });

  it('is exceeded by a late picture, but not by a picture of exactly this age', () => {
    limit.set(300);
    show(100, 2000);
    limit.shown(300);
    expect(limit.isExceeded).toBe(false);
    limit.shown(301);
    expect(limit.isExceeded).toBe(true);
  });

  it('is exceeded when no further picture arrives', () => {
    limit.set(300);
    show(100, 2000);
    expect(limit.isExceeded).toBe(false);
    vi.advanceTimersByTime(400);
    expect(limit.isExceeded).toBe(true);
  });

  it('is exceeded when the stream is not live', () => {
    limit.set(300);
    show(100, 2000);
    isLive = false;
    limit.check();
    expect(limit.isExceeded).toBe(true);
  });

  it('ignores pictures with unknown latency, and a clock that is ahead', () => {
    limit.set(300);
    limit.shown(null);
    show(-20, 2000);
    expect(limit.isExceeded).toBe(false);
  });

  it('is exceeded if the limit is not a number', () => {
    limit.set(Number.NaN);
    show(10, 2000);
    expect(limit.isExceeded).toBe(true);
  });

  it('is not exceeded without a limit', () => {
    show(10_000, 2000);
    limit.set(300);
    limit.set(null);
    expect(limit.isExceeded).toBe(false);
    vi.advanceTimersByTime(10_000);
    expect(changes).toEqual([true, false]);
  });
});
