import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Grant, Principal, type RightsEnd } from '../../../gateway/rights/principal.ts';

const GRANT: Grant = { name: 'wall', rights: ['view'], streams: null, port: null, expiresAtMs: null };
const END: RightsEnd = { reason: 'removed', mayRetry: false };

describe('Principal.may', () => {
  const limited = new Principal({ ...GRANT, streams: ['door', 'robot'] });

  it.each([
    [new Principal(GRANT), [true, true, true]],
    [limited, [true, false, false]],
  ])('compares right and stream', (principal, [door, yard, all]) => {
    expect(principal.may('view', { stream: 'door' })).toBe(door);
    expect(principal.may('view', { stream: 'yard' })).toBe(yard);
    expect(principal.may('view', 'all')).toBe(all);
    expect(principal.may('view', 'any')).toBe(true);
    for (const scope of [{ stream: 'door' }, 'all', 'any'] as const)
      expect(principal.may('publish', scope)).toBe(false);
  });
});

describe('Principal.whenEnded', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('calls every listener once, unless it was removed', () => {
    const principal = new Principal(GRANT);
    const [kept, removed] = [vi.fn(), vi.fn()];
    principal.whenEnded(kept);
    principal.whenEnded(removed)();
    principal.end(END);
    principal.end({ ...END, reason: 'again' });
    expect(kept.mock.calls).toEqual([[END]]);
    expect(removed).not.toHaveBeenCalled();
    expect(principal.ended).toEqual(END);
  });

  it('ends rights soon after the clock was set to a later time', () => {
    const principal = new Principal({ ...GRANT, expiresAtMs: 1_000_000 + 86_400_000 });
    const listener = vi.fn();
    principal.whenEnded(listener);
    vi.setSystemTime(1_000_000 + 86_400_001);
    vi.advanceTimersByTime(30_000);
    expect(listener).toHaveBeenCalledOnce();
  });

  it('calls a listener immediately if the rights have ended', () => {
    const principal = new Principal(GRANT);
    principal.end(END);
    const late = vi.fn();
    principal.whenEnded(late)();
    expect(late.mock.calls).toEqual([[END]]);
  });

  it('calls a deferred listener not before the next iteration of the event loop', () => {
    const principal = new Principal(GRANT);
    const [kept, removed] = [vi.fn(), vi.fn()];
    principal.whenEndedLater(kept);
    principal.whenEndedLater(removed)();
    principal.end(END);
    expect(kept).not.toHaveBeenCalled();
    vi.runAllTimers();
    expect(kept.mock.calls).toEqual([[END]]);
    expect(removed).not.toHaveBeenCalled();
    const late = vi.fn();
    principal.whenEndedLater(late);
    expect(late).not.toHaveBeenCalled();
    vi.runAllTimers();
    expect(late.mock.calls).toEqual([[END]]);
  });

  it('calls the listeners when the rights expire, even after the maximum of setTimeout', () => {
    const month = 40 * 86_400_000;
    const principal = new Principal({ ...GRANT, expiresAtMs: 1_000_000 + month });
    const listener = vi.fn();
    principal.whenEnded(listener);
    vi.advanceTimersByTime(month - 1);
    expect([listener.mock.calls.length, principal.ended]).toEqual([0, null]);
    vi.advanceTimersByTime(1);
    expect(listener).toHaveBeenCalledTimes(1);
    expect(principal.ended).toMatchObject({ mayRetry: false });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('keeps no timer without listeners', () => {
    const principal = new Principal({ ...GRANT, expiresAtMs: 2_000_000 });
    const [first, second] = [principal.whenEnded(() => undefined), principal.whenEnded(() => undefined)];
    expect(vi.getTimerCount()).toBe(1);
    first();
    expect(vi.getTimerCount()).toBe(1);
    second();
    expect(vi.getTimerCount()).toBe(0);
  });
});
