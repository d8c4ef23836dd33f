import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { Pair, Reply, Subscriber } from 'zeromq';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import { isNDArray, type Returned } from '../../../gateway/netgear/return-data.ts';
import { type FromClient, NetGearSender, type NetGearSenderOptions } from '../../../gateway/netgear/sender.ts';
import { freePorts } from '../../helpers/free-port.ts';
import { buildBomb } from '../../helpers/jpeg-builder.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

/** SOI, a start of frame of 8 × 8 pixels, EOI: the parts that are read without decoding. */
const jpegOf = (components: number): Uint8Array =>
  Uint8Array.from([
    0xff,
    0xd8,
    0xff,
    0xc0,
    0,
    17,
    8,
    0,
    8,
    0,
    8,
    components,
    1,
    0x21,
    0,
    2,
    0x11,
    1,
    3,
    0x11,
    1,
    0xff,
    0xd9,
  ]);
const JPEG = new Uint8Array(
  await encodeJpeg({ data: new Uint8Array(8 * 8 * 3).fill(99), width: 8, height: 8, channels: 3 }),
);
const RAW = { dtype: 'uint8', shape: [2, 3, 3], data: new Uint8Array(18).fill(7) };

const JPEG_HEADER =
  '{"terminate_flag": false, "compression": {"dct": true, "ups": false, "colorspace": "BGR"}, "message": null, "pattern": "1", "dtype": "", "shape": ""}';
const RAW_HEADER =
  '{"terminate_flag": false, "compression": false, "message": null, "pattern": "1", "dtype": "uint8", "shape": [2, 3, 3]}';
const TERMINATION = '{"terminate_flag": true}';

type Answer = (string | Uint8Array)[] | null;

/** A scripted client: it records messages, and sends the given answer or none. */
class FakeClient implements Disposable {
  readonly messages: Buffer[][] = [];
  readonly #socket: Reply | Pair | Subscriber;
  #came: () => void = () => {};

  private constructor(socket: Reply | Pair | Subscriber, answer: (parts: Buffer[], count: number) => Answer) {
    this.#socket = socket;
    this.#read(answer).catch((error: unknown) => {
      // The error is expected if the socket was closed during the answer.
      if (!socket.closed) throw error;
    });
  }

  static async bind(
    port: number,
    answer: (parts: Buffer[], count: number) => Answer = () => ['Data received on device: 3UW5KQAN !'],
    socket: Reply | Pair | Subscriber = new Reply({ linger: 0 }),
  ): Promise<FakeClient> {
    if (socket instanceof Subscriber) socket.subscribe();
    await socket.bind(`tcp://127.0.0.1:${port}`);
    return new FakeClient(socket, answer);
  }

  /** The first part of each message, as text. */
  get headers(): string[] {
    return this.messages.map(([header]) => String(header));
  }

  async came(count: number): Promise<void> {
    while (this.messages.length < count) await new Promise<void>((resolve) => (this.#came = resolve));
  }

  async #read(answer: (parts: Buffer[], count: number) => Answer): Promise<void> {
    for await (const parts of this.#socket) {
      this.messages.push(parts);
      this.#came();
      const reply = answer(parts, this.messages.length);
      // A REP socket that does not answer is stuck, like a suspended client.
      if (reply === null && this.#socket instanceof Reply) return;
      if (reply === null || this.#socket instanceof Subscriber || this.#socket.closed) continue;
      await this.#socket.send(reply);
    }
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

async function onePort(): Promise<number> {
  return (await freePorts(1))[0]!;
}

const local = { address: '127.0.0.1' } as const;

describe('the options of a NetGearSender', () => {
  it.each<[string, object, string]>([
    ['a mistyped option', { patern: 1 }, 'option-invalid'],
    ['an option of the receiver', { captured_at: 't' }, 'option-invalid'],
    ...[
      'receive_mode',
      'logging',
      'jpeg_compression',
      'jpeg_compression_quality',
      'jpeg_compression_fastdct',
      'jpeg_compression_fastupsample',
      'ssh_tunnel_mode',
      'ssh_tunnel_pwd',
      'ssh_tunnel_keyfile',
      'max_retries',
      'subscriber_timeout',
      'flag',
      'copy',
      'track',
    ].map((name): [string, object, string] => [`NetGear's ${name}`, { [name]: 1 }, 'option-invalid']),
    ['pattern 3', { pattern: 3 }, 'option-invalid'],
    ['a pattern as text', { pattern: '1' }, 'option-invalid'],
    ['another protocol', { protocol: 'udp' }, 'option-invalid'],
    ['a mode that is not a bool', { bidirectional_mode: 1 }, 'option-invalid'],
    ['port 0', { port: 0 }, 'address-invalid'],
    ['port 65536', { port: 65_536 }, 'address-invalid'],
    ['a port with trailing text', { port: '5555?pattern=1' }, 'address-invalid'],
    ['two ports in one text', { port: '5555,5556' }, 'address-invalid'],
    ['a port that is not an integer', { port: 5555.5 }, 'address-invalid'],
    ['an address with an option', { address: '127.0.0.1?' }, 'address-invalid'],
    ['no port in a list', { port: [], pattern: 1, multiclient_mode: true }, 'address-invalid'],
    ['an address with trailing text', { address: '127.0.0.1:1?secure=1' }, 'address-invalid'],
    ['ipc without a path', { protocol: 'ipc' }, 'address-invalid'],
    ['both modes', { pattern: 1, port: [5555], multiclient_mode: true, multiserver_mode: true }, 'modes-invalid'],
    ['multi-clients mode with pattern 0', { port: [5555, 5556], multiclient_mode: true }, 'modes-invalid'],
    ['multi-clients mode without a list', { pattern: 1, port: 5555, multiclient_mode: true }, 'modes-invalid'],
    ['multi-servers mode without a port', { pattern: 1, multiserver_mode: true }, 'modes-invalid'],
    ['multi-servers mode with two ports', { pattern: 1, port: [5555, 5556], multiserver_mode: true }, 'modes-invalid'],
    ['two ports in no mode', { pattern: 1, port: [5555, 5556] }, 'modes-invalid'],
    ['bidirectional mode with pattern 2', { pattern: 2, bidirectional_mode: true }, 'modes-invalid'],
    ['secure_mode 3', { secure_mode: 3 }, 'option-invalid'],
    ['keys without secure_mode', { custom_cert_location: '/tmp' }, 'option-invalid'],
    ['keys in a folder that does not exist', { secure_mode: 1, custom_cert_location: '/nowhere' }, 'option-invalid'],
    ['overwrite_cert without secure_mode', { overwrite_cert: true }, 'option-invalid'],
    ['overwrite_cert that is not a bool', { secure_mode: 1, overwrite_cert: 'yes' }, 'option-invalid'],
    ['a request_timeout of 0', { request_timeout: 0 }, 'option-invalid'],
    ['a request_timeout as text', { request_timeout: '4' }, 'option-invalid'],
    ['an invalid request_timeout', { request_timeout: NaN }, 'option-invalid'],
  ])('refuse %s', (_name, options, code) => {
    expect(() => new NetGearSender(options)).toThrow(coded(code));
  });

  it("have NetGear's defaults", async () => {
    await using sender = new NetGearSender({});
    expect(sender.clients).toMatchObject([{ port: '5555', endpoint: 'tcp://localhost:5555' }]);
  });

  it('accept ports as numbers and text, and build ipc endpoints as NetGear does', async () => {
    await using several = new NetGearSender({
      pattern: 1,
      multiclient_mode: true,
      address: '10.0.0.1',
      port: [5567, '5577'],
    });
    expect(several.clients.map(({ port, endpoint }) => [port, endpoint])).toEqual([
      ['5567', 'tcp://10.0.0.1:5567'],
      ['5577', 'tcp://10.0.0.1:5577'],
    ]);
    await using ipc = new NetGearSender({ protocol: 'ipc', address: '/tmp/gearway-nobody' });
    expect(ipc.clients.map(({ endpoint }) => endpoint)).toEqual(['ipc:///tmp/gearway-nobody:5555']);
  });

  it('overwrite_cert replaces existing keys', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gearway-keys-'));
    try {
      const options = { secure_mode: 1, custom_cert_location: folder } as const;
      const keys = async (overwrite: boolean): Promise<string> => {
        await using _sender = new NetGearSender({ ...options, overwrite_cert: overwrite });
        return readFileSync(join(folder, '.vidgear/keys/private_keys/client.key_secret'), 'utf8');
      };
      const first = await keys(false);
      expect(await keys(false)).toBe(first);
      expect(await keys(true)).not.toBe(first);
      expect(readdirSync(join(folder, '.vidgear/keys/public_keys')).sort()).toEqual(['client.key', 'server.key']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('NetGearSender.send', () => {
  it('writes the same messages as NetGear', async () => {
    const port = await onePort();
    using client = await FakeClient.bind(port);
    await using sender = new NetGearSender({ ...local, port, pattern: 1, check: false });
    expect(await sender.send(JPEG)).toBeNull();
    expect(await sender.send(RAW, { message: { n: 1, big: 2n ** 70n, t: 1.5, s: 'é' } })).toBeNull();
    await sender.send(JPEG, { colorspace: 'GRAY' });
    await sender.send(jpegOf(4));
    await sender.send({ encoding: { kind: 'jpeg' }, width: 8, height: 8, payload: JPEG, colorspace: 'RGB' });
    await sender.send({
      encoding: { kind: 'raw', dtype: 'uint8', shape: [2, 3, 3] },
      width: 3,
      height: 2,
      payload: RAW.data,
      colorspace: null,
    });
    expect(client.headers).toEqual([
      JPEG_HEADER,
      RAW_HEADER.replace('null', '{"n": 1, "big": 1180591620717411303424, "t": 1.5, "s": "\\u00e9"}'),
      JPEG_HEADER.replace('BGR', 'GRAY'),
      JPEG_HEADER.replace('BGR', 'CMYK'),
      JPEG_HEADER.replace('BGR', 'RGB'),
      RAW_HEADER,
    ]);
    expect(client.messages.map(([, payload]) => new Uint8Array(payload!))).toEqual([
      JPEG,
      RAW.data,
      JPEG,
      jpegOf(4),
      JPEG,
      RAW.data,
    ]);
  });

  it('writes its port in multi-servers mode', async () => {
    const port = await onePort();
    using client = await FakeClient.bind(port);
    await using sender = new NetGearSender({ ...local, port, pattern: 1, multiserver_mode: true });
    await sender.send(JPEG);
    await sender.close();
    await client.came(2);
    expect(client.headers).toEqual([
      JPEG_HEADER.replace('{', `{"port": "${port}", `),
      `{"terminate_flag": true, "port": "${port}"}`,
    ]);
  });

  it.each([0, 1] as const)(
    "resolves with the client's return data in bidirectional mode, pattern %i",
    async (pattern) => {
      const port = await onePort();
      const array = new Float32Array([1, 2, 3, 4]);
      const answers: Answer[] = [
        ['{"return_type": "NoneType", "data": null}'],
        ['{"return_type": "dict", "data": {"a": [1, 2.5, NaN], "dtype": "x", "shape": [], "data": "y"}}'],
        [
          '{"port": "1", "return_type": "ndarray", "compression": false, "array_dtype": "float32", "array_shape": [2, 2], "data": null}',
          new Uint8Array(array.buffer),
        ],
        [
          '{"return_type": "ndarray", "compression": {"dct": true, "ups": false, "colorspace": "BGR"}, "array_dtype": "", "array_shape": "", "data": null}',
          JPEG,
        ],
        ['Data received on device: 3UW5KQAN !'],
      ];
      using _client = await FakeClient.bind(
        port,
        (_parts, count) => answers[count - 1] ?? null,
        pattern === 0 ? new Pair({ linger: 0 }) : new Reply({ linger: 0 }),
      );
      await using sender = new NetGearSender({ ...local, port, pattern, bidirectional_mode: true });
      const results: Returned[] = [];
      for (let count = 0; count < answers.length; count += 1) results.push(await sender.send(RAW));
      expect(results).toEqual([
        null,
        { a: [1, 2.5, NaN], dtype: 'x', shape: [], data: 'y' },
        { dtype: 'float32', shape: [2, 2], data: Buffer.from(array.buffer) },
        Buffer.from(JPEG),
        null,
      ]);
      expect(results.map((result) => isNDArray(result))).toEqual([false, false, true, false, false]);
    },
  );

  it('resolves with null for any answer if the mode returns nothing', async () => {
    const port = await onePort();
    using _client = await FakeClient.bind(port, () => ['{"port": "1", "return_type": "str", "data": "Hi"}']);
    await using sender = new NetGearSender({ ...local, port, pattern: 1 });
    expect(await sender.send(JPEG)).toBeNull();
  });

  it('has types that depend on the mode', () => {
    const one = () => new NetGearSender({ port: 5555 });
    const several = () => new NetGearSender({ pattern: 1, port: [1, 2], multiclient_mode: true });
    const either = (options: NetGearSenderOptions) => new NetGearSender(options);
    expectTypeOf(one).returns.toExtend<NetGearSender>();
    expectTypeOf(one).returns.toExtend<NetGearSender<boolean>>();
    expectTypeOf(several).returns.toExtend<NetGearSender<boolean>>();
    expectTypeOf<ReturnType<typeof one>['send']>().returns.resolves.toEqualTypeOf<Returned>();
    expectTypeOf<ReturnType<typeof several>['send']>().returns.resolves.toEqualTypeOf<FromClient | null>();
    expectTypeOf<ReturnType<typeof either>['send']>().returns.resolves.toEqualTypeOf<FromClient | Returned>();
  });

  it('sends to clients in rotation, and may be called once per client concurrently', async () => {
    const ports = await freePorts(3);
    const answer = (port: number) => (): Answer => [`{"port": "${port}", "return_type": "int", "data": ${port}}`];
    using _a = await FakeClient.bind(ports[0]!, answer(ports[0]!));
    using _b = await FakeClient.bind(ports[1]!, answer(ports[1]!));
    using _c = await FakeClient.bind(ports[2]!, answer(ports[2]!));
    await using sender = new NetGearSender({ ...local, port: ports, pattern: 1, multiclient_mode: true });
    await sender.ready(3);
    const [a, b, c] = ports.map((port) => ({ port: String(port), data: port }));
    expect([
      await sender.send(JPEG),
      await sender.send(JPEG),
      await sender.send(JPEG),
      await sender.send(JPEG),
    ]).toEqual([a, b, c, a]);
    expect(await Promise.all([sender.send(JPEG), sender.send(JPEG), sender.send(JPEG)])).toEqual([b, c, a]);
    const four = await Promise.allSettled([sender.send(JPEG), sender.send(JPEG), sender.send(JPEG), sender.send(JPEG)]);
    expect(four.map((result) => (result.status === 'fulfilled' ? result.value : result.reason))).toEqual([
      b,
      c,
      a,
      coded('busy'),
    ]);
  });

  it('serves connected clients while others are missing, and calls wait for them in order', async () => {
    const [there, missing] = (await freePorts(2)) as [number, number];
    using client = await FakeClient.bind(there, (_parts, count) => [
      `{"port": "${there}", "return_type": "int", "data": ${count}}`,
    ]);
    await using sender = new NetGearSender({ ...local, port: [there, missing], pattern: 1, multiclient_mode: true });
    expect(await Promise.all([sender.send(JPEG, { message: 1 }), sender.send(JPEG, { message: 2 })])).toEqual([
      { port: String(there), data: 1 },
      { port: String(there), data: 2 },
    ]);
    expect(client.headers).toEqual([JPEG_HEADER.replace('null', '1'), JPEG_HEADER.replace('null', '2')]);
    expect(sender.clients[1]).toMatchObject({
      port: String(missing),
      state: 'connecting',
      reason: `nothing is listening at tcp://127.0.0.1:${missing}`,
      sent: 0,
    });
  });

  it('rejects while no client is connected, and continues when one connects', async () => {
    const port = await onePort();
    await using sender = new NetGearSender({ ...local, port, pattern: 1, request_timeout: 0.2 });
    await expect(sender.send(JPEG)).rejects.toEqual(coded('no-client'));
    await expect(sender.send(JPEG)).rejects.toThrow(`nothing is listening at tcp://127.0.0.1:${port}`);
    using client = await FakeClient.bind(port);
    await sender.ready();
    expect(await sender.send(JPEG)).toBeNull();
    expect(client.messages).toHaveLength(1);
  });

  it('rejects if no answer arrives in time, and ignores a late answer', async () => {
    const port = await onePort();
    const pair = new Pair({ linger: 0 });
    using client = await FakeClient.bind(
      port,
      (_parts, count) => (count === 1 ? null : [`{"return_type": "int", "data": ${count}}`]),
      pair,
    );
    await using sender = new NetGearSender({ ...local, port, bidirectional_mode: true, request_timeout: 0.2 });
    await sender.ready();
    await expect(sender.send(JPEG)).rejects.toEqual(coded('timeout'));
    await sender.ready();
    expect(await sender.send(JPEG)).toBe(2);
    expect(client.messages).toHaveLength(2);
  });

  it('rejects when the client disconnects, and continues when it reconnects', async () => {
    const port = await onePort();
    const gone = await FakeClient.bind(port, () => null);
    await using sender = new NetGearSender({ ...local, port, pattern: 1 });
    const sent = sender.send(JPEG);
    await gone.came(1);
    gone[Symbol.dispose]();
    await expect(sent).rejects.toEqual(coded('disconnected'));
    using _back = await FakeClient.bind(port);
    expect(await sender.send(JPEG)).toBeNull();
  });

  it('rejects with the problem of an answer, and continues', async () => {
    const port = await onePort();
    const answers: Answer[] = [
      ['hello'],
      ['{"data": 1'],
      [
        '{"return_type": "ndarray", "compression": false, "array_dtype": "uint8", "array_shape": [4], "data": null}',
        new Uint8Array(3),
      ],
      ['a', 'b', 'c'],
      ['{"data": 5}'],
    ];
    using _client = await FakeClient.bind(port, (_parts, count) => answers[count - 1] ?? null);
    await using sender = new NetGearSender({ ...local, port, pattern: 1, bidirectional_mode: true });
    for (const code of ['header-invalid', 'json-invalid', 'array-misfit', 'parts-unexpected'])
      await expect(sender.send(JPEG)).rejects.toEqual(coded(code));
    expect(await sender.send(JPEG)).toBe(5);
  });

  it('rejects a frame that would crash a real client, before anything is sent', async () => {
    const port = await onePort();
    using client = await FakeClient.bind(port);
    await using sender = new NetGearSender({ ...local, port, pattern: 1 });
    await expect(sender.send(JPEG.subarray(0, -1))).rejects.toEqual(coded('jpeg-invalid'));
    await expect(sender.send(new Uint8Array())).rejects.toEqual(coded('jpeg-invalid'));
    for (const bytes of [8, 300])
      await expect(
        sender.send(Buffer.concat([JPEG.subarray(0, -2), Buffer.alloc(bytes), JPEG.subarray(-2)])),
      ).rejects.toEqual(coded('jpeg-invalid'));
    await expect(
      sender.send({
        encoding: { kind: 'jpeg' },
        width: 8,
        height: 8,
        payload: Buffer.concat([JPEG.subarray(0, -2), Buffer.alloc(8), JPEG.subarray(-2)]),
        colorspace: 'BGR',
      }),
    ).rejects.toEqual(coded('jpeg-invalid'));
    await expect(sender.send(buildBomb({ width: 4096, height: 4096, scans: 1200 }))).rejects.toEqual(
      coded('jpeg-too-complex'),
    );
    await expect(sender.send(jpegOf(4))).rejects.toEqual(coded('jpeg-unverifiable'));
    await expect(sender.send(jpegOf(4), { colorspace: 'BGR' })).rejects.toEqual(coded('jpeg-invalid'));
    await expect(sender.send(JPEG, { colorspace: 'YUV' })).rejects.toEqual(coded('colorspace-unknown'));
    await expect(sender.send({ ...RAW, data: new Uint8Array(17) })).rejects.toEqual(coded('array-misfit'));
    await expect(sender.send({ ...RAW, dtype: 'object' })).rejects.toEqual(coded('dtype-unknown'));
    await expect(sender.send({ ...RAW, shape: [18] })).rejects.toEqual(coded('shape-invalid'));
    await expect(sender.send({ ...RAW, shape: [1, 2, 3, 3] })).rejects.toEqual(coded('shape-invalid'));
    await expect(sender.send({ ...RAW, shape: [0, 3, 3], data: new Uint8Array() })).rejects.toEqual(
      coded('shape-invalid'),
    );
    await expect(sender.send(JPEG, { message: new Map() as never })).rejects.toEqual(coded('value-invalid'));
    await expect(sender.send(JPEG, { message: RAW as never })).rejects.toEqual(coded('value-invalid'));
    await sender.send(JPEG);
    expect(client.headers).toEqual([JPEG_HEADER]);
  });

  it('sends to every subscriber in pattern 2, and resolves without any', async () => {
    const ports = await freePorts(2);
    await using sender = new NetGearSender({ ...local, port: ports, pattern: 2, multiclient_mode: true });
    expect(await sender.send(JPEG, { message: 'lost' })).toBeNull();
    using a = await FakeClient.bind(ports[0]!, () => null, new Subscriber({ linger: 0 }));
    using b = await FakeClient.bind(ports[1]!, () => null, new Subscriber({ linger: 0 }));
    await sender.ready(2);
    expect(await sender.send(JPEG)).toBeNull();
    await Promise.all([a.came(1), b.came(1)]);
    const header = JPEG_HEADER.replace('"1"', '"2"');
    expect([a.headers, b.headers]).toEqual([[header], [header]]);
    expect(sender.clients).toMatchObject([
      { sent: 1, dropped: 0 },
      { sent: 1, dropped: 0 },
    ]);
  });
});

describe('NetGearSender.close', () => {
  it.each([
    [0, () => new Pair({ linger: 0 })],
    [1, () => new Reply({ linger: 0 })],
    [2, () => new Subscriber({ linger: 0 })],
  ] as const)('makes the client end, pattern %i', async (pattern, socket) => {
    const port = await onePort();
    using client = await FakeClient.bind(
      port,
      () => ["Termination signal successfully received at Client's end!"],
      socket(),
    );
    await using sender = new NetGearSender({ ...local, port, pattern });
    await sender.ready();
    await Promise.all([sender.close(), sender.close(), sender.closed]);
    await client.came(1);
    expect(client.headers).toEqual([TERMINATION]);
  });

  it('sends no termination on request', async () => {
    const port = await onePort();
    using client = await FakeClient.bind(port);
    await using sender = new NetGearSender({ ...local, port, pattern: 1 });
    await sender.send(JPEG);
    await sender.close({ terminate: false });
    await using next = new NetGearSender({ ...local, port, pattern: 1 });
    await next.send(RAW);
    expect(client.headers).toEqual([JPEG_HEADER, RAW_HEADER]);
  });

  it('ends waiting and running calls, and accepts no more calls', async () => {
    const [there, missing] = (await freePorts(2)) as [number, number];
    using client = await FakeClient.bind(there, () => null);
    const sender = new NetGearSender({ ...local, port: [there, missing], pattern: 1, multiclient_mode: true });
    const all = [sender.send(JPEG), sender.send(JPEG), sender.ready(2)];
    await client.came(1);
    const results = Promise.allSettled(all);
    await sender.close({ terminate: false });
    expect(
      (await results).map((result) => result.status === 'rejected' && (result.reason as { code: string }).code),
    ).toEqual(['closed', 'closed', 'closed']);
    await expect(sender.send(JPEG)).rejects.toEqual(coded('closed'));
    await expect(sender.ready()).rejects.toEqual(coded('closed'));
  });

  it('does not wait for a client that is missing or does not answer', async () => {
    const [stuck, missing] = (await freePorts(2)) as [number, number];
    using client = await FakeClient.bind(stuck, () => null);
    const sender = new NetGearSender({ ...local, port: [stuck, missing], pattern: 1, multiclient_mode: true });
    const sent = expect(sender.send(JPEG)).rejects.toEqual(coded('closed'));
    await client.came(1);
    const start = performance.now();
    await sender.close();
    // 0.7 s, and a margin for the machine.
    expect(performance.now() - start).toBeLessThan(2500);
    await sent;
  });
});

describe('a sender in secure mode', () => {
  it('reports that its keys are missing, and continues when they exist again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gearway-keys-'));
    // Disconnects immediately, so that the sender reconnects every second.
    const rude = createServer((socket) => socket.end());
    const port = await onePort();
    await new Promise<void>((resolve) => rude.listen(port, '127.0.0.1', resolve));
    try {
      await using sender = new NetGearSender({
        ...local,
        port,
        pattern: 1,
        secure_mode: 1,
        custom_cert_location: folder,
      });
      const reasoned = async (pattern: RegExp): Promise<void> =>
        expect.poll(() => sender.clients[0]!.reason, { timeout: 8000 }).toMatch(pattern);
      await reasoned(/closed the connection during the handshake/);
      const keys = join(folder, '.vidgear/keys');
      rmSync(join(keys, 'public_keys/server.key'));
      await reasoned(/server\.key cannot be read/);
      expect(sender.clients[0]!.state).toBe('refused');
      writeFileSync(
        join(keys, 'public_keys/server.key'),
        'metadata\ncurve\n    public-key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"\n',
      );
      await reasoned(/closed the connection during the handshake/);
    } finally {
      rude.close();
      rmSync(folder, { recursive: true });
    }
  });
});
