import { describe, expect, it } from 'vitest';
import { createGateway, type Gateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import type { CreatedShareLink, ShareLinkStatus } from '../../../shared/status.ts';
import { createHttpApp } from '../../helpers/http-app.ts';
import { ask, type PageAnswer } from '../../helpers/session.ts';
import { makeTokens } from '../../helpers/tokens.ts';
import { Publisher } from '../../helpers/publisher.ts';
import { JPEG, JPEG_FRAME, Viewer } from '../../helpers/viewer.ts';

const ADMINISTRATOR = { authorization: 'Bearer adm1n' };

interface Served extends Gateway {
  readonly url: string;
  readonly lines: readonly string[];
}

async function start(options: GatewayOptions = {}): Promise<Served> {
  const lines: string[] = [];
  const gateway = await createGateway({
    port: 0,
    source: ['main=push:', 'side=push:'],
    token: 'adm1n',
    log: (line) => lines.push(line),
    ...options,
  });
  const { url } = await gateway.listen();
  for (const stream of gateway.streams.values()) stream.push(JPEG);
  return Object.assign(gateway, { url: url.slice(0, -1), lines });
}

const create = (
  url: string,
  body: unknown = {},
  headers: Record<string, string> = ADMINISTRATOR,
): Promise<PageAnswer> => ask(`${url}/api/streams/main/shares`, headers, { method: 'POST', body });

async function share(url: string, body: unknown = {}): Promise<{ link: CreatedShareLink; token: string }> {
  const answer = await create(url, body);
  expect(answer.status).toBe(201);
  const link = JSON.parse(answer.body) as CreatedShareLink;
  return { link, token: new URL(link.url).hash.replace('#token=', '') };
}

const list = async (url: string, stream = 'main'): Promise<readonly ShareLinkStatus[]> =>
  JSON.parse((await ask(`${url}/api/streams/${stream}/shares`, ADMINISTRATOR)).body) as ShareLinkStatus[];

describe('a share link', () => {
  it('allows anyone to watch its stream, and nothing else', async () => {
    await using http = await createHttpApp({ access: { token: 'adm1n' } });
    const url = await http.listen();
    http.stream.publish(JPEG_FRAME);
    const { token } = await share(url);
    const watched: string[] = [];
    for (const { method, url: path, right } of http.app.routeRights) {
      if (right === 'public' || right === 'hello') continue;
      const target = `${url}${path.replace(':name', 'main').replace(':id', 'web-1')}`;
      const { status } = await ask(target, { authorization: `Bearer ${token}` }, { method, isEndless: true });
      if (right !== 'watch') expect(status, `${method} ${path}`).toBe(403);
      else if (method === 'GET') watched.push(`${path} ${status}`);
      const elsewhere = target.replace('/main/', '/side/');
      if (elsewhere !== target)
        expect(
          (await ask(elsewhere, { authorization: `Bearer ${token}` }, { method, isEndless: true })).status,
          elsewhere,
        ).toBe(403);
    }
    expect(watched.sort()).toEqual([
      '/streams/:name/mjpeg 200',
      '/streams/:name/snapshot.jpg 200',
      '/streams/:name/snapshot.npy 200',
      '/streams/:name/snapshot.png 200',
    ]);
    await using viewer = await Viewer.connect(url);
    expect(await viewer.hello({ token, port: 6000 })).toMatchObject({ port: null, rights: ['watch'] });
    await viewer.until('frame');
    expect(await viewer.return({ kind: 'value', value: 1 })).toMatchObject({ accepted: false });
    await using publisher = await Publisher.connect(url);
    publisher.sendHello({ token });
    expect((await publisher.closed).code).toBe(4005);
  });

  it('does not reveal other streams', async () => {
    await using gateway = await start();
    const { token } = await share(gateway.url);
    await using other = await Viewer.connect(gateway.url, 'side');
    other.sendHello({ token });
    expect((await other.closed).code).toBe(4005);
    expect((await ask(`${gateway.url}/api/streams`, { authorization: `Bearer ${token}` })).body).not.toContain('side');
  });

  it('is valid for 24 hours, or for the given time of at most 30 days', async () => {
    await using gateway = await start();
    const hours = async (body: unknown): Promise<number> => {
      const { link } = await share(gateway.url, body);
      return (Date.parse(link.expiresAt) - Date.parse(link.createdAt)) / 3_600_000;
    };
    expect([await hours({}), await hours({ hours: 1 }), await hours({ hours: 720 })]).toEqual([24, 1, 720]);
    for (const wrong of [0, -1, 720.1, 'x', null, [1]]) {
      const { status, body } = await create(gateway.url, { hours: wrong });
      expect([status, body], String(wrong)).toEqual([400, expect.stringContaining('share-invalid') as string]);
    }
    for (const wrong of [[], [1], 'x', 0, true]) {
      const { status, body } = await create(gateway.url, wrong);
      expect([status, body], JSON.stringify(wrong)).toEqual([400, expect.stringContaining('share-invalid') as string]);
    }
    const none = await fetch(`${gateway.url}/api/streams/main/shares`, {
      method: 'POST',
      headers: ADMINISTRATOR,
    });
    expect(none.status).toBe(201);
  });

  it('closes its viewers within a second when it expires or is revoked, and reports the reason', async () => {
    await using gateway = await start();
    const short = await share(gateway.url, { hours: 5 / 3600 });
    const long = await share(gateway.url);
    await using expiring = await Viewer.connect(gateway.url);
    await expiring.hello({ token: short.token });
    await using revoked = await Viewer.connect(gateway.url);
    await revoked.hello({ token: long.token });
    const mjpeg = await fetch(`${gateway.url}/streams/main/mjpeg`, {
      headers: { authorization: `Bearer ${long.token}` },
    });
    expect(await expiring.closed).toMatchObject({ code: 4005, reason: expect.stringContaining('expired') as string });
    const lateMs = Date.now() - Date.parse(short.link.expiresAt);
    expect(lateMs).toBeGreaterThanOrEqual(0);
    expect(lateMs).toBeLessThan(1000);
    expect((await list(gateway.url)).map(({ id }) => id)).toEqual([long.link.id]);
    const startMs = performance.now();
    const { status } = await ask(`${gateway.url}/api/streams/main/shares/${long.link.id}`, ADMINISTRATOR, {
      method: 'DELETE',
    });
    expect(status).toBe(200);
    expect(await revoked.closed).toEqual({ code: 4005, reason: 'this link was revoked' });
    await mjpeg.text().catch(() => undefined);
    expect(performance.now() - startMs).toBeLessThan(1000);
    for (const { token } of [short, long]) {
      await using late = await Viewer.connect(gateway.url);
      late.sendHello({ token });
      expect(await late.closed).toEqual({ code: 4005, reason: 'this link has expired, or was revoked' });
    }
  });

  it('is created, listed and revoked by administrators of its stream only, and logged without its token', async () => {
    const { tokens, secrets } = makeTokens({
      side: { rights: ['view', 'administer'], streams: ['side'] },
      main: { rights: ['view', 'administer'], streams: ['main'] },
      viewer: { rights: ['view', 'return', 'publish'] },
    });
    await using gateway = await start({ tokens });
    const { link, token } = await share(gateway.url);
    const one = `${gateway.url}/api/streams/main/shares/${link.id}`;
    for (const who of ['side', 'viewer'] as const) {
      const headers = { authorization: `Bearer ${secrets[who]}` };
      expect((await create(gateway.url, {}, headers)).status).toBe(403);
      expect((await ask(`${gateway.url}/api/streams/main/shares`, headers)).status).toBe(403);
      expect((await ask(one, headers, { method: 'DELETE' })).status).toBe(403);
    }
    const main = { authorization: `Bearer ${secrets.main}` };
    expect((await create(gateway.url, {}, main)).status).toBe(201);
    expect((await list(gateway.url)).map(({ createdBy }) => createdBy)).toEqual(['token', 'main']);
    expect(JSON.stringify(await list(gateway.url))).not.toContain(token);
    expect((await ask(one, main, { method: 'DELETE' })).status).toBe(200);
    expect(await ask(one, main, { method: 'DELETE' })).toMatchObject({
      status: 404,
      body: expect.stringContaining('share-unknown') as string,
    });
    expect((await create(gateway.url, {}, main)).status).toBe(201);
    const nope = await ask(`${gateway.url}/api/streams/nope/shares`, ADMINISTRATOR, { method: 'POST', body: {} });
    expect([nope.status, nope.body]).toEqual([404, expect.stringContaining('stream-unknown') as string]);
    const log = gateway.lines.join('\n');
    expect(log).toMatch(new RegExp(`share link ${link.id} until .* created by token \\(127\\.0\\.0\\.1\\)`));
    expect(log).toMatch(new RegExp(`share link ${link.id} revoked by main`));
    expect(log).not.toContain(token);
  });

  it.each<[string, GatewayOptions, Record<string, string>, string]>([
    ['the public URL', { publicUrl: 'https://cams.example.org/door/' }, {}, 'https://cams.example.org/door/'],
    ['the name of the request', { allowHosts: ['box.lan'] }, { host: 'box.lan:8080' }, 'http://box.lan:8080/'],
  ])('begins with %s', async (_what, options, headers, expected) => {
    await using gateway = await start(options);
    const { body } = await create(gateway.url, {}, { ...ADMINISTRATOR, ...headers });
    const { url } = JSON.parse(body) as CreatedShareLink;
    expect(url).toMatch(/viewer\?stream=main#token=gws_[\w-]{43}$/);
    expect(url.split('viewer')[0]).toBe(expected);
  });

  it('has no secret in the part of its address that browsers send', async () => {
    await using gateway = await start();
    const { link, token } = await share(gateway.url);
    const { origin, pathname, search } = new URL(link.url);
    expect(`${origin}${pathname}${search}`).not.toContain(token.slice(4));
  });
});
