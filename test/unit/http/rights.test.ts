import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { Access } from '../../../gateway/http/access.ts';
import { FailedLogins } from '../../../gateway/http/failed-logins.ts';
import { Guard } from '../../../gateway/http/guard.ts';
import { type RouteRight, type RouteRights, requireRights } from '../../../gateway/http/rights.ts';
import {
  createGateway,
  type Gateway,
  type GatewayEvent,
  type GatewayOptions,
} from '../../../gateway/create-gateway.ts';
import { EventLog } from '../../../gateway/hub/event-log.ts';
import { Publishing } from '../../../gateway/sources/push/publishing.ts';
import { createHttpApp } from '../../helpers/http-app.ts';
import { Publisher } from '../../helpers/publisher.ts';
import { JPEG, JPEG_FRAME, Viewer } from '../../helpers/viewer.ts';

const TOKENS = { token: 'adm1n', viewToken: 'w4tch', publishToken: 'c4mera', reservedPorts: new Map([[6001, 'arm']]) };

/** The statuses of authorized requests: the routes' own responses to these requests. */
const PASSED = 'passed';

/** The hand-written requirements of each right: the status that each principal gets. */
const EXPECTED: Readonly<
  Record<Exclude<RouteRight, 'public' | 'hello'>, Readonly<Record<string, number | typeof PASSED>>>
> = {
  watch: { none: 401, wrong: 401, view: PASSED, publish: 403, port: PASSED, administrator: PASSED },
  view: { none: 401, wrong: 401, view: PASSED, publish: 403, port: PASSED, administrator: PASSED },
  return: { none: 401, wrong: 401, view: 403, publish: 403, port: PASSED, administrator: PASSED },
  administer: { none: 401, wrong: 401, view: 403, publish: 403, port: 403, administrator: PASSED },
  publish: { none: 401, wrong: 401, view: 403, publish: PASSED, port: 403, administrator: PASSED },
};
const CREDENTIALS: Readonly<Record<string, string | null>> = {
  none: null,
  wrong: 'wr0ng',
  view: 'w4tch',
  publish: 'c4mera',
  port: 'arm',
  administrator: 'adm1n',
};

/** Routes that everyone may use, written by hand: a new one must be added here. */
const PUBLIC = [
  '/healthz',
  '/readyz',
  '/api/',
  '/api/openapi.json',
  '/api/session',
  '/',
  '/viewer',
  '/publish',
  ...readdirSync(new URL('../../../dist/web', import.meta.url), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(?:html|js|css|map)$/.test(name))
    .map((name) => `/${name}`),
];

/**
 * Different spellings of the same path. Whether or not the router matches them, none may be served without its right.
 */
const SPELLINGS: Readonly<Record<string, (path: string, host: string) => string>> = {
  plain: (path) => path,
  'an encoded letter': (path) => path.replace(/[a-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  'every letter encoded': (path) =>
    path.replaceAll(/[a-z]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`),
  'a letter encoded twice': (path) => path.replace(/[a-z]/, (letter) => `%25${letter.charCodeAt(0).toString(16)}`),
  'the absolute form': (path, host) => `http://${host}${path}`,
  'the absolute form of another host': (path) => `http://evil.example${path}`,
  'the absolute form with an encoded letter': (path, host) =>
    `HTTP://${host}${path.replace(/[a-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`)}`,
  'two slashes': (path) => `/${path}`,
  'two slashes inside': (path) => path.replace(/(.)\//, '$1//'),
  'a trailing slash': (path) => `${path}/`,
  'trailing dots': (path) => `${path}/.`,
  'dots inside': (path) => `/x/..${path}`,
  'encoded dots inside': (path) => `/x/%2e%2e${path}`,
  'capital letters': (path) => path.toUpperCase(),
  'an encoded slash': (path) => path.replace(/(.)\//, '$1%2f'),
  'a backslash': (path) => path.replace(/(.)\//, '$1\\'),
  'a query': (path) => `${path}?/healthz`,
  'a fragment': (path) => `${path}#/healthz`,
  'a semicolon': (path) => `${path};/healthz`,
  'a null byte': (path) => `${path}%00`,
};

interface Setup {
  readonly routes: readonly RouteRights[];
  readonly port: number;
  close(): Promise<void>;
}

/** The HTTP application over TCP, with a stream that has a frame. */
async function setUp(): Promise<Setup> {
  const app = await createHttpApp({
    stream: { reservedPorts: [6001] },
    publishing: new Publishing(),
    access: TOKENS,
    trustProxies: ['loopback'],
  });
  app.stream.publish(JPEG_FRAME);
  return {
    routes: app.app.routeRights,
    port: Number(new URL(await app.listen()).port),
    close: async () => app[Symbol.asyncDispose](),
  };
}

/**
 * Number of requests so far: each is forwarded for another address, so that the wrong tokens among them are not
 * delayed.
 */
let sent = 0;

/** One request whose target is sent unmodified. */
async function send(
  port: number,
  method: string,
  target: string,
  token: string | null,
  scheme: 'Bearer' | 'Basic' = 'Bearer',
): Promise<{ status: number; text: string }> {
  const socket: Socket = connect({ port, host: '127.0.0.1' });
  sent += 1;
  try {
    const authorization =
      token === null
        ? ''
        : `Authorization: ${scheme} ${scheme === 'Basic' ? Buffer.from(`any:${token}`).toString('base64') : token}\r\n`;
    socket.write(
      `${method} ${target} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX-Forwarded-For: 198.18.${sent >> 8}.${sent & 255}\r\n${authorization}Connection: close\r\n\r\n`,
    );
    let text = '';
    // Only the headers: MJPEG and events are endless.
    for await (const chunk of socket) {
      text += String(chunk);
      if (text.includes('\r\n\r\n') && !/^HTTP\/1.1 [45]/.test(text)) break;
    }
    return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]), text };
  } finally {
    socket.destroy();
  }
}

const fill = (url: string): string => url.replace(':name', 'main').replace(':id', 'web-1');

describe('requireRights', () => {
  const build = (): ReturnType<typeof Fastify> => {
    const app = Fastify();
    requireRights(
      app,
      new Guard(
        new Access({ isLocal: true, insecure: false, administratorKey: null, tokens: [], jwt: null, ...TOKENS }),
        new FailedLogins({ events: new EventLog(), log: SILENT_LOGGER }),
      ),
    );
    return app;
  };

  it('fails for a route that declares no right, even in a plugin', async () => {
    const app = build();
    expect(() => app.get('/open', async () => 'open')).toThrow(/declares no right/);
    await app.close();
    const another = build();
    void another.register(async (scope: FastifyInstance) => void scope.get('/open', async () => 'open'));
    await expect(another.ready()).rejects.toThrow(/declares no right/);
  });

  it('fails for a route that is crossOrigin and not public', async () => {
    const app = build();
    expect(() => app.get('/view', { config: { right: 'view', crossOrigin: true } }, async () => 'open')).toThrow(
      /crossOrigin/,
    );
    await app.close();
  });

  it('gives the HEAD route of a GET route the same right', async () => {
    const app = build();
    app.get('/view', { config: { right: 'view' } }, async () => 'open');
    expect(app.routeRights).toEqual([
      { method: 'GET', url: '/view', right: 'view', scope: 'all', basic: false },
      { method: 'HEAD', url: '/view', right: 'view', scope: 'all', basic: false },
    ]);
    expect((await app.inject({ method: 'HEAD', url: '/view' })).statusCode).toBe(401);
    await app.close();
  });
});

describe('the rights of all routes', () => {
  let server: Setup;
  beforeAll(async () => {
    server = await setUp();
  });
  afterAll(async () => {
    await server.close();
  });

  it('are public only for the pages and health', () => {
    // The built files of a folder are one route, with their names as alternatives.
    const paths = server.routes
      .filter(({ right }) => right === 'public')
      .flatMap(({ url }) => {
        const [, folder, names] = /^(.*\/):name\(\^\(\?:(.*)\)\$\)$/.exec(url) ?? [];
        return names?.split('|').map((name) => `${folder}${name.replaceAll('\\', '')}`) ?? [url];
      });
    expect([...new Set(paths)].sort()).toEqual([...PUBLIC].sort());
    expect([...new Set(server.routes.filter(({ right }) => right === 'hello').map(({ url }) => url))].sort()).toEqual([
      '/streams/:name/publish',
      '/streams/:name/ws',
    ]);
    // Otherwise the matrix below would be empty.
    expect(server.routes.filter(({ right }) => right in EXPECTED).length).toBeGreaterThan(10);
  });

  it.each(Object.keys(CREDENTIALS))('apply to %s', async (who) => {
    await Promise.all(
      server.routes.map(async ({ method, url, right }) => {
        if (right === 'public' || right === 'hello') return;
        const expected = EXPECTED[right][who];
        for (const target of [url, url.replace(':name', 'nope')].map(fill)) {
          const { status, text } = await send(server.port, method, target, CREDENTIALS[who] ?? null);
          if (expected === PASSED) expect([401, 403], `${method} ${target}`).not.toContain(status);
          else expect(status, `${method} ${target}`).toBe(expected);
          // The refusal does not depend on the existence of the stream.
          if (expected !== PASSED) expect(text, `${method} ${target}`).not.toMatch(/stream-unknown|there is/);
        }
      }),
    );
  });

  it.each(Object.keys(SPELLINGS))('apply to the URL with %s', async (spelling) => {
    await Promise.all(
      server.routes.map(async ({ method, url, right }) => {
        if (right === 'public' || right === 'hello') return;
        const target = SPELLINGS[spelling]!(fill(url), `127.0.0.1:${server.port}`);
        for (const who of ['none', 'wrong'] as const) {
          const { status, text } = await send(server.port, method, target, CREDENTIALS[who] ?? null);
          // 400, 404, 405: it was not matched as a route.
          expect([400, 401, 404, 405], `${method} ${target}`).toContain(status);
          expect(text, `${method} ${target}`).not.toMatch(
            /stream-unknown|client-unknown|address-invalid|frames arrive|"name":"main"/,
          );
        }
        const { status, text } = await send(
          server.port,
          method,
          target,
          right === 'view' || right === 'watch' ? 'c4mera' : 'w4tch',
        );
        expect([400, 403, 404, 405], `${method} ${target}`).toContain(status);
        expect(text, `${method} ${target}`).not.toMatch(/stream-unknown|client-unknown|address-invalid/);
      }),
    );
  });

  it('accept the token as a password only if the route allows it', async () => {
    for (const { method, url, right } of server.routes) {
      if (right === 'public' || right === 'hello') continue;
      const isBasic = /mjpeg$|snapshot|frames$|metrics$/.test(url);
      const { status } = await send(server.port, method, fill(url), 'adm1n', 'Basic');
      expect(status === 401, `${method} ${url}`).toBe(!isBasic);
    }
  });

  it('treat other methods and unknown paths in the same way for all senders', async () => {
    for (const token of [null, 'wr0ng', 'w4tch', 'adm1n']) {
      expect((await send(server.port, 'OPTIONS', '/api/streams', token)).status).toBe(204);
      for (const method of ['PUT', 'PATCH', 'TRACE', 'PROPFIND'])
        expect((await send(server.port, method, '/api/streams', token)).status, method).toBe(404);
      expect((await send(server.port, 'GET', '/api/nothing', token)).status).toBe(404);
      expect((await send(server.port, 'POST', '/api/streams', token)).status).toBe(404);
    }
  });
});

interface Served extends Gateway {
  url: string;
}

async function start(options: GatewayOptions = {}): Promise<Served> {
  const gateway = await createGateway({
    port: 0,
    source: ['main=push:', 'side=push:'],
    virtualPorts: ['main=6000-6003', 'side=6001-6003,7001'],
    ...options,
  });
  const { url } = await gateway.listen();
  return Object.assign(gateway, { url: url.slice(0, -1) });
}

const ALL = { token: 'adm1n', viewToken: 'w4tch', publishToken: 'c4mera', reservedPorts: { 6001: 'arm', 7001: 'leg' } };

describe('the rights of WebSockets', () => {
  /** The port that a viewer gets, null for a spectator; or the close code. */
  async function view(
    gateway: Served,
    token: string | null,
    { port, stream = 'main' }: { port?: number; stream?: string } = {},
  ): Promise<unknown> {
    await using viewer = await Viewer.connect(gateway.url, stream);
    viewer.sendHello({ ...(token === null ? {} : { token }), ...(port === undefined ? {} : { port }) });
    const message = await Promise.race([viewer.take().catch(() => null), viewer.closed]);
    if (message === null || 'code' in message) return (await viewer.closed).code;
    return message.type === 'welcome' ? message.port : message.type;
  }

  async function publish(gateway: Served, token: string | null, stream = 'main'): Promise<unknown> {
    await using publisher = await Publisher.connect(gateway.url, { stream });
    publisher.sendHello({ ...(token === null ? {} : { token }), takeOver: true });
    const answer = await Promise.race([publisher.next('welcome').catch(() => null), publisher.closed]);
    return answer === null || 'code' in answer
      ? (await publisher.closed).code
      : ((await publisher.publish({ payload: JPEG })).code ?? 'taken');
  }

  it.each<[string, string | null, { port?: number; stream?: string }, unknown]>([
    ['none', null, {}, 4005],
    ['wrong', 'wr0ng', {}, 4005],
    ['view', 'w4tch', {}, null],
    ['publish', 'c4mera', {}, 4005],
    ['port', 'arm', {}, 6001],
    ['administrator', 'adm1n', {}, 6000],
    ['none, a reserved port', null, { port: 6001 }, 4005],
    ['view, a reserved port', 'w4tch', { port: 6001 }, null],
    ['port, its own port', 'arm', { port: 6001 }, 6001],
    ['administrator, a reserved port', 'adm1n', { port: 6001 }, 4005],
    ['port, another port', 'arm', { port: 6002 }, 4005],
    ['port, a port beyond the range', 'arm', { port: 9 }, 4005],
    ['administrator, another port', 'adm1n', { port: 6002 }, 6002],
    ['port, in another stream with that port', 'arm', { stream: 'side' }, 6001],
    ["the other stream's port, in this one", 'leg', {}, null],
    ["the other stream's port, in its own", 'leg', { stream: 'side' }, 7001],
    ['none, an unknown stream', null, { stream: 'zzz' }, 4005],
    ['wrong, an unknown stream', 'wr0ng', { stream: 'zzz' }, 4005],
    ['publish, an unknown stream', 'c4mera', { stream: 'zzz' }, 4005],
    ['view, an unknown stream', 'w4tch', { stream: 'zzz' }, 4001],
    ['view, an encoded path', 'w4tch', { stream: '%6dain' }, null],
    ['none, an encoded path', null, { stream: '%6dain' }, 4005],
  ])('viewer: %s', async (_name, token, options, expected) => {
    await using gateway = await start(ALL);
    expect(await view(gateway, token, options)).toBe(expected);
  });

  it.each<[string, string | null, string, unknown]>([
    ['none', null, 'main', 4005],
    ['wrong', 'wr0ng', 'main', 4005],
    ['view', 'w4tch', 'main', 4005],
    ['publish', 'c4mera', 'main', 'taken'],
    ['port', 'arm', 'main', 4005],
    ['administrator', 'adm1n', 'main', 'taken'],
    ['none, an unknown stream', null, 'zzz', 4005],
    ['wrong, an unknown stream', 'wr0ng', 'zzz', 4005],
    ['view, an unknown stream', 'w4tch', 'zzz', 4005],
    ['publish, an unknown stream', 'c4mera', 'zzz', 4001],
  ])('publisher: %s', async (_name, token, stream, expected) => {
    await using gateway = await start(ALL);
    expect(await publish(gateway, token, stream)).toBe(expected);
  });

  it.each([['ws'], ['publish']])(
    'do not distinguish unknown streams without a token: /streams/NAME/%s',
    async (kind) => {
      await using gateway = await start(ALL);
      /** Everything that a client without rights can see of a stream. */
      const seen = async (stream: string): Promise<unknown[]> => {
        const open = kind === 'ws' ? Viewer.connect(gateway.url, stream) : Publisher.connect(gateway.url, { stream });
        await using socket = await open;
        const events: string[] = [];
        for (const event of ['message', 'ping', 'pong', 'close'] as const)
          socket.socket.on(event, () => events.push(event));
        const answered = once(socket.socket, 'pong');
        socket.socket.ping();
        await answered;
        // The connection waits for the hello, as for an existing stream.
        expect(socket.socket.readyState).toBe(socket.socket.OPEN);
        socket.sendHello({ token: 'wr0ng' });
        return [await socket.closed, events.filter((event) => event !== 'ping')];
      };
      expect(await seen('zzz')).toEqual(await seen('main'));
    },
  );

  it('are also read from the Authorization header of the upgrade', async () => {
    await using gateway = await start(ALL);
    await using viewer = await Viewer.connect(gateway.url, 'main', { headers: { authorization: 'Bearer arm' } });
    expect(await viewer.hello()).toMatchObject({ port: 6001, rights: ['view', 'return'] });
  });

  it('do not apply through a proxy, whose requests without a token are refused with the reason', async () => {
    await using gateway = await start();
    for (const headers of [{ 'x-forwarded-for': '203.0.113.7' }, { forwarded: 'for=203.0.113.7' }]) {
      await using viewer = await Viewer.connect(gateway.url, 'main', { headers });
      viewer.sendHello();
      expect(await viewer.closed).toMatchObject({
        code: 4005,
        reason: expect.stringMatching(/proxy.*--token/) as string,
      });
      await using publisher = await Publisher.connect(gateway.url, { headers });
      publisher.sendHello();
      expect(await publisher.closed).toMatchObject({ code: 4005 });
      await using administrator = await Viewer.connect(gateway.url, 'main', { headers });
      expect(await administrator.hello({ token: gateway.administratorKey!, spectate: true })).toMatchObject({
        rights: ['view', 'administer', 'publish'],
      });
    }
  });
});

describe('the right to administer', () => {
  const change = (gateway: Served, headers: Record<string, string>, method = 'POST'): Promise<Response> =>
    fetch(`${gateway.url}/api/streams/main/clients${method === 'DELETE' ? '/native-65530' : ''}`, {
      method,
      headers: { ...(method === 'POST' ? { 'content-type': 'application/json' } : {}), ...headers },
      ...(method === 'POST' ? { body: '{"address":"tcp://127.0.0.1:65530"}' } : {}),
    });

  it.each([
    ['on this machine', {}],
    ['with --insecure', { host: '0.0.0.0', insecure: true }],
  ])('is not granted without the administrator key %s', async (_where, options: GatewayOptions) => {
    await using gateway = await start(options);
    const served = Object.assign(gateway, { url: gateway.url.replace('0.0.0.0', '127.0.0.1') });
    for (const method of ['POST', 'DELETE']) {
      for (const headers of [{}, { authorization: 'Bearer wr0ng' }, { 'x-forwarded-for': '203.0.113.7' }]) {
        const response = await change(served, headers as Record<string, string>, method);
        expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([401, 'token-required']);
      }
    }
    expect(gateway.stream.clients).toEqual([]);
    const headers = { authorization: `Bearer ${gateway.administratorKey}` };
    expect((await change(served, headers)).status).toBe(201);
    expect((await change(served, headers, 'DELETE')).status).toBe(200);
  });

  it('requires a key of at least 128 bits, different for each gateway, and no key if there is a token', async () => {
    await using first = await start();
    await using second = await start();
    expect(first.administratorKey).toMatch(/^[\w-]{22,}$/);
    expect(second.administratorKey).not.toBe(first.administratorKey);
    await using third = await start({ token: 't' });
    expect(third.administratorKey).toBeNull();
  });

  it('is audited: each change is an event and a log line with its author', async () => {
    const lines: string[] = [];
    await using gateway = await start({ log: (line) => lines.push(line) });
    const headers = { authorization: `Bearer ${gateway.administratorKey}` };
    await change(gateway, {});
    await change(gateway, headers);
    await change(gateway, headers, 'DELETE');
    const changes: Partial<GatewayEvent>[] = [];
    for await (const { kind, stream, client, port, by } of gateway.events()) {
      if (kind === 'add' || kind === 'remove')
        changes.push({ kind, stream, client, port, ...(by === undefined ? {} : { by }) });
      if (kind === 'remove') break;
    }
    const by = { principal: 'administrator key', address: '127.0.0.1' };
    expect(changes).toEqual([
      { kind: 'add', stream: 'main', client: 'native-65530', port: 65_530, by },
      { kind: 'remove', stream: 'main', client: 'native-65530', port: 65_530, by },
    ]);
    expect(lines.filter((line) => /(?:added|removed) by administrator key \(127\.0\.0\.1\)/.test(line))).toHaveLength(
      2,
    );
    expect(lines.join()).not.toContain(gateway.administratorKey);
  });
});

describe('failed log-ins', () => {
  const ask = (gateway: Served, token: string): Promise<Response> =>
    fetch(`${gateway.url}/api/streams`, { headers: { authorization: `Bearer ${token}` } });

  it('are delayed after ten failures, over HTTP and WebSockets, while the correct token is not', async () => {
    await using gateway = await start(ALL);
    for (let i = 0; i < 5; i += 1) expect((await ask(gateway, `wr0ng${i}`)).status).toBe(401);
    for (let i = 0; i < 5; i += 1) {
      await using viewer = await Viewer.connect(gateway.url);
      viewer.sendHello({ token: `wr0ng${i}` });
      expect((await viewer.closed).code).toBe(4005);
    }
    const startMs = performance.now();
    const order: string[] = [];
    const late = ask(gateway, 'wr0ng').then(({ status }) => order.push(`late ${status}`));
    await using viewer = await Viewer.connect(gateway.url);
    viewer.sendHello({ token: 'wr0ng' });
    const closed = viewer.closed.then(({ code }) => order.push(`late ${code}`));
    expect((await ask(gateway, 'adm1n')).status).toBe(200);
    order.push('right');
    await Promise.all([late, closed]);
    expect(order[0]).toBe('right');
    expect(order.slice(1).sort()).toEqual(['late 4005', 'late 401'].sort());
    expect(performance.now() - startMs).toBeGreaterThan(450);
  });

  it('get 429 and Retry-After if too many wait, while the correct token is still accepted', async () => {
    await using gateway = await start(ALL);
    const answers = await Promise.all([
      ...Array.from({ length: 40 }, () => ask(gateway, 'wr0ng')),
      ask(gateway, 'adm1n'),
    ]);
    const statuses = answers.map(({ status }) => status);
    // Ten immediate and eight delayed refusals, or more if some delays end before the last requests arrive.
    expect(statuses.filter((status) => status === 401).length).toBeGreaterThanOrEqual(18);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(0);
    expect(new Set(statuses.slice(0, -1))).toEqual(new Set([401, 429]));
    expect(statuses.at(-1)).toBe(200);
    expect(Number(answers.find(({ status }) => status === 429)?.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('do not displace other events, and cause one event and one log line', async () => {
    const lines: string[] = [];
    await using gateway = await start({ ...ALL, log: (line) => lines.push(line) });
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello({ token: 'adm1n' });
    for (let i = 0; i < 10; i += 1) await ask(gateway, 'wr0ng');
    // Delayed responses are not awaited.
    const flood = Array.from({ length: 100 }, () => ask(gateway, 'wr0ng'));
    await Promise.race(flood.slice(-10));
    const events: GatewayEvent[] = [];
    viewer.socket.terminate();
    for await (const event of gateway.events()) {
      events.push(event);
      if (event.kind === 'disconnect') break;
    }
    expect(events.map(({ kind, address }) => [kind, address])).toEqual([
      ['connect', '127.0.0.1'],
      ['refuse', '127.0.0.1'],
      ['disconnect', '127.0.0.1'],
    ]);
    expect(lines.filter((line) => line.includes('log-in'))).toHaveLength(1);
    await gateway.close();
    await Promise.allSettled(flood);
    expect(lines.join()).not.toContain('wr0ng');
  });

  it('are not counted if the request is allowed without a token, or has no token', async () => {
    const lines: string[] = [];
    await using open = await start({ log: (line) => lines.push(line) });
    for (let i = 0; i < 20; i += 1) expect((await ask(open, 'old')).status).toBe(200);
    await using closed = await start({ ...ALL, log: (line) => lines.push(line) });
    for (let i = 0; i < 20; i += 1) expect((await fetch(`${closed.url}/api/streams`)).status).toBe(401);
    expect(lines.filter((line) => line.includes('log-in'))).toEqual([]);
  });
});
