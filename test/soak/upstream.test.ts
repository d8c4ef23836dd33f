import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { type ClientReport, PythonPeer, VGA } from '../helpers/peers.ts';

interface Returned {
  n: number;
  t: number;
  data: Record<string, unknown> | null;
}
interface Hash {
  n: number;
  sha1: string;
}

const FRAMES = 150;

async function live(gateway: GatewayProcess, ...ports: number[]): Promise<void> {
  await gateway.statusWhere(`clients ${ports.join()} live`, ({ clients }) =>
    ports.every((port) => clients.some((client) => client.port === port && client.state === 'live')),
  );
}

describe('a real NetGear server as the source', () => {
  it.each([
    { pattern: 1, bidirectional: true },
    { pattern: 0, bidirectional: true },
    { pattern: 1, bidirectional: false },
    { pattern: 0, bidirectional: false },
    { pattern: 2, bidirectional: false },
  ])(
    'reaches two real clients frame by frame, pattern $pattern, bidirectional $bidirectional',
    async ({ pattern, bidirectional }) => {
      const [source, a, b] = (await freePorts(3)) as [number, number, number];
      await using gateway = await GatewayProcess.start(
        '--source',
        `netgear:tcp://127.0.0.1:${source}?pattern=${pattern}`,
        '--client',
        `tcp://127.0.0.1:${a}?pattern=1`,
        '--client',
        `tcp://127.0.0.1:${b}?pattern=0`,
      );
      await using first = new PythonPeer('client.py', {
        port: a,
        pattern: 1,
        bidirectional,
        returns: { from: 'a', list: [1, 2.5, null, 'é'] },
        awaited: FRAMES - 1,
        ...VGA,
      });
      await using second = new PythonPeer('client.py', {
        port: b,
        pattern: 0,
        bidirectional,
        returns: 'Hi',
        awaited: FRAMES - 1,
        ...VGA,
      });
      await live(gateway, a, b);
      await using server = new PythonPeer('server.py', {
        port: source,
        pattern,
        bidirectional,
        frames: FRAMES,
        ...VGA,
      });
      await server.waitFor('done', undefined, 60_000);
      // The last frames are still in transit when the server has sent them, and a terminated client discards its queue.
      const reports = await Promise.all(
        [first, second].map((peer) => peer.waitFor<ClientReport>('progress', ({ last }) => last === FRAMES - 1)),
      );
      const { received } = (await gateway.status()).counters;
      gateway.signal('SIGINT');
      await Promise.all([first, second].map((peer) => peer.waitFor('done')));
      const missed = FRAMES - received;
      // A real PUB queues one frame, and drops further ones while the network is busy: these never reach the gateway.
      if (pattern !== 2) expect(missed).toBe(0);
      for (const report of reports) {
        expect(report).toMatchObject({ last: FRAMES - 1, mismatched: 0 });
        if (missed === 0) expect(report).toMatchObject({ first: 0, gaps: 0 });
        else expect(report.count - report.repeats).toBeGreaterThanOrEqual(received);
      }
      const returned = server.events<Returned>('returned').map(({ data }) => data);
      if (bidirectional) {
        // The float is returned as a float, the list of all JSON types unchanged.
        expect(returned.at(-1)).toEqual({ [a]: { from: 'a', list: [1, 2.5, null, 'é'] }, [b]: 'Hi' });
      }
    },
  );

  it('forwards raw 8-bit frames unmodified', async () => {
    const [source, a] = (await freePorts(2)) as [number, number];
    await using gateway = await GatewayProcess.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${a}`,
    );
    await using client = new PythonPeer('client.py', { port: a, bidirectional: true, hash: true, ...VGA });
    await live(gateway, a);
    await using server = new PythonPeer('server.py', {
      port: source,
      bidirectional: true,
      raw: true,
      hash: true,
      frames: 60,
      ...VGA,
    });
    await server.waitFor('done');
    await client.waitFor<Hash>('frame', ({ n }) => n === 59);
    const sent = server.events<Hash>('sent').map(({ n, sha1 }) => `${n} ${sha1}`);
    const received = client.events<Hash>('frame').map(({ n, sha1 }) => `${n} ${sha1}`);
    expect(sent).toHaveLength(60);
    expect(received).toEqual(sent);
    expect((await gateway.status()).frame).toMatchObject({ width: 641, height: 479, encoding: 'uint8' });
  });
});
