import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ShapedRelay, symmetricLink } from '../../helpers/shaped-relay.ts';

/** A server that echoes all data. */
async function echo(): Promise<{ port: number; server: Server } & AsyncDisposable> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server,
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

async function readAll(socket: Socket): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const bytes of socket) all.push(bytes as Buffer);
  return Buffer.concat(all);
}

describe('ShapedRelay', () => {
  it('forwards every byte in both directions, and then the end', async () => {
    await using server = await echo();
    await using relay = await ShapedRelay.start(
      server.port,
      symmetricLink({ bitsPerSecond: 40e6, delayMs: 5, jitterMs: 3, queueBytes: 20_000 }),
    );
    const sent = randomBytes(400_000);
    const socket = await open(relay.port);
    socket.end(sent);
    expect(Buffer.compare(await readAll(socket), sent)).toBe(0);
    expect([relay.up.carriedBytes, relay.down.carriedBytes]).toEqual([400_000, 400_000]);
  });

  it('takes as long as the link requires', async () => {
    await using server = await echo();
    await using relay = await ShapedRelay.start(server.port, {
      up: { bitsPerSecond: 1e6, delayMs: 30 },
      down: { delayMs: 50 },
    });
    const socket = await open(relay.port);
    const fromMs = performance.now();
    socket.end(Buffer.alloc(25_000));
    await readAll(socket);
    expect(performance.now() - fromMs).toBeGreaterThan(200 + 30 + 50 - 3);
  });

  it('closes the other end of a connection that is reset', async () => {
    await using server = await echo();
    await using relay = await ShapedRelay.start(server.port, symmetricLink({}));
    const accepted = once(server.server, 'connection');
    const socket = await open(relay.port);
    const [far] = (await accepted) as [Socket];
    const closed = once(far, 'close');
    socket.resetAndDestroy();
    await closed;
  });

  it('closes the connection if there is no server', async () => {
    const { port } = await (async () => {
      await using gone = await echo();
      return { port: gone.port };
    })();
    await using relay = await ShapedRelay.start(port, symmetricLink({}));
    const socket = connect(relay.port, '127.0.0.1');
    socket.on('error', () => undefined);
    await once(socket, 'close');
  });

  it('disconnects all clients when it is disposed of', async () => {
    await using server = await echo();
    let closed: Promise<unknown>;
    {
      await using relay = await ShapedRelay.start(server.port, symmetricLink({ delayMs: 10_000 }));
      const socket = await open(relay.port);
      socket.on('error', () => undefined);
      closed = new Promise((resolve) => socket.on('close', resolve));
      socket.write('lost');
    }
    await closed;
  });
});
