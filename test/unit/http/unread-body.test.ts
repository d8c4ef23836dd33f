import { once } from 'node:events';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { boundUnreadBody } from '../../../gateway/http/unread-body.ts';
import { createHttpApp } from '../../helpers/http-app.ts';
import { RawPeer } from '../../helpers/raw-peer.ts';

/** A request with a body of `count` chunks of `bytes` each; counts those that are read. */
function requestOf(count: number, bytes: number): { request: IncomingMessage; read: () => number } {
  const request = new IncomingMessage(new Socket());
  request.headers = { 'transfer-encoding': 'chunked' };
  let read = 0;
  boundUnreadBody(request);
  request.on('data', () => (read += 1));
  for (let index = 0; index < count; index += 1) request.push(Buffer.alloc(bytes));
  return { request, read: () => read };
}

describe('boundUnreadBody', () => {
  it('destroys a request after 256 tiny chunks', async () => {
    const { request, read } = requestOf(10_000, 1);
    await once(request, 'close');
    expect(read()).toBe(257);
  });

  it('reads a body of ordinary chunks to its end', async () => {
    const { request, read } = requestOf(1000, 4096);
    request.push(null);
    await once(request, 'end');
    expect(read()).toBe(1000);
  });

  it('does not affect a request without a body', () => {
    const request = new IncomingMessage(new Socket());
    boundUnreadBody(request);
    expect(request.listenerCount('data')).toBe(0);
  });
});

describe('an unwanted body', () => {
  const TINY = '1\r\nx\r\n'.repeat(100_000);

  it.each([
    'GET /healthz',
    'GET /%',
    'POST /%',
    'POST /nowhere',
    'POST /streams/main/frames',
    'DELETE /api/streams/main/clients/web-1',
  ])('of %s ends its connection', async (line) => {
    await using http = await createHttpApp();
    await using peer = await RawPeer.connect(await http.listen());
    peer.send(`${line} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n`);
    peer.send(TINY);
    await peer.ended();
  });

  it('allows a client that sends 300 KB in one write to read the refusal', async () => {
    await using http = await createHttpApp();
    const response = await fetch(`${await http.listen()}/streams/main/frames`, {
      method: 'POST',
      headers: { 'content-type': 'image/jpeg' },
      body: new Uint8Array(300_000),
    });
    expect([response.status, await response.json()]).toMatchObject([409, { code: 'source-busy' }]);
  });
});
