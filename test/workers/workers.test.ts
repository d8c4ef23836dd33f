/** A whole gateway with two workers, as it was built last: `dist/`, since a worker is a process of Node alone. */
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { GatewayOptions } from '../../gateway/create-gateway.ts';
import { decodeGatewayMessage, encodeMessage, encodeReturn, type FrameMessage, type ReturnBody } from '../../shared/protocol.ts';
import type { ClientStatus, GatewayEvent } from '../../shared/status.ts';
import { GatewayProcess } from '../helpers/gateway-process.ts';
import { JPEG, Viewer } from '../helpers/viewer.ts';
import { isRunning, workersOf } from '../helpers/workers.ts';

const { createGateway } = (await import(new URL('../../dist/gateway/create-gateway.js', import.meta.url).href)) as typeof import('../../gateway/create-gateway.ts');

const RAW = { dtype: 'uint8', shape: [8, 8, 3], data: Uint8Array.from({ length: 192 }, (_, at) => at) };

type TestGateway = Awaited<ReturnType<typeof start>>;

async function start(options: GatewayOptions = {}) {
  const log: string[] = [];
  const gateway = await createGateway({ port: 0, source: 'push:', virtualPorts: '6000-6003', workers: 2, log: (line) => void log.push(line), ...options });
  const { url } = await gateway.listen();
  const events: GatewayEvent[] = [];
  void (async () => {
    for await (const event of gateway.events()) events.push(event);
  })();
  return Object.assign(gateway, { url, log, reported: events, connect: (stream?: string) => Viewer.connect(url, stream), workers: () => workersOf(process.pid) });
}

/** Looks again as long as the test may take. */
async function until<T>(look: () => T | undefined | false | null | Promise<T | undefined | false | null>, everyMs = 20): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false && found !== null) return found;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

function client({ stream }: TestGateway, fits: (status: ClientStatus) => boolean): Promise<ClientStatus> {
  return until(() => stream.clients.find(fits));
}

describe('a gateway with two workers', () => {
  // A gateway that a test left behind would be found by the next one's look at the processes.
  afterEach(async () => {
    await until(async () => (await workersOf(process.pid)).length === 0);
  });

  it('deals viewers to both, and shows them as one', async () => {
    await using gateway = await start();
    const pids = await until(async () => {
      const found = await gateway.workers();
      return found.length === 2 && found;
    });
    await using first = await gateway.connect();
    await using second = await gateway.connect();
    await using third = await gateway.connect();
    expect([await first.hello({ name: 'lab screen' }), await second.hello(), await third.hello({ spectate: true })]).toMatchObject([
      { stream: 'main', port: 6000, rights: ['view', 'return', 'administer', 'publish'], limits: { messageBytes: 8_388_608 }, state: 'waiting', reason: expect.any(String) as string },
      { port: 6001 },
      { port: null, leaseKey: null, rights: ['view', 'administer', 'publish'] },
    ]);
    expect(gateway.stream.clients).toMatchObject([
      { id: 'web-1', port: 6000, kind: 'web', address: 'lab screen (127.0.0.1)', state: 'live' },
      { id: 'web-2', port: 6001, kind: 'web', address: '127.0.0.1' },
      { id: 'web-3', port: null, kind: 'spectator' },
    ]);
    process.kill(pids[0]!, 'SIGKILL');
    // One of the first two, and the third is with either.
    await Promise.any([first.closed, second.closed]);
    await until(() => gateway.stream.clients.filter(({ port }) => port !== null).length === 1);
  });

  it('tells each viewer the port that it wants, or why not', async () => {
    await using gateway = await start({ virtualPorts: '6000-6001', token: 's3cret', viewToken: 'look' });
    await using first = await gateway.connect();
    expect(await first.hello({ token: 's3cret', port: 6001 })).toMatchObject({ port: 6001 });
    const refusals: [object, number][] = [
      [{ token: 's3cret', port: 6001 }, 4002],
      [{ token: 's3cret', port: 5999 }, 4004],
      [{}, 4005],
      [{ token: 'S3cret' }, 4005],
    ];
    for (const [hello, code] of refusals) {
      await using refused = await gateway.connect();
      refused.socket.send(encodeMessage({ type: 'hello', ...hello }));
      expect(await refused.closed).toMatchObject({ code });
    }
    await using watcher = await gateway.connect();
    expect(await watcher.hello({ token: 'look' })).toMatchObject({ port: null, rights: ['view'], spectatorReason: expect.stringContaining('watch') as string });
    expect(await watcher.return({ kind: 'value', value: 1 })).toMatchObject({ accepted: false, code: 'not-allowed' });
    await using second = await gateway.connect();
    expect(await second.hello({ token: 's3cret' })).toMatchObject({ port: 6000 });
    await using late = await gateway.connect();
    expect(await late.hello({ token: 's3cret' })).toMatchObject({ port: null, spectatorReason: expect.stringContaining('6000-6001') as string });
    expect(await late.return({ kind: 'value', value: 1 })).toMatchObject({ accepted: false, code: 'no-port' });
    await until(() => gateway.reported.filter(({ kind }) => kind === 'refuse').length === 4);
  });

  it('closes what is no protocol, as without workers', async () => {
    await using gateway = await start();
    const hello = encodeMessage({ type: 'hello' });
    const cases: [Uint8Array | string, number][] = [['hello', 4000], [encodeMessage({ type: 'ping', id: 1 }), 4000], [Buffer.alloc((8 << 20) + 1), 1009]];
    for (const [message, code] of cases) {
      await using viewer = await gateway.connect();
      viewer.socket.send(message);
      expect(await viewer.closed).toMatchObject({ code });
    }
    await using twice = await gateway.connect();
    twice.socket.send(hello);
    twice.socket.send(hello);
    expect(await twice.closed).toMatchObject({ code: 4000 });
    await using stranger = await gateway.connect('other');
    expect(await stranger.closed).toMatchObject({ code: 4001 });
    await expect(fetch(`${gateway.url}streams/main/ws`)).resolves.toMatchObject({ status: 404 });
    expect((await handshake(gateway, 'Host: evil.example')).split('\r\n')[0]).toContain('421');
    expect((await handshake(gateway, 'Host: 127.0.0.1', 'Origin: http://evil.example')).split('\r\n')[0]).toContain('403');
    expect((await handshake(gateway, 'Host: 127.0.0.1', 'Sec-WebSocket-Version: 12')).split('\r\n')[0]).toContain('400');
    expect(await handshake(gateway, 'Host: 127.0.0.1', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Protocol: gearway.v1, other')).toContain('Sec-WebSocket-Protocol: gearway.v1\r\n');
    await until(() => gateway.stream.clients.length === 0);
  });

  it('takes what is sent together with hello', async () => {
    await using gateway = await start();
    gateway.stream.push(JPEG);
    await using viewer = await gateway.connect();
    const { head } = encodeReturn({ type: 'return', id: 3, mode: 'sticky', body: { kind: 'value', value: 'early' } });
    viewer.socket.send(encodeMessage({ type: 'hello' }));
    viewer.socket.send(encodeMessage({ type: 'want', paused: true }));
    viewer.socket.send(head);
    await viewer.next('welcome');
    expect((await viewer.settled()).find(({ type }) => type === 'returned') ?? (await viewer.next('returned'))).toMatchObject({ id: 3, accepted: true });
    expect(await client(gateway, ({ state }) => state === 'paused')).toMatchObject({ returnData: 'early' });
  });

  it('gives a viewer its port back that comes again with its key', async () => {
    await using gateway = await start();
    const first = await gateway.connect();
    const { leaseKey } = await first.hello({ port: 6002 });
    await first.return({ kind: 'value', value: 'drive' });
    await first[Symbol.asyncDispose]();
    await until(() => gateway.stream.status().ports.held.length === 1);
    expect(gateway.stream.clients).toEqual([]);
    await using second = await gateway.connect();
    const again = await second.hello({ leaseKey: leaseKey! });
    expect(again.port).toBe(6002);
    expect(again.leaseKey).not.toBe(leaseKey);
    expect(gateway.stream.clients).toMatchObject([{ port: 6002, returnData: null }]);
    await until(() => gateway.reported.length >= 3);
    expect(gateway.reported).toMatchObject([{ kind: 'connect', port: 6002 }, { kind: 'disconnect', client: 'web-1', reason: 'the viewer left' }, { kind: 'connect', client: 'web-2' }]);
  });

  it('lets a viewer with the key take the port over from one of the other worker', async () => {
    await using gateway = await start();
    await using first = await gateway.connect();
    const { leaseKey } = await first.hello();
    await first.return({ kind: 'value', value: 'drive' });
    await using second = await gateway.connect();
    expect(await second.hello({ leaseKey: leaseKey! })).toMatchObject({ port: 6000 });
    expect(await first.closed).toMatchObject({ code: 4003 });
    expect(gateway.stream.clients).toMatchObject([{ id: 'web-2', port: 6000, returnData: null }]);
    expect(await second.return({ kind: 'value', value: 'mine' })).toMatchObject({ accepted: true });
    expect(gateway.reported.map(({ kind, client: id }) => [kind, id])).toEqual([['connect', 'web-1'], ['take-over', 'web-1'], ['connect', 'web-2']]);
    // The old key is worth nothing any more.
    await using third = await gateway.connect();
    expect(await third.hello({ leaseKey: leaseKey! })).toMatchObject({ port: 6001 });
  });

  it('passes return data on, sticky and once, in order', async () => {
    await using gateway = await start();
    await using viewer = await gateway.connect();
    await viewer.hello();
    const returned = gateway.stream.returns();
    const values: [ReturnBody, 'sticky' | 'once'][] = [
      [{ kind: 'jpeg', data: JPEG }, 'once'],
      [{ kind: 'value', value: [1, 2.5, NaN, 2n ** 70n, null] }, 'once'],
      [{ kind: 'value', value: { gripper: 'close' } }, 'sticky'],
      [{ kind: 'value', value: { gripper: 'close' } }, 'sticky'],
    ];
    for (const [index, [body, mode]] of values.entries()) viewer.send({ type: 'return', id: index, mode, body });
    for (const id of values.keys()) expect(await viewer.next('returned')).toEqual({ type: 'returned', id, accepted: true });
    for (let n = 0; n < 200; n += 1) viewer.send({ type: 'return', id: n, mode: 'once', body: { kind: 'value', value: n } });
    for (let n = 0; n < 200; n += 1) expect(await viewer.next('returned')).toEqual({ type: 'returned', id: n, accepted: true });
    await viewer.return({ kind: 'array', array: { dtype: 'uint8', shape: [8, 8, 3], data: RAW.data } });
    const items: unknown[] = [];
    for await (const { port, data } of returned) {
      expect(port).toBe(6000);
      items.push(data);
      if (items.length === 204) break;
    }
    expect(items.slice(0, 3)).toEqual([JPEG, [1, 2.5, NaN, 2n ** 70n, null], { gripper: 'close' }]);
    expect(items.slice(3, 203)).toEqual(Array.from({ length: 200 }, (_, n) => n));
    expect(items[203]).toEqual({ dtype: 'uint8', shape: [8, 8, 3], data: RAW.data });
    expect(gateway.stream.clients[0]?.returnData).toEqual({ dtype: 'uint8', shape: [8, 8, 3], bytes: 192, version: expect.any(Number) as number });
  });

  it('refuses return data that is damaged, by its id, and counts it', async () => {
    await using gateway = await start();
    await using viewer = await gateway.connect();
    await viewer.hello();
    expect(await viewer.return({ kind: 'jpeg', data: JPEG.subarray(0, 100) }, { id: 7 })).toMatchObject({ id: 7, accepted: false, code: 'jpeg-invalid' });
    expect(await viewer.return({ kind: 'array', array: { dtype: 'uint8', shape: [3], data: new Uint8Array(2) } }, { id: 8 })).toMatchObject({ id: 8, accepted: false, code: 'array-misfit' });
    expect(await viewer.return({ kind: 'value', value: 1 }, { id: 9 })).toMatchObject({ id: 9, accepted: true });
    // What the worker refuses does not overtake what it has to ask for.
    viewer.send({ type: 'return', id: 10, mode: 'sticky', body: { kind: 'value', value: 2 } });
    viewer.send({ type: 'return', id: 11, mode: 'sticky', body: { kind: 'array', array: { dtype: 'uint8', shape: [3], data: new Uint8Array(2) } } });
    viewer.send({ type: 'return', id: 12, mode: 'sticky', body: { kind: 'value', value: 3 } });
    expect([await viewer.next('returned'), await viewer.next('returned'), await viewer.next('returned')]).toMatchObject([{ id: 10, accepted: true }, { id: 11, accepted: false }, { id: 12, accepted: true }]);
    expect(await client(gateway, ({ rejected }) => rejected === 3)).toMatchObject({ returnData: 3 });
    expect(gateway.stream.status().counters.returnsRejected).toBe(3);
  });

  it('sends a thousand frames in order, each as it was pushed', async () => {
    await using gateway = await start();
    await using first = await gateway.connect();
    await using second = await gateway.connect();
    await using third = await gateway.connect();
    const all = [first, second, third];
    const seen = all.map((viewer) => follow(viewer));
    for (const viewer of all) viewer.socket.send(encodeMessage({ type: 'hello' }));
    // Each when somebody has had the one before, as a source that is as fast as its viewers.
    for (let n = 1; n <= 1000; n += 1) {
      gateway.stream.push(JPEG, { message: n });
      await until(() => seen.every((frames) => frames.at(-1)?.message === n), 0);
    }
    for (const frames of seen) {
      expect(frames.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 1000 }, (_, at) => at + 1));
      expect(frames.every(({ message, sequence, payload }) => message === sequence && Buffer.compare(payload, JPEG) === 0)).toBe(true);
    }
    const figures = await until(() => gateway.stream.clients.every(({ delivered }) => delivered === 1000) && gateway.stream.clients);
    expect(figures).toMatchObject(all.map(() => ({ dropped: 0, state: 'live', roundTripMs: expect.any(Number) as number })));
  });

  it('drops frames for a viewer that acknowledges none, and sends it the newest', async () => {
    await using gateway = await start();
    await using viewer = await gateway.connect();
    await viewer.hello();
    gateway.stream.push(JPEG);
    await viewer.next('state');
    await viewer.next('frame');
    for (let n = 2; n <= 20; n += 1) {
      gateway.stream.push(JPEG);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await client(gateway, ({ delivered, dropped }) => delivered === 2 && dropped > 0);
    expect(await viewer.settled()).toMatchObject([{ type: 'frame' }]);
    viewer.ack(2);
    expect(await viewer.next('frame')).toMatchObject({ sequence: 20 });
  });

  it('sends 8-bit samples as JPEG, and as they are to who wants that', async () => {
    await using gateway = await start();
    await using asJpeg = await gateway.connect();
    await using asIs = await gateway.connect();
    await using another = await gateway.connect();
    const [jpegs, samples] = [follow(asJpeg), follow(asIs)];
    for (const viewer of [asJpeg, asIs]) viewer.socket.send(encodeMessage({ type: 'hello' }));
    asIs.want({ raw: true });
    gateway.stream.push(RAW);
    const jpeg = await until(() => jpegs.find(({ encoding }) => encoding.kind === 'jpeg'));
    // What it said after hello may have come behind the first frame.
    const raw = await until(() => {
      gateway.stream.push(RAW);
      return samples.find(({ encoding }) => encoding.kind === 'raw');
    });
    expect([...jpeg.payload.subarray(0, 2)]).toEqual([0xff, 0xd8]);
    expect(raw).toMatchObject({ encoding: { kind: 'raw', dtype: 'uint8', shape: [8, 8, 3] } });
    expect(Uint8Array.from(raw.payload)).toEqual(RAW.data);
    expect(await another.hello()).toMatchObject({ state: 'live' });
    expect(await another.next('frame')).toMatchObject({ encoding: { kind: 'jpeg' } });
  });

  it('sends nothing to who pauses, and the latest frame when the pause ends', async () => {
    await using gateway = await start();
    await using viewer = await gateway.connect();
    await viewer.hello();
    gateway.stream.push(JPEG);
    expect([await viewer.next('state'), await viewer.next('frame')]).toMatchObject([{ state: 'live' }, { sequence: 1 }]);
    viewer.ack(1);
    viewer.want({ paused: true });
    await client(gateway, ({ state }) => state === 'paused');
    for (let n = 0; n < 3; n += 1) gateway.stream.push(JPEG);
    expect(await viewer.settled()).toEqual([]);
    viewer.want({ paused: false });
    expect((await viewer.next('state')).state).toBe('live');
    // What came meanwhile was not asked for: the viewer must not call it dropped.
    expect([await viewer.next('state'), await viewer.next('frame')]).toMatchObject([{ state: 'live', resumeSequence: 4 }, { sequence: 4 }]);
    await client(gateway, ({ state: now }) => now === 'live');
  });

  it('sends a viewer away for good, by the API too', async () => {
    await using gateway = await start();
    await using first = await gateway.connect();
    await using second = await gateway.connect();
    const { leaseKey } = await first.hello();
    await second.hello();
    const answer = await fetch(`${gateway.url}api/streams/main/clients/web-1?reason=the%20shift%20is%20over`, { method: 'DELETE' });
    expect(await answer.json()).toMatchObject({ id: 'web-1', port: 6000 });
    expect(await first.closed).toEqual({ code: 4009, reason: 'the shift is over' });
    expect(gateway.stream.status().ports).toMatchObject({ free: 3, held: [] });
    expect(gateway.stream.sendAway('web-1')).toBe(false);
    await using back = await gateway.connect();
    expect(await back.hello({ port: 6002, leaseKey: leaseKey! })).toMatchObject({ port: 6002 });
    expect(gateway.reported.find(({ kind }) => kind === 'disconnect')).toMatchObject({ client: 'web-1', reason: 'the shift is over' });
  });

  it('survives a worker: its viewers come back with their ports, the others notice nothing', async () => {
    await using gateway = await start();
    await using first = await gateway.connect();
    const one = await first.hello();
    await first.return({ kind: 'value', value: 'drive' });
    const [victim, ...others] = await gateway.workers();
    await using second = await gateway.connect();
    const two = await second.hello();
    process.kill(victim!, 'SIGKILL');
    const [left, stays] = (await Promise.race([first.closed.then(() => true), second.closed.then(() => false)])) ? [{ viewer: first, welcome: one }, second] : [{ viewer: second, welcome: two }, first];
    expect(await left.viewer.closed).toMatchObject({ code: 1006 });
    await until(() => gateway.stream.clients.length === 1 && gateway.stream.status().ports.held.length === 1);
    expect(gateway.reported.at(-1)).toMatchObject({ kind: 'disconnect', port: left.welcome.port });
    expect(gateway.log.at(-1)).toContain('SIGKILL');
    await using back = await gateway.connect();
    expect(await back.hello({ leaseKey: left.welcome.leaseKey! })).toMatchObject({ port: left.welcome.port });
    gateway.stream.push(JPEG);
    for (const viewer of [stays, back]) {
      expect(await viewer.next('state')).toMatchObject({ state: 'live' });
      expect(await viewer.next('frame')).toMatchObject({ sequence: 1 });
    }
    expect(stays.socket.readyState).toBe(1);
    const now = await until(async () => {
      const found = await gateway.workers();
      return found.length === 2 && found;
    });
    expect(now).toEqual(expect.arrayContaining(others));
    expect(now).not.toContain(victim);
  });

  it('serves viewers itself while there is no worker, and by workers again afterwards', async () => {
    await using gateway = await start({ workers: 1 });
    const kill = async (): Promise<void> => {
      const [pid] = await until(async () => {
        const found = await gateway.workers();
        return found.length === 1 && found;
      });
      const logged = gateway.log.length;
      process.kill(pid!, 'SIGKILL');
      await until(() => gateway.log.length > logged);
    };
    await kill();
    await kill();
    expect(gateway.log.at(-1)).toContain('in 0.25 s');
    await using meanwhile = await gateway.connect();
    expect(await meanwhile.hello()).toMatchObject({ port: 6000 });
    const [pid] = await until(async () => {
      const found = await gateway.workers();
      return found.length === 1 && found;
    });
    await using viewer = await gateway.connect();
    expect(await viewer.hello()).toMatchObject({ port: 6001 });
    process.kill(pid!, 'SIGKILL');
    expect(await viewer.closed).toMatchObject({ code: 1006 });
    expect(await meanwhile.settled()).toEqual([]);
  });

  it('closes its viewers with 1001 and ends its workers within its second, also those that hang and those that do not answer', async () => {
    const gateway = await start();
    await using polite = await gateway.connect();
    await using deaf = await gateway.connect();
    await polite.hello();
    await deaf.hello();
    deaf.socket.pause();
    const pids = await gateway.workers();
    const before = performance.now();
    await gateway.close();
    expect(performance.now() - before).toBeLessThan(1800);
    expect(await polite.closed).toMatchObject({ code: 1001 });
    expect(pids.filter(isRunning)).toEqual([]);

    const other = await start();
    const stopped = await until(async () => {
      const found = await other.workers();
      return found.length === 2 && found;
    });
    for (const pid of stopped) process.kill(pid, 'SIGSTOP');
    const from = performance.now();
    await other.close();
    expect(performance.now() - from).toBeLessThan(1800);
    expect(stopped.filter(isRunning)).toEqual([]);
  });
});

describe('gearway --workers 2', () => {
  async function startCommand() {
    const gateway = await GatewayProcess.start('--workers', '2');
    const pids = await until(async () => {
      const found = await workersOf(gateway.process.pid!);
      return found.length === 2 && found;
    });
    const viewers = [await Viewer.connect(await gateway.url), await Viewer.connect(await gateway.url)];
    for (const viewer of viewers) await viewer.hello();
    return { gateway, pids, viewers };
  }

  it('leaves no process when it is killed', async () => {
    const { gateway, pids, viewers } = await startCommand();
    gateway.signal('SIGKILL');
    const before = performance.now();
    await Promise.all(viewers.map(({ closed }) => closed));
    await until(() => !pids.some(isRunning));
    expect(performance.now() - before).toBeLessThan(2000);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('closes viewers properly on %s, which all processes get', async (signal) => {
    const { gateway, pids, viewers } = await startCommand();
    // As a terminal and a service manager do, and the workers first.
    for (const pid of pids) process.kill(pid, signal);
    gateway.signal(signal);
    expect(await Promise.all(viewers.map(({ closed }) => closed))).toMatchObject([{ code: 1001 }, { code: 1001 }]);
    expect(await gateway.exited).toBe(0);
    await until(() => !pids.some(isRunning));
  });
});

/** Takes and acknowledges all frames of a viewer from now on; what else it is sent is thrown away. */
function follow({ socket }: Viewer): FrameMessage[] {
  const frames: FrameMessage[] = [];
  socket.on('message', (data: Buffer) => {
    const message = decodeGatewayMessage(data);
    if (message?.type !== 'frame') return;
    frames.push(message);
    socket.send(encodeMessage({ type: 'ack', sequence: message.sequence, painted: message.sequence, skipped: 0, failed: 0, decodeMs: 0 }));
  });
  return frames;
}

/** What the gateway answers to a request to upgrade with these headers. */
function handshake({ url }: { url: string }, ...headers: string[]): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(['GET /streams/main/ws HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', ...headers, '', ''].join('\r\n'));
    });
    socket.once('data', (data) => {
      resolve(data.toString('latin1'));
      socket.destroy();
    });
    socket.once('error', reject);
  });
}
