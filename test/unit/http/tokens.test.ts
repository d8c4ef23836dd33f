import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createGateway,
  type Gateway,
  type GatewayOptions,
  type TokenSettings,
} from '../../../gateway/create-gateway.ts';
import type { RightsStatus, StreamStatus } from '../../../shared/status.ts';
import { fastPassword } from '../../helpers/hashes.ts';
import { createHttpApp, type HttpApp } from '../../helpers/http-app.ts';
import { Publisher } from '../../helpers/publisher.ts';
import { RunningRequest } from '../../helpers/running-request.ts';
import { hs256, inSeconds, JWT_SECRET } from '../../helpers/jwt.ts';
import { makeTokens } from '../../helpers/tokens.ts';
import { JPEG, JPEG_FRAME, Viewer } from '../../helpers/viewer.ts';
import { createToken, hashPassword } from '../../../gateway/rights/scrypt-hash.ts';
import { resolveNamedTokens } from '../../../gateway/config/rights-options.ts';

const EVERYTHING = ['view', 'return', 'administer', 'publish'] as const;

/** Identities with their hand-written rights in the stream main, and in the whole gateway. */
const IDENTITIES = {
  everything: { settings: { rights: EVERYTHING }, main: EVERYTHING, all: EVERYTHING },
  watcher: { settings: { rights: ['watch'] }, main: ['watch'], all: ['watch'] },
  viewer: { settings: { rights: ['view'] }, main: ['view'], all: ['view'] },
  returner: { settings: { rights: ['view', 'return'] }, main: ['view', 'return'], all: ['view', 'return'] },
  camera: { settings: { rights: ['publish'] }, main: ['publish'], all: ['publish'] },
  operator: { settings: { rights: ['administer'] }, main: ['administer'], all: ['administer'] },
  inMain: { settings: { rights: EVERYTHING, streams: ['main'] }, main: EVERYTHING, all: [] },
  cameraOfMain: { settings: { rights: ['publish'], streams: ['main'] }, main: ['publish'], all: [] },
  elsewhere: { settings: { rights: EVERYTHING, streams: ['side'] }, main: [], all: [] },
} as const;
type Name = keyof typeof IDENTITIES;
const NAMES = Object.keys(IDENTITIES) as Name[];

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

/** The status of a request; its response, which may be endless, is not read. */
async function statusOf(url: string, method: string, headers: Record<string, string>): Promise<number> {
  const abort = new AbortController();
  try {
    const response = await fetch(url, { method, headers, signal: abort.signal, redirect: 'error' });
    // A response must be read before its connection can be used for the next request.
    if (response.headers.has('content-length')) await response.arrayBuffer();
    else abort.abort();
    return response.status;
  } catch (error) {
    abort.abort();
    throw error;
  }
}

describe('the rights of named tokens', () => {
  let app: HttpApp;
  let url = '';
  let secrets: Readonly<Record<Name, string>>;
  beforeAll(async () => {
    const made = makeTokens(
      Object.fromEntries(NAMES.map((name) => [name, IDENTITIES[name].settings])) as unknown as Readonly<
        Record<Name, Omit<TokenSettings, 'hash'>>
      >,
    );
    ({ secrets } = made);
    const password = { hash: fastPassword('correct horse'), rights: ['view'] } as const;
    app = await createHttpApp({
      access: { tokens: resolveNamedTokens({ ...made.tokens, ann: password }, [], new Map()) },
    });
    app.stream.publish(JPEG_FRAME);
    url = await app.listen();
  });
  afterAll(async () => app[Symbol.asyncDispose]());

  it.each(NAMES)('apply to all routes: %s', async (name) => {
    const { main, all } = IDENTITIES[name];
    let checked = 0;
    for (const { method, url: path, right, scope } of app.app.routeRights) {
      if (right === 'public' || right === 'hello') continue;
      const target = `${url}${path.replace(':name', 'main').replace(':id', 'web-1')}`;
      const granted: readonly string[] = scope === 'stream' ? main : scope === 'any' ? [...main, ...all] : all;
      const rights = granted.includes('view') ? [...granted, 'watch'] : granted;
      const status = await statusOf(target, method, bearer(secrets[name]));
      // The identity `elsewhere` has its rights in another stream.
      if (rights.includes(right) || (scope === 'any' && name === 'elsewhere'))
        expect([401, 403], `${method} ${path}`).not.toContain(status);
      else expect(status, `${method} ${path}`).toBe(403);
      checked += 1;
    }
    expect(checked).toBeGreaterThan(10);
  });

  it('require a token even for requests from this machine', async () => {
    for (const { method, url: path, right } of app.app.routeRights) {
      if (right === 'public' || right === 'hello') continue;
      expect(await statusOf(`${url}${path.replace(':name', 'main')}`, method, {}), `${method} ${path}`).toBe(401);
    }
    await using viewer = await Viewer.connect(url);
    viewer.sendHello();
    expect((await viewer.closed).code).toBe(4005);
    await using publisher = await Publisher.connect(url);
    publisher.sendHello();
    expect((await publisher.closed).code).toBe(4005);
  });

  it.each<[Name, unknown, unknown]>([
    ['everything', 'a port', 'welcome'],
    ['watcher', 'no port', 4005],
    ['viewer', 'no port', 4005],
    ['returner', 'a port', 4005],
    ['camera', 4005, 'welcome'],
    ['operator', 4005, 4005],
    ['inMain', 'a port', 'welcome'],
    ['cameraOfMain', 4005, 'welcome'],
    ['elsewhere', 4005, 4005],
  ])('apply to WebSockets: %s', async (name, port, publishing) => {
    await using viewer = await Viewer.connect(url);
    viewer.sendHello({ token: secrets[name] });
    const answer = await Promise.race([viewer.take().catch(() => null), viewer.closed]);
    const isWelcome = answer !== null && 'type' in answer && answer.type === 'welcome';
    const given = isWelcome ? (answer.port === null ? 'no port' : 'a port') : (await viewer.closed).code;
    expect(given).toBe(port);
    viewer.socket.terminate();
    await viewer.closed;
    await using publisher = await Publisher.connect(url);
    publisher.sendHello({ token: secrets[name] });
    const reply = await Promise.race([publisher.next('welcome').catch(() => null), publisher.closed]);
    // This source accepts no publishers; a token that may publish gets that reason.
    const code = reply === null || 'code' in reply ? (await publisher.closed).code : null;
    expect(code === 4005 ? 4005 : 'welcome').toBe(publishing);
  });

  it('are reported to their owners with the name, and only for the streams that they may view', async () => {
    const get = async <T>(path: string, name: Name): Promise<T> =>
      (await (await fetch(`${url}${path}`, { headers: bearer(secrets[name]) })).json()) as T;
    expect(await get<RightsStatus>('/api/rights', 'inMain')).toEqual({
      principal: 'inMain',
      rights: EVERYTHING,
      port: null,
      streams: ['main'],
      expires: null,
    });
    expect((await get<StreamStatus[]>('/api/streams', 'inMain')).map(({ name }) => name)).toEqual(['main']);
    expect(await get<StreamStatus[]>('/api/streams', 'elsewhere')).toEqual([]);
  });

  it('apply to a password with the name of its user, where passwords are accepted', async () => {
    const basic = (user: string, password: string): Record<string, string> => ({
      authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
    });
    const picture = `${url}/streams/main/snapshot.jpg`;
    expect(await statusOf(picture, 'GET', basic('ann', 'correct horse'))).toBe(200);
    expect(await statusOf(picture, 'GET', basic('bob', 'correct horse'))).toBe(401);
    expect(await statusOf(picture, 'GET', basic('ann', 'wrong horse'))).toBe(401);
    expect(await statusOf(picture, 'GET', basic('any', secrets.viewer))).toBe(200);
    expect(await statusOf(`${url}/api/streams`, 'GET', basic('ann', 'correct horse'))).toBe(401);
  });

  it('do not reveal the names of other streams in the refusal of an unknown stream', async () => {
    const response = await fetch(`${url}/api/streams/side`, { headers: bearer(secrets.elsewhere) });
    expect(response.status).toBe(404);
    expect(await response.text()).not.toContain('main');
    await using viewer = await Viewer.connect(url, 'side');
    viewer.sendHello({ token: secrets.elsewhere });
    expect(await viewer.closed).toMatchObject({ code: 4001, reason: expect.not.stringContaining('main') as string });
    await using other = await Viewer.connect(url, 'side');
    other.sendHello({ token: secrets.everything });
    expect(await other.closed).toMatchObject({ code: 4001, reason: expect.stringContaining('main') as string });
  });

  it('omit events of other streams and of the whole gateway', async () => {
    const follow = async (name: Name): Promise<string> => {
      const abort = new AbortController();
      const response = await fetch(`${url}/api/events`, { headers: bearer(secrets[name]), signal: abort.signal });
      let text = '';
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        if (text.includes('the last one')) break;
      }
      abort.abort();
      return text;
    };
    const event = { kind: 'configure', client: null, port: null, address: null } as const;
    app.events.add({ ...event, stream: null, reason: 'about the gateway' });
    app.events.add({ ...event, stream: 'main', reason: 'about main' });
    app.events.add({ ...event, stream: 'side', reason: 'about side' });
    const refusal = { ...event, kind: 'refuse', stream: null } as const;
    app.events.add({ ...refusal, reason: 'a failed log-in' });
    for (const stream of ['main', 'side']) app.events.add({ ...event, stream, reason: 'the last one' });
    const [all, main, side, viewer] = await Promise.all(
      (['everything', 'inMain', 'elsewhere', 'viewer'] as const).map(follow),
    );
    // The content of the configuration file is for administrators.
    expect(viewer).not.toContain('about the gateway');
    for (const text of ['about main', 'about side', 'a failed log-in']) expect(viewer).toContain(text);
    expect([all!.includes('about the gateway'), all!.includes('about main'), all!.includes('about side')]).toEqual([
      true,
      true,
      true,
    ]);
    expect([main!.includes('about the gateway'), main!.includes('about main'), main!.includes('about side')]).toEqual([
      false,
      true,
      false,
    ]);
    expect([side!.includes('about the gateway'), side!.includes('about main'), side!.includes('about side')]).toEqual([
      false,
      false,
      true,
    ]);
  });
});

interface Served extends Gateway {
  readonly url: string;
}

async function start(options: GatewayOptions): Promise<Served> {
  const gateway = await createGateway({ port: 0, source: 'push:', ...options });
  const { url } = await gateway.listen();
  gateway.stream.push(JPEG);
  return Object.assign(gateway, { url: url.slice(0, -1) });
}

/** Starts everything that lasts longer than a request with one token. Resolves with the time at which each ended. */
async function runEverything(
  url: string,
  token: string,
): Promise<{ ended: Promise<Record<string, unknown>> } & AsyncDisposable> {
  const viewer = await Viewer.connect(url);
  await viewer.hello({ token });
  const publisher = await Publisher.connect(url);
  await publisher.hello({ token, takeOver: true });
  const streams = await Promise.all(
    ['/streams/main/mjpeg', '/api/events'].map((path) => fetch(`${url}${path}`, { headers: bearer(token) })),
  );
  for (const { status } of streams) expect(status).toBe(200);
  const drain = async ({ body }: Response): Promise<string> => {
    try {
      for await (const _ of body!);
    } catch {
      // MJPEG is disconnected.
    }
    return 'ended';
  };
  const ended = Promise.all([viewer.closed, publisher.closed, ...streams.map(drain)]).then(
    ([view, publish, mjpeg, events]) => ({ view: view.code, publish: publish.code, mjpeg, events }),
  );
  return {
    ended,
    async [Symbol.asyncDispose]() {
      await viewer[Symbol.asyncDispose]();
      await publisher[Symbol.asyncDispose]();
    },
  };
}

const GONE = { view: 4005, publish: 4005, mjpeg: 'ended', events: 'ended' };

describe('the end of rights', () => {
  it('ends all connections of a removed token within a second, but no others', async () => {
    const { tokens, secrets } = makeTokens({ goes: { rights: EVERYTHING }, stays: { rights: ['view'] } });
    await using gateway = await start({ tokens });
    await using running = await runEverything(gateway.url, secrets.goes);
    await using other = await Viewer.connect(gateway.url);
    await other.hello({ token: secrets.stays });
    const startMs = performance.now();
    const { goes: _, ...kept } = tokens;
    expect((await gateway.reconfigure({ port: 0, source: 'push:', tokens: kept })).rights).toEqual([
      'goes',
      'administrator key',
    ]);
    expect(await running.ended).toEqual(GONE);
    expect(performance.now() - startMs).toBeLessThan(1000);
    expect(await statusOf(`${gateway.url}/api/rights`, 'GET', bearer(secrets.goes))).toBe(401);
    await other.settled();
    expect(other.socket.readyState).toBe(other.socket.OPEN);
  });

  it('ends all connections of an expired token within a second', async () => {
    const expiresAtMs = Date.now() + 6000;
    const { tokens, secrets } = makeTokens({
      short: { rights: EVERYTHING, expires: new Date(expiresAtMs).toISOString() },
    });
    await using gateway = await start({ tokens });
    await using running = await runEverything(gateway.url, secrets.short);
    expect(Date.now()).toBeLessThan(expiresAtMs);
    expect(await running.ended).toEqual(GONE);
    expect(Date.now() - expiresAtMs).toBeGreaterThanOrEqual(0);
    expect(Date.now() - expiresAtMs).toBeLessThan(1000);
    const response = await fetch(`${gateway.url}/api/rights`, { headers: bearer(secrets.short) });
    expect([response.status, ((await response.json()) as { message: string }).message]).toEqual([
      401,
      expect.stringMatching(/short.*expired/) as string,
    ]);
  });

  it('allows a viewer to reconnect with its changed rights on the same port', async () => {
    const { tokens, secrets } = makeTokens({ arm: { rights: ['view', 'return'] } });
    await using gateway = await start({ tokens });
    await using viewer = await Viewer.connect(gateway.url);
    const { port, leaseKey } = await viewer.hello({ token: secrets.arm });
    await gateway.reconfigure({
      source: 'push:',
      tokens: { arm: { ...tokens.arm, rights: ['view', 'return', 'publish'] } },
    });
    expect((await viewer.closed).code).toBe(1001);
    await using again = await Viewer.connect(gateway.url);
    expect(await again.hello({ token: secrets.arm, leaseKey: leaseKey! })).toMatchObject({
      port,
      rights: ['view', 'return', 'publish'],
    });
  });

  it('ends a running POST', async () => {
    const { tokens, secrets } = makeTokens({ camera: { rights: ['publish'] } });
    await using gateway = await start({ tokens });
    await using post = new RunningRequest(`${gateway.url}/streams/main/frames`, {
      'content-type': 'multipart/x-mixed-replace; boundary=frame',
      ...bearer(secrets.camera),
    });
    await post.write(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${JPEG.byteLength}\r\n\r\n`, JPEG, '\r\n');
    await expect.poll(() => gateway.stream.status().frame?.sequence).toBeGreaterThan(0);
    await gateway.reconfigure({ source: 'push:', token: 't' });
    expect((await post.answer).status).toBe(401);
  });

  it('refuses requests whose bodies arrive later', async () => {
    const { tokens, secrets } = makeTokens({ all: { rights: ['administer', 'publish'] } });
    await using gateway = await start({ tokens });
    const open = (method: string, path: string, type: string, length: number): RunningRequest =>
      new RunningRequest(
        `${gateway.url}/${path}`,
        { 'content-type': type, 'content-length': String(length), ...bearer(secrets.all) },
        method,
      );
    const settings = '{"source":"push:"}';
    const isHeard = (): Promise<number> => statusOf(`${gateway.url}/api/audit`, 'GET', bearer(secrets.all));
    expect(await isHeard()).toBe(200);
    await using put = open('PUT', 'api/streams/yard', 'application/json', settings.length);
    await using post = open('POST', 'streams/main/frames', 'image/jpeg', JPEG.byteLength);
    await put.write(settings.slice(0, -1));
    await post.write(JPEG.subarray(0, -1));
    expect(await isHeard()).toBe(200);
    await gateway.reconfigure({ source: 'push:', token: 't' });
    const { received } = gateway.stream.status().counters;
    await put.write(settings.slice(-1));
    await post.write(JPEG.subarray(-1));
    expect([(await put.answer).status, (await post.answer).status]).toEqual([401, 401]);
    expect([...gateway.streams.keys()]).toEqual(['main']);
    expect(gateway.stream.status().counters.received).toBe(received);
  });

  it('releases all resources of a client that left while its password was being checked', async () => {
    const hash = await hashPassword('correct horse');
    await using gateway = await start({
      tokens: { ann: { hash, rights: ['view'], limits: { viewers: 1 } } },
    });
    const authorization = `Basic ${Buffer.from('ann:correct horse').toString('base64')}`;
    const mjpeg = `${gateway.url}/streams/main/mjpeg`;
    const abort = new AbortController();
    const gone = fetch(mjpeg, { headers: { authorization }, signal: abort.signal }).catch(() => null);
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    socket.write(`GET /streams/main/mjpeg HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: ${authorization}\r\n\r\n`, () =>
      socket.destroy(),
    );
    setImmediate(() => abort.abort());
    await gone;
    await expect.poll(async () => statusOf(mjpeg, 'GET', { authorization })).toBe(200);
    await expect.poll(() => gateway.stream.clients.length).toBe(0);
  });

  it('ends connections of this machine without a token as soon as one is required', async () => {
    const { tokens } = makeTokens({ wall: { rights: ['view'] } });
    await using gateway = await start({});
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello();
    await gateway.reconfigure({ source: 'push:', tokens });
    expect((await viewer.closed).code).toBe(4005);
  });
});

describe('JSON Web Tokens', () => {
  const jwt = { secret: JWT_SECRET };
  const claims = { sub: 'ann', rights: EVERYTHING };

  it('have the rights of their claims, shown with the name of their subject, and no others', async () => {
    await using gateway = await start({ jwt, source: ['main=push:', 'side=push:'] });
    const token = hs256({ ...claims, streams: ['main'], exp: Math.ceil(inSeconds(600)) });
    const response = await fetch(`${gateway.url}/api/rights`, { headers: bearer(token) });
    expect(await response.json()).toMatchObject({ principal: 'ann', streams: ['main'] });
    expect(await statusOf(`${gateway.url}/api/streams/main`, 'GET', bearer(token))).toBe(200);
    expect(await statusOf(`${gateway.url}/api/streams/side`, 'GET', bearer(token))).toBe(403);
    expect(await statusOf(`${gateway.url}/metrics`, 'GET', bearer(token))).toBe(403);
    expect(await statusOf(`${gateway.url}/api/rights`, 'GET', bearer(`${token}x`))).toBe(401);
    expect(await statusOf(`${gateway.url}/api/rights`, 'GET', {})).toBe(401);
  });

  it('assign the port of their claim, unless another client has it', async () => {
    await using gateway = await start({ jwt });
    const token = hs256({ ...claims, port: 6005, exp: Math.ceil(inSeconds(600)) });
    await using viewer = await Viewer.connect(gateway.url);
    expect(await viewer.hello({ token })).toMatchObject({ port: 6005 });
    await using second = await Viewer.connect(gateway.url);
    second.sendHello({ token });
    expect((await second.closed).code).toBe(4002);
  });

  it('end their connections within a second when they expire', async () => {
    await using gateway = await start({ jwt });
    const exp = Math.ceil(inSeconds(5));
    await using running = await runEverything(gateway.url, hs256({ ...claims, exp }));
    expect(await running.ended).toEqual(GONE);
    expect(Date.now() / 1000 - exp).toBeGreaterThanOrEqual(0);
    expect(Date.now() / 1000 - exp).toBeLessThan(1);
  });

  it('end when their secret is changed', async () => {
    await using gateway = await start({ jwt });
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello({ token: hs256({ ...claims, exp: Math.ceil(inSeconds(600)) }) });
    const changed = { secret: `${JWT_SECRET}!` };
    expect((await gateway.reconfigure({ source: 'push:', jwt: changed })).rights).toEqual(['jwt']);
    expect((await viewer.closed).code).toBe(1001);
  });
});

describe('the limits of a token', () => {
  const limits = { viewers: 2, bitrate: '10k', returnsPerSecond: 3 };

  it('count the viewers and MJPEG clients of all its connections', async () => {
    const { tokens, secrets } = makeTokens({
      wall: { rights: ['view'], limits: { viewers: 2 } },
      other: { rights: ['view'] },
    });
    await using gateway = await start({ tokens });
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello({ token: secrets.wall });
    const abort = new AbortController();
    const mjpeg = `${gateway.url}/streams/main/mjpeg`;
    expect((await fetch(mjpeg, { headers: bearer(secrets.wall), signal: abort.signal })).status).toBe(200);
    const refused = await fetch(mjpeg, { headers: bearer(secrets.wall) });
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([429, 'user-limit']);
    await using third = await Viewer.connect(gateway.url);
    third.sendHello({ token: secrets.wall });
    expect((await third.closed).code).toBe(4006);
    await using other = await Viewer.connect(gateway.url);
    await other.hello({ token: secrets.other });
    abort.abort();
    await expect.poll(() => gateway.stream.clients.length).toBe(2);
    await using next = await Viewer.connect(gateway.url);
    expect(await next.hello({ token: secrets.wall })).toMatchObject({ type: 'welcome' });
  });

  it('allow a viewer to take over from its own dead connection', async () => {
    const { tokens, secrets } = makeTokens({ phone: { rights: ['view', 'return'], limits: { viewers: 1 } } });
    await using gateway = await start({ tokens });
    await using dead = await Viewer.connect(gateway.url);
    const { leaseKey, port } = await dead.hello({ token: secrets.phone });
    await using again = await Viewer.connect(gateway.url);
    expect(await again.hello({ token: secrets.phone, leaseKey: leaseKey! })).toMatchObject({ port });
    await using third = await Viewer.connect(gateway.url);
    third.sendHello({ token: secrets.phone });
    expect((await third.closed).code).toBe(4006);
  });

  it('limit the bit rate of pictures to all viewers of the token together', async () => {
    const { tokens, secrets } = makeTokens({
      slow: { rights: ['view'], limits: { bitrate: limits.bitrate } },
      fast: { rights: ['view'] },
    });
    await using gateway = await start({ tokens });
    await using slow = await Viewer.connect(gateway.url);
    await slow.hello({ token: secrets.slow });
    await using fast = await Viewer.connect(gateway.url);
    await fast.hello({ token: secrets.fast });
    for (let frames = 0; frames < 10; frames += 1) {
      gateway.stream.push(JPEG);
      const { sequence } = await fast.until('frame');
      fast.ack(sequence);
    }
    const delivered = (await slow.settled()).filter(({ type }) => type === 'frame').length;
    expect(delivered).toBeGreaterThan(0);
    // 10 kbit/s are 1250 bytes per second, and the first picture is larger than half of that.
    expect(JPEG.byteLength).toBeGreaterThan(600);
    expect(delivered).toBeLessThan(9);
  });

  it('refuse values beyond the maximum number per second', async () => {
    const { tokens, secrets } = makeTokens({
      arm: { rights: ['view', 'return'], limits: { returnsPerSecond: 3 } },
    });
    await using gateway = await start({ tokens });
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello({ token: secrets.arm });
    for (let id = 1; id <= 5; id += 1)
      viewer.send({ type: 'return', id, mode: 'sticky', body: { kind: 'value', value: id } });
    const answers = [];
    for (let id = 1; id <= 5; id += 1) answers.push(await viewer.until('returned'));
    expect(answers.map(({ accepted }) => accepted)).toEqual([true, true, true, false, false]);
    expect(answers.at(-1)).toMatchObject({ code: 'too-many' });
    // A stop is always accepted.
    viewer.send({ type: 'return', id: 6, mode: 'sticky', urgent: true, body: { kind: 'value', value: 'stop' } });
    expect(await viewer.until('returned')).toMatchObject({ id: 6, accepted: true });
  });
});

describe('a port of a named token', () => {
  it('is reserved for it in its streams, and the only port that it gets', async () => {
    const { tokens, secrets } = makeTokens({
      arm: { rights: ['view', 'return'], port: 6001, streams: ['main'] },
      other: { rights: ['view', 'return'] },
    });
    await using gateway = await start({ tokens, virtualPorts: '6000-6001', source: ['main=push:', 'side=push:'] });
    const port = async (token: string, stream: string, wanted?: number): Promise<unknown> => {
      await using viewer = await Viewer.connect(gateway.url, stream);
      viewer.sendHello({ token, ...(wanted === undefined ? {} : { port: wanted }) });
      const answer = await Promise.race([viewer.take().catch(() => null), viewer.closed]);
      return answer !== null && 'type' in answer && answer.type === 'welcome'
        ? answer.port
        : (await viewer.closed).code;
    };
    expect(await port(secrets.arm, 'main')).toBe(6001);
    expect(await port(secrets.arm, 'main', 6000)).toBe(4005);
    expect(await port(secrets.other, 'main', 6001)).toBe(4005);
    expect(await port(secrets.other, 'side', 6001)).toBe(6001);
    expect(await port(secrets.arm, 'side')).toBe(4005);
  });
});

describe('a flood of wrong tokens', () => {
  // test/rates/alone/wrong-tokens.test.ts measures the rate.
  it('of 500 at once loses no frames of a viewer, and causes only a few log lines', async () => {
    // With the usual cost of a check.
    const { token, hash } = await createToken();
    const lines: string[] = [];
    const startMs = performance.now();
    await using gateway = await start({
      tokens: { wall: { hash, rights: ['view'] } },
      log: (line) => lines.push(line),
    });
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello({ token });
    // They differ from the correct token only in the secret, so that each would require a hash.
    const wrong = (i: number): string => `${token.slice(0, 15)}${String(i).padStart(32, 'x')}`;
    let answered = 0;
    const flood = Array.from({ length: 500 }, async (_, i) => {
      // Delayed requests are disconnected at the end of the test.
      const status = await statusOf(`${gateway.url}/api/streams`, 'GET', bearer(wrong(i))).catch(() => null);
      if (status !== null) expect([401, 429]).toContain(status);
      answered += 1;
    });
    // Each frame reaches the viewer, while tokens are being refused.
    let sequence = (await viewer.until('frame')).sequence;
    for (let frames = 0; frames < 20; frames += 1) {
      gateway.stream.push(JPEG);
      const frame = await viewer.until('frame');
      viewer.ack(frame.sequence);
      expect(frame.sequence).toBe(sequence + 1);
      ({ sequence } = frame);
      await expect.poll(() => answered > frames * 20 || answered === 500, { timeout: 20_000, interval: 5 }).toBe(true);
    }
    expect(await statusOf(`${gateway.url}/api/streams`, 'GET', bearer(token))).toBe(200);
    expect(viewer.socket.readyState).toBe(viewer.socket.OPEN);
    await gateway.close();
    await Promise.allSettled(flood);
    // At the end of each minute, the failures of the address are counted in one line, and the next failure names the
    // address again.
    const minutes = Math.floor((performance.now() - startMs) / 60_000);
    expect(lines.filter((line) => /log-in|token/.test(line)).length).toBeLessThan(4 + 2 * minutes);
    expect(lines.join()).not.toContain(token.slice(0, 15));
  }, 90_000);
});
