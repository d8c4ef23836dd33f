import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Principal, type RightsEnd } from '../../../gateway/rights/principal.ts';
import { Sessions } from '../../../gateway/rights/sessions.ts';

const HOUR_MS = 3_600_000;

let sessions: Sessions;
beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  sessions = new Sessions();
});
afterEach(() => {
  sessions.close();
  vi.useRealTimers();
});

function owner(name = 'ann', expiresAtMs: number | null = null): Principal {
  return new Principal({ name, rights: ['view'], streams: ['door'], port: 6001, expiresAtMs });
}

describe('Sessions', () => {
  it('gives the rights and the budget of the owner, by a secret id of its own for each session', () => {
    const ann = owner();
    const [first, second] = [sessions.open(ann), sessions.open(ann)];
    expect(first.id).toMatch(/^[\w-]{43}$/);
    expect(first.id).not.toBe(second.id);
    const found = sessions.find(first.id)!;
    expect(found).toMatchObject({ name: 'ann', rights: ['view'], streams: ['door'], port: 6001 });
    expect(found.budget).toBe(ann.budget);
    expect(found).not.toBe(sessions.find(second.id));
    expect(sessions.find('x'.repeat(43))).toBeNull();
  });

  it('ends one session, and leaves the others and the owner', () => {
    const ann = owner();
    const [first, second] = [sessions.open(ann), sessions.open(ann)];
    const ended = vi.fn<(end: RightsEnd) => void>();
    first.principal.whenEnded(ended);
    sessions.end(first.id, { reason: 'logged out', mayRetry: false });
    sessions.end(first.id, { reason: 'again', mayRetry: false });
    expect(ended.mock.calls).toEqual([[{ reason: 'logged out', mayRetry: false }]]);
    expect(sessions.find(first.id)).toBeNull();
    expect(sessions.find(second.id)).not.toBeNull();
    expect(ann.ended).toBeNull();
  });

  it('ends with the rights of the owner, for good', () => {
    const ann = owner();
    const { id, principal } = sessions.open(ann);
    const ended = vi.fn<(end: RightsEnd) => void>();
    principal.whenEnded(ended);
    ann.end({ reason: 'the rights of ann were changed', mayRetry: true });
    expect(ended.mock.calls).toEqual([[{ reason: 'the rights of ann were changed', mayRetry: false }]]);
    expect(sessions.find(id)).toBeNull();
    expect(ann.isWatched).toBe(false);
  });

  it('is over from the start if the rights of the owner have ended', () => {
    const ann = owner();
    ann.end({ reason: 'removed', mayRetry: false });
    const { id, principal } = sessions.open(ann);
    expect(principal.ended).toEqual({ reason: 'removed', mayRetry: false });
    expect(sessions.find(id)).toBeNull();
  });

  it('ends when the rights of the owner expire, while something is open', async () => {
    const { principal } = sessions.open(owner('ann', Date.now() + 5000));
    const ended = vi.fn<(end: RightsEnd) => void>();
    principal.whenEnded(ended);
    await vi.advanceTimersByTimeAsync(4999);
    expect(ended).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(ended).toHaveBeenCalledOnce();
  });

  it('ends after 24 hours without use, and after 30 days in any case', async () => {
    const { id } = sessions.open(owner());
    for (let day = 0; day < 29; day += 1) {
      await vi.advanceTimersByTimeAsync(24 * HOUR_MS - 1);
      expect(sessions.find(id)).not.toBeNull();
    }
    await vi.advanceTimersByTimeAsync(24 * HOUR_MS);
    expect(sessions.find(id)).toBeNull();
    const busy = sessions.open(owner());
    const ended = vi.fn<(end: RightsEnd) => void>();
    busy.principal.whenEnded(ended);
    await vi.advanceTimersByTimeAsync(30 * 24 * HOUR_MS - 1);
    // Something is open.
    expect(ended).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(ended).toHaveBeenCalledOnce();
  });

  it('stops listening to its owner when it ends, however it does', async () => {
    const ann = owner();
    const { id } = sessions.open(ann);
    sessions.open(ann);
    sessions.end(id, { reason: 'logged out', mayRetry: false });
    expect(ann.isWatched).toBe(true);
    await vi.advanceTimersByTimeAsync(25 * HOUR_MS);
    expect(ann.isWatched).toBe(false);
  });

  it('ends the least recently used session beyond 32 of one user, and beyond 1024 in total', () => {
    const ann = owner();
    const ids = Array.from({ length: 32 }, () => sessions.open(ann).id);
    sessions.find(ids[0]!);
    const bob = sessions.open(owner('bob')).id;
    const newest = sessions.open(ann).id;
    expect(sessions.find(ids[1]!)).toBeNull();
    for (const id of [ids[0]!, ids[2]!, bob, newest]) expect(sessions.find(id), id).not.toBeNull();
    const others = Array.from({ length: 1024 - 33 }, (_, i) => sessions.open(owner(`user-${i}`)).id);
    expect(sessions.find(ids[3]!)).not.toBeNull();
    sessions.open(owner('one more'));
    expect(sessions.find(ids[4]!)).toBeNull();
    expect(sessions.find(others.at(-1)!)).not.toBeNull();
  });
});
