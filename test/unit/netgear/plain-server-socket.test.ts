import { platform } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import {
  DEFAULT_PEER_LIMITS,
  type PeerLimits,
  PlainServerSocket,
} from '../../../gateway/netgear/plain-server-socket.ts';
import { Dealer, Pair, Publisher, Push, Request } from 'zeromq';
import type { AsyncPattern } from '../../../gateway/netgear/pattern.ts';
import { freePorts } from '../../helpers/free-port.ts';
import { command, greeting, message, part, RawPeer, ready } from '../../helpers/zmtp.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Bound {
  readonly port: number;
  readonly socket: PlainServerSocket;
  readonly refused: string[];
  /** The first part of each message, as text. */
  readonly received: string[];
  readonly peers: () => number;
}

/** A socket that answers each message with `ok`, and treats `bad` as malformed. */
async function bind(
  pattern: AsyncPattern,
  limits: Partial<PeerLimits> = {},
  handle: (text: string) => void = () => undefined,
): Promise<Bound> {
  const [port = 0] = await freePorts(1);
  const refused: string[] = [];
  const received: string[] = [];
  let peers = 0;
  const socket = new PlainServerSocket(
    { pattern, expected: 'a camera' },
    {
      peers: (count) => (peers = count),
      refused: (reason) => refused.push(reason),
      failed: (error) => refused.push(String(error)),
    },
    { ...DEFAULT_PEER_LIMITS, ...limits },
  );
  await socket.bind(`tcp://127.0.0.1:${port}`);
  const reading = (async () => {
    for await (const { parts, peer } of socket) {
      received.push(String(parts[0]).slice(0, 20));
      handle(received.at(-1) ?? '');
      if (String(parts[0]) === 'bad') socket.malformed(peer);
      await socket.reply(peer, ['ok']).catch(() => undefined);
    }
  })();
  cleanups.push(async () => {
    await socket.close();
    await reading;
  });
  return { port, socket, refused, received, peers: () => peers };
}

function connected<T extends { connect(address: string): void; close(): void }>(socket: T, port: number): T {
  cleanups.push(() => socket.close());
  socket.connect(`tcp://127.0.0.1:${port}`);
  return socket;
}

async function shake(port: number, type = 'DEALER'): Promise<RawPeer> {
  const peer = await RawPeer.shake(port, type);
  if (peer === null) throw new Error('it was refused');
  cleanups.push(() => peer[Symbol.dispose]());
  return peer;
}

describe('PlainServerSocket and libzmq', () => {
  it('answers a REQ with a message of any size', async () => {
    const { port, received } = await bind('request-reply');
    const request = connected(new Request({ linger: 0 }), port);
    for (const bytes of [0, 1, 255, 256, 70_000, 8 << 20]) {
      await request.send(['x'.repeat(3), Buffer.alloc(bytes)]);
      expect(String(await request.receive())).toBe('ok');
    }
    expect(received).toHaveLength(6);
  });

  it('answers each DEALER with its own envelope', async () => {
    const { port } = await bind('request-reply');
    const dealers = ['a', 'b'].map((name) => ({ name, socket: connected(new Dealer({ linger: 0 }), port) }));
    for (const { name, socket } of dealers) await socket.send([name, '', 'x']);
    for (const { name, socket } of dealers) expect((await socket.receive()).map(String)).toEqual([name, '', 'ok']);
  });

  it.each([
    ['publish-subscribe', () => new Publisher({ linger: 0 })],
    ['push-pull', () => new Push({ linger: 0 })],
    ['pair', () => new Pair({ linger: 0 })],
  ] as const)('receives by pattern %s', async (pattern, create) => {
    const { port, received } = await bind(pattern);
    const sender = connected(create(), port);
    await expect
      .poll(async () => {
        await sender.send(['hello', 'x']);
        return received;
      })
      .toContain('hello');
  });

  it('answers heartbeats', async () => {
    const { port, received, refused } = await bind('request-reply');
    const request = connected(
      new Request({ linger: 0, heartbeatInterval: 20, heartbeatTimeout: 1000, heartbeatTimeToLive: 2000 }),
      port,
    );
    await request.send('a');
    await request.receive();
    await delay(1500);
    await request.send('b');
    await request.receive();
    expect(received).toEqual(['a', 'b']);
    expect(refused).toEqual([]);
  });

  it('sends a pending reply when it closes', async () => {
    const { port, socket } = await bind('request-reply');
    const request = connected(new Request({ linger: 0 }), port);
    await request.send('x');
    expect(String(await request.receive())).toBe('ok');
    await socket.close(500);
    const { socket: next } = await bind('request-reply');
    await next.close(500);
  });
});

describe('a peer', () => {
  it('cannot claim an identifier: peers with one are treated like others', async () => {
    const { port, peers } = await bind('request-reply');
    for (let count = 0; count < 20; count += 1) {
      const peer = await RawPeer.connect(port);
      cleanups.push(() => peer[Symbol.dispose]());
      peer.write(Buffer.concat([greeting(), ready('DEALER', Buffer.of(0, 0xe4, 0x3c, 0x98, 0x69 + count))]));
      await peer.receives(80);
    }
    const request = connected(new Request({ linger: 0 }), port);
    await request.send('x');
    expect(String(await request.receive())).toBe('ok');
    await expect.poll(peers).toBe(21);
  });

  it('that disconnects is read to its last message', async () => {
    const { port, received } = await bind('push-pull', {}, () => {
      const untilMs = performance.now() + 10;
      while (performance.now() < untilMs);
    });
    const peer = await shake(port, 'PUSH');
    peer.write(Buffer.concat(Array.from({ length: 20 }, (_, index) => message(String(index)))));
    peer.end();
    await peer.closed;
    await expect.poll(() => received).toHaveLength(20);
  });

  it('that sends too many messages is disconnected; a malformed message counts as several', async () => {
    const { port, refused } = await bind('request-reply', { messagesPerSecond: 1000, burstMessages: 1000 });
    const honest = connected(new Request({ linger: 0 }), port);
    for (const [text, count] of [
      ['good', 5000],
      ['bad', 60],
      ['none', 60],
    ] as const) {
      const peer = await shake(port);
      peer.write(
        Buffer.concat(
          Array.from({ length: count }, () => (text === 'none' ? message('no delimiter') : message('', text))),
        ),
      );
      await peer.closed;
      await honest.send('x');
      await honest.receive();
    }
    expect(
      refused.filter((reason) => /was disconnected: it sent more than 1000 messages per second/.test(reason)),
    ).toHaveLength(3);
  });

  it('that floods the socket delays no other peer, and uses no memory', async () => {
    const { port } = await bind('request-reply', { messagesPerSecond: 1e9, burstMessages: 1e9 });
    const honest = connected(new Request({ linger: 0 }), port);
    const flood = Buffer.concat(Array.from({ length: 5000 }, () => message('', 'x')));
    const floods = await Promise.all([1, 2, 3, 4].map(() => shake(port)));
    let isOver = false;
    const flooding = floods.map(async (peer) => {
      while (!isOver) if (!peer.write(flood)) await Promise.race([peer.drained(), delay(100)]);
    });
    const before = process.memoryUsage.rss();
    const waitsMs: number[] = [];
    for (let count = 0; count < 50; count += 1) {
      const atMs = performance.now();
      await honest.send('x');
      await honest.receive();
      waitsMs.push(performance.now() - atMs);
    }
    isOver = true;
    await Promise.all(flooding);
    // The longest waits are not checked, because this process and libzmq's thread may wait for a busy machine.
    expect(waitsMs.toSorted((a, b) => a - b)[25], waitsMs.join(' ')).toBeLessThan(250);
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 << 20);
  });

  it('whose messages take long to process waits for peers with fast messages', async () => {
    let heavyMessages = 0;
    const { port } = await bind('request-reply', {}, (text) => {
      if (text !== 'heavy') return;
      heavyMessages += 1;
      const untilMs = performance.now() + 30;
      while (performance.now() < untilMs);
    });
    // In this process, so that only the order of the socket counts: libzmq's thread might wait for a busy machine.
    const honest = await shake(port);
    const answer = message('', 'ok');
    const exchange = async (): Promise<void> => {
      const bytes = honest.receivedBytes + answer.byteLength;
      honest.write(message('', 'x'));
      expect(await honest.receives(bytes)).toBe(true);
    };
    await exchange();
    const heavy = await Promise.all(Array.from({ length: 40 }, () => shake(port)));
    for (const peer of heavy) peer.write(Buffer.concat(Array.from({ length: 30 }, () => message('', 'heavy'))));
    const waited: number[] = [];
    for (let count = 0; count < 10; count += 1) {
      const before = heavyMessages;
      await exchange();
      waited.push(heavyMessages - before);
    }
    expect(heavyMessages).toBeGreaterThan(10);
    // In rotation, each message would wait for one of each of the 40 peers.
    expect(Math.max(...waited), waited.join(' ')).toBeLessThan(20);
  });

  it('that sends a message of a million parts is answered, and delays no other peer', async () => {
    const { port, received } = await bind('request-reply');
    const peer = await shake(port);
    const honest = connected(new Request({ linger: 0 }), port);
    const parts = Buffer.concat([part('', true), ...Array.from({ length: 1000 }, () => part('', true))]);
    for (let count = 0; count < 1000; count += 1) peer.write(parts);
    peer.write(part('', false));
    await honest.send('x');
    await honest.receive();
    await expect.poll(() => received).toHaveLength(2);
  }, 30_000);

  it('with the largest unfinished message is disconnected if all exceed the limit', async () => {
    const { port, refused } = await bind('request-reply', { heldBytes: 4 << 20 });
    const small = await shake(port);
    small.write(Buffer.concat([part('', true), part(Buffer.alloc(1 << 20), true)]));
    const large = await shake(port);
    for (let count = 0; count < 10; count += 1) large.write(part(Buffer.alloc(1 << 20), true));
    await large.closed;
    expect(refused.at(-1)).toMatch(/unfinished messages exceed 4 MiB/);
    small.write(part('x', false));
    expect(await small.receives(95)).toBe(true);
  });

  it('that leaves, with or without pending messages, no longer counts towards that limit', async () => {
    // Longer than a turn: connections end between messages.
    const { port, refused, peers } = await bind('push-pull', { heldBytes: 256 << 10 }, () => {
      const untilMs = performance.now() + 5;
      while (performance.now() < untilMs);
    });
    for (let round = 0; round < 16; round += 1) {
      const unfinished = await shake(port, 'PUSH');
      unfinished.write(part(Buffer.alloc(128 << 10), true));
      unfinished.end();
      const pending = await shake(port, 'PUSH');
      pending.write(Buffer.concat(Array.from({ length: 8 }, () => message('x', Buffer.alloc(7000)))));
      await delay(10);
      pending.reset();
      await expect.poll(peers, { interval: 5 }).toBe(0);
    }
    expect(refused).toEqual([]);
    const large = await shake(port, 'PUSH');
    for (let count = 0; count < 4; count += 1) large.write(part(Buffer.alloc(100_000), true));
    await large.closed;
    expect(refused.at(-1)).toMatch(/unfinished messages exceed/);
  });

  it('with an envelope of large identifiers sends no request', async () => {
    const { port, refused } = await bind('request-reply');
    const peer = await shake(port);
    peer.write(message(Buffer.alloc(256), '', 'x'));
    await expect.poll(() => refused.at(-1) ?? '').toMatch(/a message of 3 parts that is not a request of a camera/);
  });

  it('that sends nothing useful is replaced if the maximum is reached', async () => {
    const { port, refused, peers } = await bind('request-reply', { peers: 3, idleMs: 200 });
    const working = connected(new Request({ linger: 0 }), port);
    await working.send('x');
    await working.receive();
    await Promise.all([shake(port), shake(port)]);
    expect(await RawPeer.shake(port, 'DEALER')).toBeNull();
    expect(refused.at(-1)).toMatch(/3 ZeroMQ peers are already connected/);
    await delay(250);
    await working.send('x');
    await working.receive();
    await shake(port);
    await shake(port);
    expect(peers()).toBe(3);
    await working.send('x');
    expect(String(await working.receive())).toBe('ok');
  });

  it('of a PAIR is replaced if it has sent nothing, and kept if it has sent a message', async () => {
    const { port, refused } = await bind('pair', { idleMs: 100 });
    await shake(port, 'PAIR');
    await delay(150);
    const second = await shake(port, 'PAIR');
    second.write(message('frame'));
    await delay(150);
    expect(await RawPeer.shake(port, 'PAIR')).toBeNull();
    expect(refused.at(-1)).toBe('another server is waiting for the first one to disconnect');
  });

  // Linux has all addresses of 127.0.0.0/8.
  it.runIf(platform() === 'linux')(
    'of another address is admitted although one address has all handshakes',
    async () => {
      const { port, refused } = await bind('request-reply', { handshakes: 3 });
      const silent: RawPeer[] = [];
      for (let count = 0; count < 3; count += 1) silent.push(await RawPeer.connect(port, '127.0.0.2'));
      cleanups.push(() => silent.forEach((peer) => peer[Symbol.dispose]()));
      await shake(port);
      await silent[0]?.closed;
      expect(refused).toEqual([
        'the ZeroMQ peer 127.0.0.2 was disconnected: 3 other handshakes are in progress, most of them from this address',
      ]);
      // The address itself gets no more of them.
      await RawPeer.connect(port, '127.0.0.2');
      await (
        await RawPeer.connect(port, '127.0.0.2')
      ).closed;
      expect(refused.at(-1)).toBe('a connection was refused: 3 other handshakes are in progress');
    },
  );

  it.runIf(platform() === 'linux')('of another address is admitted although one address has all peers', async () => {
    const { port, refused, peers, received } = await bind('request-reply', { peers: 3 });
    const busy: RawPeer[] = [];
    for (let count = 0; count < 3; count += 1) busy.push((await RawPeer.shake(port, 'DEALER', 1, '127.0.0.2'))!);
    cleanups.push(() => busy.forEach((peer) => peer[Symbol.dispose]()));
    for (const peer of busy.toReversed()) {
      peer.write(message('', 'frame'));
      await expect.poll(() => received.length).toBe(busy.length - busy.indexOf(peer));
    }
    expect(await RawPeer.shake(port, 'DEALER', 1, '127.0.0.2')).toBeNull();
    const other = await shake(port);
    // The peer that has sent nothing for the longest time is disconnected.
    await busy[2]?.closed;
    other.write(message('', 'other'));
    await expect.poll(() => received.at(-1)).toBe('other');
    expect(peers()).toBe(3);
    expect(refused.at(-1)).toBe(
      'the ZeroMQ peer 127.0.0.2 was disconnected: 3 peers have its address, and a new peer of another one needed a slot',
    );
    // This continues until each address has one peer.
    expect(await RawPeer.shake(port, 'DEALER', 1, '127.0.0.3')).not.toBeNull();
    expect(await RawPeer.shake(port, 'DEALER', 1, '127.0.0.4')).toBeNull();
  });

  it('that is silent during its handshake is disconnected, like one connection too many', async () => {
    const { port, refused } = await bind('request-reply', { handshakeMs: 100, handshakes: 3 });
    const silent = await Promise.all([1, 2, 3].map(() => RawPeer.connect(port)));
    const further = await RawPeer.connect(port);
    await further.closed;
    await Promise.all(silent.map(({ closed }) => closed));
    expect(refused).toContain('a connection was refused: 3 other handshakes are in progress');
    expect(refused.at(-1)).toMatch(/a handshake timed out/);
    await shake(port);
  });

  it('that does not read its replies loses them', async () => {
    const { port, socket } = await bind('request-reply');
    const peer = await shake(port);
    peer.write(message('', 'x'));
    await peer.receives(70);
    const large = Buffer.alloc(32 << 20);
    await socket.reply('1', [large]);
    await expect(socket.reply('1', [large])).rejects.toThrow('does not read');
    await expect(socket.reply('none', [large])).rejects.toThrow('disconnected');
  });

  it.each(['PING', 'SUBSCRIBE', 'ERROR', 'X'.repeat(200)])(
    'may send the command %s, and stays connected',
    async (name) => {
      const { port, received } = await bind('request-reply');
      const peer = await shake(port);
      peer.write(Buffer.concat([command(name), message('', 'x')]));
      await expect.poll(() => received).toEqual(['x']);
    },
  );
});
