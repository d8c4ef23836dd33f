import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { SILENT_LOGGER } from '../../../shared/logger.ts';
import { DEFAULT_WEB_CLIENT_LIMITS } from '../../../gateway/clients/web/web-client.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../../../gateway/create-gateway.ts';
import { MAX_PUBLISHED_MESSAGE_BYTES, WebPublisher } from '../../../gateway/publishers/web-publisher.ts';
import { EventLog } from '../../../gateway/hub/event-log.ts';
import { Stream } from '../../../gateway/hub/stream.ts';
import { PushSource } from '../../../gateway/sources/push/push-source.ts';
import { SourceRun } from '../../../gateway/sources/source-run.ts';
import {
  decodePublisherAnswer,
  encodeMessage,
  encodePublishedHead,
  type Hello,
  type Value,
} from '../../../shared/protocol.ts';
import { jpegOf, jpegSized } from '../../helpers/pictures.ts';
import { principalWith } from '../../helpers/principal.ts';
import { Publisher } from '../../helpers/publisher.ts';
import { RunningRequest } from '../../helpers/running-request.ts';
import { JPEG, Viewer } from '../../helpers/viewer.ts';

async function start(options: GatewayOptions = {}): Promise<Gateway & { readonly url: string }> {
  const gateway = await createGateway({ port: 0, source: 'push:', ...options });
  const { url } = await gateway.listen();
  return Object.assign(gateway, { url: url.slice(0, -1) });
}

const text = (bytes: number): string => 'x'.repeat(bytes);

/** Masking and unmasking 64 MiB takes half a second; this mask changes nothing. */
const zeroMask = (mask: Buffer): void => void mask.fill(0);

function nestedList(depth: number): Value {
  let value: Value = [];
  for (let i = 1; i < depth; i += 1) value = [value];
  return value;
}

describe('WebPublisher: hello', () => {
  it('admits the publisher, and shows its name', async () => {
    await using gateway = await start();
    await using publisher = await Publisher.connect(gateway.url);
    const before = Date.now() * 1000;
    const welcome = await publisher.hello({ name: 'phone' });
    expect(welcome).toMatchObject({
      stream: 'main',
      port: null,
      leaseKey: null,
      rights: ['view', 'return', 'publish'],
      limits: { messageBytes: MAX_PUBLISHED_MESSAGE_BYTES, messagesPerSecond: 500, depth: 64 },
      state: 'waiting',
      reason: 'waiting for a publisher',
    });
    expect(Math.abs(welcome.clockUs - before)).toBeLessThan(60_000_000);
    expect(gateway.stream.status().source).toMatchObject({ kind: 'push', state: 'phone (127.0.0.1)' });
    expect(gateway.stream.clients).toEqual([]);
  });

  it('closes with 4001 for an unknown stream, and with 4011 for a stream with another source', async () => {
    await using gateway = await start({ source: ['main=push:', 'yard=test-pattern:?fps=1'] });
    await using lost = await Publisher.connect(gateway.url, { stream: 'other' });
    lost.sendHello();
    expect(await lost.closed).toMatchObject({ code: 4001, reason: expect.stringContaining('main, yard') as string });
    await using wrong = await Publisher.connect(gateway.url, { stream: 'yard' });
    wrong.sendHello();
    expect(await wrong.closed).toMatchObject({ code: 4011 });
  });

  it('closes a peer that may not publish with 4005', async () => {
    await using gateway = await start({ token: 's3cret', viewToken: 'look', publishToken: 'camera' });
    for (const hello of [{}, { token: 'wrong' }, { token: 'look' }]) {
      await using publisher = await Publisher.connect(gateway.url);
      publisher.sendHello(hello);
      expect(await publisher.closed).toMatchObject({ code: 4005 });
    }
    {
      await using publisher = await Publisher.connect(gateway.url);
      expect(await publisher.hello({ token: 'camera' })).toMatchObject({ rights: ['publish'] });
    }
    await expect.poll(() => gateway.stream.status().source.state).toBe('waiting for a publisher');
    await using publisher = await Publisher.connect(gateway.url, { headers: { authorization: 'Bearer camera' } });
    expect(await publisher.hello()).toMatchObject({ rights: ['publish'] });
  });

  it('closes the next publisher with 4010, and the name of the active one', async () => {
    await using gateway = await start();
    await using first = await Publisher.connect(gateway.url);
    await first.hello({ name: 'phone' });
    await using second = await Publisher.connect(gateway.url);
    second.sendHello();
    expect(await second.closed).toMatchObject({
      code: 4010,
      reason: expect.stringContaining('phone (127.0.0.1)') as string,
    });
    expect(await first.publish({ payload: JPEG })).toMatchObject({ sequence: 1 });
  });

  it('allows a take-over on request: the previous publisher is closed with 4003', async () => {
    await using gateway = await start();
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello();
    await using first = await Publisher.connect(gateway.url);
    await first.hello({ name: 'phone' });
    await first.publish({ payload: JPEG });
    await using second = await Publisher.connect(gateway.url);
    await second.hello({ name: 'tablet', takeOver: true });
    expect(await first.closed).toMatchObject({
      code: 4003,
      reason: expect.stringContaining('tablet (127.0.0.1)') as string,
    });
    await second.publish({ payload: JPEG });
    expect(gateway.stream.status()).toMatchObject({
      state: 'live',
      source: { state: 'tablet (127.0.0.1)' },
      frame: { sequence: 2 },
    });
    await using third = new RunningRequest(`${gateway.url}/streams/main/frames?takeOver=true`, {
      'content-type': 'multipart/x-mixed-replace; boundary=frame',
    });
    expect(await second.closed).toMatchObject({ code: 4003 });
    await third.cut();
  });

  it('notifies viewers that the publisher has left, and shows the next one', async () => {
    await using gateway = await start();
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello();
    const publisher = await Publisher.connect(gateway.url);
    await publisher.hello({ name: 'phone' });
    await publisher.publish({ payload: JPEG });
    expect(await viewer.next('state')).toMatchObject({ state: 'live' });
    expect(await viewer.next('frame')).toMatchObject({ sequence: 1 });
    await publisher[Symbol.asyncDispose]();
    expect(await viewer.next('state')).toMatchObject({
      state: 'stale',
      reason: 'phone (127.0.0.1) has left; waiting for a publisher',
    });
    await using again = await Publisher.connect(gateway.url);
    await again.hello({ name: 'phone' });
    await again.publish({ payload: JPEG });
    expect(await viewer.next('state')).toMatchObject({ state: 'live' });
  });

  it('is recorded in the events', async () => {
    await using gateway = await start();
    const events = gateway.events();
    await using publisher = await Publisher.connect(gateway.url);
    await publisher.hello({ name: 'phone' });
    await using refused = await Publisher.connect(gateway.url);
    refused.sendHello({ name: 'tablet' });
    await refused.closed;
    await using newest = await Publisher.connect(gateway.url);
    await newest.hello({ name: 'laptop', takeOver: true });
    const kinds: unknown[] = [];
    for await (const { kind, address } of events) {
      kinds.push([kind, address]);
      if (kinds.length === 4) break;
    }
    expect(kinds).toEqual([
      ['connect', 'phone (127.0.0.1)'],
      ['refuse', '127.0.0.1'],
      ['take-over', 'phone (127.0.0.1)'],
      ['connect', 'laptop (127.0.0.1)'],
    ]);
  });

  it('ends with the gateway: 1001', async () => {
    const gateway = await start();
    await using publisher = await Publisher.connect(gateway.url);
    await publisher.hello();
    await gateway.close();
    expect(await publisher.closed).toMatchObject({ code: 1001 });
  });
});

describe('WebPublisher: frames', () => {
  it('publishes a JPEG with message and time, and acknowledges it with the number of clients', async () => {
    await using gateway = await start();
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello();
    await using publisher = await Publisher.connect(gateway.url);
    await publisher.hello();
    expect(
      await publisher.publish({
        sequence: 7,
        payload: JPEG,
        message: { n: 1, big: 2n ** 80n },
        capturedAtUs: 1_766_400_000_000_000,
      }),
    ).toEqual({ type: 'taken', sequence: 7, clients: 1 });
    await viewer.next('state');
    expect(await viewer.next('frame')).toMatchObject({
      sequence: 1,
      width: 8,
      height: 8,
      encoding: { kind: 'jpeg' },
      message: { n: 1, big: 2n ** 80n },
      capturedAtUs: 1_766_400_000_000_000,
      payload: Buffer.from(JPEG),
    });
  });

  it('publishes samples unmodified', async () => {
    await using gateway = await start();
    await using viewer = await Viewer.connect(gateway.url);
    await viewer.hello();
    viewer.want({ raw: true });
    await viewer.settled();
    await using publisher = await Publisher.connect(gateway.url);
    await publisher.hello();
    const payload = Uint8Array.from({ length: 300 * 200 * 3 }, (_none, index) => (index * 7) % 251);
    expect(
      await publisher.publish({ encoding: { kind: 'raw', dtype: 'uint8', shape: [200, 300, 3] }, payload }),
    ).toEqual({ type: 'taken', sequence: 1, clients: 1 });
    await viewer.next('state');
    const frame = await viewer.next('frame');
    expect(frame.encoding).toEqual({ kind: 'raw', dtype: 'uint8', shape: [200, 300, 3] });
    expect(Buffer.compare(frame.payload, payload)).toBe(0);
  });

  it.each<[string, Parameters<Publisher['publish']>[0]]>([
    ['jpeg-invalid', { payload: JPEG.subarray(0, 100) }],
    ['jpeg-invalid', { payload: new Uint8Array(0) }],
    ['array-misfit', { encoding: { kind: 'raw', dtype: 'uint8', shape: [2, 2] }, payload: new Uint8Array(3) }],
    ['dtype-unknown', { encoding: { kind: 'raw', dtype: 'complex64', shape: [2, 2] }, payload: new Uint8Array(32) }],
    ['shape-invalid', { encoding: { kind: 'raw', dtype: 'uint8', shape: [4] }, payload: new Uint8Array(4) }],
    ['too-large', { payload: jpegSized(16_385, 1) }],
    ['too-large', { payload: jpegOf((64 << 20) + 1) }],
    ['value-invalid', { payload: JPEG, message: nestedList(65) }],
    ['value-invalid', { payload: JPEG, message: 10n ** 4300n }],
    ['value-invalid', { payload: JPEG, message: { bytes: new Uint8Array(4) } as unknown as Value }],
  ])('refuses a malformed frame with %s, and continues', async (code, frame) => {
    await using gateway = await start();
    await using publisher = await Publisher.connect(gateway.url, { generateMask: zeroMask });
    await publisher.hello();
    expect(await publisher.publish(frame)).toEqual({
      type: 'taken',
      sequence: 1,
      clients: 0,
      code,
      reason: expect.stringMatching(/^.{10,}$/) as string,
    });
    expect(gateway.stream.status()).toMatchObject({ frame: null, counters: { received: 0, rejected: 1 } });
    expect(await publisher.publish({ payload: jpegSized(16_384, 4096), message: nestedList(64) })).toEqual({
      type: 'taken',
      sequence: 2,
      clients: 0,
    });
  });

  it('accepts a message of the maximum size, and closes with 1009 beyond it, with a lower limit before hello', async () => {
    await using gateway = await start();
    await using publisher = await Publisher.connect(gateway.url, { generateMask: zeroMask });
    const { limits } = await publisher.hello();
    const head = encodePublishedHead({ sequence: 1, encoding: { kind: 'jpeg' }, message: text((1 << 20) - 100) });
    const payload = jpegOf(64 << 20);
    publisher.socket.send(Buffer.concat([head, payload]));
    expect(await publisher.next('taken')).toEqual({ type: 'taken', sequence: 1, clients: 0 });
    publisher.socket.send(new Uint8Array(limits.messageBytes + 1));
    expect(await publisher.closed).toMatchObject({ code: 1009 });
    await using unknown = await Publisher.connect(gateway.url);
    unknown.socket.send(new Uint8Array(DEFAULT_WEB_CLIENT_LIMITS.messageBytes + 1));
    expect(await unknown.closed).toMatchObject({ code: 1009 });
  });

  it.each<[string, (publisher: Publisher) => void]>([
    ['text', ({ socket }) => socket.send('hello')],
    ['a truncated message', ({ socket }) => socket.send(encodeMessage({ type: 'ping', id: 1 }).subarray(0, 9))],
    ['a second hello', (publisher) => publisher.sendHello()],
    ["a viewer's message", ({ socket }) => socket.send(encodeMessage({ type: 'want', paused: true }))],
    ['a frame with the previous number', (publisher) => publisher.sendFrame({ sequence: 1, payload: JPEG })],
    [
      'a ping with a payload',
      ({ socket }) => socket.send(Buffer.concat([encodeMessage({ type: 'ping', id: 1 }), Buffer.of(1)])),
    ],
  ])('closes with 4000 at %s', async (_name, send) => {
    await using gateway = await start();
    await using publisher = await Publisher.connect(gateway.url);
    await publisher.hello({ name: 'phone' });
    await publisher.publish({ payload: JPEG });
    send(publisher);
    expect(await publisher.closed).toMatchObject({ code: 4000 });
    expect(gateway.stream.status()).toMatchObject({
      state: 'stale',
      reason: expect.stringContaining('phone (127.0.0.1) was closed: ') as string,
    });
  });

  it('closes a peer that does not begin with hello with 4000', async () => {
    await using gateway = await start();
    await using publisher = await Publisher.connect(gateway.url);
    publisher.sendFrame({ payload: JPEG });
    expect(await publisher.closed).toMatchObject({ code: 4000 });
    expect(gateway.stream.status().frame).toBeNull();
  });

  it('ignores optional messages, and answers a ping', async () => {
    await using gateway = await start();
    await using publisher = await Publisher.connect(gateway.url);
    await publisher.hello();
    publisher.socket.send(Buffer.from('80000000000000018000000000000000', 'hex'));
    publisher.socket.send(encodeMessage({ type: 'ping', id: 7 }));
    expect(await publisher.next('pong')).toEqual({ type: 'pong', id: 7, clockUs: expect.any(Number) as number });
  });
});

describe('WebPublisher: return data', () => {
  it('delivers return data: current values, changes, and their end', async () => {
    await using gateway = await start();
    await using viewer = await Viewer.connect(gateway.url);
    const { port } = await viewer.hello();
    await viewer.return({ kind: 'value', value: { gripper: 'open', f: 0.5, big: 2n ** 70n } });
    await using publisher = await Publisher.connect(gateway.url);
    await publisher.hello();
    expect(await publisher.next('data')).toEqual({
      type: 'data',
      port,
      mode: 'sticky',
      body: { kind: 'value', value: { gripper: 'open', f: 0.5, big: 2n ** 70n } },
    });
    await viewer.return({ kind: 'jpeg', data: JPEG }, { mode: 'once' });
    expect(await publisher.next('data')).toEqual({
      type: 'data',
      port,
      mode: 'once',
      body: { kind: 'jpeg', data: Buffer.from(JPEG) },
    });
    await viewer.return({ kind: 'array', array: { dtype: 'float32', shape: [2], data: new Uint8Array(8) } });
    expect(await publisher.next('data')).toEqual({
      type: 'data',
      port,
      mode: 'sticky',
      body: { kind: 'array', array: { dtype: 'float32', shape: [2], data: Buffer.alloc(8) } },
    });
    await viewer[Symbol.asyncDispose]();
    expect(await publisher.next('data')).toEqual({
      type: 'data',
      port,
      mode: 'sticky',
      body: { kind: 'value', value: null },
    });
  });

  it('sends null for a value that exceeds the size of a message', async () => {
    await using gateway = await start();
    await using publisher = await Publisher.connect(gateway.url);
    await publisher.hello();
    const { stream } = gateway.stream as unknown as { stream: Stream };
    stream.returns.join(6000);
    for (const [length, value] of [
      [(1 << 20) - 100, text((1 << 20) - 100)],
      [1 << 20, null],
    ] as const) {
      stream.returns.set(6000, { kind: 'value', value: text(length), json: text(length) });
      expect(await publisher.next('data')).toEqual({
        type: 'data',
        port: 6000,
        mode: 'sticky',
        body: { kind: 'value', value },
      });
    }
  });
});

/** A fake WebSocket of the gateway, for tests with timers. */
class FakeSocket extends EventEmitter {
  bufferedAmount = 0;
  answersPings = true;
  /** Whether the kernel accepts sent data. */
  drains = true;
  readonly sent: Uint8Array[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly _receiver = { _maxPayload: 0 };
  readonly send = (data: Uint8Array, done?: () => void): void => {
    this.sent.push(data);
    if (this.drains) done?.();
    else if (done !== undefined) this.#waiting.push(done);
  };
  readonly ping = vi.fn<(data: Buffer) => void>((data) => void (this.answersPings && this.emit('pong', data)));
  readonly close = vi.fn<(code: number, reason: string) => void>();
  readonly terminate = vi.fn<() => void>(() => void this.emit('close'));

  hello(hello: Omit<Hello, 'type'> = {}): void {
    this.emit('message', Buffer.from(encodeMessage({ type: 'hello', ...hello })), true);
  }

  /** Accepts all data sent so far, like the kernel. */
  drain(): void {
    for (const done of this.#waiting.splice(0)) done();
  }

  /** The sent messages, without the welcome. */
  get messages(): unknown[] {
    return this.sent.map((data) => decodePublisherAnswer(data)).filter((message) => message?.type !== 'welcome');
  }
}

describe('WebPublisher: time', () => {
  let stream: Stream;
  let source: PushSource;
  let run: SourceRun;

  beforeEach(async () => {
    vi.useFakeTimers();
    stream = new Stream({
      name: 'main',
      virtualPorts: [],
      sourceTakesReturns: false,
      events: new EventLog(),
      waitingReason: 'waiting',
      log: SILENT_LOGGER,
    });
    source = new PushSource({ takeOver: false, isChecked: true });
    run = new SourceRun({ stream, stallMs: null, isOnDemand: false });
    await source.open(run);
  });

  afterEach(() => {
    run.close();
    stream.close();
    vi.useRealTimers();
  });

  function create(): { socket: FakeSocket; publisher: WebPublisher } {
    const socket = new FakeSocket();
    const publisher = new WebPublisher(socket as unknown as WebSocket, {
      served: { stream, publishing: source.publishing },
      report: (event) => stream.report(event),
      address: '192.168.1.7',
      authorize: () => ({ allowed: true, principal: principalWith(['publish']) }),
      limits: DEFAULT_WEB_CLIENT_LIMITS,
    });
    return { socket, publisher };
  }

  it('closes a peer without a hello within 5 s with 4008', () => {
    const { socket } = create();
    vi.advanceTimersByTime(5000);
    expect(socket.close).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1000);
    expect(socket.close).toHaveBeenCalledExactlyOnceWith(4008, expect.any(String));
    // A peer that does not answer the close is disconnected.
    vi.advanceTimersByTime(1000);
    expect(socket.terminate).toHaveBeenCalledOnce();
  });

  it('keeps a silent but connected publisher', () => {
    const { socket } = create();
    socket.hello();
    vi.advanceTimersByTime(3_600_000);
    expect(socket.close).not.toHaveBeenCalled();
    expect(source.state()).toBe('192.168.1.7');
  });

  it('disconnects a publisher that answers no ping for 15 s, and frees the stream', () => {
    const { socket } = create();
    socket.hello({ name: 'phone' });
    socket.answersPings = false;
    vi.advanceTimersByTime(15_000);
    expect(source.state()).toBe('phone (192.168.1.7)');
    vi.advanceTimersByTime(1000);
    expect(socket.terminate).toHaveBeenCalledOnce();
    expect(source.state()).toBe('waiting for a publisher');
    expect(stream.reason).toBe('phone (192.168.1.7) timed out after 15 s without data; waiting for a publisher');
  });

  it('closes with 4006 at 501 messages in a second, and for a socket that does not drain', () => {
    const { socket } = create();
    socket.hello();
    const ping = Buffer.from(encodeMessage({ type: 'ping', id: 1 }));
    for (let n = 1; n < 500; n += 1) socket.emit('message', ping, true);
    expect(socket.close).not.toHaveBeenCalled();
    socket.emit('message', ping, true);
    expect(socket.close).toHaveBeenCalledExactlyOnceWith(4006, expect.any(String));

    const slow = create();
    slow.socket.hello();
    slow.socket.bufferedAmount = DEFAULT_WEB_CLIENT_LIMITS.bufferedBytes;
    vi.advanceTimersByTime(1000);
    expect(slow.socket.close).not.toHaveBeenCalled();
    slow.socket.bufferedAmount += 1;
    vi.advanceTimersByTime(1000);
    expect(slow.socket.close).toHaveBeenCalledExactlyOnceWith(4006, expect.any(String));
  });

  it('raises the limit of a message with hello', () => {
    const { socket } = create();
    socket.hello();
    expect(socket._receiver._maxPayload).toBe(8 + (1 << 20) + (64 << 20));
  });

  it('sends one value at a time, and then the newest, to a publisher that reads slowly', async () => {
    const { socket } = create();
    socket.hello();
    socket.drains = false;
    stream.returns.join(6000);
    for (let n = 0; n < 1000; n += 1) {
      stream.returns.set(6000, { kind: 'value', value: n, json: String(n) });
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(socket.messages).toMatchObject([{ type: 'data', body: { value: 0 } }]);
    socket.drain();
    await vi.advanceTimersByTimeAsync(0);
    stream.returns.leave(6000);
    socket.drain();
    await vi.advanceTimersByTimeAsync(0);
    expect(socket.messages).toMatchObject([
      { body: { value: 0 } },
      { body: { value: 999 } },
      { body: { value: null } },
    ]);
  });

  it('closes once, even if more data or errors follow', () => {
    const { socket, publisher } = create();
    socket.hello();
    publisher.close(1001, 'the gateway stops');
    publisher.close(1001, 'the gateway stops');
    socket.hello();
    socket.emit('close');
    expect(socket.close).toHaveBeenCalledOnce();
    expect(source.state()).toBe('waiting for a publisher');
  });
});
