import { describe, expect, it } from 'vitest';
import {
  formatDigest,
  HttpAuthentication,
  parseChallenges,
} from '../../../../gateway/sources/mjpeg/http-authentication.ts';

const parametersOf = (challenge: string): ReadonlyMap<string, string> => parseChallenges(challenge)[0]!.parameters;

describe('formatDigest', () => {
  const nonce = '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v';
  const request = { path: '/dir/index.html', count: 1, cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ' };

  it.each([
    // RFC 7616, 3.9.1.
    [
      'MD5',
      `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, nonce="${nonce}", opaque="x"`,
      'Circle of Life',
      request,
      '8ca523f5e9506fed4657c9700eebdbec',
    ],
    [
      'SHA-256',
      `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="${nonce}", opaque="x"`,
      'Circle of Life',
      request,
      '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
    ],
    // RFC 2617, 3.5.
    [
      'the older scheme',
      'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"',
      'Circle Of Life',
      { path: '/dir/index.html', count: 1, cnonce: '0a4f113b' },
      '6629fae49393a05397450978507c4ef1',
    ],
    // RFC 2069, 2.4, with the erratum's value.
    [
      'without qop',
      'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"',
      'CircleOfLife',
      { path: '/dir/index.html', count: 1, cnonce: 'x' },
      '1949323746fe6a43ef61f9606e7febea',
    ],
  ])('has the response of the standard: %s', (_name, challenge, password, of, response) => {
    const value = formatDigest(parametersOf(challenge), { user: 'Mufasa', password }, of);
    expect(value).toContain(`response="${response}"`);
    expect(value.includes('nc=00000001')).toBe(challenge.includes('qop'));
  });

  it('returns the required parameters of the server, quoted', () => {
    const value = formatDigest(
      parametersOf(String.raw`Digest realm="a \"b\"", nonce="n", opaque="o", qop=auth, algorithm=md5`),
      { user: 'x"y', password: '' },
      request,
    );
    expect(value).toContain(String.raw`username="x\"y", realm="a \"b\"", nonce="n", uri="/dir/index.html"`);
    expect(value).toContain('algorithm=md5, opaque="o", qop=auth, nc=00000001');
  });
});

describe('HttpAuthentication', () => {
  const create = (): HttpAuthentication => new HttpAuthentication({ user: 'u', password: 'p' });

  it('sends nothing before a challenge', () => {
    expect(create().header('/')).toBeNull();
  });

  it.each<[string, string[], RegExp | null]>([
    ['basic', ['Basic realm="x"'], /^Basic dTpw$/],
    ['digest rather than basic', ['Basic realm="x", Digest realm="y", nonce="n"'], /^Digest .*realm="y"/],
    [
      'the stronger hash',
      ['Digest realm="y", nonce="1", algorithm=MD5', 'Digest realm="y", nonce="2", algorithm=SHA-256'],
      /nonce="2"/,
    ],
    ['a supported scheme', ['Digest realm="y", nonce="1", algorithm=SHA3', 'NTLM', 'Basic realm="x"'], /^Basic/],
    ['lower case, no quotes, no commas', ['digest realm=y nonce=n qop=auth'], /^Digest .*realm="y".*qop=auth/],
    ['nothing else', ['Bearer realm="x"', 'Negotiate'], null],
    ['nothing', [], null],
  ])('chooses %s', (_name, challenges, header) => {
    const authentication = create();
    expect(authentication.accept(challenges) !== null).toBe(header !== null);
    if (header === null) expect(authentication.header('/')).toBeNull();
    else expect(authentication.header('/')).toMatch(header);
  });

  it('counts the requests of a nonce', () => {
    const authentication = create();
    authentication.accept(['Digest realm="y", nonce="1", qop="auth"']);
    expect([1, 2, 3].map(() => /nc=(\w+)/.exec(authentication.header('/')!)?.[1])).toEqual([
      '00000001',
      '00000002',
      '00000003',
    ]);
    expect(authentication.accept(['Digest realm="y", nonce="2", qop="auth", stale=TRUE'])).toBe('fresh');
    expect(authentication.header('/')).toContain('nc=00000001');
  });
});

describe('parseChallenges', () => {
  it('reads separators in any number', () => {
    expect(parseChallenges(' ,,\t Basic ,, realm = "a b" , ,Digest nonce=n,,').map(({ scheme }) => scheme)).toEqual([
      'basic',
      'digest',
    ]);
  });

  it.each([',', ' ', '"', 'a', 'a=', 'a="\\"', 'a ', '\\'])('takes linear time for many %j', (part) => {
    const fromMs = performance.now();
    parseChallenges(`Digest ${part.repeat(60_000 / part.length)}"`);
    // A search from each separator takes several seconds.
    expect(performance.now() - fromMs).toBeLessThan(1500);
  });
});
