import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { createGateway, type Gateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import { RawPeer } from '../../helpers/raw-peer.ts';
import { Viewer } from '../../helpers/viewer.ts';

const HANDSHAKE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

async function start(options: GatewayOptions = {}): Promise<Gateway & { readonly url: string }> {
  const gateway = await createGateway({ port: 0, ...options });
  const { url } = await gateway.listen();
  return Object.assign(gateway, { url: url.slice(0, -1) });
}

function format(method: string, path: string, headers: Readonly<Record<string, string>>): string {
  return `${method} ${path} HTTP/1.1\r\n${Object.entries({ Host: '127.0.0.1', ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;
}

describe('upgrade requests', () => {
  const without = (name: string): Record<string, string> =>
    Object.fromEntries(Object.entries(HANDSHAKE).filter(([other]) => other !== name));

  it.each<[string, string, string, Record<string, string>, string]>([
    ['another protocol', 'GET', '/streams/main/ws', { ...HANDSHAKE, Upgrade: 'x' }, '400 upgrade-invalid'],
    [
      'HTTP/2',
      'GET',
      '/healthz',
      { Connection: 'Upgrade, HTTP2-Settings', Upgrade: 'h2c', 'HTTP2-Settings': 'AAMAAABkAAQAAP__' },
      '400 upgrade-invalid',
    ],
    ['another method', 'POST', '/streams/main/ws', HANDSHAKE, '400 upgrade-invalid'],
    ['HEAD', 'HEAD', '/streams/main/ws', HANDSHAKE, '400 upgrade-invalid'],
    ['no key', 'GET', '/streams/main/ws', without('Sec-WebSocket-Key'), '400 upgrade-invalid'],
    [
      'a malformed key',
      'GET',
      '/streams/main/ws',
      { ...HANDSHAKE, 'Sec-WebSocket-Key': 'short' },
      '400 upgrade-invalid',
    ],
    ['no version', 'GET', '/streams/main/ws', without('Sec-WebSocket-Version'), '426 upgrade-invalid'],
    ['a body', 'GET', '/streams/main/ws', { ...HANDSHAKE, 'Content-Length': '10' }, '400 upgrade-invalid'],
    [
      'a body in chunks',
      'GET',
      '/streams/main/ws',
      { ...HANDSHAKE, 'Transfer-Encoding': 'chunked' },
      '400 upgrade-invalid',
    ],
    [
      'a malformed subprotocol',
      'GET',
      '/streams/main/ws',
      { ...HANDSHAKE, 'Sec-WebSocket-Protocol': ',,' },
      '400 upgrade-invalid',
    ],
    ['a URL that cannot be decoded', 'GET', '/%', HANDSHAKE, '400 request-invalid'],
    ['a URL that cannot be decoded in a route', 'GET', '/streams/%ff/ws', HANDSHAKE, '400 request-invalid'],
    ['a parameter that is too long', 'GET', `/streams/${'x'.repeat(101)}/ws`, HANDSHAKE, '414 request-invalid'],
    ['a URL without a route', 'GET', '/nowhere', HANDSHAKE, '404 not-found'],
    ['a route of another kind', 'GET', '/healthz', HANDSHAKE, '404 not-found'],
    ['a page', 'GET', '/', HANDSHAKE, '404 not-found'],
    ['events', 'GET', '/api/events', HANDSHAKE, '404 not-found'],
    ['MJPEG', 'GET', '/streams/main/mjpeg', HANDSHAKE, '404 not-found'],
    ['a foreign Host', 'GET', '/streams/main/ws', { ...HANDSHAKE, Host: 'evil.example' }, '421 host-unknown'],
    [
      'a foreign Origin',
      'GET',
      '/streams/main/ws',
      { ...HANDSHAKE, Origin: 'https://evil.example' },
      '403 origin-not-allowed',
    ],
  ])('are answered and ended with %s', async (_name, method, path, headers, expected) => {
    await using gateway = await start();
    await using peer = await RawPeer.connect(gateway.url);
    peer.send(format(method, path, headers));
    const text = await peer.ended();
    const [, status] = /^HTTP\/1\.1 (\d+)/.exec(text) ?? [];
    const [, code] = /"code":"([a-z-]+)"/.exec(text) ?? [];
    expect(`${status} ${code}`).toBe(expected);
    expect(text).toMatch(/content-type: application\/json/i);
    expect(text).toMatch(/x-content-type-options: nosniff/i);
    expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it('open a WebSocket on a keep-alive connection after the previous response has ended', async () => {
    await using gateway = await start();
    await using peer = await RawPeer.connect(gateway.url);
    peer.send(format('GET', '/healthz', {}));
    await peer.receive('"ok"}');
    peer.send(format('GET', '/streams/main/ws', HANDSHAKE));
    await peer.receive('101 Switching Protocols');
    expect(peer.text).toContain('101 Switching Protocols');
  });

  it.each(['/streams/main/mjpeg', '/api/events'])('end the connection while %s is pending on it', async (path) => {
    await using gateway = await start();
    await using peer = await RawPeer.connect(gateway.url);
    peer.send(format('GET', path, {}));
    await peer.receive('\r\n\r\n');
    peer.send(format('GET', '/streams/main/ws', HANDSHAKE));
    expect(await peer.ended()).not.toContain('101 Switching Protocols');
    await expect.poll(() => gateway.stream.clients).toEqual([]);
  });

  it('end with the gateway', async () => {
    const gateway = await start();
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello();
    await gateway.close();
    expect((await viewer.closed).code).toBe(1001);
  });
});

describe('the routes of WebSockets', () => {
  it.each(['/streams/main/ws', '/streams/main/publish'])('answer a plain request of %s with 426', async (path) => {
    await using gateway = await start();
    for (const method of ['GET', 'HEAD']) {
      const [response] = (await once(request(`${gateway.url}${path}`, { method }).end(), 'response')) as [
        IncomingMessage,
      ];
      response.resume();
      expect(response.statusCode).toBe(426);
      expect(response.headers.upgrade).toBe('websocket');
    }
  });
});

describe('URLs that cannot be decoded', () => {
  it.each(['/%', '/%ff', '/api/streams/%zz', '/streams/%c0%ae/snapshot.jpg'])(
    'are refused in the usual format: %s',
    async (path) => {
      await using gateway = await start();
      await using peer = await RawPeer.connect(gateway.url);
      peer.send(format('GET', path, { Connection: 'close' }));
      const text = await peer.ended();
      expect(text).toMatch(/^HTTP\/1\.1 400 /);
      expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n')))).toMatchObject({ code: 'request-invalid' });
      expect(text).toMatch(/x-content-type-options: nosniff/i);
    },
  );
});
