import { once } from 'node:events';
import { request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createGateway, type Gateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import { decodeGatewayMessage, encodeMessage, type GatewayMessage, type Hello } from '../../../shared/protocol.ts';

async function start(options: GatewayOptions = {}): Promise<Gateway & { url: string }> {
  const gateway = await createGateway({ port: 0, ...options });
  const { url } = await gateway.listen();
  return Object.assign(gateway, { url: url.slice(0, -1) });
}

function get(url: string, headers: Record<string, string> = {}): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    request(url, { headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          body: text.startsWith('{') ? (JSON.parse(text) as unknown) : text,
        }),
      );
    })
      .on('error', reject)
      .end();
  });
}

class Viewer implements AsyncDisposable {
  readonly socket: WebSocket;
  readonly closed: Promise<number>;
  readonly refused: Promise<number>;

  constructor(url: string, hello: Omit<Hello, 'type'> = {}, headers: Record<string, string> = {}) {
    this.socket = new WebSocket(`${url.replace('http', 'ws')}/streams/main/ws`, 'gearway.v1', { headers });
    this.socket.on('open', () => this.socket.send(encodeMessage({ type: 'hello', ...hello })));
    this.socket.on('error', () => undefined);
    this.closed = once(this.socket, 'close').then(([code]) => code as number);
    this.refused = once(this.socket, 'unexpected-response').then(
      ([, response]) => (response as { statusCode: number }).statusCode,
    );
  }

  async next(): Promise<GatewayMessage> {
    const [data] = (await once(this.socket, 'message')) as [Buffer];
    return decodeGatewayMessage(data)!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate();
    await this.closed.catch(() => undefined);
  }
}

describe('safety over HTTP', () => {
  it('refuses a foreign Host, as sent by DNS rebinding, with 421', async () => {
    await using gateway = await start();
    const { port } = new URL(gateway.url);
    for (const host of ['evil.example', `evil.example:${port}`, `127.0.0.1.evil.example:${port}`]) {
      expect(await get(`${gateway.url}/api/streams/main`, { host }), host).toMatchObject({
        status: 421,
        body: { code: 'host-unknown' },
      });
      await using viewer = new Viewer(gateway.url, {}, { host });
      expect(await viewer.refused).toBe(421);
    }
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`])
      expect(await get(`${gateway.url}/healthz`, { host }), host).toMatchObject({ status: 200 });
  });

  it('refuses a foreign Origin with 403 and serves a listed one', async () => {
    await using gateway = await start({ allowOrigins: ['http://localhost:3000'] });
    expect(await get(`${gateway.url}/api/streams/main`, { origin: 'https://evil.example' })).toMatchObject({
      status: 403,
      body: { code: 'origin-not-allowed' },
    });
    expect(await get(`${gateway.url}/api/streams/main`, { origin: 'null' })).toMatchObject({ status: 403 });
    expect(await get(`${gateway.url}/api/streams/main`, { origin: 'http://localhost:3000' })).toMatchObject({
      status: 200,
    });
    expect(await get(`${gateway.url}/api/streams/main`, { origin: gateway.url })).toMatchObject({ status: 200 });
    await using foreign = new Viewer(gateway.url, {}, { origin: 'https://evil.example' });
    expect(await foreign.refused).toBe(403);
    await using listed = new Viewer(gateway.url, {}, { origin: 'http://localhost:3000' });
    expect(await listed.next()).toMatchObject({ type: 'welcome' });
  });

  it('asks for the token: 401 from the API, 4005 from the WebSocket', async () => {
    await using gateway = await start({ token: 's3cret' });
    expect(await get(`${gateway.url}/api/streams/main`)).toMatchObject({
      status: 401,
      body: { code: 'token-required' },
    });
    expect(await get(`${gateway.url}/api/streams/main`, { authorization: 'Bearer wrong' })).toMatchObject({
      status: 401,
    });
    expect(await get(`${gateway.url}/api/streams/main`, { authorization: 'Bearer s3cret' })).toMatchObject({
      status: 200,
      body: { name: 'main', state: 'waiting' },
    });
    expect(await get(`${gateway.url}/healthz`)).toMatchObject({ status: 200 });
    await using missing = new Viewer(gateway.url);
    expect(await missing.closed).toBe(4005);
    await using wrong = new Viewer(gateway.url, { token: 'wrong' });
    expect(await wrong.closed).toBe(4005);
    await using right = new Viewer(gateway.url, { token: 's3cret' });
    expect(await right.next()).toMatchObject({ type: 'welcome' });
    await using bearer = new Viewer(gateway.url, {}, { authorization: 'Bearer s3cret' });
    expect(await bearer.next()).toMatchObject({ type: 'welcome' });
  });

  it('closes a connection with an oversized message with 1009, and no others', async () => {
    await using gateway = await start();
    await using bystander = new Viewer(gateway.url);
    await bystander.next();
    await using viewer = new Viewer(gateway.url);
    const welcome = await viewer.next();
    if (welcome.type !== 'welcome') throw new Error('no welcome arrived');
    viewer.socket.send(new Uint8Array(welcome.limits.messageBytes + 1));
    expect(await viewer.closed).toBe(1009);
    expect(gateway.stream.clients.map(({ port }) => port)).toEqual([6000]);
  });

  it('refuses a taken port with 4002, a port out of range with 4004, and an unknown stream with 4001', async () => {
    await using gateway = await start({ clients: ['tcp://127.0.0.1:65530?id=6001'] });
    await using first = new Viewer(gateway.url, { port: 6000 });
    expect(await first.next()).toMatchObject({ type: 'welcome', port: 6000 });
    await using second = new Viewer(gateway.url, { port: 6000 });
    expect(await second.closed).toBe(4002);
    await using native = new Viewer(gateway.url, { port: 6001 });
    expect(await native.closed).toBe(4002);
    await using outside = new Viewer(gateway.url, { port: 5999 });
    expect(await outside.closed).toBe(4004);
    const unknown = new WebSocket(`${gateway.url.replace('http', 'ws')}/streams/nope/ws`, 'gearway.v1');
    unknown.on('open', () => unknown.send(encodeMessage({ type: 'hello' })));
    expect((await once(unknown, 'close'))[0]).toBe(4001);
  });

  it('allows pages of any origin to load the script, but only its own and listed origins to frame a page', async () => {
    await using gateway = await start({ allowOrigins: ['https://good.example'] });
    const script = await fetch(`${gateway.url}/gearway-viewer.js`, { headers: { origin: 'https://evil.example' } });
    expect(script.status).toBe(200);
    expect(script.headers.get('access-control-allow-origin')).toBe('*');
    const page = await fetch(`${gateway.url}/`);
    expect(page.headers.get('content-security-policy')).toMatch(/; frame-ancestors 'self' https:\/\/good\.example$/);
  });
});
