import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Publisher, Push, Reply, Request, Router } from 'zeromq';
import { createGateway, type Gateway } from '../../gateway/create-gateway.ts';
import { createKeys } from '../../gateway/netgear/key-files.ts';
import { NetGearReceiver, NetGearSender } from '../../gateway/netgear/index.ts';
import { freePorts } from '../helpers/free-port.ts';
import { command, greeting, message, part, RawPeer, ready } from '../helpers/zmtp.ts';

// While a real sender keeps sending to each kind of bound socket, strays connect to its port. Each is followed by
// frames of the sender on every stream. An unhandled rejection fails the run.

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const FRAME = { dtype: 'uint8', shape: [2, 2, 3], data: new Uint8Array(12) } as const;
/** The two parts of a NetGear frame. */
const NETGEAR = [
  '{"terminate_flag": false, "compression": false, "message": null, "pattern": "2", "dtype": "uint8", "shape": [2, 2, 3]}',
  Buffer.alloc(12),
];
/** A frame of NetGear_Async, as msgpack 1.1.2 and msgpack_numpy 0.4.8 write it. */
const ASYNC = [
  hex('83 a97465726d696e617465 c2 a762695f6d6f6465 c3 a464617461 a0'),
  hex('85 c4026e64 c3 c40474797065 a37c7531 c4046b696e64 c400 c4057368617065 93 01 01 03 c40464617461 c403 010203'),
];
/** A picture of imagezmq. */
const IMAGEZMQ = ['{"msg": "cam", "dtype": "uint8", "shape": [2, 2, 3]}', Buffer.alloc(12)];

const HTTP = Buffer.from(
  `GET / HTTP/1.1\r\nHost: 127.0.0.1:5555\r\nConnection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\n\r\n`,
);
const NOISE = Buffer.from(Array.from({ length: 2048 }, (_, index) => (index * 7919 + (index >> 3) * 104_729) & 0xff));

/** Bytes of peers that do not speak ZMTP 3, with their name. */
const FOREIGN: readonly (readonly [string, Uint8Array])[] = [
  ['nine bytes of ZMTP 1', hex('01 00 06 00 68656c6c6f')],
  ['ZMTP 1 with a delimiter', hex('01 00 01 01 06 00 68656c6c6f')],
  ['a ZMTP 2 dealer', Buffer.concat([hex('ff 0000000000000001 7f 01 05 00 00'), hex('00 05 68656c6c6f')])],
  ['an HTTP request of a browser', HTTP],
  ['a short HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')],
  ['a TLS ClientHello', Buffer.concat([hex('16 0301 0200 01 0001fc 0303'), NOISE.subarray(0, 500)])],
  [
    'an SSH banner and more',
    Buffer.concat([Buffer.from('SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n'), NOISE.subarray(0, 1400)]),
  ],
  [
    'an RTSP request',
    Buffer.from(
      `OPTIONS rtsp://127.0.0.1:5555/live RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: LibVLC/3.0.20 (LIVE555 Streaming Media v2016.11.28) and more so that it is long\r\n\r\n`,
    ),
  ],
  ['2 KB of noise', NOISE],
  ['zeros', Buffer.alloc(300)],
  ['endless 0xff', Buffer.alloc(300, 0xff)],
  ['a greeting of another mechanism', greeting(1, 'PLAIN')],
  ['a greeting of an unknown mechanism', greeting(0, 'NONSENSE')],
  ['a greeting and noise', Buffer.concat([greeting(), NOISE])],
  ['a truncated READY', Buffer.concat([greeting(), ready('REQ').subarray(0, 9)])],
  ['an unknown socket type', Buffer.concat([greeting(), ready('TEAPOT')])],
  ['a READY of 255 properties without values', Buffer.concat([greeting(), command('READY', Buffer.alloc(240, 1))])],
  ['an ERROR command', Buffer.concat([greeting(), command('ERROR', Buffer.of(3, 0x61, 0x62, 0x63))])],
];

const TYPES = [
  'REQ',
  'REP',
  'DEALER',
  'ROUTER',
  'PUB',
  'SUB',
  'XPUB',
  'XSUB',
  'PUSH',
  'PULL',
  'PAIR',
  'RADIO',
  'DISH',
  'CLIENT',
  'SERVER',
  'GATHER',
  'SCATTER',
  'CHANNEL',
  'STREAM',
];

/** Data that a peer may send after its handshake. */
const MESSAGES: readonly (readonly [string, Uint8Array])[] = [
  ['an empty part', message('')],
  ['one part', message('hello')],
  ['a delimiter alone', message('')],
  ['a delimiter and nothing', message('', '')],
  ['a delimiter and a part', message('', 'hello')],
  ['two parts without a delimiter', message('a', 'b')],
  ['three parts without a delimiter', message('a', 'b', 'c')],
  ['a request with an identifier', message('abcd', '', 'hello')],
  ['a long envelope', message(...Array.from({ length: 40 }, () => 'hop'), '', 'hello')],
  ['1000 empty parts', message(...Array.from({ length: 1000 }, () => ''))],
  ['10,000 small parts', message('', ...Array.from({ length: 10_000 }, () => 'x'))],
  ['a megabyte', message('', Buffer.alloc(1 << 20))],
  ['a part beyond the limit', Buffer.concat([hex('02'), hex('0000001000000000'), Buffer.alloc(1000)])],
  ['a command in a message', Buffer.concat([part('', true), command('PING', Buffer.alloc(6)), part('x', false)])],
  [
    'unknown commands',
    Buffer.concat([
      command('JUNK', Buffer.alloc(20)),
      command('', Buffer.alloc(20)),
      command('SUBSCRIBE', Buffer.from('a')),
      command('CANCEL', Buffer.from('a')),
    ]),
  ],
  ['half a message', part('', true)],
  ['half a part', hex('00 ff 6162')],
  ['unknown flags', hex('ff 02 6162')],
  ['a truncated NetGear header', message('', '{"terminate_flag": fal', Buffer.alloc(12))],
  ['nesting', message('', '['.repeat(5000), Buffer.alloc(12))],
  ['a termination', message('', '{"terminate_flag": true}')],
];

/** A source with its sender, which sends until it is disposed of. */
interface Target {
  readonly name: string;
  /** Ports to which strays connect. */
  readonly port: number;
  readonly stop: () => Promise<void>;
}

let gateway: Gateway;
let targets: Target[] = [];
const receivers: NetGearReceiver[] = [];
const logged: string[] = [];
const startMs = performance.now();
const folder = mkdtempSync(join(tmpdir(), 'gearway-strays-'));

/**
 * Pause of each sender after a frame. Shorter during a flood only, because 13 senders would take most of the processor
 * time of these tests.
 */
let pauseMs = 20;

function sending(name: string, port: number, send: () => Promise<unknown>, close: () => unknown): Target {
  let isStopped = false;
  const loop = (async (): Promise<void> => {
    while (!isStopped) {
      // A timeout on the overloaded machine is not a failure: frames are required below.
      await send().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  })();
  return {
    name,
    port,
    stop: async () => {
      isStopped = true;
      await close();
      await loop;
    },
  };
}

function netgear(name: string, port: number, pattern: 0 | 1 | 2, options: object = {}): Target {
  const sender = new NetGearSender({ port: String(port), pattern, ...options });
  return sending(
    name,
    port,
    () => sender.send(FRAME),
    () => sender.close({ terminate: false }),
  );
}

async function requests(name: string, port: number, parts: (string | Uint8Array)[]): Promise<Target> {
  const socket = new Request({ linger: 0, relaxed: true, correlate: true, receiveTimeout: 2000 });
  socket.connect(`tcp://127.0.0.1:${port}`);
  return sending(
    name,
    port,
    async () => {
      await socket.send(parts);
      await socket.receive();
    },
    () => socket.close(),
  );
}

beforeAll(async () => {
  const [
    pair = 0,
    reply = 0,
    subscribe = 0,
    multi = 0,
    multi2 = 0,
    servers = 0,
    stone = 0,
    iron = 0,
    hub = 0,
    async0 = 0,
    async1 = 0,
    async2 = 0,
    async3 = 0,
    library = 0,
    librarySub = 0,
  ] = await freePorts(15);
  createKeys(folder);
  const at = (port: number): string => `tcp://127.0.0.1:${port}`;
  gateway = await createGateway({
    source: [
      `pair=netgear:${at(pair)}?pattern=0`,
      `reply=netgear:${at(reply)}?pattern=1`,
      `subscribe=netgear:${at(subscribe)}?pattern=2`,
      `netgear:${at(servers)}?pattern=1&multiserver=true`,
      `multi=netgear:${at(multi)},${multi2}?multiclient=true`,
      `stone=netgear:${at(stone)}?secure=1&keys=${folder}`,
      `iron=netgear:${at(iron)}?secure=2&keys=${folder}`,
      `hub=imagezmq:${at(hub)}`,
      `async0=netgear-async:${at(async0)}?pattern=0`,
      `async1=netgear-async:${at(async1)}?pattern=1`,
      `async2=netgear-async:${at(async2)}?pattern=2`,
      `async3=netgear-async:${at(async3)}?pattern=3`,
    ],
    virtualPorts: [],
    log: (text) => logged.push(text),
  });
  for (const [port, pattern] of [
    [library, 1],
    [librarySub, 2],
  ] as const) {
    const receiver = new NetGearReceiver({ port: String(port), pattern });
    await receiver.open();
    receivers.push(receiver);
  }
  const secure = (mode: 1 | 2): object => ({ secure_mode: mode, custom_cert_location: folder });
  const publish = async (
    name: string,
    port: number,
    socket: Publisher | Push,
    parts: (string | Uint8Array)[],
  ): Promise<Target> => {
    socket.connect(at(port));
    return sending(
      name,
      port,
      () => socket.send(parts),
      () => socket.close(),
    );
  };
  targets = [
    netgear('pair', pair, 0),
    netgear('reply', reply, 1),
    netgear('subscribe', subscribe, 2),
    netgear(String(servers), servers, 1, { multiserver_mode: true }),
    netgear('multi', multi, 1),
    netgear('stone', stone, 1, secure(1)),
    netgear('iron', iron, 1, secure(2)),
    await requests('hub', hub, IMAGEZMQ),
    // A PAIR accepts one peer; its sender is tested elsewhere.
    await requests('async1', async1, ASYNC),
    await publish('async2', async2, new Publisher({ linger: 0, sendHighWaterMark: 1 }), ASYNC),
    await publish('async3', async3, new Push({ linger: 0, sendHighWaterMark: 1, sendTimeout: 1000 }), ASYNC),
    netgear('library 0', library, 1),
    await publish('library 1', librarySub, new Publisher({ linger: 0, sendHighWaterMark: 1 }), NETGEAR),
  ];
  await nextFrames();
}, 60_000);

afterAll(async () => {
  await Promise.all(targets.map(({ stop }) => stop()));
  await Promise.all(receivers.map((receiver) => receiver.close()));
  await gateway?.close();
  rmSync(folder, { recursive: true });
}, 30_000);

function received(name: string): number {
  const library = /^library (\d)$/.exec(name);
  if (library !== null) return receivers[Number(library[1])]!.received;
  return gateway.streams.get(name)!.status().counters.received;
}

/** Resolves when two more frames of every sender have arrived: the first may have been in transit. */
async function nextFrames(): Promise<void> {
  const before = new Map(targets.map(({ name }) => [name, received(name)]));
  await vi.waitFor(
    () =>
      expect(targets.filter(({ name }) => received(name) < before.get(name)! + 2).map(({ name }) => name)).toEqual([]),
    { timeout: 20_000, interval: 10 },
  );
}

function state(name: string): string {
  const library = /^library (\d)$/.exec(name);
  return library === null
    ? gateway.streams.get(name)!.status().source.state
    : receivers[Number(library[1])]!.servers[0]!.state;
}

describe('a stray connection', () => {
  it.each(FOREIGN)(
    'leaves all streams running: %s',
    async (_name, bytes) => {
      const peers = await Promise.all(
        targets.map(async ({ port }) => {
          const peer = await RawPeer.connect(port);
          peer.write(bytes);
          return peer;
        }),
      );
      await nextFrames();
      for (const peer of peers) peer[Symbol.dispose]();
    },
    60_000,
  );

  it('is reported in the status, by kind', async () => {
    const [target] = targets.filter(({ name }) => name === 'reply');
    // The status shows the last refusal, which may be a late one of an earlier test: each stray repeats until it is
    // shown.
    const named = (fits: RegExp, act: () => Promise<unknown>): Promise<void> =>
      vi.waitFor(async () => {
        await act();
        await vi.waitFor(() => expect(state('reply')).toMatch(fits), 500);
      }, 10_000);
    const write = (bytes: Uint8Array) => async (): Promise<void> => {
      using peer = await RawPeer.connect(target!.port);
      peer.write(bytes);
      await peer.closed;
    };
    await named(/^connected; a connection was refused: it speaks HTTP, .*ZeroMQ/, write(HTTP));
    await named(/secure mode/, write(greeting(1, 'CURVE')));
    await named(
      /^connected; the ZeroMQ peer 127\.0\.0\.1 was refused: its socket type is not that of a server of pattern 1$/,
      () => RawPeer.shake(target!.port, 'PUSH'),
    );
    await named(/port scan/, async () => (await RawPeer.connect(target!.port))[Symbol.dispose]());
    const dealer = await RawPeer.shake(target!.port, 'DEALER');
    await named(
      /^connected, 2 servers; a ZeroMQ peer sent a message of 1 part that is not a request of a server of pattern 1$/,
      async () => dealer!.write(message('hello')),
    );
    dealer![Symbol.dispose]();
    await expect.poll(() => state('reply')).toMatch(/^connected;/);
  }, 60_000);

  it('may connect and disconnect 500 times without a message', async () => {
    for (let round = 0; round < 10; round += 1) {
      await Promise.all(
        targets.flatMap(({ port }) =>
          Array.from({ length: 50 }, async () => (await RawPeer.connect(port))[Symbol.dispose]()),
        ),
      );
      await nextFrames();
    }
    expect(
      targets.map(({ name }) => state(name)).filter((text) => !/; .*(?:port scan|ZeroMQ|secure)/.test(text)),
    ).toEqual([]);
  }, 120_000);

  it('that stays silent is disconnected', async () => {
    const peers = await Promise.all(
      targets.flatMap(({ port }) =>
        [Buffer.alloc(0), greeting().subarray(0, 11), greeting()].map(async (bytes) => {
          const peer = await RawPeer.connect(port);
          peer.write(bytes);
          return peer;
        }),
      ),
    );
    await nextFrames();
    await Promise.all(peers.map(({ closed }) => closed));
    await nextFrames();
  }, 60_000);

  it('is logged at a bounded rate', () => {
    const perSource = new Map<string, number>();
    for (const line of logged) {
      const [, name] = /^warning: stream (\S+): /.exec(line) ?? [];
      if (name !== undefined) perSource.set(name, (perSource.get(name) ?? 0) + 1);
    }
    expect(perSource.size).toBeGreaterThan(0);
    // At most one line per 10 s and source, despite the hundreds of connections above.
    const periods = Math.ceil((performance.now() - startMs) / 10_000);
    expect(Math.max(...perSource.values())).toBeLessThanOrEqual(periods);
  });
});

describe('a ZMTP peer', () => {
  it.each(TYPES)(
    'of type %s leaves all streams running with any messages',
    async (type) => {
      for (const minor of [0, 1] as const) {
        // All messages together, and some of them alone, because each may end the connection.
        const peers = await Promise.all(
          targets
            .filter(({ name }) => name !== 'pair')
            .flatMap(({ port }) =>
              [MESSAGES.slice(0, 11), MESSAGES.slice(11, 12), MESSAGES.slice(13), MESSAGES.slice(12, 13)].map(
                async (messages) => {
                  const peer = await RawPeer.shake(port, type, minor);
                  for (const [, bytes] of messages) peer?.write(bytes);
                  return peer;
                },
              ),
            ),
        );
        await nextFrames();
        for (const peer of peers) peer?.[Symbol.dispose]();
      }
      await nextFrames();
    },
    120_000,
  );

  it.each(MESSAGES)(
    'that sends %s and disconnects is followed by frames',
    async (_name, bytes) => {
      for (const { port } of targets) {
        using peer = (await RawPeer.shake(port, 'DEALER')) ?? (await RawPeer.connect(port));
        peer.write(bytes);
      }
      await nextFrames();
    },
    60_000,
  );

  // libzmq 4.3.5 aborts when it answers a PING on a connection that was reset while its input was stopped by a full
  // queue.
  it.each([1, 8, 100])(
    'may fill the queue, with a PING after every %d messages, and reset its connection',
    async (every) => {
      const types: Readonly<Record<string, string>> = {
        pair: 'PAIR',
        subscribe: 'PUB',
        async2: 'PUB',
        async3: 'PUSH',
        'library 1': 'PUB',
      };
      for (const { name, port } of targets) {
        for (const type of [types[name] ?? 'DEALER', 'PAIR']) {
          const peer = (await RawPeer.shake(port, type)) ?? (await RawPeer.connect(port));
          const burst = Buffer.concat([
            ...Array.from({ length: every }, () => message('', 'x')),
            command('PING', Buffer.alloc(2)),
          ]);
          peer.write(Buffer.concat(Array.from({ length: Math.ceil(4000 / every) }, () => burst)));
          // The data must have been sent before the reset.
          await turn();
          peer.reset();
          await peer.closed;
        }
      }
      await nextFrames();
    },
    60_000,
  );

  it('is not admitted to a PAIR that has a peer, and releases everything', async () => {
    const { port } = targets.find(({ name }) => name === 'pair')!;
    for (let count = 0; count < 10; count += 1) {
      using peer = await RawPeer.connect(port);
      peer.write(Buffer.concat([greeting(), ready('PAIR'), message('x'), message('x')]));
      expect(await peer.receives(64)).toBe(true);
    }
    // The gateway closes refused connections; otherwise each would occupy a descriptor.
    await expect.poll(() => state('pair')).toBe('connected; another server is waiting for the first one to disconnect');
    await nextFrames();
  }, 60_000);

  it('may have the routing identifier of another peer', async () => {
    const { port } = targets.find(({ name }) => name === 'reply')!;
    const peers: RawPeer[] = [];
    for (let count = 0; count < 3; count += 1) {
      const peer = await RawPeer.connect(port);
      peer.write(greeting());
      await peer.receives(64);
      peer.write(ready('DEALER', Buffer.from('same')));
      peer.write(message('', 'x'));
      peers.push(peer);
    }
    await nextFrames();
    for (const peer of peers) peer[Symbol.dispose]();
  });

  it('is refused beside 128 others, and admitted when they leave', async () => {
    const { port } = targets.find(({ name }) => name === 'reply')!;
    const peers: RawPeer[] = [];
    // The sender is one of the peers.
    for (let count = 1; count < 128; count += 1) {
      const peer = await RawPeer.shake(port, 'DEALER');
      if (peer !== null) peers.push(peer);
    }
    await expect.poll(() => state('reply')).toMatch(/^connected, 128 servers/);
    expect(await RawPeer.shake(port, 'REQ')).toBeNull();
    await expect
      .poll(() => state('reply'))
      .toMatch(/127\.0\.0\.1 was refused: 128 ZeroMQ peers are already connected$/);
    await nextFrames();
    const request = new Request({ linger: 0, reconnectInterval: 20, receiveTimeout: 20_000 });
    request.connect(`tcp://127.0.0.1:${port}`);
    const answered = request.send(['{', 'x']).then(() => request.receive());
    for (const peer of peers) peer[Symbol.dispose]();
    await answered;
    request.close();
    await expect.poll(() => state('reply')).toMatch(/^connected;/);
  }, 60_000);

  it('cannot end a stream that another peer feeds', async () => {
    const { port } = targets.find(({ name }) => name === 'reply')!;
    using peer = await RawPeer.shake(port, 'DEALER');
    peer!.write(message('', '{"terminate_flag": true}'));
    await expect.poll(() => state('reply')).toMatch(/a termination was ignored/);
    expect(gateway.streams.get('reply')!.status().state).toBe('live');
    await nextFrames();
    // The library's receiver ends only with its server.
    using other = await RawPeer.shake(targets.find(({ name }) => name === 'library 0')!.port, 'DEALER');
    other!.write(message('', '{"terminate_flag": true}'));
    await expect.poll(() => state('library 0')).toMatch(/a termination was ignored/);
    await nextFrames();
  });

  it.each(['reply', 'hub', 'async1', 'multi', 'library 0', 'subscribe', 'async3'])(
    'may flood %s, by four connections',
    async (name) => {
      const { port } = targets.find((target) => target.name === name)!;
      const type = { subscribe: 'PUB', async3: 'PUSH' }[name] ?? 'DEALER';
      const floods = [
        message('hello'),
        message('', 'hello'),
        message('', ''),
        message('', '{"terminate_flag": false}', 'x'),
      ].map((bytes) => Buffer.concat(Array.from({ length: 500 }, () => bytes)));
      const peers = (await Promise.all(floods.map(() => RawPeer.shake(port, type)))).filter((peer) => peer !== null);
      expect(peers).toHaveLength(4);
      let isOver = false;
      const flooding = peers.map(async (peer, index) => {
        while (!isOver) {
          if (!peer.write(floods[index]!)) await Promise.race([peer.drained(), over]);
          await turn();
        }
      });
      let end: () => void = () => undefined;
      const over = new Promise<void>((resolve) => (end = resolve));
      const usualPauseMs = pauseMs;
      pauseMs = 5;
      try {
        for (let round = 0; round < 20; round += 1) await nextFrames();
      } finally {
        pauseMs = usualPauseMs;
        isOver = true;
        end();
      }
      await Promise.all(flooding);
      // Resets the connections while the queue is full: with ZMTP heartbeats, libzmq would abort within half a second.
      for (const peer of peers) peer.reset();
      const resetAtMs = performance.now();
      do await nextFrames();
      while (performance.now() - resetAtMs < 1000);
    },
    120_000,
  );
});

describe('a hostile program at the address of a client', () => {
  /** A TCP server that answers each connection with given bytes. @returns its port. */
  async function listen(answer: Uint8Array): Promise<{ readonly port: number; close(): Promise<void> }> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined).resume();
      socket.write(answer);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return {
      port: typeof address === 'object' && address !== null ? address.port : 0,
      close: () => new Promise((resolve) => server.close(() => resolve())),
    };
  }

  it.each([
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')],
    ['TLS', hex('15 0303 0002 0228')],
    ['SSH', Buffer.from('SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n')],
    ['noise', NOISE],
    ['nothing', Buffer.alloc(0)],
    ['ZMTP 1', hex('01 00 06 00 68656c6c6f')],
    ['a greeting and noise', Buffer.concat([greeting(), NOISE])],
  ])(
    'is %s: the gateway retries, and nothing crashes',
    async (name, answer) => {
      const server = await listen(answer);
      const senders = ([0, 1, 2] as const).map(
        (pattern) => new NetGearSender({ port: String(server.port), pattern, request_timeout: 0.3 }),
      );
      for (const sender of senders) {
        if (senders.indexOf(sender) < 2)
          await expect(sender.send(FRAME)).rejects.toMatchObject({
            code: expect.stringMatching(/^(?:no-client|timeout|disconnected)$/),
          });
        // libzmq accepts ZMTP 1 as ZeroMQ: only the answers show whether it is a client.
        if (name !== 'ZMTP 1') await expect.poll(() => sender.clients[0]!.state).not.toBe('ready');
      }
      await nextFrames();
      await Promise.all(senders.map((sender) => sender.close({ terminate: false })));
      await server.close();
    },
    30_000,
  );

  it('may answer with garbage, and flood with unrequested messages', async () => {
    const [replyPort = 0, routerPort = 0] = await freePorts(2);
    const reply = new Reply({ linger: 0 });
    await reply.bind(`tcp://127.0.0.1:${replyPort}`);
    const garbage: (string | Uint8Array)[][] = [
      ['x'],
      ['', '', ''],
      ['{"port": 1'],
      Array.from({ length: 1000 }, () => ''),
      [Buffer.alloc(1 << 20)],
    ];
    const replying = (async () => {
      for await (const _parts of reply) await reply.send(garbage[Math.floor(Math.random() * garbage.length)]!);
    })();
    const router = new Router({ linger: 0, sendTimeout: 100 });
    await router.bind(`tcp://127.0.0.1:${routerPort}`);
    let isOver = false;
    const flooding = (async () => {
      const parts = await router.receive();
      while (!isOver)
        await router.send([parts[0]!, ...(Math.random() < 0.5 ? [''] : []), 'nobody asked']).catch(() => undefined);
    })();
    const answered = new NetGearSender({
      port: String(replyPort),
      pattern: 1,
      bidirectional_mode: true,
      request_timeout: 1,
    });
    const flooded = new NetGearSender({
      port: String(routerPort),
      pattern: 1,
      bidirectional_mode: true,
      request_timeout: 1,
    });
    for (let count = 0; count < 5; count += 1) {
      // Each is refused or recognized; none may end the process.
      await answered.send(FRAME).catch((error: unknown) => expect(error).toMatchObject({ name: 'GearwayError' }));
      await flooded.send(FRAME).catch((error: unknown) => expect(error).toMatchObject({ name: 'GearwayError' }));
      await nextFrames();
    }
    isOver = true;
    await Promise.all([answered.close({ terminate: false }), flooded.close({ terminate: false })]);
    reply.close();
    router.close();
    await Promise.all([replying.catch(() => undefined), flooding]);
  }, 120_000);
});
