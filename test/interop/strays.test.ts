import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { PythonPeer } from '../helpers/peers.ts';
import { greeting, message, RawPeer } from '../helpers/zmtp.ts';

const HTTP = Buffer.from(`GET / HTTP/1.1\r\nHost: 127.0.0.1:5555\r\nUser-Agent: ${'Mozilla/5.0 '.repeat(20)}\r\n\r\n`);

/** Data of strays, which are repeated until the server has sent all its frames. */
const STRAYS: readonly ((port: number) => Promise<void>)[] = [
  async (port) => {
    using peer = await RawPeer.connect(port);
    peer.write(HTTP);
    await peer.closed;
  },
  async (port) => (await RawPeer.connect(port))[Symbol.dispose](),
  async (port) => {
    using peer = await RawPeer.connect(port);
    peer.write(greeting(1, 'CURVE'));
    await peer.closed;
  },
  async (port) => {
    using _peer = await RawPeer.shake(port, 'PUSH');
  },
  // Floods: messages that are not requests, and requests that are not frames. The peer then disconnects while the queue
  // is full.
  ...[message('hello'), message('a', 'b', 'c'), message('', 'hello'), message('', '{"terminate_flag": true}')].map(
    (bytes) => async (port: number) => {
      const peer = await RawPeer.shake(port, 'DEALER');
      if (peer === null) return;
      const flood = Buffer.concat(Array.from({ length: 200 }, () => bytes));
      for (let count = 0; count < 50 && peer.write(flood); count += 1) await turn();
      peer.reset();
    },
  ),
];

describe('a real server and a real client, while strays connect to the port of the source', () => {
  it('exchange every frame', async () => {
    const FRAMES = 100;
    const [source = 0, native = 0] = await freePorts(2);
    await using gateway = await GatewayProcess.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${native}?pattern=1`,
    );
    await using client = new PythonPeer('client.py', { port: native });
    await client.waitFor('ready');
    await using server = new PythonPeer('server.py', { port: source, pattern: 1, frames: FRAMES, quiet: true });
    await server.waitFor('progress');
    let isOver = false;
    const straying = STRAYS.map(async (stray) => {
      while (!isOver && gateway.isRunning) {
        // At the limit of peers, connections are refused.
        await stray(source).catch(() => delay(100));
        await turn();
      }
    });
    try {
      await server.waitFor('done', () => true, 120_000);
    } finally {
      isOver = true;
      await Promise.all(straying);
    }
    expect(gateway.isRunning).toBe(true);
    const { counters } = await gateway.status();
    // REQ sends the next frame after the answer to the previous one: no answer may be lost or sent to another peer.
    expect(counters.received).toBe(FRAMES);
    expect(
      (await gateway.statusWhere('the client has received frames', ({ clients }) => (clients[0]?.delivered ?? 0) > 0))
        .clients[0]?.rejected,
    ).toBe(0);
    // One line per 10 s, despite thousands of strays.
    expect(
      gateway.stderr.all.filter((line) => line.includes('refused') || line.includes('rejected')).length,
    ).toBeLessThan(60);
  });
});
