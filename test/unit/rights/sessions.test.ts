import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Principal, type RightsEnd } from '../../../gateway/rights/principal.ts';
import { type SessionOwners, Sessions } from '../../../gateway/rights/sessions.ts';

const HOUR_MS = 3_600_000;

const ADDRESS = '192.0.2.1';

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
  it('grants the rights and the budget of the owner through a separate secret id for each session', () => {
    const ann = owner();
    const [first, second] = [sessions.open(ann, ADDRESS), sessions.open(ann, ADDRESS)];
    expect(first.id).toMatch(/^[\w-]{43}$/);
    expect(first.id).not.toBe(second.id);
    const found = sessions.find(first.id)!;
    expect(found).toMatchObject({ name: 'ann', rights: ['view'], streams: ['door'], port: 6001 });
    expect(found.budget).toBe(ann.budget);
    expect(found).not.toBe(sessions.find(second.id));
    expect(sessions.find('x'.repeat(43))).toBeNull();
  });

  it('ends one session, but neither the others nor the owner', () => {
    const ann = owner();
    const [first, second] = [sessions.open(ann, ADDRESS), sessions.open(ann, ADDRESS)];
    const ended = vi.fn<(end: RightsEnd) => void>();
    first.principal.whenEnded(ended);
    sessions.end(first.id, { reason: 'logged out', mayRetry: false });
    sessions.end(first.id, { reason: 'again', mayRetry: false });
    expect(ended.mock.calls).toEqual([[{ reason: 'logged out', mayRetry: false }]]);
    expect(sessions.find(first.id)).toBeNull();
    expect(sessions.find(second.id)).not.toBeNull();
    expect(ann.ended).toBeNull();
  });

  it('ends permanently with the rights of the owner', () => {
    const ann = owner();
    const { id, principal } = sessions.open(ann, ADDRESS);
    const ended = vi.fn<(end: RightsEnd) => void>();
    principal.whenEnded(ended);
    ann.end({ reason: 'the rights of ann were changed', mayRetry: true });
    expect(ended.mock.calls).toEqual([[{ reason: 'the rights of ann were changed', mayRetry: false }]]);
    expect(sessions.find(id)).toBeNull();
    expect(ann.isWatched).toBe(false);
  });

  it('has ended from the start if the rights of the owner have ended', () => {
    const ann = owner();
    ann.end({ reason: 'removed', mayRetry: false });
    const { id, principal } = sessions.open(ann, ADDRESS);
    expect(principal.ended).toEqual({ reason: 'removed', mayRetry: false });
    expect(sessions.find(id)).toBeNull();
  });

  it('ends when the rights of the owner expire while a connection is open', async () => {
    const { principal } = sessions.open(owner('ann', Date.now() + 5000), ADDRESS);
    const ended = vi.fn<(end: RightsEnd) => void>();
    principal.whenEnded(ended);
    await vi.advanceTimersByTimeAsync(4999);
    expect(ended).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(ended).toHaveBeenCalledOnce();
  });

  it('ends after 24 hours without use, and after 30 days in any case', async () => {
    const { id } = sessions.open(owner(), ADDRESS);
    const busy = sessions.open(owner(), ADDRESS);
    const ended = vi.fn<(end: RightsEnd) => void>();
    busy.principal.whenEnded(ended);
    for (let day = 0; day < 28; day += 1) {
      await vi.advanceTimersByTimeAsync(24 * HOUR_MS - 1);
      expect(sessions.find(id)).not.toBeNull();
    }
    await vi.advanceTimersByTimeAsync(24 * HOUR_MS);
    expect(sessions.find(id)).toBeNull();
    await vi.advanceTimersByTimeAsync(24 * HOUR_MS + 27);
    // The session continues while a connection is open, until 30 days have passed.
    expect(ended).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(ended).toHaveBeenCalledOnce();
  });

  it('stops observing its owner when it ends in any way', async () => {
    const ann = owner();
    const { id } = sessions.open(ann, ADDRESS);
    sessions.open(ann, ADDRESS);
    sessions.end(id, { reason: 'logged out', mayRetry: false });
    expect(ann.isWatched).toBe(true);
    await vi.advanceTimersByTimeAsync(25 * HOUR_MS);
    expect(ann.isWatched).toBe(false);
  });
});

describe('Sessions beyond the maximum number', () => {
  const MAX_SESSIONS = 2048;

  const addressOf = (index: number): string => `2001:db8:0:${index.toString(16)}::/64`;

  /** Sessions of one user, each at its own address unless one is given. */
  const open = (ann: Principal, count: number, address?: string): string[] =>
    Array.from({ length: count }, (_, index) => sessions.open(ann, address ?? addressOf(index)).id);

  const remaining = (ids: readonly string[]): number => ids.filter((id) => sessions.find(id) !== null).length;

  it.each([
    ['at many addresses', undefined],
    ['behind one address', ADDRESS],
  ])('allows hundreds of holders of a shared token %s', (_, address) => {
    const ids = open(owner(), 1000, address);
    expect(remaining(ids)).toBe(1000);
  });

  it('ends those of the address with the most, so that one holder of a token cannot log out the others', () => {
    const ann = owner();
    const others = open(ann, 100);
    const own = open(ann, MAX_SESSIONS, ADDRESS);
    expect(remaining(others)).toBe(100);
    expect(own.map((id) => sessions.find(id) !== null)).toEqual(own.map((_, index) => index >= 100));
    // An address that has fewer gets a place.
    const late = sessions.open(ann, '192.0.2.99').id;
    expect(remaining([...others, late])).toBe(101);
  });

  it('ends those of the user with the most, so that holders of one token cannot log out other users', () => {
    const others = open(owner('bob'), 100, ADDRESS);
    open(owner(), MAX_SESSIONS);
    expect(remaining(others)).toBe(100);
    const late = sessions.open(owner('carol'), ADDRESS).id;
    expect(remaining([...others, late])).toBe(101);
  });

  it('ends the least recently used one without open connections, so that displays stay logged in', () => {
    const ann = owner();
    const first = sessions.open(ann, addressOf(5000));
    first.principal.whenEnded(() => undefined);
    const ids = open(ann, MAX_SESSIONS - 1);
    sessions.find(ids[0]!);
    sessions.open(ann, addressOf(5001));
    expect(remaining([first.id, ids[0]!])).toBe(2);
    expect(sessions.find(ids[1]!)).toBeNull();
    expect(remaining(ids)).toBe(MAX_SESSIONS - 2);
  });

  it('ends the least recently used one of all users if each has one', () => {
    const ids = Array.from(
      { length: MAX_SESSIONS + 1 },
      (_, index) => sessions.open(owner(`user-${index}`), ADDRESS).id,
    );
    expect(sessions.find(ids[0]!)).toBeNull();
    expect(remaining(ids)).toBe(MAX_SESSIONS);
  });
});

describe('Sessions after a restart', () => {
  /** The identities of a gateway, each with its description. */
  function ownersOf(rows: Readonly<Record<string, Principal>>): SessionOwners {
    const all = Object.entries(rows).map(([text, principal]) => ({ text, principal }));
    return {
      describe: (owner) => all.find(({ principal }) => principal === owner)?.text ?? null,
      named: (name) => all.filter(({ principal }) => principal.name === name),
    };
  }

  const restart = (owners: SessionOwners, onChange = () => undefined as void): Sessions => {
    const saved: unknown = JSON.parse(JSON.stringify(sessions.save()));
    sessions.close();
    sessions = new Sessions(owners, onChange);
    sessions.restore(saved as ReturnType<Sessions['save']>);
    return sessions;
  };

  const begin = (): { readonly ann: Principal; readonly id: string } => {
    const ann = owner();
    sessions = new Sessions(ownersOf({ 'ann, hash 1': ann }));
    return { ann, id: sessions.open(ann, ADDRESS).id };
  };

  it('finds the same owner again, even after a second restart', () => {
    const { id } = begin();
    for (let count = 0; count < 2; count += 1) {
      const ann = owner();
      restart(ownersOf({ 'bob, hash 2': owner('bob'), 'ann, hash 1': ann }));
      expect(sessions.find(id)).toMatchObject({ name: 'ann', port: 6001 });
      expect(sessions.find(id)?.budget).toBe(ann.budget);
      expect(sessions.find('x'.repeat(43))).toBeNull();
    }
  });

  it('saves no id, and only the name of the owner', () => {
    const { id } = begin();
    const text = JSON.stringify(sessions.save());
    expect(text).toContain('"name":"ann"');
    expect(text).not.toContain(id);
    expect(text).not.toContain('hash 1');
  });

  it.each([
    ['has other credentials or other rights', { 'ann, hash 2': owner() }],
    ['was removed', { 'bob, hash 1': owner('bob') }],
    ['has another name', { 'ann, hash 1': owner('bob') }],
    ['has expired', { 'ann, hash 1': owner('ann', 999_999) }],
  ])('ends if the owner %s', (_what, rows) => {
    const { id } = begin();
    const onChange = vi.fn<() => void>();
    restart(ownersOf(rows), onChange);
    expect(sessions.find(id)).toBeNull();
    expect(sessions.save()).toEqual([]);
    expect(onChange).toHaveBeenCalledOnce();
  });

  it('ends permanently with the rights of the owner before it was used', () => {
    const { id } = begin();
    restart(ownersOf({ 'ann, hash 1': owner() }));
    sessions.forget(['bob']);
    expect(sessions.save()).toHaveLength(1);
    sessions.forget(['ann']);
    expect(sessions.save()).toEqual([]);
    expect(sessions.find(id)).toBeNull();
  });

  it('is not restored after a log-out', () => {
    const { ann, id } = begin();
    const other = sessions.open(ann, ADDRESS).id;
    sessions.end(id, { reason: 'logged out', mayRetry: false });
    restart(ownersOf({ 'ann, hash 1': owner() }));
    expect(sessions.find(id)).toBeNull();
    expect(sessions.find(other)).not.toBeNull();
  });

  it('keeps its times of use and of expiry', async () => {
    const { id } = begin();
    const { expiresAtMs } = sessions.find(id)!;
    await vi.advanceTimersByTimeAsync(20 * HOUR_MS);
    restart(ownersOf({ 'ann, hash 1': owner() }));
    expect(sessions.find(id)?.expiresAtMs).toBe(expiresAtMs);
    await vi.advanceTimersByTimeAsync(20 * HOUR_MS);
    restart(ownersOf({ 'ann, hash 1': owner() }));
    expect(sessions.find(id)).not.toBeNull();
    const saved = sessions.save();
    await vi.advanceTimersByTimeAsync(24 * HOUR_MS);
    sessions.restore(saved);
    expect(sessions.find(id)).toBeNull();
  });

  it('saves the use of a session four times per hour, including by open connections', async () => {
    const ann = owner();
    const onChange = vi.fn<() => void>(() => void sessions.save());
    sessions = new Sessions(ownersOf({ 'ann, hash 1': ann }), onChange);
    const { principal } = sessions.open(ann, ADDRESS);
    expect(onChange).toHaveBeenCalledOnce();
    await vi.advanceTimersByTimeAsync(HOUR_MS);
    expect(onChange).toHaveBeenCalledOnce();
    const unwatch = principal.whenEnded(() => undefined);
    await vi.advanceTimersByTimeAsync(HOUR_MS);
    expect(onChange).toHaveBeenCalledTimes(5);
    unwatch();
  });

  it('does not save sessions whose owners cannot be found again', () => {
    const onChange = vi.fn<() => void>();
    sessions = new Sessions(ownersOf({}), onChange);
    const { id } = sessions.open(owner(), ADDRESS);
    expect(sessions.save()).toEqual([]);
    sessions.end(id, { reason: 'logged out', mayRetry: false });
    expect(onChange).not.toHaveBeenCalled();
  });

  it('keeps the most recently used ones beyond the maximum number', () => {
    const saved = Array.from({ length: 2100 }, (_, index) => ({
      key: `key ${index}`,
      name: 'ann',
      proof: '',
      expiresAtMs: Date.now() + HOUR_MS,
      usedAtMs: Date.now(),
    }));
    sessions.restore(saved);
    expect(sessions.save().map(({ key }) => key)).toEqual(saved.slice(52).map(({ key }) => key));
  });
});
