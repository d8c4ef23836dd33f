import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../gateway/codecs/jpeg.ts';
import type { StreamStatus } from '../../shared/status.ts';
import { freePorts } from '../helpers/free-port.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { LocalGateway } from '../helpers/local-gateway.ts';
import { PythonPeer } from '../helpers/peers.ts';
import { WebViewer } from '../helpers/web-viewer.ts';

interface Done {
  sent: number;
  by_port: Record<string, unknown>;
  dealt: Record<string, number>;
}

describe('a server in multi-clients mode', () => {
  it('sends the JPEG of a port to the server as a picture', async () => {
    const ports = await freePorts(2);
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${ports.join(',')}?multiclient=true`,
    );
    await using viewer = await WebViewer.open(`${gateway.url}/streams/main`, { port: ports[1]! });
    await viewer.return({
      kind: 'jpeg',
      data: await encodeJpeg({ data: new Uint8Array(32 * 16 * 3).fill(200), width: 32, height: 16, channels: 3 }),
    });
    await using server = new PythonPeer('server.py', {
      ports,
      multiclient: true,
      frames: 60,
      height: 120,
      width: 400,
      quiet: true,
    });
    // One colour, which every decoder decodes to 200 in each sample.
    expect((await server.waitFor<Done>('done')).by_port).toEqual({
      [ports[0]!]: null,
      [ports[1]!]: {
        $array: 'uint8',
        shape: [16, 32, 3],
        sha1: createHash('sha1')
          .update(new Uint8Array(32 * 16 * 3).fill(200))
          .digest('hex'),
      },
    });
  });

  it('with pattern 2 is received once, at its first port, and has no ports for clients', async () => {
    const ports = await freePorts(2);
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${ports.join(',')}?multiclient=true&pattern=2`,
    );
    await using viewer = await WebViewer.open(`${gateway.url}/streams/main`);
    expect((await viewer.welcome).port).toBe(6000);
    await using server = new PythonPeer('server.py', {
      ports,
      multiclient: true,
      pattern: 2,
      frames: 120,
      height: 120,
      width: 400,
    });
    await server.waitFor('done');
    const { received } = (await gateway.statusWhere('frames', ({ counters }) => counters.received > 60)).counters;
    // The first frames of a publisher have no receiver yet; no frame arrives twice.
    expect(received).toBeLessThanOrEqual(120);
  });
});

describe('servers in multi-servers mode', () => {
  it.each([1, 2])('are one stream each, and one that ends does not affect the others, pattern %i', async (pattern) => {
    const ports = await freePorts(3);
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${ports.join(',')}?multiserver=true&pattern=${pattern}`,
    );
    const streams = async (): Promise<StreamStatus[]> =>
      (await (await fetch(`${gateway.url}/api/streams`)).json()) as StreamStatus[];
    expect((await streams()).map(({ name, state }) => ({ name, state }))).toEqual(
      ports.map((port) => ({ name: String(port), state: 'waiting' })),
    );
    await using viewer = await WebViewer.open(`${gateway.url}/streams/${ports[2]}`);
    const options = { multiserver: true, pattern, bidirectional: pattern === 1, height: 120, width: 400 };
    await using first = new PythonPeer('server.py', { ...options, port: ports[0], frames: 60 });
    await using second = new PythonPeer('server.py', { ...options, port: ports[1], frames: 600 });
    await using third = new PythonPeer('server.py', { ...options, port: ports[2], frames: 600 });
    if (pattern === 1) {
      await viewer.return({ kind: 'value', value: 'stop' });
      await third.waitFor<{ data: unknown }>('returned', ({ data }) => JSON.stringify(data) === '{"6000":"stop"}');
      expect(second.events<{ data: unknown }>('returned').every(({ data }) => JSON.stringify(data) === '{}')).toBe(
        true,
      );
    }
    await first.waitFor('done');
    const states = async (): Promise<string> => (await streams()).map(({ state }) => state).join();
    await expect.poll(states).toBe('ended,live,live');
    const before = (await streams()).map(({ counters }) => counters.received);
    await expect
      .poll(
        async () =>
          (await streams()).slice(1).every(({ counters }, index) => counters.received > before[index + 1]! + 30),
        { timeout: 10_000 },
      )
      .toBe(true);
    expect(await states()).toBe('ended,live,live');
    expect([second.isRunning, third.isRunning]).toEqual([true, true]);
  });
});

describe('a native client in multi-servers mode', () => {
  it.each([1, 2])('gets the port of serverPort=, pattern %i', async (pattern) => {
    const [a] = (await freePorts(1)) as [number];
    await using gateway = await GatewayProcess.start(
      '--source',
      'test-pattern:?size=320x180&fps=10',
      '--client',
      `tcp://127.0.0.1:${a}?pattern=${pattern}&serverPort=5566`,
      '--on-close',
      'terminate',
    );
    await using client = new PythonPeer('client.py', { multiserver: true, ports: [a], pattern });
    await client.waitFor(
      'from',
      ({ port, message }: { port: string; message: { number?: number } | null }) =>
        port === '5566' && (message?.number ?? 0) > 0,
    );
    // The client ends with its only server.
    gateway.signal('SIGTERM');
    await client.waitFor('done');
    expect(await gateway.exited).toBe(0);
  });
});

describe('returns=', () => {
  it('newest returns only the newest value of any client, including arrays', async () => {
    const [source] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=0&returns=newest`,
    );
    await using one = await WebViewer.open(`${gateway.url}/streams/main`);
    await using two = await WebViewer.open(`${gateway.url}/streams/main`);
    await using server = new PythonPeer('server.py', {
      port: source,
      pattern: 0,
      bidirectional: true,
      frames: 900,
      height: 120,
      width: 400,
    });
    const returned = (json: string): Promise<unknown> =>
      server.waitFor<{ data: unknown }>('returned', ({ data }) => JSON.stringify(data) === json);
    await one.return({ kind: 'value', value: 'from one' });
    await returned('"from one"');
    await two.return({ kind: 'value', value: [1, 2.5, null] });
    await returned('[1,2.5,null]');
    await one.return({ kind: 'value', value: 'once' }, 'once');
    await returned('"once"');
    const data = Uint8Array.from([0, 0, 128, 63]);
    await one.return({ kind: 'array', array: { dtype: 'float32', shape: [1], data } });
    await returned(`{"$array":"float32","shape":[1],"sha1":"${createHash('sha1').update(data).digest('hex')}"}`);
  });
});

describe('capturedAt=', () => {
  it('transfers the time of capture from the message to the viewer', async () => {
    const [source] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start(
      '--source',
      `netgear:tcp://127.0.0.1:${source}?pattern=1&capturedAt=t`,
    );
    await using viewer = await WebViewer.open(`${gateway.url}/streams/main`);
    await using _server = new PythonPeer('server.py', {
      port: source,
      bidirectional: true,
      frames: 600,
      height: 120,
      width: 400,
    });
    await expect.poll(() => viewer.messages.length).toBeGreaterThan(0);
    const { t } = viewer.messages.at(-1) as { t: number };
    expect(viewer.capturedAtUs).toBe(Math.round(t * 1_000_000));
    expect(Math.abs(viewer.capturedAtUs! / 1000 - Date.now())).toBeLessThan(5000);
  });
});

describe('a second PAIR server', () => {
  it('is shown as waiting, and served when the first one is killed', async () => {
    const [source] = (await freePorts(1)) as [number];
    await using gateway = await LocalGateway.start('--source', `netgear:tcp://127.0.0.1:${source}?pattern=0`);
    const options = { port: source, pattern: 0, bidirectional: true, frames: 3000, height: 120, width: 400 };
    await using first = new PythonPeer('server.py', options);
    await gateway.statusWhere('frames', ({ state }) => state === 'live');
    await using second = new PythonPeer('server.py', options);
    await gateway.statusWhere(
      'a waiting server',
      ({ source: { state } }) => state === 'connected; another server is waiting for the first one to disconnect',
    );
    const [before] = second.events('returned');
    expect(before).toBeUndefined();
    first.signal('SIGKILL');
    await second.waitFor('returned');
    await gateway.statusWhere(
      'one server',
      ({ state, source: now }) => state === 'live' && now.state.startsWith('connected'),
    );
  });
});
