import { scryptSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  createToken,
  hashPassword,
  matchesHash,
  parseScryptHash,
  saltOfHash,
  saltOfToken,
} from '../../../gateway/rights/scrypt-hash.ts';

/** RFC 7914, section 12: scrypt of the password "pleaseletmein" with the salt "SodiumChloride", N=16384, r=8, p=1. */
const RFC = {
  password: 'pleaseletmein',
  hash: `$scrypt$ln=14,r=8,p=1$${Buffer.from('SodiumChloride').toString('base64').replaceAll('=', '')}$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw`,
};

describe('matchesHash', () => {
  it('agrees with the test vector of RFC 7914', async () => {
    const hash = parseScryptHash(RFC.hash);
    expect(hash).toMatchObject({ logN: 14, r: 8, p: 1 });
    expect(await matchesHash(RFC.password, hash)).toBe(true);
    expect(await matchesHash(`${RFC.password}x`, hash)).toBe(false);
  });

  it('accepts a password in any Unicode normalization form', async () => {
    const hash = parseScryptHash(await hashPassword('pass\u00e9word'));
    expect(await matchesHash('passe\u0301word', hash)).toBe(true);
  });
});

describe('createToken', () => {
  it('creates tokens that match their hash, which is found by the salt in the token', async () => {
    const [first, second] = await Promise.all([createToken(), createToken()]);
    const hash = parseScryptHash(first.hash);
    expect(await matchesHash(first.token, hash)).toBe(true);
    expect(await matchesHash(second.token, hash)).toBe(false);
    expect(saltOfToken(first.token)).toBe(saltOfHash(hash));
    expect(scryptSync(first.token, hash.salt, 32, { N: 16_384, r: 8, p: 1 })).toEqual(hash.hash);
  });
});

describe('saltOfToken', () => {
  it.each(['', 's3cret', 'gw_', `gw_${'a'.repeat(43)}`, `gw_${'a'.repeat(45)}`, ` gw_${'a'.repeat(44)}`])(
    'returns null for %j',
    (text) => expect(saltOfToken(text)).toBeNull(),
  );
});

describe('parseScryptHash', () => {
  it.each([
    '',
    'plain',
    RFC.hash.replace('$scrypt', '$argon2id'),
    RFC.hash.replace('ln=14', 'ln=0'),
    RFC.hash.replace('r=8', 'r=0'),
    RFC.hash.replace('ln=14', 'ln=18'),
    RFC.hash.replace('ln=14', 'ln=99'),
    RFC.hash.replace('p=1', 'p=99'),
    `${RFC.hash}=`,
    `${RFC.hash}\n`,
    RFC.hash.slice(0, -70),
  ])('refuses %j', (text) => {
    expect(() => parseScryptHash(text)).toThrow(expect.objectContaining({ code: 'option-invalid' }) as Error);
  });

  it('accepts the maximum cost', () => {
    expect(parseScryptHash(RFC.hash.replace('ln=14', 'ln=17')).logN).toBe(17);
  });
});
