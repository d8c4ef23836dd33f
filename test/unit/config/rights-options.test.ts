import { describe, expect, it } from 'vitest';
import type { TokenSettings } from '../../../gateway/config/gateway-options.ts';
import { checkJwks, checkStreamName, parseExpiry, resolveNamedTokens } from '../../../gateway/config/rights-options.ts';

const HASH = '$scrypt$ln=14,r=8,p=1$HBiiyo3XAv+N$y+6r61C4dKf+18hs0H/Vjx4+rnoKM/xFlzVQJb/VH00';
const RANGES = [{ from: 6000, to: 6003 }];
const invalid = expect.objectContaining({ code: 'option-invalid' }) as Error;

describe('parseExpiry', () => {
  it.each([
    ['2027-01-31', '2027-02-01T00:00:00.000Z'],
    ['2028-02-29', '2028-03-01T00:00:00.000Z'],
    ['2027-01-31T18:00:00Z', '2027-01-31T18:00:00.000Z'],
    ['2027-01-31T18:00:00.250+02:00', '2027-01-31T16:00:00.250Z'],
    ['2027-01-31 18:00Z', '2027-01-31T18:00:00.000Z'],
  ])('of %s is %s', (text, time) => expect(new Date(parseExpiry(text)).toISOString()).toBe(time));

  it.each([
    '',
    'tomorrow',
    '2027-13-01',
    '2027-02-30',
    '2027-02-30T10:00:00Z',
    '2027-01-31T18:00:00',
    '2027-01-31T25:00:00Z',
    '31.1.2027',
    '2027',
  ])('refuses %j', (text) => expect(() => parseExpiry(text)).toThrow(invalid));
});

describe('checkJwks', () => {
  it.each(['https://login.example.org/jwks.json', 'http://127.0.0.1:9000/jwks.json'])('accepts %s', (keys) => {
    expect(() => checkJwks(keys)).not.toThrow();
  });

  it('checks a set that is not at a URL', () => {
    expect(() => checkJwks('{"keys": [{"kty": "RSA"}]}')).toThrow(/no key of the JWK set can verify tokens/);
  });

  it.each([
    'https://me:Hunter2@login.example.org/jwks.json',
    'https://me:Hun%23ter2@login.example.org/jwks.json',
    'https://Hunter2@login.example.org/jwks.json',
    'https://:Hunter2@login.example.org/jwks.json',
    'http://me:Hunter2@login.example.org/jwks.json',
    'https://me:Hunter2@/',
  ])('refuses %s without its password', (keys) => {
    expect(() => checkJwks(keys)).toThrow(invalid);
    expect(() => checkJwks(keys)).not.toThrow(/Hunter2|Hun%23ter2/);
  });
});

describe('checkStreamName', () => {
  it('refuses patterns, which would be treated as names', () => {
    expect(() => checkStreamName('door')).not.toThrow();
    for (const text of ['', '*', 'a b', 'door?', 'x'.repeat(65)]) expect(() => checkStreamName(text)).toThrow(invalid);
  });
});

describe('resolveNamedTokens', () => {
  const resolve = (settings: Partial<TokenSettings>, name = 'wall'): ReturnType<typeof resolveNamedTokens> =>
    resolveNamedTokens({ [name]: { hash: HASH, rights: ['view'], ...settings } }, RANGES, new Map([[6003, 'x']]));

  it('fills in the defaults, and sorts the rights', () => {
    expect(resolve({ rights: ['return', 'view'] })).toMatchObject([
      { name: 'wall', rights: ['view', 'return'], streams: null, port: null, expiresAtMs: null },
    ]);
  });

  it.each<[string, Partial<TokenSettings>, string]>([
    ['no rights', { rights: [] }, 'rights'],
    ['an unknown right', { rights: ['look' as 'view'] }, 'rights'],
    ['return without view', { rights: ['return'] }, 'rights'],
    ['no streams', { streams: [] }, 'streams'],
    ['a port without return', { port: 6000 }, 'port'],
    ['a port that no stream has', { rights: ['view', 'return'], port: 6004 }, 'port'],
    ['a port of --reserve', { rights: ['view', 'return'], port: 6003 }, 'port'],
    ['an invalid time', { expires: 'soon' }, 'expires'],
    ['no viewers', { limits: { viewers: 0 } }, 'limits'],
    ['a bit rate that is too low for a picture', { limits: { bitrate: '1k' } }, 'limits'],
    ['a token instead of its hash', { hash: 'gw_secret' }, 'hash'],
  ])('refuses %s, and reports its position', (_name, settings, key) => {
    expect(() => resolve(settings)).toThrow(
      expect.objectContaining({
        code: 'option-invalid',
        path: expect.arrayContaining(['tokens', 'wall', key]) as string[],
      }) as Error,
    );
  });

  it('refuses names of built-in identities, and one port for two tokens', () => {
    expect(() => resolve({}, 'token')).toThrow(invalid);
    const arm = { hash: HASH, rights: ['view', 'return'], port: 6000 } as const;
    const leg = { ...arm, hash: HASH.replace('VH00', 'VH01') };
    expect(() => resolveNamedTokens({ arm, leg }, RANGES, new Map())).toThrow(
      expect.objectContaining({ path: ['tokens', 'leg', 'port'] }) as Error,
    );
  });

  it('never quotes a hash', () => {
    expect(() => resolve({ hash: `${HASH}!` })).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('HBiiyo3XAv') as string }) as Error,
    );
  });
});
