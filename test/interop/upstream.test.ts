import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { type ClientReport, PythonPeer } from '../helpers/peers.ts';

interface Returned {
  n: number;
  t: number;
  data: Record<string, unknown> | null;
}

async function live(gateway: LocalGateway, ...ports: number[]): Promise<void> {
  await gateway.statusWhere(`clients ${ports.join()} live`, ({ clients }) =>
    ports.every((port) => clients.some((client) => client.port === port && client.state === 'live')),
  );
}

describe('a real NetGear server as the source', () => {
  it.each([{ bidirectional: true }, { bidirectional: false }])(
    'may be in multi-clients mode with the gateway as its only client, bidirectional $bidirectional',
    async ({ bidirectional }) => {
      const [source, a] = (await freePorts(2)) as [number, number];
      await using gateway = await LocalGateway.start(
        '--source',
        `netgear:tcp://127.0.0.1:${source}?pattern=1`,
        '--client',
        `tcp://127.0.0.1:${a}`,
      );
      await using client = new PythonPeer('client.py', { port: a, bidirectional, returns: 'a' });
      await live(gateway, a);
      await using server = new PythonPeer('server.py', { port: source, bidirectional, multiclient: true, frames: 60 });
      // send() of this mode returns (port, data).
      await server.waitFor<{ data: unknown }>(
        'returned',
        ({ data }) => JSON.stringify(data) === JSON.stringify([String(source), { [a]: 'a' }]),
      );
      expect(await client.waitFor<ClientReport>('progress', ({ last }) => (last ?? 0) > 30)).toMatchObject({
        first: 0,
        gaps: 0,
        mismatched: 0,
      });
    },
  );

  it('returns arrays, raw and as JPEG, inside the object', async () => {
    const [source, a, b] = (await freePorts(3)) as [number, number, number];
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${a}`,
      '--client',
      `tcp://127.0.0.1:${b}`,
    );
    await using raw = new PythonPeer('client.py', {
      port: a,
      bidirectional: true,
      raw_returns: true,
      returns: { $array: 'float32', shape: [2, 3] },
    });
    await using jpeg = new PythonPeer('client.py', {
      port: b,
      bidirectional: true,
      returns: { $array: 'uint8', shape: [16, 16, 3] },
    });
    await live(gateway, a, b);
    expect([raw.isRunning, jpeg.isRunning]).toEqual([true, true]);
    await using server = new PythonPeer('server.py', { port: source, bidirectional: true, frames: 60 });
    const { data } = await server.waitFor<Returned>('returned', ({ data: all }) =>
      [a, b].every((port) => (all?.[port] ?? null) !== null),
    );
    // 0…5 as little-endian float32.
    expect(data?.[a]).toEqual({
      $ndarray: { dtype: 'float32', shape: [2, 3], data: 'AAAAAAAAgD8AAABAAABAQAAAgEAAAKBA' },
    });
    expect(data?.[b]).toEqual({ $ndarray: { jpeg: expect.stringMatching(/^\/9j\//) as string } });
  });

  it('is served again after it was killed, and no longer gets data of a client that left', async () => {
    const [source, a, b] = (await freePorts(3)) as [number, number, number];
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${a}`,
      '--client',
      `tcp://127.0.0.1:${b}`,
    );
    await using stays = new PythonPeer('client.py', { port: a, bidirectional: true, returns: 'a' });
    const leaves = new PythonPeer('client.py', { port: b, bidirectional: true, returns: 'b' });
    await live(gateway, a, b);
    await using killed = new PythonPeer('server.py', { port: source, bidirectional: true, frames: 3000 });
    await killed.waitFor<Returned>('returned', ({ data }) => data?.[a] === 'a' && data[b] === 'b');
    leaves.signal('SIGKILL');
    const killedAt = Date.now() / 1000;
    const gone = await killed.waitFor<Returned>('returned', ({ data, t }) => t > killedAt && data?.[b] === undefined);
    expect(gone.data).toEqual({ [a]: 'a' });
    expect(gone.t - killedAt).toBeLessThan(1);
    killed.signal('SIGKILL');
    await gateway.statusWhere('a stale stream', ({ state }) => state === 'stale');
    await using next = new PythonPeer('server.py', { port: source, bidirectional: true, frames: 60 });
    await next.waitFor<Returned>('returned', ({ data }) => data?.[a] === 'a');
    await gateway.statusWhere('a live stream', ({ state }) => state === 'live');
    expect(stays.isRunning).toBe(true);
  });
});
