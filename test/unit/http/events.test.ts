import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createGateway, type Gateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import { DEFAULT_CONNECTION_LIMITS } from '../../../gateway/http/http-server.ts';
import { EventLog } from '../../../gateway/hub/event-log.ts';
import { DEFAULT_SHARED_LIMITS } from '../../../gateway/hub/shares.ts';
import { createHttpApp } from '../../helpers/http-app.ts';
import { RawPeer } from '../../helpers/raw-peer.ts';
import { encodeMessage } from '../../../shared/protocol.ts';
import { hold, statusFrom, TRUST_FORWARDED } from '../../helpers/from-address.ts';

async function start(options: GatewayOptions = {}): Promise<Gateway & { url: string }> {
  const gateway = await createGateway({ port: 0, ...options });
  const { url } = await gateway.listen();
  return Object.assign(gateway, { url: url.slice(0, -1) });
}

/** The text of an event stream until it contains `wanted`. */
async function textUntil(response: Response, wanted: string): Promise<string> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!text.includes(wanted)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`the stream ended without ${wanted}: ${text}`);
    text += value;
  }
  await reader.cancel();
  return text;
}

async function connectAndLeave(url: string): Promise<void> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/streams/main/ws`, 'gearway.v1');
  await new Promise((resolve) => socket.once('open', resolve));
  socket.send(encodeMessage({ type: 'hello' }));
  await new Promise((resolve) => socket.once('message', resolve));
  socket.close();
}

describe('GET /api/events', () => {
  it('sends past and new events as server-sent events', async () => {
    await using gateway = await start();
    const response = await fetch(`${gateway.url}/api/events`);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    await connectAndLeave(gateway.url);
    const text = await textUntil(response, 'disconnect');
    expect(text).toMatch(
      /^retry: 1000\n\nid: 1\nevent: connect\ndata: \{"id":1,"time":"[^"]+","stream":"main","kind":"connect","client":"web-1","port":6000,/,
    );
    const later = await textUntil(
      await fetch(`${gateway.url}/api/events`, { headers: { 'last-event-id': '1' } }),
      'disconnect',
    );
    expect(later).toMatch(/^retry: 1000\n\nid: 2\nevent: disconnect\n/);
  });

  it('requires the token, and ends with the gateway', async () => {
    const gateway = await start({ token: 's3cret', viewToken: 'look' });
    expect((await fetch(`${gateway.url}/api/events`)).status).toBe(401);
    const response = await fetch(`${gateway.url}/api/events`, { headers: { authorization: 'Bearer look' } });
    expect(response.status).toBe(200);
    await gateway.close();
    await expect(textUntil(response, 'never')).rejects.toThrow();
  });

  it('serves 16 followers of one address, refuses one more with 429, and releases the share of a follower that left', async () => {
    await using gateway = await start(TRUST_FORWARDED);
    const following = await Promise.all(Array.from({ length: 16 }, () => fetch(`${gateway.url}/api/events`)));
    expect(following.map(({ status }) => status)).toEqual(Array.from({ length: 16 }, () => 200));
    const refused = await fetch(`${gateway.url}/api/events`);
    expect(refused.status).toBe(429);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await refused.json()).toMatchObject({ code: 'address-limit' });
    expect(await statusFrom(`${gateway.url}/api/events`, '192.0.2.2')).toBe(200);
    await following[0]!.body!.cancel();
    await expect.poll(async () => (await fetch(`${gateway.url}/api/events`)).status).toBe(200);
  });

  it('serves 64 followers in total, and refuses one more with 503', async () => {
    await using gateway = await start(TRUST_FORWARDED);
    const following = [2, 3, 4, 5].flatMap((address) =>
      Array.from({ length: 16 }, () => hold(`${gateway.url}/api/events`, `192.0.2.${address}`)),
    );
    expect((await Promise.all(following)).every(({ status }) => status === 200)).toBe(true);
    const refused = await fetch(`${gateway.url}/api/events`);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await refused.json()).toMatchObject({ code: 'too-many' });
    (await following[0]!).end();
    await expect.poll(async () => (await fetch(`${gateway.url}/api/events`)).status).toBe(200);
  });
});

describe('followers of GET /api/events', () => {
  const GET = 'GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';

  async function serve(stallTimeoutMs: number): Promise<{ url: string; events: EventLog } & AsyncDisposable> {
    const app = await createHttpApp({ connectionLimits: { ...DEFAULT_CONNECTION_LIMITS, stallTimeoutMs } });
    return Object.assign(app, { url: await app.listen() });
  }

  const following = async (url: string): Promise<RawPeer> => {
    const peer = await RawPeer.connect(url);
    peer.send(GET);
    await peer.receive('retry: 1000');
    return peer;
  };

  it('that do not read are disconnected, which releases their shares; those that read stay connected', async () => {
    await using server = await serve(1000);
    const stuck = await Promise.all(
      Array.from({ length: DEFAULT_SHARED_LIMITS.eventFollowers.perAddress - 1 }, () => following(server.url)),
    );
    await using reader = await following(server.url);
    const refused = await RawPeer.connect(server.url);
    refused.send(GET);
    await refused.receive('address-limit');
    for (const peer of stuck) peer.pause();
    // More than the kernel buffers for a connection.
    for (let count = 0; count < 200; count += 1) {
      // Texts are truncated to a maximum length; identifiers come from the gateway.
      server.events.add({
        kind: 'state',
        stream: 'main',
        client: 'x'.repeat(100_000),
        port: null,
        address: '',
        reason: 'large',
      });
      await new Promise(setImmediate);
    }
    await expect
      .poll(
        async () => {
          const { status, body } = await fetch(`${server.url}/api/events`);
          await body?.cancel();
          return status;
        },
        { timeout: 20_000 },
      )
      .toBe(200);
    server.events.add({ kind: 'state', stream: 'main', client: null, port: null, address: '', reason: 'still here' });
    await reader.receive('still here');
    expect(reader.hasEnded).toBe(false);
    for (const peer of [...stuck, refused]) peer.close();
  }, 60_000);

  it('release their shares regardless of how they end', async () => {
    await using server = await serve(30_000);
    const ends: ((peer: RawPeer) => unknown)[] = [
      (peer) => peer.close(),
      (peer) => peer.reset(),
      (peer) => peer.send(GET.repeat(20)),
      (peer) => peer.send('no request\r\n\r\n'),
      (peer) => peer.send('CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'),
    ];
    for (let round = 0; round < 3; round += 1) {
      for (const end of ends) {
        const peers = await Promise.all(Array.from({ length: 6 }, () => following(server.url)));
        for (const peer of peers) end(peer);
        // Including requests that never reached the head of the pipeline.
        const queued = await Promise.all(Array.from({ length: 2 }, () => RawPeer.connect(server.url)));
        for (const peer of queued) peer.send(GET.repeat(4));
        await Promise.all(queued.map((peer) => peer.receive('retry')));
        for (const peer of [...queued, ...peers]) peer.close();
      }
    }
    await expect
      .poll(
        async () => {
          const all = await Promise.all(
            Array.from({ length: DEFAULT_SHARED_LIMITS.eventFollowers.perAddress }, () =>
              fetch(`${server.url}/api/events`),
            ),
          );
          await Promise.all(all.map(async ({ body }) => body?.cancel()));
          return all.filter(({ status }) => status === 200).length;
        },
        { timeout: 10_000, interval: 200 },
      )
      .toBe(DEFAULT_SHARED_LIMITS.eventFollowers.perAddress);
  }, 60_000);

  it('do not include HEAD requests', async () => {
    await using server = await serve(30_000);
    for (let count = 0; count < 70; count += 1)
      expect((await fetch(`${server.url}/api/events`, { method: 'HEAD' })).status).toBe(200);
    expect((await fetch(`${server.url}/api/events`)).status).toBe(200);
  });
});

describe('GET /api/events of an administrator', () => {
  it('is accepted while holders of the view token use all other connections', async () => {
    await using gateway = await start({ token: 's3cret', viewToken: 'look' });
    const follow = async (token: string): Promise<number> =>
      (await fetch(`${gateway.url}/api/events`, { headers: { authorization: `Bearer ${token}` } })).status;
    for (let index = 0; index < 16; index += 1) expect(await follow('look')).toBe(200);
    expect(await follow('look')).toBe(429);
    expect(await follow('s3cret')).toBe(200);
  });
});

describe('DELETE /api/streams/NAME/clients/ID', () => {
  it('disconnects a client', async () => {
    await using gateway = await start();
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/streams/main/ws`, 'gearway.v1');
    await new Promise((resolve) => socket.once('open', resolve));
    socket.send(encodeMessage({ type: 'hello' }));
    await new Promise((resolve) => socket.once('message', resolve));
    const closed = new Promise<[number, string]>((resolve) =>
      socket.once('close', (code, reason) => resolve([code, String(reason)])),
    );
    const headers = { authorization: `Bearer ${gateway.administratorKey}` };
    expect((await fetch(`${gateway.url}/api/streams/main/clients/web-2`, { method: 'DELETE', headers })).status).toBe(
      404,
    );
    const response = await fetch(`${gateway.url}/api/streams/main/clients/web-1?reason=enough`, {
      method: 'DELETE',
      headers,
    });
    expect(await response.json()).toMatchObject({ id: 'web-1', port: 6000 });
    expect(await closed).toEqual([4009, 'enough']);
    expect(gateway.stream.clients).toEqual([]);
  });

  it('needs the right to administer', async () => {
    await using gateway = await start({ token: 's3cret', viewToken: 'look', reservedPorts: { 6000: 'arm' } });
    const status = async (token: string): Promise<number> =>
      (
        await fetch(`${gateway.url}/api/streams/main/clients/web-1`, {
          method: 'DELETE',
          headers: { authorization: `Bearer ${token}` },
        })
      ).status;
    expect([await status('look'), await status('arm'), await status('wrong'), await status('s3cret')]).toEqual([
      403, 403, 401, 404,
    ]);
  });
});
