import { generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { checkJwkSet } from '../../../gateway/config/jwk-set.ts';

const rsaKeys = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength });
const RSA = rsaKeys(2048);
const SMALL = rsaKeys(1024).publicKey.export({ format: 'jwk' });
const RSA_JWK = RSA.publicKey.export({ format: 'jwk' });
const ecJwk = (namedCurve: string): JsonWebKey =>
  generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' });
const EC_JWK = ecJwk('P-256');

const check = (...keys: readonly unknown[]): void => checkJwkSet(JSON.stringify({ keys }));
const refusal = (message: string | RegExp): unknown =>
  expect.objectContaining({ code: 'option-invalid', message: expect.stringMatching(message) as string });

describe('checkJwkSet', () => {
  it.each<[string, readonly unknown[]]>([
    ['RSA', [RSA_JWK]],
    ['EC', [EC_JWK]],
    ['all attributes', [{ ...RSA_JWK, kid: 'a', use: 'sig', alg: 'RS256', key_ops: ['verify'] }]],
    ['keys for other purposes besides', [{ ...RSA_JWK, use: 'enc' }, { kty: 'OKP' }, EC_JWK]],
  ])('accepts %s', (_what, keys) => {
    expect(() => check(...keys)).not.toThrow();
  });

  it.each<[string, unknown]>([
    ['has the "kty" "oct", expected "RSA" or "EC"', { kty: 'oct', k: 'c2VjcmV0' }],
    ['has the "kty" (none), expected', {}],
    ['has the "use" "enc", expected "sig"', { ...RSA_JWK, use: 'enc' }],
    ['has the "alg" "RS512", expected "RS256"', { ...RSA_JWK, alg: 'RS512' }],
    ['has the "alg" "RS256", expected "ES256"', { ...EC_JWK, alg: 'RS256' }],
    ['has the "key_ops" ["encrypt"], expected ["verify"]', { ...RSA_JWK, key_ops: ['encrypt'] }],
    ['has the "crv" "P-384", expected "P-256"', ecJwk('P-384')],
    ['has 1024 bits, expected at least 2048', SMALL],
    ['is malformed, expected the public key as "n" and "e"', { kty: 'RSA' }],
    ['is malformed, expected the public key as "x" and "y"', { ...EC_JWK, x: EC_JWK.y }],
  ])('refuses a set with one key that %s', (fault, key) => {
    expect(() => check(key)).toThrow(
      expect.objectContaining({
        code: 'option-invalid',
        message: expect.stringContaining(`RS256 or ES256: key 1 ${fault}`) as string,
      }) as Error,
    );
  });

  it('describes each key, but not many', () => {
    const key = { kty: 'OKP' };
    expect(() => check(key, key)).toThrow(refusal(/: key 1 has .*; key 2 has [^;]*$/) as Error);
    expect(() => check(key, key, key, key, key)).toThrow(refusal(/; key 3 has [^;]*; …$/) as Error);
  });

  it('refuses a private key in any set, without quoting it', () => {
    const jwk = RSA.privateKey.export({ format: 'jwk' });
    expect(() => check(RSA_JWK, jwk)).toThrow(refusal(/^key 2 of the JWK set is a private key/) as Error);
    expect(() => check(jwk)).not.toThrow(jwk.d!);
  });

  it.each<[string, string, RegExp]>([
    ['no JSON', '{"keys": [', /neither a URL nor a JWK set/],
    ['null', 'null', /neither a URL nor a JWK set/],
    ['a key instead of a set', JSON.stringify(RSA_JWK), /neither a URL nor a JWK set/],
    ['no keys', '{"keys": []}', /^the JWK set has no keys/],
    ['a text as a key', '{"keys": ["a"]}', /^key 1 of the JWK set is not an object/],
    ['null as a key', '{"keys": [null]}', /^key 1 of the JWK set is not an object/],
  ])('refuses %s', (_what, text, message) => {
    expect(() => checkJwkSet(text)).toThrow(refusal(message) as Error);
  });
});
