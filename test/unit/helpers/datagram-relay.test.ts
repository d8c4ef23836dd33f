import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { DatagramRelay } from '../../helpers/datagram-relay.ts';
import { ShapedRelay, symmetricLink } from '../../helpers/shaped-relay.ts';

/** A socket, and the datagrams that it receives. */
async function open(
  answer?: (bytes: Buffer) => Buffer,
): Promise<{ socket: Socket; port: number; received: Buffer[] } & AsyncDisposable> {
  const socket = createSocket('udp4');
  const received: Buffer[] = [];
  socket.on('message', (bytes, { port, address }) => {
    received.push(bytes);
    if (answer !== undefined) socket.send(answer(bytes), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    socket,
    port: socket.address().port,
    received,
    async [Symbol.asyncDispose]() {
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
}

describe('DatagramRelay', () => {
  it('forwards datagrams to the server, and each answer to its sender', async () => {
    await using server = await open((bytes) => Buffer.concat([Buffer.from('re: '), bytes]));
    await using relay = await ShapedRelay.start(server.port, symmetricLink({ delayMs: 5 }));
    await using _ = await DatagramRelay.start(relay, server.port);
    await using one = await open();
    await using other = await open();
    const answered = [once(one.socket, 'message'), once(other.socket, 'message')];
    one.socket.send('one', relay.port, '127.0.0.1');
    other.socket.send('other', relay.port, '127.0.0.1');
    await Promise.all(answered);
    expect([one.received, other.received].map((received) => received.map(String))).toEqual([
      ['re: one'],
      ['re: other'],
    ]);
  });

  it('loses the datagrams that do not fit into the queue of the link', async () => {
    await using server = await open();
    await using relay = await ShapedRelay.start(server.port, {
      up: { bitsPerSecond: 0, queueBytes: 4000 },
      down: {},
    });
    await using datagrams = await DatagramRelay.start(relay, server.port);
    await using client = await open();
    for (let number = 0; number < 10; number += 1)
      client.socket.send(Buffer.alloc(1000, number), relay.port, '127.0.0.1');
    while (datagrams.lost < 6) await new Promise((resolve) => setTimeout(resolve, 5));
    relay.shape({ up: { bitsPerSecond: null } });
    while (server.received.length < 4) await once(server.socket, 'message');
    expect(server.received.map(([first]) => first)).toEqual([0, 1, 2, 3]);
    expect(datagrams.lost).toBe(6);
  });
});
