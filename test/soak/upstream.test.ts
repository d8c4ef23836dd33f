import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
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

async function live(gateway: LocalGateway | GatewayProcess, ...ports: number[]): Promise<void> {
  await gateway.statusWhere(`clients ${ports.join()} live`, ({ clients }) =>
    ports.every((port) => clients.some((client) => client.port === port && client.state === 'live')),
  );
}

describe('a real NetGear server as the source', () => {
  it.each([
    // The usual pattern and the pattern that drops frames have the usual size, the others the peers' default size.
    { pattern: 1, bidirectional: true, size: VGA },
    { pattern: 0, bidirectional: true, size: {} },
    { pattern: 1, bidirectional: false, size: {} },
    { pattern: 0, bidirectional: false, size: {} },
    { pattern: 2, bidirectional: false, size: VGA },
  ])(
    'reaches two real clients frame by frame, pattern $pattern, bidirectional $bidirectional',
    async ({ pattern, bidirectional, size }) => {
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
        ...size,
      });
      await using second = new PythonPeer('client.py', {
        port: b,
        pattern: 0,
        bidirectional,
        returns: 'Hi',
        awaited: FRAMES - 1,
        ...size,
      });
      await live(gateway, a, b);
      await using server = new PythonPeer('server.py', {
        port: source,
        pattern,
        bidirectional,
        frames: FRAMES,
        ...size,
      });
      await server.waitFor('done', undefined, 60_000);
      // The last frames are still in transit when the server has sent them, and a terminated client discards its queue.
      const reports = await Promise.all(
        [first, second].map((peer) => peer.waitFor<ClientReport>('progress', ({ last }) => last === FRAMES - 1)),
      );
      const { counters, clients } = await gateway.status();
      const { received } = counters;
      gateway.signal('SIGINT');
      await Promise.all([first, second].map((peer) => peer.waitFor('done')));
      const missed = FRAMES - received;
      // A real PUB queues one frame, and drops further ones while the network is busy: these never reach the gateway.
      if (pattern !== 2) expect(missed).toBe(0);
      for (const [index, report] of reports.entries()) {
        const skipped = clients.find(({ port }) => port === [a, b][index])!.dropped;
        expect(report).toMatchObject({ last: FRAMES - 1, mismatched: 0, disordered: 0 });
        // On a busy machine, a client skips the frames for which it was not ready.
        if (missed + skipped === 0) expect(report).toMatchObject({ first: 0, gaps: 0 });
        expect(report.count - report.repeats).toBeGreaterThanOrEqual(received - skipped);
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
    await using gateway = await LocalGateway.start(
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
    const { frame, clients } = await gateway.status();
    expect(sent).toHaveLength(60);
    // On a busy machine, the client skips the frames for which it was not ready.
    expect(received.length).toBeGreaterThanOrEqual(sent.length - clients[0]!.dropped);
    expect(received).toEqual(sent.filter((each) => received.includes(each)));
    expect(frame).toMatchObject({ width: 641, height: 479, encoding: 'uint8' });
  });
});
