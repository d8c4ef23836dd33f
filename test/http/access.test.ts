import { describe, expect, it } from 'vitest';
import { Access, type AccessOptions, basicPassword, bearerToken } from '../../gateway/http/access.ts';

describe('basicPassword', () => {
  it.each([
    ['Basic OnMzY3JldA==', 's3cret'], // :s3cret
    ['basic dXNlcjpzM2NyZXQ=', 's3cret'], // user:s3cret
    ['Basic dTphOmI=', 'a:b'], // u:a:b
    ['Basic dTo=', ''], // u:
  ])('of %s is %j', (header, password) => {
    expect(basicPassword(header)).toBe(password);
  });

  it.each([undefined, '', 'Basic', 'Basic ', 'Basic czNjcmV0', 'Basic OnMzY3JldA== x', 'Basic O?', 'Bearer s3cret', 'Digest OnMzY3JldA=='])('of %j is none', (header) => {
    expect(basicPassword(header)).toBeUndefined();
  });
});

describe('bearerToken', () => {
  it('is what follows Bearer', () => {
    expect(bearerToken('Bearer s3cret')).toBe('s3cret');
    expect(bearerToken('bearer s3cret')).toBe('s3cret');
    expect(bearerToken('Basic OnMzY3JldA==')).toBeUndefined();
    expect(bearerToken(undefined)).toBeUndefined();
  });
});

describe('Access.authorize', () => {
  const rights = (options: Partial<AccessOptions>, token?: string): unknown => new Access({ host: '127.0.0.1', token: null, viewToken: null, publishToken: null, reservedPorts: new Map(), ...options }).authorize(token)?.rights ?? null;
  const all = ['view', 'return', 'administer', 'publish'];
  const tokens = { token: 't', viewToken: 'v', publishToken: 'p', reservedPorts: new Map([[6000, 'r']]) };

  it.each<[string, Partial<AccessOptions>, string | undefined, readonly string[] | null]>([
    ['anyone on this machine', {}, undefined, all],
    ['who shows what is not asked for', {}, 'x', all],
    ['anyone on this machine beside a publish token', { publishToken: 'p' }, undefined, ['view', 'return', 'administer']],
    ['who shows another beside a publish token', { publishToken: 'p' }, 'x', ['view', 'return', 'administer']],
    ['anyone from elsewhere', { host: '0.0.0.0' }, undefined, ['view', 'return']],
    ['anyone from elsewhere beside a publish token', { host: '0.0.0.0', publishToken: 'p' }, undefined, ['view', 'return']],
    ['who shows the publish token from elsewhere', { host: '0.0.0.0', publishToken: 'p' }, 'p', ['publish']],
    ['who shows the token', tokens, 't', all],
    ['who shows the view token', tokens, 'v', ['view']],
    ['who shows the publish token', tokens, 'p', ['publish']],
    ["who shows a port's token", tokens, 'r', ['view', 'return']],
    ['who shows none where one is asked for', tokens, undefined, null],
    ['who shows another', tokens, 'x', null],
  ])('gives %s its rights', (_name, options, token, expected) => {
    expect(rights(options, token)).toEqual(expected);
  });
});
