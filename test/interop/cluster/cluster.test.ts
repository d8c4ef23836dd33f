import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { connect } from '@nats-io/transport-node';
import { describe, expect, it } from 'vitest';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import type { ClusterStatus, StreamStatus } from '../../../shared/status.ts';
import { closeCode } from '../../../shared/close-code.ts';
import type { Welcome } from '../../../shared/protocol.ts';
import { Child } from '../../helpers/child.ts';
import { freePorts } from '../../helpers/free-port.ts';
import { GatewayProcess } from '../../helpers/gateway-process.ts';
import { NatsServer } from '../../helpers/nats.ts';
import { PythonPeer } from '../../helpers/peers.ts';
import { JPEG, Viewer } from '../../helpers/viewer.ts';
import { get, Here, served, until } from './here.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

describe('gateways over NATS', () => {
  it('list and serve the streams of all gateways, and report the gateway of each', async () => {
    await using nats = await NatsServer.start();
    await using a = await Here.start(nats.url, 'A', { source: 'door=push:' });
    await using b = await Here.start(nats.url, 'B', { source: 'yard=push:' });
    const streams = await served(b.url);
    expect(streams.map(({ name, gateway }) => [name, gateway?.name, gateway?.isHere])).toEqual([
      ['yard', 'B', true],
      ['door', 'A', false],
    ]);
    // A source has the state that its gateway reports, even if no viewer is connected here.
    expect(streams.map(({ source }) => source.state)).toEqual(['waiting for a publisher', 'waiting for a publisher']);
    const { isConnected, members } = await until(
      'both members with their addresses',
      () => get<ClusterStatus>(`${a.url}/api/cluster`),
      (status) => status.members.filter(({ url }) => url !== null).length === 2,
    );
    expect(isConnected).toBe(true);
    expect(members.map(({ name, isSelf, url }) => [name, isSelf, url])).toEqual([
      ['A', true, `${a.url}/`],
      ['B', false, `${b.url}/`],
    ]);
    await a.gateway.close();
    const left = await until(
      'no gateway of the stream',
      () => get<StreamStatus>(`${b.url}/api/streams/door`),
      ({ gateway }) => gateway === null,
    );
    expect(left).toMatchObject({
      state: 'waiting',
      reason: 'no gateway of the cluster runs the source',
      source: { state: 'waiting for a gateway' },
    });
    // No client of this gateway needs its frames.
    expect((await fetch(`${b.url}/readyz`)).status).toBe(200);
  });

  it('send frames only while there are viewers: each frame once, unmodified and with its message', async () => {
    await using nats = await NatsServer.start();
    await using a = await Here.start(nats.url, 'A', { source: 'door=push:' });
    await using b = await Here.start(nats.url, 'B', { source: 'yard=push:' });
    await served(b.url);
    const raw = {
      dtype: 'uint8',
      shape: [720, 1280, 3],
      data: new Uint8Array(720 * 1280 * 3).map((_, index) => (index * 7 + (index >> 9)) & 255),
    };
    a.gateway.stream.push(raw, { message: { big: 12345678901234567890n, nan: NaN } });
    await using first = await Viewer.connect(b.url, 'door');
    first.sendHello();
    await first.until('welcome');
    first.want({ raw: true });
    // The first frame was published before a gateway requested it.
    const frame = await first.until('frame');
    await using second = await Viewer.connect(b.url, 'door');
    await second.hello();
    second.want({ raw: true });
    const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
    for (let count = 0; count < 3; count += 1) {
      const data = raw.data.map((value) => (value + count) & 255);
      a.gateway.stream.push({ ...raw, data }, { message: { count, big: 12345678901234567890n } });
      for (const viewer of [first, second]) {
        let shown = await viewer.until('frame');
        while ((shown.message as { count?: number }).count !== count) {
          viewer.ack(shown.sequence);
          shown = await viewer.until('frame');
        }
        viewer.ack(shown.sequence);
        if (shown.encoding.kind === 'raw') expect(hash(shown.payload)).toBe(hash(data));
        expect(shown.message).toEqual({ count, big: 12345678901234567890n });
      }
    }
    expect(frame.width).toBe(1280);
  });

  it('publish each frame once for any number of gateways and viewers, and none without viewers elsewhere', async () => {
    await using nats = await NatsServer.start();
    await using a = await Here.start(nats.url, 'A', { source: 'door=push:' });
    await using b = await Here.start(nats.url, 'B', { source: 'yard=push:' });
    await using c = await Here.start(nats.url, 'C', { source: 'shed=push:' });
    await Promise.all([served(b.url), served(c.url)]);
    // Sequence numbers of the frames that cross the NATS server.
    const heads: number[] = [];
    const tap = await connect({ servers: `127.0.0.1:${nats.port}` });
    await using _tap = { [Symbol.asyncDispose]: () => tap.close() };
    tap.subscribe('gearway.frames.>', {
      callback: (_, { subject, data }) => {
        if (subject.endsWith('.h'))
          heads.push((JSON.parse(Buffer.from(data).toString()) as { readonly sequence: number }).sequence);
      },
    });
    await tap.flush();
    const timer = setInterval(() => a.gateway.stream.push(JPEG), 40);
    using _timer = { [Symbol.dispose]: () => clearInterval(timer) };
    await using own = await Viewer.connect(a.url, 'door');
    await own.hello();
    for (let count = 0; count < 10; count += 1) own.ack((await own.until('frame')).sequence);
    expect(heads).toEqual([]);
    const viewers: Viewer[] = [];
    for (const url of [b.url, b.url, b.url, c.url, c.url, c.url]) {
      const viewer = await Viewer.connect(url, 'door');
      await viewer.hello();
      viewers.push(viewer);
    }
    await Promise.all(
      viewers.map(async (viewer) => {
        for (let count = 0; count < 20; count += 1) viewer.ack((await viewer.until('frame')).sequence);
      }),
    );
    // The first frame is sent again to a gateway that has missed it.
    const sent = heads.slice(heads.lastIndexOf(heads[0] ?? 0) + 1);
    expect(sent.length).toBeGreaterThan(15);
    const repeated = sent.length - new Set(sent).size;
    // At most one frame is repeated per gateway that joins, and none per viewer.
    expect(repeated).toBeLessThanOrEqual(2);
    await Promise.all(viewers.map((viewer) => viewer[Symbol.asyncDispose]()));
    await until(
      'no frames for half a second',
      async () => {
        const before = heads.length;
        await new Promise((resolve) => setTimeout(resolve, 500));
        return heads.length - before;
      },
      (count) => count === 0,
    );
  });

  it('assign each port once, keep it for a viewer that moves to another gateway, and refuse older keys everywhere', async () => {
    await using nats = await NatsServer.start();
    await using a = await Here.start(nats.url, 'A', { source: 'door=push:', virtualPorts: 'door=6000-6009' });
    await using b = await Here.start(nats.url, 'B', { source: 'yard=push:' });
    await served(b.url);
    const taken: Welcome[] = [];
    for (let index = 0; index < 4; index += 1) {
      // These connections are closed together with their gateway.
      const viewer = await Viewer.connect(index % 2 === 0 ? a.url : b.url, 'door');
      taken.push(await viewer.hello());
    }
    // A spectator's welcome contains the reason.
    expect(
      taken.map(({ port }) => port).toSorted((a, b) => Number(a) - Number(b)),
      JSON.stringify(taken),
    ).toEqual([6000, 6001, 6002, 6003]);
    let key: string | null = null;
    let stolen: string | null = null;
    for (let hop = 0; hop < 100; hop += 1) {
      const viewer = await Viewer.connect(hop % 2 === 0 ? a.url : b.url, 'door');
      const welcome = await viewer.hello(key === null ? {} : { leaseKey: key, port: 6004 });
      expect(welcome.port, `hop ${hop}: ${JSON.stringify(welcome)}`).toBe(6004);
      if (hop === 50) stolen = key;
      key = welcome.leaseKey;
      await viewer[Symbol.asyncDispose]();
    }
    for (const url of [a.url, b.url]) {
      await using thief = await Viewer.connect(url, 'door');
      thief.sendHello({ leaseKey: stolen ?? '', port: 6004 });
      expect((await thief.closed).code).toBe(closeCode.portTaken);
    }
  });

  it("send the return data of all viewers to the source, and withdraw a viewer's data when its gateway ends", async () => {
    await using nats = await NatsServer.start();
    const [port, native] = (await freePorts(2)) as [number, number];
    await using a = await GatewayProcess.start(
      '--source',
      `main=netgear:tcp://127.0.0.1:${port}?pattern=1`,
      '--cluster',
      `${nats.url}?gateway=A`,
    );
    await using b = await GatewayProcess.start('--source', 'yard=push:', '--cluster', `${nats.url}?gateway=B`);
    await using client = new PythonPeer('client.py', { port: native, bidirectional: true, returns: 'native' });
    await using server = new PythonPeer('server.py', { port, bidirectional: true, frames: 3000 });
    const [urlA, urlB] = [await a.url, await b.url];
    await served(urlB, 'main');
    await using local = await Viewer.connect(urlA);
    const own = await local.hello();
    local.want({ paused: true });
    local.send({ type: 'return', id: 1, mode: 'sticky', body: { kind: 'value', value: 'local' } });
    await using remote = await Viewer.connect(urlB);
    const { port: remotePort } = await remote.hello();
    remote.want({ paused: true });
    expect(remotePort).not.toBe(own.port);
    remote.send({ type: 'return', id: 1, mode: 'sticky', body: { kind: 'value', value: 'remote' } });
    const added = await fetch(`${urlA}/api/streams/main/clients`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${await a.key}` },
      body: JSON.stringify({ address: `tcp://127.0.0.1:${native}` }),
    });
    expect(added.status).toBe(201);
    type Returned = { readonly data: Record<string, unknown> | null };
    await server.waitFor<Returned>(
      'returned',
      ({ data }) =>
        data?.[String(own.port)] === 'local' &&
        data[String(remotePort)] === 'remote' &&
        data[String(native)] === 'native',
    );
    for (let id = 2; id < 22; id += 1)
      remote.send({ type: 'return', id, mode: 'once', body: { kind: 'value', value: { once: id } } });
    const seen: number[] = [];
    await server.waitFor<Returned>('returned', ({ data }) => {
      const value = data?.[String(remotePort)];
      if (typeof value === 'object' && value !== null && 'once' in value) seen.push(value.once as number);
      return seen.at(-1) === 21;
    });
    expect(seen).toEqual(Array.from({ length: 20 }, (_, index) => index + 2));
    b.signal('SIGKILL');
    await b.exited;
    const killedAtMs = performance.now();
    await server.waitFor<Returned>('returned', ({ data }) => data !== null && !(String(remotePort) in data));
    expect(performance.now() - killedAtMs).toBeLessThan(2000);
    expect(client.isRunning).toBe(true);
  });

  it('do not compare the clocks of their machines', async () => {
    await using nats = await NatsServer.start();
    await using a = await Here.start(nats.url, 'A', { source: 'door=push:' });
    await using b = new Child(
      process.execPath,
      [
        '--import',
        './test/helpers/late-clock.mjs',
        'dist/gateway/main.js',
        '--port',
        '0',
        '--source',
        'yard=push:',
        '--cluster',
        `${nats.url}?gateway=B`,
      ],
      { cwd: fileURLToPath(new URL('../../..', import.meta.url)) },
    );
    const url = await b.stdout.waitFor('the ready line', (line) => /serving on (https?:\S+)\/$/.exec(line)?.[1]);
    await served(url);
    const hourUs = 3_600_000_000;
    await using viewer = await Viewer.connect(url, 'door');
    const { port, leaseKey, clockUs } = await viewer.hello();
    expect(clockUs / 1000 - Date.now()).toBeGreaterThan(3_500_000);
    const pushed = setInterval(() => a.gateway.stream.push(JPEG, { capturedAtUs: 5 }), 50);
    using _timer = { [Symbol.dispose]: () => clearInterval(pushed) };
    // The receive time is converted to the clock of the viewer's gateway, and the capture time is unchanged.
    const { receivedAtUs, capturedAtUs } = await viewer.until('frame');
    expect(Math.abs(receivedAtUs - Date.now() * 1000 - hourUs)).toBeLessThan(60_000_000);
    expect(capturedAtUs).toBe(5);
    // A value with a time to live has not expired in transit.
    const returns = a.gateway.stream.returns();
    viewer.send({ type: 'return', id: 1, mode: 'sticky', ttlMs: 5000, body: { kind: 'value', value: 'hello' } });
    expect((await returns.next()).value).toEqual({ port, data: 'hello' });
    // The lease is valid at the other gateway, and nobody else gets the port.
    await viewer[Symbol.asyncDispose]();
    await using other = await Viewer.connect(a.url, 'door');
    expect((await other.hello()).port).not.toBe(port);
    await using back = await Viewer.connect(a.url, 'door');
    expect((await back.hello({ port: port ?? 0, leaseKey: leaseKey ?? '' })).port).toBe(port);
  });

  it('refuse a stream of another gateway, and a gateway of another version', async () => {
    await using nats = await NatsServer.start();
    await using a = await Here.start(nats.url, 'A', { source: 'door=push:' });
    await expect(Here.start(nats.url, 'B', { source: 'door=push:' })).rejects.toThrow(coded('stream-taken'));
    const { Cluster } = await import('../../../gateway/cluster/cluster.ts');
    const { parseClusterAddress } = await import('../../../gateway/cluster/cluster-address.ts');
    const log = SILENT_LOGGER;
    const { signal } = new AbortController();
    const address = parseClusterAddress(`${nats.url}?gateway=old`);
    await expect(Cluster.join({ address, streams: new Map(), log, signal, protocol: 0 })).rejects.toThrow(
      coded('cluster-version'),
    );
    expect((await get<ClusterStatus>(`${a.url}/api/cluster`)).members).toHaveLength(1);
  });

  it('report the gateway at which a publisher has to publish', async () => {
    await using nats = await NatsServer.start();
    await using a = await Here.start(nats.url, 'A', { source: 'door=push:' });
    await using b = await Here.start(nats.url, 'B', { source: 'yard=push:' });
    await served(b.url);
    const post = (url: string): Promise<Response> =>
      fetch(`${url}/streams/door/frames`, {
        method: 'POST',
        headers: { 'content-type': 'image/jpeg' },
        body: Buffer.from(JPEG),
      });
    const refused = await post(b.url);
    expect(refused.status).toBe(409);
    expect(((await refused.json()) as { message: string }).message).toContain(a.url);
    expect((await post(a.url)).ok).toBe(true);
  });
});
