import { describe, expect, it } from 'vitest';
import { freePorts } from '../helpers/free-port.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { type ClientReport, PythonPeer } from '../helpers/peers.ts';
import { WebViewer } from '../helpers/web-viewer.ts';

const PICTURE = { height: 120, width: 400 };

describe('--start all', () => {
  it('withholds frames until each listed client has connected once, and reports the missing clients', async () => {
    const [source, a, b] = (await freePorts(3)) as [number, number, number];
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      '--client',
      `tcp://127.0.0.1:${a}`,
      '--client',
      `tcp://127.0.0.1:${b}?pattern=2`,
      '--start',
      'all',
    );
    await using viewer = await WebViewer.open(`${gateway.url}/streams/main`);
    await using first = new PythonPeer('client.py', { port: a, bidirectional: true, ...PICTURE });
    await using server = new PythonPeer('server.py', { port: source, bidirectional: true, frames: 600, ...PICTURE });
    const held = await gateway.statusWhere(
      'a stream that withholds frames',
      ({ counters, awaited }) => counters.received > 60 && awaited.length === 1,
    );
    expect(held).toMatchObject({
      state: 'waiting',
      awaited: [b],
      reason: `holding frames until every client has connected once, missing: ${b} (start: all)`,
    });
    expect(held.clients.map(({ port, delivered }) => ({ port, delivered }))).toEqual(
      [
        { port: a, delivered: 0 },
        { port: b, delivered: 0 },
        { port: 6000, delivered: 0 },
      ].sort((x, y) => x.port - y.port),
    );
    // The server gets answers in the meantime, because it would time out otherwise.
    expect(server.isRunning).toBe(true);
    await using second = new PythonPeer('client.py', { port: b, pattern: 2, ...PICTURE });
    await gateway.statusWhere('a live stream', ({ state, awaited }) => state === 'live' && awaited.length === 0);
    const { first: firstNumber, mismatched } = await first.waitFor<ClientReport>(
      'progress',
      ({ last }) => last !== null,
    );
    expect(firstNumber).toBeGreaterThan(60);
    expect(mismatched).toBe(0);
    await second.waitFor<ClientReport>('progress', ({ last }) => (last ?? 0) > 0);
    await expect.poll(() => viewer.messages.length).toBeGreaterThan(10);
    // Once started, it stays started.
    second.signal('SIGKILL');
    await gateway.statusWhere(
      'one client disconnected',
      ({ clients, state }) =>
        state === 'live' && clients.some(({ port, state: now }) => port === b && now === 'connecting'),
    );
  });
});

describe('--distribution round-robin', () => {
  it('sends each frame to one native client in rotation, skipping missing ones; viewers get all', async () => {
    const [source, a, b, missing] = (await freePorts(4)) as [number, number, number, number];
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      ...[a, missing, b].flatMap((port) => ['--client', `tcp://127.0.0.1:${port}`]),
      '--distribution',
      'round-robin',
    );
    await using one = new PythonPeer('client.py', { port: a, bidirectional: true, numbers: true, ...PICTURE });
    await using two = new PythonPeer('client.py', { port: b, bidirectional: true, numbers: true, ...PICTURE });
    await using viewer = await WebViewer.open(`${gateway.url}/streams/main`);
    await gateway.statusWhere(
      'two live clients',
      ({ clients }) => clients.filter(({ kind, state }) => kind === 'native' && state === 'live').length === 2,
    );
    const frames = 100;
    await using server = new PythonPeer('server.py', {
      port: source,
      bidirectional: true,
      frames,
      fps: 15,
      ...PICTURE,
    });
    await server.waitFor('done');
    const numbers = (peer: PythonPeer): number[] => peer.events<{ n: number }>('number').map(({ n }) => n);
    const all = (): number[] => [...numbers(one), ...numbers(two)];
    // The newest frame is never skipped.
    await expect.poll(() => Math.max(...all())).toBe(frames - 1);
    expect(new Set(all()).size).toBe(all().length);
    // On a busy machine, a client or viewer that is late skips a few frames.
    expect(all().length).toBeGreaterThan(0.7 * frames);
    for (const client of [one, two]) expect(numbers(client).length).toBeGreaterThan(frames / 5);
    expect(viewer.messages.filter((message) => message !== null).length).toBeGreaterThan(0.7 * frames);
  });
});

describe('--on-source-end terminate', () => {
  it('terminates native clients with the source, in every pattern; clients that return are served', async () => {
    const [source, ...ports] = (await freePorts(4)) as [number, number, number, number];
    const patterns = [0, 1, 2];
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1`,
      ...patterns.flatMap((pattern) => ['--client', `tcp://127.0.0.1:${ports[pattern]}?pattern=${pattern}`]),
      '--on-source-end',
      'terminate',
    );
    const start = (pattern: number): PythonPeer =>
      new PythonPeer('client.py', { port: ports[pattern], pattern, bidirectional: pattern < 2, ...PICTURE });
    const clients = patterns.map(start);
    await gateway.statusWhere('three live clients', ({ clients: all }) => all.every(({ state }) => state === 'live'));
    {
      await using server = new PythonPeer('server.py', { port: source, bidirectional: true, frames: 60, ...PICTURE });
      await server.waitFor('done');
      await Promise.all(clients.map((client) => client.waitFor('done')));
      await Promise.all(clients.map((client) => client.exited));
    }
    await using again = start(1);
    await gateway.statusWhere('a live client', ({ clients: all }) =>
      all.some(({ port, state }) => port === ports[1] && state === 'live'),
    );
    await using server = new PythonPeer('server.py', { port: source, bidirectional: true, frames: 600, ...PICTURE });
    expect(await again.waitFor<ClientReport>('progress', ({ last }) => (last ?? 0) > 15)).toMatchObject({
      mismatched: 0,
    });
    expect(server.isRunning).toBe(true);
  });
});

describe('native clients through the API', () => {
  it('are added while running, and end when they are removed', async () => {
    const [source, a] = (await freePorts(2)) as [number, number];
    await using gateway = await LocalGateway.start('--source', `netgear:tcp://127.0.0.1:${source}?pattern=1`);
    await using server = new PythonPeer('server.py', { port: source, bidirectional: true, frames: 1200, ...PICTURE });
    await using client = new PythonPeer('client.py', { port: a, bidirectional: true, returns: 'here', ...PICTURE });
    const clients = `${gateway.url}/api/streams/main/clients`;
    const administer = { authorization: `Bearer ${gateway.key}` };
    const post = (address: string): Promise<Response> =>
      fetch(clients, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...administer },
        body: JSON.stringify({ address }),
      });
    const added = await post(`tcp://127.0.0.1:${a}`);
    expect(added.status).toBe(201);
    expect(await added.json()).toMatchObject({ id: `native-${a}`, port: a, kind: 'native', state: 'connecting' });
    await server.waitFor<{ data: Record<string, unknown> | null }>('returned', ({ data }) => data?.[a] === 'here');
    const twice = await post(`tcp://127.0.0.1:${a}`);
    expect([twice.status, ((await twice.json()) as { code: string }).code]).toEqual([409, 'port-taken']);
    expect((await fetch(`${clients}/native-${a}`, { method: 'DELETE', headers: administer })).status).toBe(200);
    await client.waitFor('done');
    const gone = await server.waitFor<{ data: Record<string, unknown> | null; n: number }>(
      'returned',
      ({ data }) =>
        data !== null &&
        Object.keys(data).length === 0 &&
        server
          .events<{ data: Record<string, unknown> | null }>('returned')
          .some(({ data: earlier }) => earlier?.[a] === 'here'),
    );
    expect(gone.data).toEqual({});
    expect((await gateway.status()).clients).toEqual([]);
  });
});
