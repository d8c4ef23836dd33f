/** gearway/netgear with the real VidGear, in both directions. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { type NDArray, NetGearReceiver, NetGearSender, type Received } from '../../gateway/netgear/index.ts';
import { freePorts } from '../helpers/free-port.ts';
import { type ClientReport, peers, PythonPeer } from '../helpers/peers.ts';

interface Hash {
  n: number;
  sha1: string;
}
interface From {
  port: string;
  message: unknown;
  n: number;
}
interface ReturnedEvent {
  n: number;
  data: unknown;
}

const sha1 = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const FRAMES = 40;
const HEIGHT = 121;
const WIDTH = 401;

/** A raw picture with its number as picture_number.py reads it: 24 blocks of 16 × 16 pixels. */
function numbered(number: number): NDArray {
  const data = new Uint8Array(HEIGHT * WIDTH * 3);
  for (let at = 0; at < data.length; at += 1) data[at] = (at * 31 + number * 7) % 251;
  for (let y = 0; y < 16; y += 1) {
    for (let bit = 0; bit < 24; bit += 1)
      data.fill((number >> (23 - bit)) & 1 ? 255 : 0, (y * WIDTH + bit * 16) * 3, (y * WIDTH + bit * 16 + 16) * 3);
  }
  return { dtype: 'uint8', shape: [HEIGHT, WIDTH, 3], data };
}

/** The same pictures as JPEGs, with the hash of the real NetGear's decoded pixels. */
let jpegs: { jpeg: Buffer; sha1: string }[];
beforeAll(() => {
  const text = execFileSync(peers().python, ['pictures.py', '200'], {
    cwd: fileURLToPath(new URL('../peers/', import.meta.url)),
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  jpegs = text
    .trim()
    .split('\n')
    .map((line) => {
      const { jpeg, sha1: hash } = JSON.parse(line) as { jpeg: string; sha1: string };
      return { jpeg: Buffer.from(jpeg, 'base64'), sha1: hash };
    });
});

/** A folder for keys that is removed after the test. */
class KeysFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'gearway-keys-'));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

const local = { address: '127.0.0.1' } as const;

describe('NetGearSender and a real client', () => {
  it.each([
    { pattern: 0, bidirectional: false, kind: 'jpeg' },
    { pattern: 0, bidirectional: true, kind: 'raw' },
    { pattern: 1, bidirectional: false, kind: 'raw' },
    { pattern: 1, bidirectional: true, kind: 'jpeg' },
  ] as const)(
    'every frame arrives bit for bit, pattern $pattern, bidirectional $bidirectional, $kind',
    async ({ pattern, bidirectional, kind }) => {
      const [port] = (await freePorts(1)) as [number];
      const returns = { list: [1, 2.5, null, true, 'é'], big: 7 };
      await using client = new PythonPeer('client.py', {
        port,
        pattern,
        bidirectional,
        multiclient: false,
        returns,
        hash: true,
        awaited: FRAMES - 1,
      });
      await client.waitFor('ready');
      await using sender = new NetGearSender({ ...local, port, pattern, bidirectional_mode: bidirectional });
      const answers: unknown[] = [];
      const expected: Hash[] = [];
      for (let n = 0; n < FRAMES; n += 1) {
        const raw = numbered(n);
        const frame = kind === 'raw' ? raw : jpegs[n]!.jpeg;
        expected.push({ n, sha1: kind === 'raw' ? sha1(raw.data) : jpegs[n]!.sha1 });
        answers.push(await sender.send(frame, { message: { n, t: Date.now() / 1000 } }));
      }
      expect(await client.waitFor<ClientReport>('progress', ({ last }) => last === FRAMES - 1)).toMatchObject({
        first: 0,
        gaps: 0,
        mismatched: 0,
        count: FRAMES,
      });
      expect(client.events<Hash>('frame').map(({ n, sha1: hash }) => ({ n, sha1: hash }))).toEqual(expected);
      if (bidirectional) expect(answers.at(-1)).toEqual(returns);
      else expect(new Set(answers)).toEqual(new Set([null]));
      expect(sender.clients).toMatchObject([{ port: String(port), state: 'ready', sent: FRAMES, dropped: 0 }]);
      await sender.close();
      await client.waitFor('done');
      expect(await client.exited).toBe(0);
    },
  );

  it.each(['jpeg', 'raw'] as const)(
    'frames in pattern 2 arrive bit for bit, %s, and the client ends with the sender',
    async (kind) => {
      const [port] = (await freePorts(1)) as [number];
      await using client = new PythonPeer('client.py', { port, pattern: 2, hash: true });
      await client.waitFor('ready');
      await using sender = new NetGearSender({ ...local, port, pattern: 2 });
      await sender.ready();
      let isEnough = false;
      const enough = client.waitFor<Hash>('frame', ({ n }) => n >= 20).then(() => (isEnough = true));
      for (let n = 0; !isEnough; n += 1) {
        expect(await sender.send(kind === 'raw' ? numbered(n) : jpegs[n]!.jpeg)).toBeNull();
        await sleep(30);
      }
      await enough;
      await sender.close();
      await client.waitFor('done');
      const arrived = client.events<Hash>('frame');
      expect(arrived.length).toBeGreaterThan(3);
      for (const { n, sha1: hash } of arrived)
        expect(hash).toBe(kind === 'raw' ? sha1(numbered(n).data) : jpegs[n]!.sha1);
    },
  );

  it('return an array, as JPEG if the client compresses', async () => {
    const [plain, compressing] = (await freePorts(2)) as [number, number];
    const returns = { $array: 'float32', shape: [4, 5] };
    await using client = new PythonPeer('client.py', { port: plain, bidirectional: true, returns, raw_returns: true });
    await using other = new PythonPeer('client.py', {
      port: compressing,
      bidirectional: true,
      returns: { $array: 'uint8', shape: [8, 10, 3] },
    });
    await Promise.all([client.waitFor('ready'), other.waitFor('ready')]);
    await using sender = new NetGearSender({ ...local, port: plain, pattern: 1, bidirectional_mode: true });
    await using jpegSender = new NetGearSender({ ...local, port: compressing, pattern: 1, bidirectional_mode: true });
    const last = async (to: NetGearSender): Promise<unknown> => {
      // The client has no return data yet when the first frame arrives.
      for (let n = 0; n < 100; n += 1) {
        const data = await to.send(jpegs[n]!.jpeg, { message: { n, t: Date.now() / 1000 } });
        if (data !== null) return data;
        await sleep(20);
      }
      throw new Error('nothing was returned');
    };
    expect(await last(sender)).toEqual({
      dtype: 'float32',
      shape: [4, 5],
      data: Buffer.from(new Float32Array(Array.from({ length: 20 }, (_, index) => index)).buffer),
    });
    const jpeg = (await last(jpegSender)) as Uint8Array;
    expect([...jpeg.subarray(0, 2), ...jpeg.subarray(-2)]).toEqual([0xff, 0xd8, 0xff, 0xd9]);
  });

  it('send to two real clients in rotation, and to the remaining one when the other has left', async () => {
    const [a, b] = (await freePorts(2)) as [number, number];
    await using first = new PythonPeer('client.py', { port: a, bidirectional: true, returns: 'a' });
    await using second = new PythonPeer('client.py', { port: b, bidirectional: true, returns: 'b' });
    await Promise.all([first.waitFor('ready'), second.waitFor('ready')]);
    await using sender = new NetGearSender({
      ...local,
      port: [a, b],
      pattern: 1,
      multiclient_mode: true,
      bidirectional_mode: true,
    });
    await sender.ready(2);
    const send = async (n: number): Promise<{ port: string; data: unknown }> =>
      (await sender.send(jpegs[n]!.jpeg, { message: { n, t: Date.now() / 1000 } }))!;
    const answers = [];
    for (let n = 0; n < FRAMES; n += 1) answers.push(await send(n));
    expect(answers.map(({ port }) => port)).toEqual(
      Array.from({ length: FRAMES }, (_, n) => String(n % 2 === 0 ? a : b)),
    );
    expect(answers.slice(-2)).toEqual([
      { port: String(a), data: 'a' },
      { port: String(b), data: 'b' },
    ]);

    second.signal('SIGKILL');
    await second.exited;
    const after = [];
    for (let n = FRAMES; n < FRAMES + 20; n += 1) after.push(await send(n).catch((error: unknown) => error));
    expect(after.slice(-10)).toEqual(Array.from({ length: 10 }, () => ({ port: String(a), data: 'a' })));
    expect(sender.clients.map(({ state }) => state)).toEqual(['ready', 'connecting']);
    await sender.close();
    await first.waitFor('done');
  });

  it('are distinguished in multi-servers mode, and the client ends with the last of them', async () => {
    const ports = (await freePorts(2)) as [number, number];
    await using client = new PythonPeer('client.py', { ports, multiserver: true });
    await client.waitFor('ready');
    await using first = new NetGearSender({ ...local, port: ports[0], pattern: 1, multiserver_mode: true });
    await using second = new NetGearSender({ ...local, port: ports[1], pattern: 1, multiserver_mode: true });
    for (let n = 0; n < 10; n += 1) {
      await first.send(jpegs[n]!.jpeg, { message: { from: 'first' } });
      await second.send(jpegs[n + 100]!.jpeg);
    }
    await client.waitFor<From>('from', ({ n }) => n === 109);
    const from = (port: number): unknown[] =>
      client
        .events<From>('from')
        .filter((event) => event.port === String(port))
        .map(({ n, message }) => [n, message]);
    expect(from(ports[0])).toEqual(Array.from({ length: 10 }, (_, n) => [n, { from: 'first' }]));
    expect(from(ports[1])).toEqual(Array.from({ length: 10 }, (_, n) => [n + 100, null]));
    await first.close();
    await second.send(jpegs[120]!.jpeg);
    await client.waitFor<From>('from', ({ n }) => n === 120);
    await second.close();
    await client.waitFor('done');
  });

  it.each([1, 2] as const)('secure_mode %i, with the keys that the client has created', async (secure) => {
    using keys = new KeysFolder();
    const [port] = (await freePorts(1)) as [number];
    await using client = new PythonPeer('client.py', {
      port,
      bidirectional: true,
      returns: 'safe',
      secure,
      keys: keys.path,
    });
    await client.waitFor('ready');
    await using sender = new NetGearSender({
      ...local,
      port,
      pattern: 1,
      bidirectional_mode: true,
      secure_mode: secure,
      custom_cert_location: keys.path,
    });
    let answer: unknown = null;
    for (let n = 0; n < 60 && answer === null; n += 1)
      answer = await sender.send(jpegs[n]!.jpeg, { message: { n, t: Date.now() / 1000 } });
    expect(answer).toBe('safe');

    await using stranger = new NetGearSender({ ...local, port, pattern: 1, request_timeout: 1 });
    await expect(stranger.send(jpegs[0]!.jpeg)).rejects.toMatchObject({ code: 'no-client' });
  });
});

describe('a real server and NetGearReceiver', () => {
  /** All frames until the server ends, and the data returned during that time. */
  async function collect(receiver: NetGearReceiver): Promise<Received[]> {
    const all: Received[] = [];
    for await (const received of receiver) all.push(received);
    return all;
  }

  it.each([
    { pattern: 0, bidirectional: false, raw: true },
    { pattern: 0, bidirectional: true, raw: false },
    { pattern: 1, bidirectional: false, raw: false },
    { pattern: 1, bidirectional: true, raw: true },
    { pattern: 2, bidirectional: false, raw: true },
    { pattern: 2, bidirectional: false, raw: false },
  ] as const)(
    'every frame arrives bit for bit until the server ends: pattern $pattern, bidirectional $bidirectional, raw $raw',
    async ({ pattern, bidirectional, raw }) => {
      const [port] = (await freePorts(1)) as [number];
      await using receiver = new NetGearReceiver({
        ...local,
        port,
        pattern,
        bidirectional_mode: bidirectional,
        captured_at: 't',
      });
      await receiver.open();
      const returns = { list: [1, 2.5, null, 'é'] };
      if (bidirectional) receiver.setReturnData(returns);
      const collecting = collect(receiver);
      await using server = new PythonPeer('server.py', {
        port,
        pattern,
        bidirectional,
        raw,
        hash: raw,
        frames: FRAMES,
      });
      const all = await collecting;
      await receiver.closed;
      await server.waitFor('done');
      expect(receiver.rejected).toBe(0);
      // A publisher queues one frame, drops further ones while the network is busy, and drops all before the
      // subscription.
      if (pattern === 2) expect(all.length).toBeGreaterThan(10);
      else expect(all.length + receiver.dropped).toBe(FRAMES);
      expect(all.length).toBe(receiver.received - receiver.dropped);
      const sent = new Set(
        raw ? server.events<Hash>('sent').map((event) => event.sha1) : jpegs.map(({ jpeg }) => sha1(jpeg)),
      );
      for (const { frame, message, port: from, sequence, receivedAtUs, capturedAtUs } of all) {
        expect(sent).toContain(sha1(frame.payload));
        expect(frame).toMatchObject({
          width: WIDTH,
          height: HEIGHT,
          colorspace: raw ? null : 'BGR',
          encoding: raw ? { kind: 'raw', dtype: 'uint8', shape: [HEIGHT, WIDTH, 3] } : { kind: 'jpeg' },
        });
        expect(from).toBe(String(port));
        if (pattern !== 2 && raw) expect(sha1(frame.payload)).toBe(server.events<Hash>('sent')[sequence - 1]!.sha1);
        if (!bidirectional) {
          expect([message, capturedAtUs]).toEqual([null, null]);
          continue;
        }
        const { n, t } = message as { n: number; t: number };
        expect(n).toBe(sequence - 1);
        expect(Math.abs(capturedAtUs! - t * 1e6)).toBeLessThan(1);
        expect(receivedAtUs).toBeGreaterThan(capturedAtUs!);
        expect(receivedAtUs - capturedAtUs!).toBeLessThan(5e6);
      }
      if (bidirectional) expect(server.events<ReturnedEvent>('returned').at(-1)!.data).toEqual(returns);
    },
  );

  it('returns arrays and JPEGs until another value is set', async () => {
    const [port] = (await freePorts(1)) as [number];
    await using receiver = new NetGearReceiver({ ...local, port, pattern: 1, bidirectional_mode: true });
    await receiver.open();
    await using server = new PythonPeer('server.py', { port, bidirectional: true, frames: 3000 });
    const returned = (fits: (data: { $array?: string } | string | null) => boolean): Promise<ReturnedEvent> =>
      server.waitFor<ReturnedEvent>('returned', ({ data }) => fits(data as never));
    const bytes = Buffer.from(new Float32Array([1.5, -2, 0, 1e30, 5, 6]).buffer);
    await receiver.recv({ return_data: { dtype: 'float32', shape: [2, 3], data: bytes } });
    expect((await returned((data) => (data as { $array?: string } | null)?.$array === 'float32')).data).toEqual({
      $array: 'float32',
      shape: [2, 3],
      sha1: sha1(bytes),
    });
    await receiver.recv({ return_data: jpegs[5]!.jpeg });
    expect((await returned((data) => (data as { $array?: string } | null)?.$array === 'uint8')).data).toEqual({
      $array: 'uint8',
      shape: [HEIGHT, WIDTH, 3],
      sha1: jpegs[5]!.sha1,
    });
    await receiver.recv({ return_data: 'text' });
    await receiver.recv();
    await returned((data) => data === 'text');
    await receiver.recv({ return_data: null });
    expect((await server.waitFor<ReturnedEvent>('returned', ({ n, data }) => data === null && n > 0)).data).toBeNull();
  });

  it('is the only client of a server in multi-clients mode', async () => {
    const [port] = (await freePorts(1)) as [number];
    await using receiver = new NetGearReceiver({ ...local, port, pattern: 1, multiclient_mode: true });
    await receiver.open();
    receiver.setReturnData({ speed: 2.5 });
    const collecting = collect(receiver);
    await using server = new PythonPeer('server.py', { port, pattern: 1, multiclient: true, frames: FRAMES });
    const all = await collecting;
    expect(all.length + receiver.dropped).toBe(FRAMES);
    await server.waitFor('done');
    expect(server.events<ReturnedEvent>('returned').at(-1)!.data).toEqual([String(port), { speed: 2.5 }]);
  });

  it.each([1, 2] as const)(
    'distinguishes two servers in multi-servers mode, and ends with the last of them, pattern %i',
    async (pattern) => {
      const ports = (await freePorts(2)) as [number, number];
      await using receiver = new NetGearReceiver({ ...local, port: [...ports], pattern, multiserver_mode: true });
      await receiver.open();
      const collecting = collect(receiver);
      await using long = new PythonPeer('server.py', { port: ports[1], pattern, multiserver: true, frames: 150 });
      await long.waitFor('ready');
      await using short = new PythonPeer('server.py', { port: ports[0], pattern, multiserver: true, frames: 20 });
      await short.waitFor('done');
      const all = await collecting;
      await long.waitFor('done');
      const count = (port: number): number => all.filter((received) => received.port === String(port)).length;
      expect(count(ports[0])).toBeGreaterThan(5);
      expect(count(ports[1])).toBeGreaterThan(count(ports[0]));
      expect(all.at(-1)!.port).toBe(String(ports[1]));
    },
  );

  it.each([1, 2] as const)('secure_mode %i, with the keys that we have created', async (secure) => {
    using keys = new KeysFolder();
    const [port] = (await freePorts(1)) as [number];
    await using receiver = new NetGearReceiver({
      ...local,
      port,
      pattern: 1,
      secure_mode: secure,
      custom_cert_location: keys.path,
      allow: ['127.0.0.1'],
    });
    await receiver.open();
    const made = readFileSync(join(keys.path, '.vidgear/keys/private_keys/server.key_secret'), 'utf8');
    const collecting = collect(receiver);
    await using server = new PythonPeer('server.py', { port, pattern: 1, frames: FRAMES, secure, keys: keys.path });
    const all = await collecting;
    expect(all.length + receiver.dropped).toBe(FRAMES);
    await server.waitFor('done');
    expect(readFileSync(join(keys.path, '.vidgear/keys/private_keys/server.key_secret'), 'utf8')).toBe(made);
  });

  it('admits unknown keys in StoneHouse mode, but not in IronHouse mode', async () => {
    using ours = new KeysFolder();
    using theirs = new KeysFolder();
    const [iron, stone] = (await freePorts(2)) as [number, number];
    await using ironhouse = new NetGearReceiver({
      ...local,
      port: iron,
      pattern: 1,
      secure_mode: 2,
      custom_cert_location: ours.path,
    });
    await using stonehouse = new NetGearReceiver({
      ...local,
      port: stone,
      pattern: 1,
      secure_mode: 1,
      custom_cert_location: ours.path,
    });
    await Promise.all([ironhouse.open(), stonehouse.open()]);
    // The other side has its own key pair, and our public key of the server.
    await using maker = new NetGearSender({ ...local, port: 1, secure_mode: 1, custom_cert_location: theirs.path });
    await maker.close({ terminate: false });
    const serverKey = '.vidgear/keys/public_keys/server.key';
    execFileSync('cp', [join(ours.path, serverKey), join(theirs.path, serverKey)]);
    await using refused = new PythonPeer('server.py', {
      port: iron,
      pattern: 1,
      frames: 5,
      secure: 2,
      keys: theirs.path,
    });
    await using accepted = new PythonPeer('server.py', {
      port: stone,
      pattern: 1,
      frames: 5,
      secure: 1,
      keys: theirs.path,
    });
    expect(await stonehouse.recv()).toMatchObject({ sequence: 1 });
    await accepted.waitFor('done');
    await refused.waitFor('ready');
    await sleep(2000);
    expect(ironhouse.received).toBe(0);
    expect(ironhouse.servers[0]!.state).toMatch(/^listening; 127\.0\.0\.1 was refused: its key .{40} is not in /);
  });
});
