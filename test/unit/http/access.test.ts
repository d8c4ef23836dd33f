import { describe, expect, it } from 'vitest';
import {
  Access,
  type Authorization,
  basicCredential,
  bearerToken,
  isLoopback,
  type Sender,
  tokenCredential,
} from '../../../gateway/http/access.ts';
import type { Right } from '../../../gateway/rights/principal.ts';
import type { RightsOptions } from '../../../gateway/rights/rows.ts';

const OPTIONS: RightsOptions = {
  isLocal: true,
  insecure: false,
  token: null,
  administratorKey: 'k',
  viewToken: null,
  publishToken: null,
  reservedPorts: new Map(),
  tokens: [],
  jwt: null,
};

const access = new Access(OPTIONS);

describe('basicCredential', () => {
  it.each([
    ['Basic OnMzY3JldA==', 's3cret', null], // :s3cret
    ['basic dXNlcjpzM2NyZXQ=', 's3cret', 'user'], // user:s3cret
    ['Basic dTphOmI=', 'a:b', 'u'], // u:a:b
    ['Basic dTo=', '', 'u'], // u:
  ])('of %s is the password %j of %j', (header, secret, user) => {
    expect(basicCredential(header)).toEqual({ secret, user });
  });

  it.each([
    undefined,
    '',
    'Basic',
    'Basic ',
    'Basic czNjcmV0',
    'Basic OnMzY3JldA== x',
    'Basic O?',
    'Bearer s3cret',
    'Digest OnMzY3JldA==',
  ])('returns undefined for %j', (header) => {
    expect(basicCredential(header)).toBeUndefined();
  });
});

describe('bearerToken', () => {
  it('is the text after Bearer', () => {
    expect(bearerToken('Bearer s3cret')).toBe('s3cret');
    expect(bearerToken('bearer s3cret')).toBe('s3cret');
    expect(bearerToken('Basic OnMzY3JldA==')).toBeUndefined();
    expect(bearerToken(undefined)).toBeUndefined();
  });
});

/** A request of a program on this machine. */
const HERE: Sender = { peer: '127.0.0.1', address: '127.0.0.1', headers: { host: '127.0.0.1:8080' } };

const RIGHTS: readonly Right[] = ['view', 'return', 'administer', 'publish'];

/** The rights of a sender, each requested separately. */
function rights(options: Partial<RightsOptions>, token?: string, sender = HERE): Right[] {
  const asked = new Access({ ...OPTIONS, ...options });
  return RIGHTS.filter((right) => authorize(asked, token, right, sender).allowed);
}

/** Authorizes a secret of the command line, for which the decision is synchronous. */
function authorize(asked: Access, token: string | undefined, right: Right, sender = HERE): Authorization {
  const answer = asked.authorize(tokenCredential(token), right, 'all', sender);
  if (answer instanceof Promise) throw new Error('a hash was computed');
  return answer;
}

describe('Access.authorize', () => {
  const tokens = {
    token: 't',
    administratorKey: null,
    viewToken: 'v',
    publishToken: 'p',
    reservedPorts: new Map([[6000, 'r']]),
  };
  const elsewhere = { isLocal: false, insecure: true };

  it.each<[string, Partial<RightsOptions>, string | undefined, readonly Right[]]>([
    ['this machine', {}, undefined, ['view', 'return', 'publish']],
    ['this machine with an unknown token', {}, 'x', ['view', 'return', 'publish']],
    ['the administrator key', {}, 'k', RIGHTS],
    ['this machine, with a publish token configured', { publishToken: 'p' }, undefined, ['view', 'return']],
    ['an unknown token, with a publish token configured', { publishToken: 'p' }, 'x', ['view', 'return']],
    ['anyone with --insecure', elsewhere, undefined, ['view', 'return']],
    [
      'anyone, with --insecure and a publish token configured',
      { ...elsewhere, publishToken: 'p' },
      undefined,
      ['view', 'return'],
    ],
    ['the publish token with --insecure', { ...elsewhere, publishToken: 'p' }, 'p', ['publish']],
    ['the administrator key with --insecure', elsewhere, 'k', RIGHTS],
    ['the token', tokens, 't', RIGHTS],
    ['the view token', tokens, 'v', ['view']],
    ['the publish token', tokens, 'p', ['publish']],
    ['the token of a port', tokens, 'r', ['view', 'return']],
    ['no token where one is required', tokens, undefined, []],
    ['an unknown token where one is required', tokens, 'x', []],
    ['an administrator key that is not set', tokens, 'k', []],
  ])('grants %s its rights', (_name, options, token, expected) => {
    expect(rights(options, token)).toEqual(expected);
  });

  it('returns the principal, and the port of a port token', () => {
    const asked = new Access({ ...OPTIONS, ...tokens });
    expect(authorize(asked, 'r', 'view')).toMatchObject({
      allowed: true,
      principal: { name: 'port token', port: 6000 },
    });
    expect(authorize(access, 'k', 'administer')).toMatchObject({ principal: { name: 'administrator key' } });
    expect(authorize(access, undefined, 'view')).toMatchObject({ principal: { name: 'this machine' } });
  });

  it.each<[string | undefined, Right, string]>([
    [undefined, 'view', 'token-missing'],
    ['x', 'view', 'token-wrong'],
    ['v', 'publish', 'right-missing'],
    ['p', 'view', 'right-missing'],
  ])('contains the reason: token %s for %s is %s', (token, right, cause) => {
    expect(authorize(new Access({ ...OPTIONS, ...tokens }), token, right)).toMatchObject({
      allowed: false,
      cause,
    });
  });
});

describe('Access.authorize without a token', () => {
  const FORWARDED = [
    'forwarded',
    'via',
    'x-forwarded',
    'x-forwarded-for',
    'x-forwarded-host',
    'x-forwarded-proto',
    'x-forwarded-port',
    'x-forwarded-server',
    'x-forwarded-prefix',
    'x-forwarded-scheme',
    'x-forwarded-by',
    'forwarded-for',
    'x-real-ip',
    'x-original-for',
    'x-original-host',
    'x-original-uri',
    'x-original-url',
    'x-original-forwarded-for',
    'x-rewrite-url',
    'cf-connecting-ip',
    'cf-connecting-ipv6',
    'cf-ray',
    'cdn-loop',
    'true-client-ip',
    'x-client-ip',
    'client-ip',
    'x-cluster-client-ip',
    'fastly-client-ip',
    'fly-client-ip',
    'do-connecting-ip',
    'x-remote-addr',
    'x-remote-ip',
    'x-proxyuser-ip',
    'proxy-client-ip',
    'wl-proxy-client-ip',
    'x-envoy-external-address',
    'x-azure-clientip',
    'x-appengine-user-ip',
    'x-amzn-trace-id',
  ];

  it.each(FORWARDED)('treats a sender with the header %s of any value as remote', (name) => {
    for (const value of ['203.0.113.7', '127.0.0.1', ''])
      expect(rights({}, undefined, { ...HERE, headers: { ...HERE.headers, [name]: value } }), value).toEqual([]);
    expect(rights({}, 'k', { ...HERE, headers: { ...HERE.headers, [name]: '203.0.113.7' } })).toEqual(RIGHTS);
    expect(
      rights({ insecure: true }, undefined, { ...HERE, headers: { ...HERE.headers, [name]: '203.0.113.7' } }),
    ).toEqual(['view', 'return']);
  });

  it.each([
    'accept',
    'user-agent',
    'referer',
    'cookie',
    'x-requested-with',
    'sec-fetch-site',
    'gearway-message',
    'cache-control',
    'x-request-id',
  ])('treats a sender with the header %s as local', (name) => {
    expect(rights({}, undefined, { ...HERE, headers: { ...HERE.headers, [name]: 'x' } })).toEqual([
      'view',
      'return',
      'publish',
    ]);
  });

  it.each([
    undefined,
    '',
    '192.168.1.5',
    '203.0.113.7',
    '::2',
    '2001:db8::1',
    '::ffff:192.168.1.5',
    '128.0.0.1',
    '1.127.0.0',
    '0.0.0.0',
    'fe80::1%eth0',
  ])('treats the peer %s as remote', (peer) => {
    expect(rights({}, undefined, { ...HERE, peer })).toEqual([]);
  });

  it.each(['127.0.0.1', '127.255.255.254', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1'])(
    'treats the peer %s as local',
    (peer) => {
      expect(rights({}, undefined, { ...HERE, peer })).toEqual(['view', 'return', 'publish']);
    },
  );

  it.each([
    undefined,
    '',
    'example.org',
    'example.org:8080',
    '192.168.1.5:8080',
    '127.0.0.1.example.org',
    'localhost.example.org',
    'xlocalhost',
    '[::2]:8080',
    '0.0.0.0:8080',
    '127.1',
    '2130706433',
    'user@localhost',
  ])('treats a sender with the Host %s as remote', (host) => {
    expect(rights({}, undefined, { ...HERE, headers: { host } })).toEqual([]);
  });

  it.each([
    '127.0.0.1',
    'localhost',
    'LocalHost:80',
    'localhost.:8080',
    '[::1]:8080',
    '[::ffff:127.0.0.1]:8080',
    '127.9.9.9:8080',
  ])('treats a sender with the Host %s as local', (host) => {
    expect(rights({}, undefined, { ...HERE, headers: { host } })).toEqual(['view', 'return', 'publish']);
  });

  it.each([
    'https://example.org',
    'http://192.168.1.5:8080',
    'null',
    '',
    'http://localhost.example.org',
    'http://127.0.0.1.example.org',
    'file://',
    'http://[::2]',
  ])('treats a sender with the Origin %s as remote', (origin) => {
    expect(rights({}, undefined, { ...HERE, headers: { ...HERE.headers, origin } })).toEqual([]);
  });

  it.each(['http://127.0.0.1:8080', 'http://localhost:3000', 'https://localhost', 'http://[::1]:5173'])(
    'treats a sender with the Origin %s as local',
    (origin) => {
      expect(rights({}, undefined, { ...HERE, headers: { ...HERE.headers, origin } })).toEqual([
        'view',
        'return',
        'publish',
      ]);
    },
  );

  it('refuses remote senders with a reason that fits into a WebSocket close', () => {
    for (const sender of [
      { ...HERE, headers: { ...HERE.headers, [FORWARDED.reduce((a, b) => (a.length > b.length ? a : b))]: 'x' } },
      { ...HERE, peer: '203.0.113.7' },
      { ...HERE, headers: { host: 'example.org' } },
      { ...HERE, headers: { ...HERE.headers, origin: 'https://example.org' } },
    ]) {
      const answer = authorize(access, undefined, 'view', sender);
      if (answer.allowed) throw new Error('it was allowed');
      expect(answer.message).toContain('--token');
      expect(Buffer.byteLength(answer.message)).toBeLessThanOrEqual(123);
    }
  });
});

describe('isLoopback', () => {
  it.each(['127.0.0.1', '127.1.2.3', 'localhost', '::1'])('is true for %s', (host) =>
    expect(isLoopback(host)).toBe(true),
  );
  it.each(['0.0.0.0', '::', '', 'localhost.example.org', '::ffff:127.0.0.1'])('is false for %j', (host) =>
    expect(isLoopback(host)).toBe(false),
  );
});
