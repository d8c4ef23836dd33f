import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RightsEnd } from '../../../gateway/rights/principal.ts';
import { isShareToken, ShareLinks } from '../../../gateway/rights/share-links.ts';

const HOUR_MS = 3_600_000;

let links: ShareLinks;
beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  links = new ShareLinks();
});
afterEach(() => {
  links.close();
  vi.useRealTimers();
});

describe('ShareLinks', () => {
  it('grants the right to watch one stream through a secret token', () => {
    const { token, link } = links.create('door', 'ann', HOUR_MS);
    expect(isShareToken(token)).toBe(true);
    expect(token).not.toContain(link.id);
    const principal = links.find(token)!;
    expect(principal.may('watch', { stream: 'door' })).toBe(true);
    expect(principal.may('watch', { stream: 'yard' })).toBe(false);
    for (const right of ['view', 'return', 'administer', 'publish'] as const)
      for (const scope of [{ stream: 'door' }, 'any', 'all'] as const) expect(principal.may(right, scope)).toBe(false);
    expect(links.find(`gws_${'x'.repeat(43)}`)).toBeNull();
  });

  it('lists the links of a stream without their tokens, and revokes a single one', () => {
    const [first, second] = [links.create('door', 'ann', HOUR_MS), links.create('door', 'bob', 2 * HOUR_MS)];
    links.create('yard', 'ann', HOUR_MS);
    expect(links.list('door').map(({ id, createdBy }) => [id, createdBy])).toEqual([
      [first.link.id, 'ann'],
      [second.link.id, 'bob'],
    ]);
    expect(JSON.stringify(links.list('door'))).not.toContain(first.token.slice(4));
    const ended = vi.fn<(end: RightsEnd) => void>();
    links.find(first.token)!.whenEnded(ended);
    expect(links.revoke('yard', first.link.id)).toBeNull();
    expect(links.revoke('door', first.link.id)?.id).toBe(first.link.id);
    expect(ended.mock.calls).toEqual([[{ reason: 'this link was revoked', mayRetry: false }]]);
    expect(links.revoke('door', first.link.id)).toBeNull();
    expect(links.find(first.token)).toBeNull();
    expect(links.find(second.token)).not.toBeNull();
  });

  it('removes a link when it expires', async () => {
    const { token } = links.create('door', 'ann', HOUR_MS);
    const ended = vi.fn();
    links.find(token)!.whenEnded(ended);
    await vi.advanceTimersByTimeAsync(HOUR_MS - 1);
    expect(ended).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(ended).toHaveBeenCalledOnce();
    expect([links.find(token), links.list('door')]).toEqual([null, []]);
  });

  it('has a maximum number of links', () => {
    const made = Array.from({ length: 256 }, () => links.create('door', 'ann', HOUR_MS));
    expect(() => links.create('door', 'ann', HOUR_MS)).toThrow(expect.objectContaining({ code: 'too-many' }));
    links.revoke('door', made[7]!.link.id);
    links.create('door', 'ann', HOUR_MS);
  });

  it('can be restored after a restart, except those that were revoked or have expired', async () => {
    const onChange = vi.fn<() => void>();
    links = new ShareLinks(onChange);
    const made = [1, 2, 3].map((hours) => links.create('door', 'ann', hours * HOUR_MS));
    links.revoke('door', made[1]!.link.id);
    expect(onChange).toHaveBeenCalledTimes(4);
    const saved = links.save();
    expect(JSON.stringify(saved)).not.toContain(made[2]!.token.slice(4));
    links.close();
    expect(onChange).toHaveBeenCalledTimes(4);
    await vi.advanceTimersByTimeAsync(HOUR_MS);
    links = new ShareLinks(onChange);
    links.restore(saved);
    expect(made.map(({ token }) => links.find(token) !== null)).toEqual([false, false, true]);
    expect(links.list('door')).toMatchObject([{ ...made[2]!.link }]);
    expect(links.find(made[2]!.token)!.may('watch', { stream: 'door' })).toBe(true);
    await vi.advanceTimersByTimeAsync(2 * HOUR_MS);
    expect(links.find(made[2]!.token)).toBeNull();
  });
});
