import { describe, expect, it } from 'vitest';
import type { ClusterConnection, GatewayStatus, StreamStatus } from '../../../shared/status.ts';
import { CuttableProxy } from '../../helpers/cuttable-proxy.ts';
import { freePorts } from '../../helpers/free-port.ts';
import { GatewayProcess } from '../../helpers/gateway-process.ts';
import { NatsServer } from '../../helpers/nats.ts';
import { type ClientReport, PythonPeer } from '../../helpers/peers.ts';
import { Viewer } from '../../helpers/viewer.ts';
import { get, Here, served, until } from './here.ts';

const PATTERN = 'main=test-pattern:?size=320x180&fps=20';

/** Acknowledges frames until the viewer's socket ends; keeps the time of the latest. */
function watch(viewer: Viewer): { readonly latestAtMs: () => number; readonly count: () => number } {
  let latestAtMs = performance.now();
  let count = 0;
  void (async () => {
    for (;;) {
      const message = await viewer.take();
      if (message.type !== 'frame') continue;
      count += 1;
      latestAtMs = performance.now();
      viewer.ack(message.sequence);
    }
  })().catch(() => undefined);
  return { latestAtMs: () => latestAtMs, count: () => count };
}

/** Time until the next frame. */
async function nextFrame(watched: ReturnType<typeof watch>): Promise<number> {
  const fromMs = performance.now();
  const before = watched.count();
  await until(
    'a frame',
    () => watched.count(),
    (count) => count > before,
  );
  return performance.now() - fromMs;
}

// Concurrent, because the tests mostly wait.
describe.concurrent('a cluster with faults', () => {
  it('continues the source when its gateway is killed, and viewers keep their ports and pictures', async () => {
    await using nats = await NatsServer.start();
    await using a = await GatewayProcess.start(
      '--source',
      PATTERN,
      '--failover',
      'main',
      '--cluster',
      `${nats.url}?gateway=A`,
    );
    await using b = await GatewayProcess.start(
      '--source',
      PATTERN,
      '--failover',
      'main',
      '--cluster',
      `${nats.url}?gateway=B`,
    );
    const [urlA, urlB] = [await a.url, await b.url];
    const homeAt = async (url: string): Promise<string | undefined> =>
      (await get<StreamStatus>(`${url}/api/streams/main`)).gateway?.name;
    // On a busy machine, the first gateway may already have lost the stream.
    const ownerName = await until(
      'the owner',
      () => homeAt(urlB),
      (name) => name !== undefined,
    );
    const [owner, ownerUrl, otherUrl] = ownerName === 'A' ? [a, urlA, urlB] : [b, urlB, urlA];
    await using stays = await Viewer.connect(otherUrl);
    await stays.hello();
    const watched = watch(stays);
    await using hops = await Viewer.connect(ownerUrl);
    const { port, leaseKey } = await hops.hello();
    await nextFrame(watched);
    owner.signal('SIGKILL');
    const killedAtMs = performance.now();
    await hops.closed;
    await using hopped = await Viewer.connect(otherUrl);
    expect((await hopped.hello({ port: port ?? 0, leaseKey: leaseKey ?? '' })).port).toBe(port);
    await until(
      'another owner',
      () => homeAt(otherUrl),
      (name) => name !== undefined && name !== ownerName,
    );
    await nextFrame(watched);
    expect(performance.now() - killedAtMs).toBeLessThan(3000);
    expect(stays.socket.readyState).toBe(stays.socket.OPEN);
  });

  it('continues real NetGear clients that are listed at both gateways', async () => {
    await using nats = await NatsServer.start();
    const ports = (await freePorts(2)) as [number, number];
    // One client with return data, and one without.
    await using first = new PythonPeer('client.py', {
      port: ports[0],
      bidirectional: true,
      returns: 'first',
    });
    await using second = new PythonPeer('client.py', { port: ports[1] });
    const start = (name: string): Promise<GatewayProcess> =>
      GatewayProcess.start(
        '--source',
        PATTERN,
        ...ports.flatMap((port) => ['--client', `tcp://127.0.0.1:${port}?pattern=1`]),
        '--failover',
        'main',
        '--cluster',
        `${nats.url}?gateway=${name}`,
      );
    await using a = await start('A');
    const clients = [first, second];
    const counts = (): readonly number[] =>
      clients.map((client) => client.events<ClientReport>('progress').at(-1)?.count ?? 0);
    await until('frames at both', counts, (all) => all.every((count) => count > 20));
    await using b = await start('B');
    await served(await b.url, 'main');
    a.signal('SIGKILL');
    await a.exited;
    const before = counts();
    await until(
      'frames of the other gateway',
      counts,
      (all) => all.every((count, at) => count > before[at]! + 40),
      40_000,
    );
    expect(clients.map(({ isRunning }) => isRunning)).toEqual([true, true]);
    await until(
      'the return data of the client',
      async () =>
        (await get<StreamStatus>(`${await b.url}/api/streams/main`)).clients.find(({ port }) => port === ports[0]),
      (client) => client?.state === 'live' && client.returnData === 'first',
    );
  });

  it('serves frames again within 3 s after the NATS server was killed and restarted', async () => {
    await using nats = await NatsServer.start();
    await using a = await Here.start(nats.url, 'A', { source: [PATTERN, PATTERN.replace('main', 'unwatched')] });
    await using b = await Here.start(nats.url, 'B', { source: 'yard=push:' });
    await served(b.url, 'main');
    await using own = await Viewer.connect(a.url);
    await using remote = await Viewer.connect(b.url);
    const { port } = await remote.hello();
    await own.hello();
    const stateOfUnwatched = async (): Promise<string> =>
      (await get<StreamStatus>(`${b.url}/api/streams/unwatched`)).state;
    await until('the state of a stream without viewers', stateOfUnwatched, (state) => state === 'live');
    const [ownFrames, remoteFrames] = [watch(own), watch(remote)];
    await nextFrame(remoteFrames);
    await nats.kill();
    // The viewers of the source's gateway are not affected.
    expect(await nextFrame(ownFrames)).toBeLessThan(1000);
    const connection = async (): Promise<ClusterConnection | null> =>
      (await get<GatewayStatus>(`${b.url}/api/gateway`)).cluster;
    const cut = await until('the report of the outage', connection, (cluster) => cluster?.isConnected === false);
    // The outage is counted from the last contact, not from its detection.
    expect(Date.parse(cut?.unreachableSince ?? '')).toBeLessThan(Date.now() - 2000);
    expect(await connection()).toEqual(cut);
    // The latest report of the stream's gateway is out of date.
    expect(await stateOfUnwatched()).toBe('stale');
    await nats.start();
    expect(await nextFrame(remoteFrames)).toBeLessThan(3000);
    await until('the state of a stream without viewers', stateOfUnwatched, (state) => state === 'live');
    await until('the report of its end', connection, (cluster) => cluster?.unreachableSince === null);
    expect([own, remote].map(({ socket }) => socket.readyState)).toEqual([own.socket.OPEN, remote.socket.OPEN]);
    await using another = await until(
      'a port',
      async () => {
        const viewer = await Viewer.connect(b.url);
        const welcome = await viewer.hello();
        if (welcome.port !== null) return Object.assign(viewer, { port: welcome.port });
        await viewer[Symbol.asyncDispose]();
        return null;
      },
      (viewer) => viewer !== null,
    );
    expect(another?.port).not.toBe(port);
  });

  it('is not affected when one of three NATS servers is killed', async () => {
    const [first, second, third] = await NatsServer.startCluster();
    await using _1 = first;
    await using _2 = second;
    await using _3 = third;
    const servers = [first, second, third].map(({ url }) => url.replace('nats://', '')).join(',');
    await using a = await Here.start(`nats://${servers}`, 'A', { source: PATTERN });
    await using b = await Here.start(`nats://${servers}`, 'B', { source: 'yard=push:' });
    await served(b.url, 'main');
    await using remote = await Viewer.connect(b.url);
    await remote.hello();
    const watched = watch(remote);
    await nextFrame(watched);
    await second.kill();
    await nextFrame(watched);
    expect(await nextFrame(watched)).toBeLessThan(3000);
    expect(remote.socket.readyState).toBe(remote.socket.OPEN);
    expect(a.gateway.stream.status().state).toBe('live');
  });

  it.each(['of the source', 'of the viewer'])(
    'finds another server within 3 s if that of the gateway %s is silent',
    async (which) => {
      await using nats = await NatsServer.start();
      await using first = await CuttableProxy.start(nats.url.replace('nats:', 'http:'));
      await using second = await CuttableProxy.start(nats.url.replace('nats:', 'http:'));
      const both = `nats://${[first, second].map(({ url }) => new URL(url).host).join(',')}`;
      const [ofSource, ofViewer] = which === 'of the source' ? [both, nats.url] : [nats.url, both];
      await using a = await Here.start(ofSource, 'A', { source: 'main=push:' });
      await using b = await Here.start(ofViewer, 'B', { source: 'yard=push:' });
      await served(b.url, 'main');
      await using viewer = await Viewer.connect(b.url, 'main');
      await viewer.hello();
      const watched = watch(viewer);
      // A frame of several parts, so that some are in the buffers of the connection when it is cut.
      const frame = { dtype: 'uint8', shape: [720, 1280, 3], data: new Uint8Array(720 * 1280 * 3) };
      const timer = setInterval(() => a.gateway.stream.push(frame), 100);
      using _timer = { [Symbol.dispose]: () => clearInterval(timer) };
      // Each connection uses one of the two servers at a time.
      for (const proxy of [first, second]) {
        await nextFrame(watched);
        await nextFrame(watched);
        proxy.cut();
        const cutAtMs = performance.now();
        let longestMs = 0;
        while (performance.now() - cutAtMs < 4000) longestMs = Math.max(longestMs, await nextFrame(watched));
        expect(longestMs).toBeLessThan(3000);
        proxy.mend();
      }
      expect(viewer.socket.readyState).toBe(viewer.socket.OPEN);
    },
  );

  it('is not affected by a suspended gateway, which skips frames and is not disconnected', async () => {
    await using nats = await NatsServer.start();
    await using a = await Here.start(nats.url, 'A', { source: 'main=test-pattern:?size=1280x720&fps=30' });
    await using slow = await GatewayProcess.start('--source', 'yard=push:', '--cluster', `${nats.url}?gateway=B`);
    await using c = await Here.start(nats.url, 'C', { source: 'shed=push:' });
    const url = await slow.url;
    await Promise.all([served(url, 'main'), served(c.url, 'main')]);
    await using stuck = await Viewer.connect(url);
    await stuck.hello();
    await using other = await Viewer.connect(c.url);
    await other.hello();
    const [stuckFrames, otherFrames] = [watch(stuck), watch(other)];
    await nextFrame(stuckFrames);
    slow.signal('SIGSTOP');
    const untilMs = performance.now() + 10_000;
    while (performance.now() < untilMs) expect(await nextFrame(otherFrames)).toBeLessThan(1000);
    slow.signal('SIGCONT');
    // The viewer itself may have been disconnected, because it has acknowledged nothing for 10 s.
    await using again = await Viewer.connect(url);
    await again.hello();
    expect(await nextFrame(watch(again))).toBeLessThan(3000);
    expect(nats.log.filter((line) => /slow consumer/i.test(line))).toEqual([]);
    expect(a.gateway.stream.status().state).toBe('live');
  });
});
