import { describe, expect, it } from 'vitest';
import { NetGearReceiver } from '../../gateway/netgear/index.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../../gateway/create-gateway.ts';
import { freePorts } from '../helpers/free-port.ts';
import { JPEG, Viewer } from '../helpers/viewer.ts';

const SMALL = 'test-pattern:?size=160x120&fps=20';
const LARGE = 'test-pattern:?size=320x240&fps=20';
const THREE: GatewayOptions = {
  port: 0,
  streams: { door: { source: 'push:' }, yard: { source: SMALL }, gate: { source: 'push:' } },
};
const withYard = (yard: NonNullable<GatewayOptions['streams']>[string]): GatewayOptions => ({
  ...THREE,
  streams: { ...THREE.streams, yard },
});

async function start(options: GatewayOptions = THREE): Promise<Gateway & { readonly url: string }> {
  const gateway = await createGateway(options);
  const { url } = await gateway.listen();
  return Object.assign(gateway, { url });
}

async function watch(url: string, stream: string): Promise<Viewer> {
  const viewer = await Viewer.connect(url, stream);
  viewer.sendHello();
  await viewer.until('welcome');
  return viewer;
}

describe('reconfigure', () => {
  it('switches one stream within 1 s while viewers of another lose no frame', async () => {
    await using gateway = await start();
    await using door = await watch(gateway.url, 'door');
    await using yard = await watch(gateway.url, 'yard');
    expect(await yard.until('frame')).toMatchObject({ width: 160 });

    let isDone = false;
    const pushing = (async () => {
      const seen: number[] = [];
      // Each frame is pushed when the viewer has the previous one, so that every lost frame is a gap.
      while (!isDone || seen.length < 20) {
        gateway.streams.get('door')?.push(JPEG);
        const { sequence } = await door.until('frame');
        door.ack(sequence);
        seen.push(sequence);
        await new Promise((resolve) => setImmediate(resolve));
      }
      return seen;
    })();
    const fromMs = performance.now();
    expect(await gateway.reconfigure(withYard({ source: LARGE }))).toEqual({
      added: [],
      removed: [],
      changed: ['yard'],
      rights: [],
      webhooks: [],
      needsRestart: [],
      problems: [],
    });
    for (let width = 160; width !== 320;) {
      const frame = await yard.until('frame');
      yard.ack(frame.sequence);
      ({ width } = frame);
    }
    expect(performance.now() - fromMs).toBeLessThan(1000);
    isDone = true;
    const seen = await pushing;
    expect(seen).toEqual(seen.map((_, index) => index + 1));
  });

  it('restarts nothing if nothing has changed', async () => {
    await using gateway = await start();
    const before = [...gateway.streams.values()];
    expect(await gateway.reconfigure(THREE)).toEqual({
      added: [],
      removed: [],
      changed: [],
      rights: [],
      webhooks: [],
      needsRestart: [],
      problems: [],
    });
    expect([...gateway.streams.values()]).toEqual(before);
  });

  it('adds and removes streams, and reports the reason to viewers of a removed stream', async () => {
    await using gateway = await start();
    await using gate = await watch(gateway.url, 'gate');
    expect(
      await gateway.reconfigure({
        port: 0,
        streams: { porch: { source: SMALL }, door: { source: 'push:' }, yard: { source: SMALL } },
      }),
    ).toMatchObject({ added: ['porch'], removed: ['gate'], changed: [] });
    expect(await gate.closed).toEqual({ code: 4009, reason: 'the stream was removed from the configuration' });
    expect([...gateway.streams.keys()]).toEqual(['porch', 'door', 'yard']);
    expect(gateway.stream.name).toBe('porch');
    await using porch = await watch(gateway.url, 'porch');
    expect(await porch.until('frame')).toMatchObject({ width: 160 });
    expect((await fetch(`${gateway.url}streams/gate/snapshot.jpg`)).status).toBe(404);
    expect((await fetch(`${gateway.url}streams/porch/snapshot.jpg?width=80`)).status).toBe(200);
  });

  it.each<[string, Partial<NonNullable<GatewayOptions['streams']>[string]>]>([
    ['virtual ports', { virtualPorts: '7000-7003' }],
    ['a policy', { start: 'all' }],
    ['renditions', { renditions: 'off' }],
  ])('recreates a stream with other %s, to which viewers may reconnect', async (_what, change) => {
    await using gateway = await start();
    await using yard = await watch(gateway.url, 'yard');
    expect(await gateway.reconfigure(withYard({ source: SMALL, ...change }))).toMatchObject({ changed: ['yard'] });
    expect((await yard.closed).code).toBe(1001);
    await using again = await watch(gateway.url, 'yard');
    expect(await again.until('frame')).toMatchObject({ width: 160 });
  });

  it('changes native clients without affecting the others', async () => {
    // Nothing is listening at these addresses.
    const clients = (...ports: number[]): string[] => ports.map((port) => `tcp://127.0.0.1:1?id=${port}`);
    const portsOf = (gateway: Gateway): unknown[] => gateway.streams.get('yard')!.clients.map(({ port }) => port);
    await using gateway = await start(withYard({ source: SMALL, clients: clients(5567, 5568) }));
    const added = gateway.streams.get('yard')!.addClient('tcp://127.0.0.1:1?id=5570');
    expect(await gateway.reconfigure(withYard({ source: SMALL, clients: clients(5568, 5569) }))).toMatchObject({
      changed: ['yard'],
      problems: [],
    });
    expect(portsOf(gateway)).toEqual([5568, 5569, added.port]);
    // A port of another client.
    const other = ['tcp://127.0.0.1:2?id=5570'];
    expect(
      (await gateway.reconfigure(withYard({ source: SMALL, clients: [...clients(5568), ...other] }))).problems,
    ).toHaveLength(1);
    expect(portsOf(gateway)).toEqual([5568, 5570]);
    await gateway.reconfigure(withYard({ source: SMALL, clients: clients(5568) }));
    expect(portsOf(gateway)).toEqual([5568]);
  });

  it.each(['keep', 'terminate'] as const)('ends native clients by the latest onClose: %s', async (onClose) => {
    const [port = 0] = await freePorts(1);
    await using receiver = new NetGearReceiver({ address: '127.0.0.1', port, pattern: 1 });
    await receiver.open();
    const clients = [`tcp://127.0.0.1:${port}`];
    const gateway = await start({
      ...withYard({ source: SMALL, clients }),
      onClose: onClose === 'keep' ? 'terminate' : 'keep',
    });
    expect(await receiver.recv()).not.toBeNull();
    expect(await gateway.reconfigure({ ...withYard({ source: SMALL, clients }), onClose })).toMatchObject({
      needsRestart: [],
      changed: [],
    });
    await gateway.close();
    let isEnded = false;
    const ended = (async () => {
      while ((await receiver.recv()) !== null);
      isEnded = true;
    })();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(isEnded).toBe(onClose === 'terminate');
    await receiver.close();
    await ended;
  });

  it('takes over a native client that was added before it was configured', async () => {
    const client = 'tcp://127.0.0.1:1?id=5570';
    await using gateway = await start(withYard({ source: SMALL }));
    gateway.streams.get('yard')!.addClient(client);
    const change = await gateway.reconfigure(withYard({ source: SMALL, clients: [client] }));
    expect(change).toMatchObject({ changed: ['yard'], problems: [] });
    expect(gateway.streams.get('yard')!.clients).toMatchObject([{ port: 5570 }]);
    await gateway.reconfigure(withYard({ source: SMALL }));
    expect(gateway.streams.get('yard')!.clients).toEqual([]);
  });

  it('keeps trying to open a source that does not work', async () => {
    await using gateway = await start();
    expect(await gateway.reconfigure(withYard({ source: 'directory:/nowhere/at/all' }))).toMatchObject({
      changed: ['yard'],
    });
    await expect.poll(() => gateway.streams.get('yard')?.status().source.lastError).toMatch(/nowhere/);
    expect(await gateway.reconfigure(THREE)).toMatchObject({ changed: ['yard'] });
    await expect.poll(() => gateway.streams.get('yard')?.status().state).toBe('live');
  });

  it.each<[string, GatewayOptions]>([
    ['an unknown source', withYard({ source: 'ftp://camera' })],
    ['invalid ports', withYard({ source: SMALL, virtualPorts: 'a' })],
    ['a client of an unknown stream', { ...THREE, clients: ['attic=tcp://127.0.0.1:1'] }],
    ['no token beyond this machine', { ...THREE, host: '0.0.0.0' }],
  ])('changes nothing with %s', async (_what, options) => {
    await using gateway = await start();
    const before = JSON.stringify(gateway.streams.get('yard')?.status().source);
    await expect(gateway.reconfigure(options)).rejects.toMatchObject({ name: 'GearwayError' });
    expect([...gateway.streams.keys()]).toEqual(['door', 'yard', 'gate']);
    expect(JSON.stringify(gateway.streams.get('yard')?.status().source)).toBe(before);
    expect(await gateway.reconfigure(THREE)).toMatchObject({ changed: [] });
  });

  it('reports options that require a restart', async () => {
    await using gateway = await start();
    expect(
      await gateway.reconfigure({ ...THREE, host: 'localhost', token: 'abc', limits: { viewers: { total: 3 } } }),
    ).toMatchObject({
      changed: [],
      rights: ['administrator key', 'this machine', 'token'],
      needsRestart: ['host', 'limits'],
    });
  });

  it('is refused after the gateway was closed', async () => {
    const gateway = await start();
    await gateway.close();
    await expect(gateway.reconfigure(THREE)).rejects.toMatchObject({ code: 'closed' });
  });
});
