import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { isJwt, type JwtSettings, JwtVerifier } from '../../../gateway/rights/jwt-verifier.ts';
import { hs256, inSeconds, JWT_SECRET, SigningKey } from '../../helpers/jwt.ts';
import { logTo } from '../../helpers/log.ts';

const SETTINGS: JwtSettings = { secret: JWT_SECRET, keys: null, issuer: null, audience: null };
const CLAIMS = { sub: 'ann', rights: ['view'], exp: Math.ceil(inSeconds(600)) };
const OTHER_SECRET = 'another secret, which also has 32 characters';
const verifier = (settings: Partial<JwtSettings> = {}, lines: string[] = []): JwtVerifier =>
  new JwtVerifier({ ...SETTINGS, ...settings }, logTo(lines));
const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('JwtVerifier.find', () => {
  it('grants the rights of the claims, with one identity per token', async () => {
    const checker = verifier();
    const token = hs256({ ...CLAIMS, rights: ['return', 'view', 'fly'], streams: ['door'], port: 6001 });
    const principal = await checker.find(token);
    expect(principal).toMatchObject({
      name: 'ann',
      rights: ['view', 'return'],
      streams: ['door'],
      port: 6001,
      expiresAtMs: CLAIMS.exp * 1000,
      ended: null,
    });
    expect(checker.find(token)).toBe(principal);
  });

  it('accepts RS256 and ES256 with the keys of a set, and HS256 only with the secret', async () => {
    const [rsa, ec, foreign] = [
      new SigningKey('RS256', 'a'),
      new SigningKey('ES256', 'b'),
      new SigningKey('ES256', 'b'),
    ];
    const keys = JSON.stringify({ keys: [rsa.jwk, ec.jwk] });
    const checker = verifier({ keys, secret: null });
    expect(await checker.find(rsa.sign(CLAIMS))).toMatchObject({ name: 'ann' });
    expect(await checker.find(ec.sign(CLAIMS))).toMatchObject({ name: 'ann' });
    expect(await checker.find(foreign.sign(CLAIMS))).toBeNull();
    expect(await checker.find(hs256(CLAIMS))).toBeNull();
    // A public key is not a shared secret.
    expect(await checker.find(hs256(CLAIMS, keys, { alg: 'HS256', kid: 'a' }))).toBeNull();
    expect(await verifier().find(rsa.sign(CLAIMS))).toBeNull();
  });

  describe('with a set of several keys', () => {
    const MAX_KEYS_TRIED = 16;
    const create = (alg: 'RS256' | 'ES256', count: number): SigningKey[] =>
      Array.from({ length: count }, (_, index) => new SigningKey(alg, `key ${index}`));
    const withKeys = (keys: readonly SigningKey[], settings: Partial<JwtSettings> = {}): JwtVerifier =>
      verifier({ ...settings, keys: JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }) });

    it.each(['RS256', 'ES256'] as const)(
      'accepts a token of %s without kid from each key, and no other',
      async (alg) => {
        const keys = create(alg, 2);
        const checker = withKeys([...keys, ...create(alg === 'RS256' ? 'ES256' : 'RS256', 1)]);
        for (const key of keys) expect(await checker.find(key.sign(CLAIMS, {}))).toMatchObject({ name: 'ann' });
        expect(await checker.find(new SigningKey(alg, 'key 0').sign(CLAIMS, {}))).toBeNull();
      },
    );

    it('accepts a token whose kid belongs to several keys', async () => {
      const keys = [new SigningKey('ES256', 'same'), new SigningKey('ES256', 'same'), new SigningKey('ES256', 'other')];
      const checker = withKeys(keys);
      for (const key of keys) expect(await checker.find(key.sign(CLAIMS))).toMatchObject({ name: 'ann' });
      // A kid is not ignored.
      expect(await checker.find(keys[2]!.sign(CLAIMS, { kid: 'same' }))).toBeNull();
      expect(await checker.find(keys[0]!.sign(CLAIMS, { kid: 'unknown' }))).toBeNull();
    });

    it('checks the claims of a token without kid', async () => {
      const keys = create('ES256', 3);
      const checker = withKeys(keys, { issuer: 'https://login' });
      const sign = (claims: object): string => keys[2]!.sign({ ...CLAIMS, iss: 'https://login', ...claims }, {});
      expect(await checker.find(sign({}))).toMatchObject({ ended: null });
      expect(await checker.find(sign({ iss: 'https://evil' }))).toBeNull();
      expect(await checker.find(sign({ exp: undefined }))).toBeNull();
      expect((await checker.find(sign({ exp: Math.floor(inSeconds(-1)) })))?.ended).toMatchObject({ mayRetry: false });
    });

    it('tries 16 keys, and no more', async () => {
      const keys = create('ES256', MAX_KEYS_TRIED + 1);
      const checker = withKeys(keys);
      const [last, next] = [keys[MAX_KEYS_TRIED - 1]!, keys[MAX_KEYS_TRIED]!];
      expect(await checker.find(last.sign(CLAIMS, {}))).toMatchObject({ name: 'ann' });
      expect(await checker.find(next.sign(CLAIMS, {}))).toBeNull();
      expect(await checker.find(next.sign(CLAIMS))).toMatchObject({ name: 'ann' });
    });
  });

  it.each<[string, string]>([
    ['another secret', hs256(CLAIMS, OTHER_SECRET)],
    ['no algorithm', `${hs256(CLAIMS, JWT_SECRET, { alg: 'none' }).split('.').slice(0, 2).join('.')}.AA`],
    ['another algorithm', hs256(CLAIMS, JWT_SECRET, { alg: 'HS512' })],
    ['a header that is not JSON', `eyJ.${hs256(CLAIMS).split('.').slice(1).join('.')}`],
    ['no end', hs256({ ...CLAIMS, exp: undefined })],
    ['an expiry that is text', hs256({ ...CLAIMS, exp: '2099' })],
    ['no name', hs256({ ...CLAIMS, sub: undefined })],
    ['an empty name', hs256({ ...CLAIMS, sub: '' })],
    ['a start in the future', hs256({ ...CLAIMS, nbf: Math.ceil(inSeconds(300)) })],
    ['no rights', hs256({ ...CLAIMS, rights: [] })],
    ['unknown rights only', hs256({ ...CLAIMS, rights: ['fly'] })],
    ['return without view', hs256({ ...CLAIMS, rights: ['return'] })],
    ['rights as text', hs256({ ...CLAIMS, rights: 'view' })],
    ['streams as text', hs256({ ...CLAIMS, streams: 'door' })],
    ['an invalid port', hs256({ ...CLAIMS, port: 0 })],
    ['claims that were changed', hs256(CLAIMS).replace(/\.[^.]+\./, `.${encoded({ ...CLAIMS, sub: 'bob' })}.`)],
  ])('refuses %s', async (_name, token) => {
    expect(isJwt(token)).toBe(true);
    expect(await verifier().find(token)).toBeNull();
  });

  it('requires issuer and audience if they are set', async () => {
    const checker = verifier({ issuer: 'https://login', audience: 'gearway' });
    expect(await checker.find(hs256({ ...CLAIMS, iss: 'https://login', aud: ['other', 'gearway'] }))).not.toBeNull();
    expect(await checker.find(hs256({ ...CLAIMS, iss: 'https://login', aud: 'other' }))).toBeNull();
    expect(await checker.find(hs256({ ...CLAIMS, iss: 'https://evil', aud: 'gearway' }))).toBeNull();
    expect(await checker.find(hs256(CLAIMS))).toBeNull();
  });

  it('returns an expired token with ended rights, unless its signature is wrong', async () => {
    const claims = { ...CLAIMS, exp: Math.floor(inSeconds(-1)) };
    expect((await verifier().find(hs256(claims)))?.ended).toMatchObject({ mayRetry: false });
    expect(await verifier().find(hs256(claims, OTHER_SECRET))).toBeNull();
  });

  it('cleans and shortens the name', async () => {
    const principal = await verifier().find(hs256({ ...CLAIMS, sub: `a\n\u202eb${'x'.repeat(99)}` }));
    expect(principal?.name).not.toMatch(/[\n\u202e]/);
    expect(principal?.name.length).toBeLessThanOrEqual(65);
  });

  it('ends the rights of every known token', async () => {
    const checker = verifier();
    const principal = await checker.find(hs256(CLAIMS));
    const end = { reason: 'changed', mayRetry: true };
    checker.end(end);
    expect(principal?.ended).toEqual(end);
  });

  it('fetches keys from a URL, and reports a failure once', async () => {
    const key = new SigningKey('ES256', 'b');
    let isDown = true;
    const server = createServer((_request, response) => {
      if (isDown) response.writeHead(500).end();
      else response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [key.jwk] }));
    }).listen(0, '127.0.0.1');
    try {
      await once(server, 'listening');
      const lines: string[] = [];
      const keys = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
      const checker = verifier({ keys }, lines);
      for (let i = 0; i < 3; i += 1)
        await expect(checker.find(key.sign(CLAIMS))).rejects.toMatchObject({ code: 'busy' });
      expect(lines).toHaveLength(1);
      isDown = false;
      expect(await checker.find(key.sign(CLAIMS))).toMatchObject({ name: 'ann' });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it.each<[string, (response: ServerResponse, key: SigningKey) => void]>([
    [
      'has no end',
      (response) => {
        const write = (): void => {
          while (response.write(Buffer.alloc(65_536, ' ')));
        };
        response.on('drain', write);
        write();
      },
    ],
    [
      'is compressed far',
      (response) => {
        response.setHeader('content-encoding', 'gzip');
        // Repeated, because compressing 64 MiB takes a share of the time in which the keys must arrive.
        const mebibyte = gzipSync(Buffer.alloc(1 << 20, ' '));
        response.end(Buffer.concat(Array.from({ length: 64 }, () => mebibyte)));
      },
    ],
    ['redirects', (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
    ['is not JSON', (response) => response.end('<html>')],
    ['is JSON without keys', (response) => response.end('{"keys": null}')],
    ['closes the connection', (response) => response.destroy()],
  ])('is busy, and stays usable, if the response with the keys %s', async (_what, answer) => {
    const key = new SigningKey('ES256', 'b');
    let isFirst = true;
    let bytes = 0;
    const server = createServer((_request, response) => {
      response.setHeader('content-type', 'application/json');
      response.once('close', () => (bytes += response.socket?.bytesWritten ?? 0));
      if (isFirst) answer(response, key);
      else response.end(JSON.stringify({ keys: [key.jwk] }));
      isFirst = false;
    }).listen(0, '127.0.0.1');
    try {
      await once(server, 'listening');
      const checker = verifier({ keys: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks` });
      await expect(checker.find(key.sign(CLAIMS))).rejects.toMatchObject({ code: 'busy' });
      expect(bytes).toBeLessThan(32 << 20);
      expect(await checker.find(key.sign(CLAIMS))).toMatchObject({ name: 'ann' });
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it('waits once for a key server that does not answer, and neither delays other tokens nor fills the log', async () => {
    const key = new SigningKey('ES256', 'b');
    const token = (jti: number): string => key.sign({ ...CLAIMS, jti });
    const isBusy = expect.objectContaining({ code: 'busy' }) as Error;
    let requests = 0;
    const timeout = new AbortController();
    vi.spyOn(AbortSignal, 'timeout').mockReturnValue(timeout.signal);
    const server = createServer(() => (requests += 1)).listen(0, '127.0.0.1');
    try {
      await once(server, 'listening');
      const lines: string[] = [];
      const checker = verifier({ keys: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks` }, lines);
      const waiting = Array.from({ length: 64 }, (_, jti) =>
        Promise.resolve(checker.find(token(jti))).catch((error: unknown) => error),
      );
      await once(server, 'request');
      expect(() => checker.find(token(64))).toThrow(isBusy);
      // A token with the shared secret needs no keys.
      expect(await checker.find(hs256(CLAIMS))).toMatchObject({ name: 'ann' });
      timeout.abort(new DOMException('timed out', 'TimeoutError'));
      expect(await Promise.all(waiting)).toEqual(waiting.map(() => isBusy));
      for (let jti = 100; jti < 200; jti += 1) {
        await expect(checker.find(token(jti))).rejects.toEqual(isBusy);
        expect(await checker.find(hs256({ ...CLAIMS, jti }))).not.toBeNull();
      }
      expect([requests, lines.length]).toEqual([1, 1]);
    } finally {
      vi.restoreAllMocks();
      server.closeAllConnections();
      server.close();
    }
  });

  it('logs a failure to fetch the keys once, whatever tokens arrive in the meantime', async () => {
    const lines: string[] = [];
    const checker = verifier({ keys: 'http://127.0.0.1:1/jwks', secret: null }, lines);
    const key = new SigningKey('ES256', 'b');
    for (let jti = 0; jti < 20; jti += 1) {
      await expect(checker.find(key.sign({ ...CLAIMS, jti }))).rejects.toMatchObject({ code: 'busy' });
      expect(await checker.find(hs256({ ...CLAIMS, jti }))).toBeNull();
    }
    expect(lines).toHaveLength(1);
  });

  it('fetches keys from a URL again after a minute, and ends the rights of a token whose key was withdrawn', async () => {
    const key = new SigningKey('ES256', 'b');
    let keys: object[] | null = [key.jwk];
    const server = createServer((_request, response) => {
      if (keys === null) response.writeHead(500).end();
      else response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
    }).listen(0, '127.0.0.1');
    // Both clocks are advanced: jose's cache uses Date.now().
    let passedMs = 0;
    const [now, date] = [performance.now.bind(performance), Date.now];
    vi.spyOn(performance, 'now').mockImplementation(() => now() + passedMs);
    vi.spyOn(Date, 'now').mockImplementation(() => date() + passedMs);
    try {
      await once(server, 'listening');
      const checker = verifier({ keys: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks` });
      const token = key.sign(CLAIMS);
      const principal = await checker.find(token);
      expect(principal).not.toBeNull();
      passedMs += 59_000;
      expect(checker.find(token)).toBe(principal);
      passedMs += 2000;
      expect(await checker.find(token)).toBe(principal);
      // Without a response, nothing changes, even while too many others are being verified.
      keys = null;
      passedMs += 61_000;
      expect(await checker.find(token)).toBe(principal);
      const others = Array.from({ length: 64 }, (_, i) =>
        Promise.resolve(checker.find(hs256({ ...CLAIMS, jti: i }))).catch(() => null),
      );
      expect(checker.find(token)).toBe(principal);
      await Promise.all(others);
      keys = [new SigningKey('ES256', 'c').jwk];
      passedMs += 61_000;
      expect(await checker.find(token)).toBeNull();
      expect(principal?.ended).toMatchObject({ mayRetry: false });
    } finally {
      vi.restoreAllMocks();
      server.closeAllConnections();
      server.close();
    }
  });

  it('limits an expiry to the latest date', async () => {
    const principal = await verifier().find(hs256({ ...CLAIMS, exp: 9_999_999_999_999 }));
    expect(new Date(principal!.expiresAtMs!).getTime()).toBe(8.64e15);
  });

  it('verifies at most 64 tokens concurrently', async () => {
    const checker = verifier();
    const pending = Array.from({ length: 64 }, (_, i) => Promise.resolve(checker.find(hs256({ ...CLAIMS, jti: i }))));
    expect(() => checker.find(hs256({ ...CLAIMS, jti: 64 }))).toThrow(
      expect.objectContaining({ code: 'busy' }) as Error,
    );
    expect((await Promise.all(pending)).every((principal) => principal !== null)).toBe(true);
  });
});
