import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGateway, type Gateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import type { SessionStatus } from '../../../shared/status.ts';
import { fastPassword } from '../../helpers/hashes.ts';
import { ask, logIn, type PageHeaders } from '../../helpers/session.ts';
import { hs256, inSeconds, JWT_SECRET } from '../../helpers/jwt.ts';
import { Publisher } from '../../helpers/publisher.ts';
import { JPEG, JPEG_FRAME, Viewer } from '../../helpers/viewer.ts';
import { createHttpApp, type HttpApp } from '../../helpers/http-app.ts';

const ANN = { name: 'ann', password: 'correct horse' };
const EMBEDDER = 'https://dashboard.example';

interface Served extends Gateway {
  readonly url: string;
  readonly lines: readonly string[];
}

async function start(options: GatewayOptions = {}): Promise<Served> {
  const lines: string[] = [];
  const gateway = await createGateway({ port: 0, source: 'push:', log: (line) => lines.push(line), ...options });
  const { url } = await gateway.listen();
  gateway.stream.push(JPEG);
  return Object.assign(gateway, { url: url.slice(0, -1), lines });
}

const ann = (rights: readonly ('view' | 'return' | 'administer' | 'publish')[]): GatewayOptions => ({
  tokens: { ann: { hash: fastPassword(ANN.password), rights } },
});

const statusOf = async (url: string, headers: Record<string, string>, method = 'GET'): Promise<number> =>
  (await ask(url, headers, { method, isEndless: true })).status;

async function sessionOf(url: string, headers: Record<string, string>): Promise<SessionStatus> {
  return JSON.parse((await ask(`${url}/api/session`, headers)).body) as SessionStatus;
}

describe('POST /api/session', () => {
  it('logs in with a name and a password, and shows who is logged in', async () => {
    await using gateway = await start(ann(['view', 'return']));
    expect(await sessionOf(gateway.url, {})).toEqual({ user: null, accepts: ['password', 'token'] });
    const { page, status, answer } = await logIn(gateway.url, ANN);
    expect(status.user).toMatchObject({ principal: 'ann', rights: ['view', 'return'], streams: null });
    const days = (Date.parse(status.user!.expires!) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(29.9);
    expect(days).toBeLessThanOrEqual(30);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(await sessionOf(gateway.url, { cookie: page.cookie })).toEqual(status);
    expect(gateway.lines.join()).toContain('127.0.0.1: ann logged in');
    expect(gateway.lines.join()).not.toContain(page.cookie.slice(-43));
  });

  it('logs in with a token, a JSON Web Token, or the administrator key', async () => {
    await using gateway = await start({ token: 'adm1n', jwt: { secret: JWT_SECRET } });
    expect((await logIn(gateway.url, { token: 'adm1n' })).status.user?.principal).toBe('token');
    const exp = Math.ceil(inSeconds(600));
    const { status } = await logIn(gateway.url, { token: hs256({ sub: 'bob', rights: ['view'], exp }) });
    expect(status.user).toMatchObject({ principal: 'bob', expires: new Date(exp * 1000).toISOString() });
    await using open = await start();
    const key = { token: open.administratorKey };
    expect((await logIn(open.url, key)).status.user?.principal).toBe('administrator key');
  });

  it.each([
    [{ token: 'wrong' }, 401, 'invalid token'],
    [{ name: 'ann', password: 'wrong' }, 401, 'wrong name or password'],
    [{ name: 'bob', password: ANN.password }, 401, 'wrong name or password'],
    [{ ...ANN, right: 'administer' }, 403, 'the token ann does not give the right to administer'],
    [{ ...ANN, right: 'rule' }, 400, 'expected one of watch'],
    [{}, 400, 'no log-in'],
    [{ token: '' }, 400, 'no log-in'],
    [{ token: 1 }, 400, 'no log-in'],
    [{ token: 'x'.repeat(2049) }, 400, 'no log-in'],
    [{ name: 'ann' }, 400, 'no log-in'],
    [null, 400, 'no log-in'],
    ['token', 400, 'no log-in'],
  ])('refuses %j', async (body, status, message) => {
    await using gateway = await start(ann(['view']));
    const answer = await ask(`${gateway.url}/api/session`, { origin: gateway.url }, { method: 'POST', body });
    expect(answer).toMatchObject({ status, setCookie: '' });
    expect(answer.body).toContain(message);
    // No challenge, which would open the browser’s own dialog.
    if (status === 401) expect(answer.headers['www-authenticate']).toBe('Bearer');
  });

  it('has the limits of failed log-ins', async () => {
    await using http = await createHttpApp({ access: { token: 'adm1n' }, trustProxies: ['loopback'] });
    const url = await http.listen();
    const attempt = (): Promise<number> =>
      statusOfLogIn(url, { token: 'wrong' }, { 'x-forwarded-for': '198.51.100.7' });
    const statuses = await Promise.all(Array.from({ length: 40 }, attempt));
    expect([...new Set(statuses)].toSorted((a, b) => a - b)).toEqual([401, 429]);
  });

  it('is only for the gateway’s own pages', async () => {
    await using gateway = await start({ token: 'adm1n', allowOrigins: [EMBEDDER] });
    const body = { token: 'adm1n' };
    for (const headers of [{}, { origin: EMBEDDER }, { origin: 'https://evil.example' }, { origin: 'null' }]) {
      const answer = await ask(`${gateway.url}/api/session`, headers, { method: 'POST', body });
      expect(answer, JSON.stringify(headers)).toMatchObject({ status: 403, setCookie: '' });
    }
  });

  it('replaces the session of the browser, whose viewers reconnect', async () => {
    await using gateway = await start({ ...ann(['view']), token: 'adm1n' });
    const { page } = await logIn(gateway.url, ANN);
    await using viewer = await Viewer.connect(gateway.url, 'main', { headers: page });
    await viewer.hello();
    await logIn(gateway.url, { token: 'adm1n' }, page);
    expect((await viewer.closed).code).toBe(1001);
    expect((await sessionOf(gateway.url, page)).user).toBeNull();
  });
});

async function statusOfLogIn(url: string, body: object, headers: Record<string, string>): Promise<number> {
  return (await ask(`${url}/api/session`, { origin: url, ...headers }, { method: 'POST', body })).status;
}

describe('the cookie', () => {
  const COMMON = 'Max-Age=2592000; HttpOnly; SameSite=Strict';
  it.each<[string, GatewayOptions, Record<string, string>, RegExp]>([
    ['over HTTP', {}, {}, new RegExp(`^gearway-session-\\d+=[\\w-]{43}; Path=/; ${COMMON}$`)],
    [
      'behind a proxy with TLS',
      { publicUrl: 'https://cams.example.org/' },
      { origin: 'https://cams.example.org' },
      new RegExp(`^__Host-gearway-session=[\\w-]{43}; Path=/; ${COMMON}; Secure$`),
    ],
    [
      'below a path, at a port',
      { publicUrl: 'https://cams.example.org:8443/door/' },
      { origin: 'https://cams.example.org:8443' },
      new RegExp(`^__Secure-gearway-session-8443=[\\w-]{43}; Path=/door/; ${COMMON}; Secure$`),
    ],
    [
      'with a public URL, in the local network',
      { publicUrl: 'https://cams.example.org/door/' },
      { host: '192.168.1.20:8080', origin: 'http://192.168.1.20:8080' },
      new RegExp(`^gearway-session-8080=[\\w-]{43}; Path=/; ${COMMON}$`),
    ],
  ])('belongs to the address in the browser: %s', async (_what, options, headers, expected) => {
    await using gateway = await start({ token: 'adm1n', ...options });
    const { answer, page } = await logIn(gateway.url, { token: 'adm1n' }, headers);
    expect(answer.setCookie).toMatch(expected);
    const own = { ...page, ...headers };
    expect((await sessionOf(gateway.url, own)).user?.principal).toBe('token');
    const gone = await ask(`${gateway.url}/api/session`, own, { method: 'DELETE' });
    expect(gone.setCookie).toBe(answer.setCookie.replace(/=[\w-]{43};/, '=;').replace('Max-Age=2592000', 'Max-Age=0'));
  });

  it('is found among the cookies of other programs and gateways on the host', async () => {
    await using gateway = await start({ token: 'adm1n' });
    const { page } = await logIn(gateway.url, { token: 'adm1n' });
    const cookie = `theme=dark; gearway-session-1=${'x'.repeat(43)};; a; ${page.cookie}; =; gearway-session=`;
    expect((await sessionOf(gateway.url, { cookie })).user?.principal).toBe('token');
    const foreign = Array.from({ length: 200 }, (_none, n) => `gearway-session-${n}=${'x'.repeat(43)}`).join('; ');
    expect((await sessionOf(gateway.url, { cookie: `${foreign}; ${page.cookie}` })).user?.principal).toBe('token');
  });

  it('that is unknown is ignored, and is not a failed log-in', async () => {
    await using gateway = await start();
    const headers = { cookie: `gearway-session=${'x'.repeat(43)}` };
    for (let i = 0; i < 20; i += 1) expect(await statusOf(`${gateway.url}/api/rights`, headers)).toBe(200);
    expect(gateway.lines.join()).not.toMatch(/log-in|refused/);
  });
});

describe('the rights of a session', () => {
  let http: HttpApp;
  let url = '';
  let page: PageHeaders;
  beforeAll(async () => {
    http = await createHttpApp({ access: { token: 'adm1n', viewToken: 'look' }, allowOrigins: [EMBEDDER] });
    http.stream.publish(JPEG_FRAME);
    url = await http.listen();
    ({ page } = await logIn(url, { token: 'adm1n' }));
  });
  afterAll(async () => http[Symbol.asyncDispose]());

  /** All requests that need a right, with the headers of a kind of sender. */
  async function statuses(headers: Record<string, string>): Promise<Map<string, number>> {
    const found = new Map<string, number>();
    for (const { method, url: path, right } of http.app.routeRights) {
      if (right === 'public' || right === 'hello') continue;
      const target = path.replace(':name', 'main').replace(':id', 'web-1');
      found.set(`${method} ${path}`, await statusOf(`${url}${target}`, headers, method));
    }
    expect(found.size).toBeGreaterThan(20);
    return found;
  }
  const isReading = (route: string): boolean => /^(?:GET|HEAD) /.test(route);

  it("are those of its token, for requests of the gateway's own pages", async () => {
    for (const [route, status] of await statuses(page)) expect([401, 403], route).not.toContain(status);
    const { page: looking } = await logIn(url, { token: 'look' });
    for (const { method, url: path, right } of http.app.routeRights) {
      if (right === 'public' || right === 'hello') continue;
      const target = path.replace(':name', 'main').replace(':id', 'web-1');
      const status = await statusOf(`${url}${target}`, looking, method);
      if (right === 'view' || right === 'watch') expect([401, 403], `${method} ${path}`).not.toContain(status);
      else expect(status, `${method} ${path}`).toBe(403);
    }
  });

  it('apply without an Origin only to reading, because browsers send an Origin with every change', async () => {
    for (const headers of [{}, { 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' }])
      for (const [route, status] of await statuses({ cookie: page.cookie, ...headers })) {
        if (isReading(route)) expect([401, 403], route).not.toContain(status);
        else expect(status, route).toBe(401);
      }
  });

  it.each<[string, Record<string, string>, number]>([
    ['a page of a listed origin', { origin: EMBEDDER }, 401],
    ['a page of another port of this host', { origin: 'http://127.0.0.1:1' }, 403],
    ['a page of any other origin', { origin: 'https://evil.example' }, 403],
    ['a page without an origin', { origin: 'null' }, 403],
    ['a link or form of another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, 401],
    ['a link of another port', { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate' }, 401],
    ['a picture on another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }, 403],
    ['a picture on a page of another port', { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' }, 403],
  ])('do not apply to %s', async (_what, headers, expected) => {
    for (const [route, status] of await statuses({ cookie: page.cookie, ...headers }))
      expect(status, route).toBe(expected);
  });

  it('do not allow other pages to use a picture that a browser without Sec-Fetch-Site has loaded', async () => {
    for (const path of ['/streams/main/snapshot.jpg', '/streams/main/mjpeg', '/api/streams']) {
      const { status, headers } = await ask(`${url}${path}`, { cookie: page.cookie }, { isEndless: true });
      expect([status, headers['cross-origin-resource-policy']], path).toEqual([200, 'same-origin']);
      expect(headers['access-control-allow-credentials'], path).toBeUndefined();
      expect(headers['cache-control'], path).toMatch(/no-store/);
    }
  });

  it.each<[string, () => Record<string, string>, unknown]>([
    ['its own pages', () => page, 'welcome'],
    ['no Origin', () => ({ cookie: page.cookie }), 4005],
    ['a listed origin', () => ({ cookie: page.cookie, origin: EMBEDDER }), 4005],
  ])('apply only to the WebSockets of the gateway’s own pages: %s', async (_what, headers, expected) => {
    await using viewer = await Viewer.connect(url, 'main', { headers: headers() });
    viewer.sendHello();
    const answer = await Promise.race([viewer.take().catch(() => null), viewer.closed]);
    expect(answer !== null && 'type' in answer ? answer.type : (await viewer.closed).code).toBe(expected);
    await using publisher = await Publisher.connect(url, { headers: headers() });
    publisher.sendHello();
    // This source accepts no publishers; a user with the right to publish gets that reason.
    expect((await publisher.closed).code).toBe(expected === 'welcome' ? 4011 : 4005);
  });

  it('do not replace those of a token in the request, correct or not', async () => {
    const bearer = (token: string): Record<string, string> => ({ ...page, authorization: `Bearer ${token}` });
    expect(await statusOf(`${url}/api/audit`, bearer('look'))).toBe(403);
    expect(await statusOf(`${url}/api/audit`, bearer('wrong'))).toBe(401);
    await using viewer = await Viewer.connect(url, 'main', { headers: page });
    viewer.sendHello({ token: 'wrong' });
    expect((await viewer.closed).code).toBe(4005);
  });

  it('take precedence over a password, which browsers send to a proxy with every request', async () => {
    const basic = { authorization: `Basic ${Buffer.from('proxy:secret').toString('base64')}` };
    expect(await statusOf(`${url}/streams/main/snapshot.jpg`, { ...page, ...basic })).toBe(200);
    expect(await statusOf(`${url}/streams/main/snapshot.jpg`, basic)).toBe(401);
  });

  it('open no dialog of the browser over a page when they are missing', async () => {
    const { headers } = await ask(`${url}/streams/main/snapshot.jpg`, { 'x-requested-with': 'fetch' });
    expect(headers['www-authenticate']).toBe('Bearer');
  });
});

/** Connections of a session: everything that lasts longer than a request. */
async function openEverything(
  url: string,
  page: PageHeaders,
): Promise<{ ended: Promise<unknown[]> } & AsyncDisposable> {
  const viewer = await Viewer.connect(url, 'main', { headers: page });
  await viewer.hello();
  const publisher = await Publisher.connect(url, { headers: page });
  await publisher.hello({ takeOver: true });
  const running = await Promise.all(
    ['/streams/main/mjpeg', '/api/events'].map((path) => fetch(`${url}${path}`, { headers: { cookie: page.cookie } })),
  );
  for (const { status } of running) expect(status).toBe(200);
  const drain = async ({ body }: Response): Promise<string> => {
    try {
      for await (const _ of body!);
    } catch {
      // MJPEG is cut off.
    }
    return 'ended';
  };
  return {
    ended: Promise.all([
      viewer.closed.then(({ code }) => code),
      publisher.closed.then(({ code }) => code),
      ...running.map(drain),
    ]),
    async [Symbol.asyncDispose]() {
      await viewer[Symbol.asyncDispose]();
      await publisher[Symbol.asyncDispose]();
    },
  };
}

const GONE = [4005, 4005, 'ended', 'ended'];
const EVERYTHING = ['view', 'return', 'administer', 'publish'] as const;

describe('the end of a session', () => {
  it('ends its connections within a second after log-out, but no others', async () => {
    await using gateway = await start(ann(EVERYTHING));
    const { page } = await logIn(gateway.url, ANN);
    const { page: other } = await logIn(gateway.url, ANN);
    await using running = await openEverything(gateway.url, page);
    await using stays = await Viewer.connect(gateway.url, 'main', { headers: other });
    await stays.hello();
    // Neither a page of another origin nor a program with only the cookie can log out.
    expect(await statusOf(`${gateway.url}/api/session`, { cookie: page.cookie }, 'DELETE')).toBe(403);
    expect((await sessionOf(gateway.url, page)).user).not.toBeNull();
    const startMs = performance.now();
    const { status, body } = await ask(`${gateway.url}/api/session`, page, { method: 'DELETE' });
    // All tokens are users, one of whom administers the gateway.
    expect([status, body]).toEqual([200, '{"user":null,"accepts":["password"]}']);
    expect(await running.ended).toEqual(GONE);
    expect(performance.now() - startMs).toBeLessThan(1000);
    expect(await statusOf(`${gateway.url}/api/rights`, page)).toBe(401);
    await stays.settled();
    expect(stays.socket.readyState).toBe(stays.socket.OPEN);
    // Logging out again, without a session, succeeds.
    expect(await statusOf(`${gateway.url}/api/session`, page, 'DELETE')).toBe(200);
  });

  it.each<[string, (options: GatewayOptions) => GatewayOptions]>([
    ['the user is removed', () => ({ source: 'push:', token: 't' })],
    [
      'the rights of the user are changed',
      ({ tokens }) => ({ source: 'push:', tokens: { ann: { ...tokens!['ann']!, rights: ['view', 'return'] } } }),
    ],
  ])('occurs within a second when %s', async (_what, change) => {
    const options = ann(EVERYTHING);
    await using gateway = await start(options);
    const { page } = await logIn(gateway.url, ANN);
    await using running = await openEverything(gateway.url, page);
    const startMs = performance.now();
    await gateway.reconfigure(change(options));
    expect(await running.ended).toEqual(GONE);
    expect(performance.now() - startMs).toBeLessThan(1000);
    expect((await sessionOf(gateway.url, page)).user).toBeNull();
  });

  it('does not occur when the configuration of others changes', async () => {
    const options = ann(EVERYTHING);
    await using gateway = await start(options);
    const { page } = await logIn(gateway.url, ANN);
    await gateway.reconfigure({ source: 'push:', tokens: options.tokens!, token: 't' });
    expect((await sessionOf(gateway.url, page)).user?.principal).toBe('ann');
  });

  it('occurs within a second when the token expires', async () => {
    await using gateway = await start({ jwt: { secret: JWT_SECRET } });
    const exp = Math.ceil(inSeconds(5));
    const { page } = await logIn(gateway.url, { token: hs256({ sub: 'ann', rights: EVERYTHING, exp }) });
    await using running = await openEverything(gateway.url, page);
    expect(await running.ended).toEqual(GONE);
    expect(Date.now() / 1000 - exp).toBeGreaterThanOrEqual(0);
    expect(Date.now() / 1000 - exp).toBeLessThan(1);
  });
});
