import { describe, expect, it, vi } from 'vitest';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { HashVerifier } from '../../../gateway/rights/hash-verifier.ts';
import type { Grant } from '../../../gateway/rights/principal.ts';
import { type Credential, RightsTable as Table, type Row } from '../../../gateway/rights/rights-table.ts';
import { parseScryptHash } from '../../../gateway/rights/scrypt-hash.ts';
import { fastPassword, fastToken } from '../../helpers/hashes.ts';

/** A table without JSON Web Tokens. */
class RightsTable extends Table {
  constructor(rows: readonly Row[]) {
    super(rows, null, SILENT_LOGGER);
  }

  override find(credential: Credential, address = '192.0.2.1'): ReturnType<Table['find']> {
    return super.find(credential, address);
  }
}

const grant = (name: string, changes: Partial<Grant> = {}): Grant => ({
  name,
  rights: ['view'],
  streams: null,
  port: null,
  expiresAtMs: null,
  ...changes,
});
const secret = (name: string, text: string, changes: Partial<Grant> = {}): Row => ({
  grant: grant(name, changes),
  proof: { kind: 'secret', secret: text },
});
const hashed = (name: string, hash: string): Row => ({
  grant: grant(name),
  proof: { kind: 'hash', hash: parseScryptHash(hash) },
});

describe('RightsTable.find', () => {
  it('finds tokens with and without any user name, and passwords by the name of their user', async () => {
    const [wall, password] = [fastToken(), fastPassword('correct horse')];
    const table = new RightsTable([secret('token', 't'), hashed('wall', wall.hash), hashed('ann', password)]);
    const find = async (text: string, user: string | null = null): Promise<string | null> =>
      (await table.find({ secret: text, user }))?.name ?? null;
    expect(await find('t')).toBe('token');
    expect(await find('t', 'anyone')).toBe('token');
    expect(await find(wall.token)).toBe('wall');
    expect(await find(wall.token, 'ann')).toBe('wall');
    expect(await find('correct horse', 'ann')).toBe('ann');
    expect(await find('correct horse')).toBeNull();
    expect(await find('correct horse', 'wall')).toBeNull();
    expect(await find('correct horse', 'nobody')).toBeNull();
    expect(await find('wrong horse', 'ann')).toBeNull();
    expect(await find(`${wall.token.slice(0, -1)}${wall.token.endsWith('A') ? 'B' : 'A'}`)).toBeNull();
  });

  it('computes a hash once per secret, and none for tokens without a hash', async () => {
    const [wall, other] = [fastToken(), fastToken()];
    const table = new RightsTable([hashed('wall', wall.hash)]);
    const first = table.find({ secret: wall.token, user: null });
    expect(first).toBeInstanceOf(Promise);
    expect((await first)?.name).toBe('wall');
    for (let i = 0; i < 3; i += 1)
      expect(table.find({ secret: wall.token, user: null })).toMatchObject({ name: 'wall' });
    expect(table.find({ secret: other.token, user: null })).toBeNull();
    expect(table.find({ secret: 'x', user: null })).toBeNull();
    const wrong = `${wall.token.slice(0, 20)}${'x'.repeat(27)}`;
    expect(await table.find({ secret: wrong, user: null })).toBeNull();
    expect(table.find({ secret: wrong, user: null })).toBeNull();
  });
});

describe('RightsTable.update', () => {
  it('ends the rights of changed and removed rows, and no others', () => {
    const table = new RightsTable([secret('stays', 'a'), secret('changes', 'b'), secret('goes', 'c')]);
    const ended = new Map<string, unknown>();
    for (const text of ['a', 'b', 'c']) {
      const principal = table.find({ secret: text, user: null });
      if (principal === null || principal instanceof Promise) throw new Error('it was not found');
      principal.whenEnded(({ mayRetry }) => ended.set(principal.name, mayRetry));
    }
    const names = table.update(
      [secret('stays', 'a'), secret('changes', 'b', { port: 6001 }), secret('new', 'd')],
      null,
    );
    expect([...names].sort()).toEqual(['changes', 'goes', 'new']);
    expect(ended).toEqual(
      new Map([
        ['changes', true],
        ['goes', false],
      ]),
    );
    expect(table.find({ secret: 'b', user: null })).toMatchObject({ port: 6001, ended: null });
    expect(table.find({ secret: 'c', user: null })).toBeNull();
    expect(
      table.update([secret('stays', 'a'), secret('changes', 'b', { port: 6001 }), secret('new', 'd')], null),
    ).toEqual([]);
  });
});

describe('RightsTable.implicit', () => {
  it('is the identity of this machine or of anyone, and checks only if necessary', () => {
    const machine: Row = { grant: grant('this machine'), proof: { kind: 'this machine' } };
    const anyone: Row = { grant: grant('anyone'), proof: { kind: 'none' } };
    expect(new RightsTable([machine, anyone]).implicit(() => true)?.name).toBe('this machine');
    expect(new RightsTable([machine, anyone]).implicit(() => false)?.name).toBe('anyone');
    expect(new RightsTable([machine]).implicit(() => false)).toBeNull();
    const ask = vi.fn(() => true);
    expect(new RightsTable([secret('token', 't')]).implicit(ask)).toBeNull();
    expect(ask).not.toHaveBeenCalled();
  });
});

describe('HashVerifier', () => {
  const ADDRESS = '192.0.2.1';

  it('queues 32 secrets, and shares the check of equal ones', async () => {
    const verifier = new HashVerifier();
    const hash = parseScryptHash(fastToken().hash);
    const pending = Array.from({ length: 33 }, async (_, i) => verifier.verify(`wrong ${i}`, hash, ADDRESS));
    await expect(verifier.verify('one more', hash, ADDRESS)).rejects.toMatchObject({ code: 'busy' });
    expect(verifier.verify('wrong 7', hash, ADDRESS)).toBe(verifier.verify('wrong 7', hash, ADDRESS));
    expect(new Set(await Promise.all(pending))).toEqual(new Set([false]));
    expect(await verifier.verify('one more', hash, ADDRESS)).toBe(false);
  });

  it.each([4, 31, 60, 500])('checks the secret of an address while %i others try thousands', async (addresses) => {
    const verifier = new HashVerifier();
    const { token, hash: text } = fastToken();
    const hash = parseScryptHash(text);
    let checked = 0;
    const attempts = addresses * 5;
    // The user's attempt arrives in the middle of a round, when some addresses have made one attempt more than the
    // others.
    const flood = Array.from({ length: attempts + addresses / 2 }, async (_, i) => {
      await verifier.verify(`wrong ${i}`, hash, `198.51.100.${i % addresses}`);
      checked += 1;
    });
    const settled = Promise.allSettled(flood);
    expect(await verifier.verify(token, hash, ADDRESS)).toBe(true);
    // The check that was running.
    expect(checked).toBe(1);
    const refused = (await settled).filter(({ status }) => status === 'rejected');
    // One runs and 32 wait, one of them the user's.
    expect(refused).toHaveLength(Math.max(0, flood.length - 32));
  });

  it('keeps a correct secret in its cache while thousands of wrong ones arrive', async () => {
    const verifier = new HashVerifier();
    const { token, hash: text } = fastToken();
    const hash = parseScryptHash(text);
    const cheap = parseScryptHash(text.replace('ln=4', 'ln=1'));
    expect(await verifier.verify(token, hash, ADDRESS)).toBe(true);
    for (let i = 0; i < 1200; i += 1) await verifier.verify(`wrong ${i}`, cheap, ADDRESS);
    expect(verifier.verify(token, hash, ADDRESS)).toBe(true);
    expect(verifier.verify('wrong 1199', cheap, ADDRESS)).toBe(false);
    expect(verifier.verify('wrong 0', cheap, ADDRESS)).toBeInstanceOf(Promise);
  });
});
