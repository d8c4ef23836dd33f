import { mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { Pair, Publisher, Reply, Request } from 'zeromq';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import { NetGearReceiver, type Received } from '../../../gateway/netgear/receiver.ts';
import type { Returnable } from '../../../gateway/netgear/return-data.ts';
import { NetGearSender } from '../../../gateway/netgear/sender.ts';
import { freePorts } from '../../helpers/free-port.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

const JPEG = new Uint8Array(
  await encodeJpeg({ data: new Uint8Array(6 * 8 * 3).fill(99), width: 8, height: 6, channels: 3 }),
);
const RAW = new Uint8Array(18).fill(7);

/** Headers as NetGear writes them; `port` in multi-servers mode. */
const jpegHeader = (message = 'null', port = ''): string =>
  `{${port}"terminate_flag": false, "compression": {"dct": true, "ups": false, "colorspace": "RGB"}, "message": ${message}, "pattern": "1", "dtype": "", "shape": ""}`;
const RAW_HEADER =
  '{"terminate_flag": false, "compression": false, "message": null, "pattern": "1", "dtype": "uint8", "shape": [2, 3, 3]}';
const TERMINATION = '{"terminate_flag": true}';
const NOTHING = (port: number | string): string => `{"port": "${port}", "return_type": "NoneType", "data": null}`;

/** A scripted server of pattern 1. */
class FakeServer implements Disposable {
  readonly socket = new Request({ linger: 0 });

  constructor(port: number, host = '127.0.0.1') {
    this.socket.ipv6 = host.startsWith('[');
    this.socket.connect(`tcp://${host}:${port}`);
  }

  /** Sends the parts, and waits for the answer. */
  async send(...parts: (string | Uint8Array)[]): Promise<Buffer[]> {
    await this.socket.send(parts);
    return this.socket.receive();
  }

  /** Sends a frame with this message; the answer as text. */
  async frame(message?: string, port?: string): Promise<string> {
    return (await this.send(jpegHeader(message, port), JPEG)).map(String).join();
  }

  [Symbol.dispose](): void {
    this.socket.close();
  }
}

async function onePort(): Promise<number> {
  return (await freePorts(1))[0]!;
}

const local = { address: '127.0.0.1' } as const;
const messages = (all: readonly (Received | null)[]): unknown[] => all.map((received) => received?.message);

describe('the options of a NetGearReceiver', () => {
  it.each<[string, object, string]>([
    ["the sender's overwrite_cert", { overwrite_cert: true }, 'option-invalid'],
    ["the sender's request_timeout", { request_timeout: 4 }, 'option-invalid'],
    ["NetGear's subscriber_timeout", { subscriber_timeout: 4 }, 'option-invalid'],
    ["NetGear's max_retries", { max_retries: 4 }, 'option-invalid'],
    ['both modes', { pattern: 1, port: [5555], multiclient_mode: true, multiserver_mode: true }, 'modes-invalid'],
    ['multi-servers mode with pattern 0', { port: [5555, 5556], multiserver_mode: true }, 'modes-invalid'],
    ['multi-servers mode without a list', { pattern: 1, port: 5555, multiserver_mode: true }, 'modes-invalid'],
    ['multi-clients mode without a port', { pattern: 1, multiclient_mode: true }, 'modes-invalid'],
    ['multi-clients mode with two ports', { pattern: 1, port: [5555, 5556], multiclient_mode: true }, 'modes-invalid'],
    ['an empty captured_at', { captured_at: '' }, 'option-invalid'],
    ['a captured_at with nothing between its dots', { captured_at: 'meta..t' }, 'option-invalid'],
    ['a captured_at that is not a text', { captured_at: 7 }, 'option-invalid'],
    ['allow without secure_mode', { allow: ['127.0.0.1'] }, 'option-invalid'],
    ['an empty allow', { secure_mode: 1, allow: [] }, 'option-invalid'],
    ['an allow that is not a list', { secure_mode: 1, allow: '127.0.0.1' }, 'option-invalid'],
  ])('refuse %s', (_name, options, code) => {
    expect(() => new NetGearReceiver(options)).toThrow(coded(code));
  });

  it("have NetGear's defaults", () => {
    expect(new NetGearReceiver({}).servers).toEqual([{ port: '5555', endpoint: 'tcp://*:5555', state: 'closed' }]);
  });
});

describe('NetGearReceiver.recv', () => {
  it('delivers frames unmodified', async () => {
    const port = await onePort();
    await using receiver = new NetGearReceiver({ ...local, port, pattern: 1, captured_at: 'meta.t' });
    using server = new FakeServer(port);
    const before = Date.now() * 1000;
    const first = receiver.recv();
    expect((await server.send(RAW_HEADER, RAW)).map(String)).toEqual([NOTHING(port)]);
    expect(await first).toEqual({
      frame: {
        encoding: { kind: 'raw', dtype: 'uint8', shape: [2, 3, 3] },
        width: 3,
        height: 2,
        payload: Buffer.from(RAW),
        colorspace: null,
      },
      message: null,
      port: String(port),
      sequence: 1,
      receivedAtUs: expect.any(Number),
      capturedAtUs: null,
    });
    const second = receiver.recv();
    await server.frame('{"meta": {"t": 1700000000.5}, "n": 0}');
    const { receivedAtUs, ...rest } = (await second)!;
    expect(rest).toEqual({
      frame: { encoding: { kind: 'jpeg' }, width: 8, height: 6, payload: Buffer.from(JPEG), colorspace: 'RGB' },
      message: { meta: { t: 1_700_000_000.5 }, n: 0 },
      port: String(port),
      sequence: 2,
      capturedAtUs: 1_700_000_000_500_000,
    });
    expect(receivedAtUs).toBeGreaterThan(before - 50_000);
    expect(receivedAtUs).toBeLessThan(Date.now() * 1000 + 50_000);
  });

  it('delivers the newest frame, and counts the replaced frames', async () => {
    const port = await onePort();
    await using receiver = new NetGearReceiver({ ...local, port, pattern: 1 });
    await receiver.open();
    using server = new FakeServer(port);
    for (const message of ['1', '2', '3']) await server.frame(message);
    expect(await receiver.recv()).toMatchObject({ message: 3, sequence: 3 });
    await server.frame('4');
    expect(await receiver.recv()).toMatchObject({ message: 4, sequence: 4 });
    expect([receiver.received, receiver.dropped, receiver.rejected, receiver.rejection]).toEqual([4, 2, 0, null]);
  });

  it('delivers one frame to each concurrent call, in order', async () => {
    const port = await onePort();
    await using receiver = new NetGearReceiver({ ...local, port, pattern: 1 });
    await receiver.open();
    const both = Promise.all([receiver.recv(), receiver.recv()]);
    using server = new FakeServer(port);
    await server.frame('1');
    await server.frame('2');
    expect(messages(await both)).toEqual([1, 2]);
  });

  it('answers and counts malformed messages, and does not deliver them', async () => {
    const port = await onePort();
    await using receiver = new NetGearReceiver({ ...local, port, pattern: 1 });
    const next = receiver.recv();
    using server = new FakeServer(port);
    for (const parts of [
      ['hello'],
      [RAW_HEADER],
      [RAW_HEADER, RAW.subarray(1)],
      [jpegHeader(), JPEG.subarray(0, -1)],
      [jpegHeader(), JPEG, JPEG],
      ['{}', JPEG],
    ]) {
      expect((await server.send(...parts)).map(String)).toEqual([NOTHING(port)]);
    }
    await server.frame('"good"');
    expect(await next).toMatchObject({ message: 'good', sequence: 1 });
    expect([receiver.rejected, receiver.rejection]).toEqual([6, 'header has no terminate_flag']);
  });

  it.each<[string, Returnable, (string | Uint8Array)[]]>([
    [
      'a dict',
      { a: [1, 2.5, NaN, null, true, 'é', 2n ** 70n] },
      ['"return_type": "dict", "data": {"a": [1, 2.5, NaN, null, true, "\\u00e9", 1180591620717411303424]}}'],
    ],
    ['null', null, ['"return_type": "NoneType", "data": null}']],
    [
      'a dict that looks like an array',
      { dtype: 'uint8', shape: [1], data: 'x' },
      ['"return_type": "dict", "data": {"dtype": "uint8", "shape": [1], "data": "x"}}'],
    ],
    [
      'an array',
      { dtype: 'uint16', shape: [1, 2], data: Uint8Array.of(1, 0, 2, 0) },
      [
        '"return_type": "ndarray", "compression": false, "array_dtype": "uint16", "array_shape": [1, 2], "data": null}',
        Uint8Array.of(1, 0, 2, 0),
      ],
    ],
    [
      'a JPEG',
      JPEG,
      [
        '"return_type": "ndarray", "compression": {"dct": true, "ups": false, "colorspace": "BGR"}, "array_dtype": "", "array_shape": "", "data": null}',
        JPEG,
      ],
    ],
    [
      'a JPEG of another channel order',
      { jpeg: JPEG, colorspace: 'GRAY' },
      [
        '"return_type": "ndarray", "compression": {"dct": true, "ups": false, "colorspace": "GRAY"}, "array_dtype": "", "array_shape": "", "data": null}',
        JPEG,
      ],
    ],
  ])('returns %s with every subsequent answer', async (_name, data, [expected, ...bytes]) => {
    const port = await onePort();
    await using receiver = new NetGearReceiver({ ...local, port, pattern: 1, bidirectional_mode: true });
    await receiver.open();
    const next = receiver.recv({ return_data: data });
    using server = new FakeServer(port);
    // A JPEG is verified first.
    await expect
      .poll(async () => String((await server.send(RAW_HEADER, RAW))[0]), { timeout: 8000 })
      .toBe(`{"port": "${port}", ${String(expected)}`);
    for (let count = 0; count < 2; count += 1) {
      const [header, ...rest] = await server.send(RAW_HEADER, RAW);
      expect(String(header)).toBe(`{"port": "${port}", ${String(expected)}`);
      expect(rest.map((part) => new Uint8Array(part))).toEqual(bytes);
    }
    await next;
    await receiver.recv({});
    receiver.setReturnData('other');
    expect(await server.frame()).toBe(`{"port": "${port}", "return_type": "str", "data": "other"}`);
  });

  it('returns no JPEG that would crash a real server', async () => {
    const port = await onePort();
    await using receiver = new NetGearReceiver({ ...local, port, pattern: 1, bidirectional_mode: true });
    await receiver.open();
    using server = new FakeServer(port);
    const damaged = Buffer.concat([JPEG.subarray(0, -2), Buffer.alloc(8), JPEG.subarray(-2)]);
    receiver.setReturnData('former');
    await expect(receiver.recv({ return_data: damaged })).rejects.toEqual(coded('jpeg-invalid'));
    receiver.setReturnData(damaged);
    await expect.poll(() => receiver.returnRejection, { timeout: 8000 }).toMatch(/damaged/);
    expect(await server.frame()).toBe(`{"port": "${port}", "return_type": "str", "data": "former"}`);
    receiver.setReturnData(JPEG);
    receiver.setReturnData('newer');
    await receiver.recv({ return_data: JPEG });
    receiver.setReturnData('newest');
    expect(await server.frame()).toBe(`{"port": "${port}", "return_type": "str", "data": "newest"}`);
    expect(receiver.returnRejection).toBeNull();
  });

  it.each([
    ['in no mode that returns data', { pattern: 1 }, 1, 'modes-invalid'],
    ['in pattern 2', { pattern: 2 }, 1, 'modes-invalid'],
    ['of an unsupported class', { bidirectional_mode: true }, new Map(), 'value-invalid'],
    ['of bytes that are not a JPEG', { bidirectional_mode: true }, new Uint8Array(4), 'jpeg-invalid'],
    [
      'of an array that does not fit',
      { bidirectional_mode: true },
      { dtype: 'uint8', shape: [3], data: new Uint8Array(4) },
      'array-misfit',
    ],
    [
      'of an unknown colour space',
      { bidirectional_mode: true },
      { jpeg: JPEG, colorspace: 'YUV' },
      'colorspace-unknown',
    ],
  ])('refuses return data %s', async (_name, options, data, code) => {
    await using receiver = new NetGearReceiver({ ...local, port: await onePort(), ...options } as never);
    await expect(receiver.recv({ return_data: data as never })).rejects.toEqual(coded(code));
    expect(receiver.servers[0]!.state).toBe('closed');
  });

  it('accepts frames of a publisher, and of a pair', async () => {
    const [pub, pair] = (await freePorts(2)) as [number, number];
    await using subscriber = new NetGearReceiver({ ...local, port: pub, pattern: 2 });
    await using other = new NetGearReceiver({ ...local, port: pair });
    const first = subscriber.recv();
    const second = other.recv();
    const publisher = new Publisher({ linger: 0 });
    publisher.connect(`tcp://127.0.0.1:${pub}`);
    const peer = new Pair({ linger: 0 });
    peer.connect(`tcp://127.0.0.1:${pair}`);
    await peer.send([jpegHeader('1').replace('"1"', '"0"'), JPEG]);
    expect((await peer.receive()).map(String)).toEqual([NOTHING(pair)]);
    // Frames published before the subscription is known reach no client.
    const publishing = setInterval(() => void publisher.send([jpegHeader('2').replace('"1"', '"2"'), JPEG]), 20);
    expect(messages(await Promise.all([first, second]))).toEqual([2, 1]);
    clearInterval(publishing);
    publisher.close();
    peer.close();
  });
});

describe('the end of a NetGearReceiver', () => {
  it("answers the server's termination, delivers the waiting frame, then null, and frees its port", async () => {
    const port = await onePort();
    const receiver = new NetGearReceiver({ ...local, port, pattern: 1 });
    await receiver.open();
    using server = new FakeServer(port);
    await server.frame('1');
    expect((await server.send(TERMINATION)).map(String)).toEqual([
      "Termination signal successfully received at Client's end!",
    ]);
    await receiver.closed;
    expect(messages([await receiver.recv(), await receiver.recv()])).toEqual([1, undefined]);
    await expect(receiver.open()).rejects.toEqual(coded('closed'));
    await using next = new NetGearReceiver({ ...local, port, pattern: 1 });
    await next.open();
  });

  it('ends waiting calls with null', async () => {
    const port = await onePort();
    const receiver = new NetGearReceiver({ ...local, port, pattern: 1 });
    const waiting = [receiver.recv(), receiver.recv()];
    using server = new FakeServer(port);
    await server.send(TERMINATION);
    expect(await Promise.all(waiting)).toEqual([null, null]);
  });

  it('discards waiting frames when it is closed, at any time and more than once', async () => {
    const port = await onePort();
    const receiver = new NetGearReceiver({ ...local, port, pattern: 1 });
    const opening = receiver.open();
    await Promise.all([receiver.close(), receiver.close(), receiver.closed, opening]);
    expect(await receiver.recv()).toBeNull();
    const another = new NetGearReceiver({ ...local, port, pattern: 1 });
    await another.open();
    using server = new FakeServer(port);
    await server.frame();
    const waiting = another.close();
    expect(await another.recv()).toBeNull();
    await waiting;
    const unopened = new NetGearReceiver({ ...local, port, pattern: 1 });
    await unopened.close();
    await unopened.closed;
  });

  it('frees its port when it is closed', async () => {
    const port = await onePort();
    for (let i = 0; i < 100; i += 1) {
      await using receiver = new NetGearReceiver({ ...local, port, pattern: 1 });
      await receiver.open();
    }
  });

  it('ends a loop; breaking out of a loop leaves it open', async () => {
    const port = await onePort();
    await using receiver = new NetGearReceiver({ ...local, port, pattern: 1 });
    await receiver.open();
    using server = new FakeServer(port);
    const seen: unknown[] = [];
    await server.frame('1');
    for await (const { message } of receiver) {
      seen.push(message);
      break;
    }
    await server.frame('2');
    const rest = (async () => {
      for await (const { message } of receiver) seen.push(message);
    })();
    await server.frame('3');
    await server.send(TERMINATION);
    await rest;
    expect(seen).toEqual([1, 2, 3]);
  });
});

describe('NetGearReceiver.open', () => {
  it('rejects while an address is in use, and can be retried', async () => {
    const [free, taken] = (await freePorts(2)) as [number, number];
    const holder = new Reply({ linger: 0 });
    await holder.bind(`tcp://127.0.0.1:${taken}`);
    await using receiver = new NetGearReceiver({ ...local, port: [free, taken], pattern: 1, multiserver_mode: true });
    await expect(receiver.open()).rejects.toEqual(coded('source-unavailable'));
    await expect(receiver.recv()).rejects.toEqual(coded('source-unavailable'));
    expect(receiver.servers.map(({ state }) => state)).toEqual(['closed', 'closed']);
    await holder.unbind(`tcp://127.0.0.1:${taken}`);
    holder.close();
    // libzmq frees the address some time later.
    await vi.waitFor(() => receiver.open(), { timeout: 20_000 });
    expect(receiver.servers.map(({ state }) => state)).toEqual(['listening', 'listening']);
  });

  const hosts = Object.values(networkInterfaces())
    .flat()
    .some((network) => network?.address === '::1')
    ? ['127.0.0.1', '[::1]']
    : ['127.0.0.1'];
  it.each(hosts)('binds %s, where senders connect', async (address) => {
    const port = await onePort();
    await using receiver = new NetGearReceiver({ address, port, pattern: 1 });
    const received = receiver.recv();
    await using sender = new NetGearSender({ address, port, pattern: 1 });
    await sender.send(JPEG, { message: 'here' });
    expect(await received).toMatchObject({ message: 'here' });
  });

  it('binds a path to which senders connect', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gearway-ipc-'));
    try {
      const options = { protocol: 'ipc', address: join(folder, 'feed'), port: 5555 } as const;
      await using receiver = new NetGearReceiver({ ...options, bidirectional_mode: true });
      const received = receiver.recv({ return_data: 'over ipc' });
      await using sender = new NetGearSender({ ...options, bidirectional_mode: true });
      expect(await sender.send(JPEG)).toBe('over ipc');
      expect(await received).toMatchObject({ port: '5555', frame: { width: 8 } });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('a NetGearReceiver in multi-servers mode', () => {
  const SERVER = (port: number): string => `"port": "${port}", `;

  it('keeps the newest frame of each server, and delivers them in rotation', async () => {
    const ports = (await freePorts(2)) as [number, number];
    await using receiver = new NetGearReceiver({ ...local, port: ports, pattern: 1, multiserver_mode: true });
    await receiver.open();
    using a = new FakeServer(ports[0]);
    using b = new FakeServer(ports[1]);
    await a.frame('"a1"', SERVER(ports[0]));
    await b.frame('"b1"', SERVER(ports[1]));
    expect(await a.frame('"a2"', SERVER(ports[0]))).toBe(NOTHING(ports[0]));
    expect(await b.frame('"b2"', SERVER(ports[1]))).toBe(NOTHING(ports[1]));
    await b.frame('"b3"', SERVER(ports[1]));
    expect(await receiver.recv()).toMatchObject({ message: 'a2', port: String(ports[0]), sequence: 3 });
    expect(await receiver.recv()).toMatchObject({ message: 'b3', port: String(ports[1]), sequence: 5 });
    expect(receiver.dropped).toBe(3);
  });

  it('identifies a server by its header, or by its connection if the header has no port', async () => {
    const ports = (await freePorts(2)) as [number, number];
    await using receiver = new NetGearReceiver({ ...local, port: ports, pattern: 1, multiserver_mode: true });
    await receiver.open();
    using server = new FakeServer(ports[0]);
    const portOf = async (port: string): Promise<string> => {
      await server.frame('null', port);
      return (await receiver.recv())!.port;
    };
    expect(await portOf(SERVER(ports[1]))).toBe(String(ports[1]));
    expect(await portOf(`"port": ${ports[1]}, `)).toBe(String(ports[1]));
    expect(await portOf('')).toBe(String(ports[0]));
    expect(await portOf('"port": "1", ')).toBe(String(ports[0]));
  });

  it('ends when every server that has sent frames has ended, and not before', async () => {
    const ports = (await freePorts(3)) as [number, number, number];
    await using receiver = new NetGearReceiver({ ...local, port: ports, pattern: 1, multiserver_mode: true });
    await receiver.open();
    using a = new FakeServer(ports[0]);
    using b = new FakeServer(ports[1]);
    using silent = new FakeServer(ports[2]);
    const end = (server: FakeServer, port: number): Promise<Buffer[]> =>
      server.send(`{"terminate_flag": true, "port": "${port}"}`);
    await end(silent, ports[2]);
    await a.frame('1', SERVER(ports[0]));
    await end(silent, ports[2]);
    await b.frame('2', SERVER(ports[1]));
    await end(a, ports[0]);
    expect(messages([await receiver.recv(), await receiver.recv()])).toEqual([1, 2]);
    const last = receiver.recv();
    await b.frame('3', SERVER(ports[1]));
    expect(await last).toMatchObject({ message: 3 });
    const none = receiver.recv();
    await end(b, ports[1]);
    expect(await none).toBeNull();
    await receiver.closed;
  });
});
