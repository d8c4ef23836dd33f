import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { SILENT_LOGGER } from '../../../../shared/logger.ts';
import { type ViewerSocket, ViewerBinding } from '../../../../gateway/clients/web/viewer-binding.ts';
import { Renditions } from '../../../../gateway/clients/renditions.ts';
import { stepName } from '../../../../gateway/renditions/ladder.ts';
import { UnsentFrames } from '../../../../gateway/clients/unsent-frames.ts';
import type { VideoEncodings } from '../../../../gateway/clients/web/video-encodings.ts';
import type { SharedEncoding, VideoSubscriber } from '../../../../gateway/renditions/rendition.ts';
import {
  DEFAULT_WEB_CLIENT_LIMITS,
  WebClient,
  type WebClientLimits,
} from '../../../../gateway/clients/web/web-client.ts';
import { EventLog } from '../../../../gateway/hub/event-log.ts';
import type { FrameInput } from '../../../../gateway/hub/frame.ts';
import { Stream } from '../../../../gateway/hub/stream.ts';
import type { GatewayEvent } from '../../../../shared/status.ts';
import { createHttpApp } from '../../../helpers/http-app.ts';
import { UNUSUAL_JPEGS, UNUSUAL_SIZE } from '../../../helpers/unusual-jpegs.ts';
import { JPEG, JPEG_FRAME, Viewer } from '../../../helpers/viewer.ts';
import { principalWith } from '../../../helpers/principal.ts';
import type { Right } from '../../../../gateway/rights/principal.ts';
import { takeJson } from '../../../helpers/take-json.ts';
import { isBaselineJpeg, unusualJpegKind } from '../../../../shared/jpeg-kind.ts';
import {
  type Ack,
  decodeGatewayMessage,
  encodeMessage,
  encodeReturn,
  feature,
  type FrameMessage,
  type ReturnBody,
  type State,
  type Value,
  type Welcome,
} from '../../../../shared/protocol.ts';

const key = (welcome: Welcome): string => welcome.leaseKey ?? '';

function nestedList(depth: number): Value {
  let value: Value = [];
  for (let i = 1; i < depth; i += 1) value = [value];
  return value;
}

/** A value message with a hand-written MessagePack header: `{ id, mode: "once", kind: "value", value }`. */
function valueMessage(id: number, value: Uint8Array): Uint8Array {
  const start = Buffer.from(
    `84a26964${id.toString(16).padStart(2, '0')}a46d6f6465a46f6e6365a46b696e64a576616c7565a576616c7565`,
    'hex',
  );
  const header = Buffer.concat([start, value]);
  const message = new Uint8Array(8 + Math.ceil(header.byteLength / 8) * 8);
  message[0] = 3;
  new DataView(message.buffer).setUint32(4, header.byteLength);
  message.set(header, 8);
  return message;
}

interface Setup extends AsyncDisposable {
  readonly stream: Stream;
  /** All messages so far. */
  readonly events: readonly GatewayEvent[];
  readonly webClients: ReadonlySet<ViewerSocket>;
  connect(path?: string): Promise<Viewer>;
  /** Connects a viewer over TCP. */
  connectSocket(): Promise<Viewer>;
}

/** A stream with four virtual ports behind the real HTTP application. */
async function setUp({
  limits = {},
  token = null,
  viewToken = null,
  reservedPorts = {},
}: {
  limits?: Partial<WebClientLimits>;
  token?: string | null;
  viewToken?: string | null;
  reservedPorts?: Record<number, string>;
} = {}): Promise<Setup> {
  const http = await createHttpApp({
    stream: { reservedPorts: Object.keys(reservedPorts).map(Number) },
    access: {
      token,
      viewToken,
      reservedPorts: new Map(Object.entries(reservedPorts).map(([port, secret]) => [Number(port), secret])),
    },
    limits,
  });
  const { app, stream, webClients } = http;
  const events: GatewayEvent[] = [];
  void (async () => {
    for await (const event of http.events.events()) events.push(event);
  })();
  stream.ports.reserve(5567);
  await app.ready();
  return {
    stream,
    events,
    webClients,
    async connect(path = '/streams/main/ws') {
      let viewer: Viewer | undefined;
      await app.injectWS(
        path,
        {
          socket: { remoteAddress: '127.0.0.1' } as Socket,
          rawHeaders: [],
          headers: { host: '127.0.0.1:8080', 'sec-websocket-protocol': 'gearway.v1' },
        },
        { onInit: (socket) => (viewer = new Viewer(socket)) },
      );
      if (viewer === undefined) throw new Error('no socket was created');
      return viewer;
    },
    connectSocket: async () => Viewer.connect(await http.listen()),
    [Symbol.asyncDispose]: () => http[Symbol.asyncDispose](),
  };
}

describe('WebClient: hello', () => {
  it('welcomes a viewer on the lowest free port', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    const before = Date.now() * 1000;
    const welcome = await viewer.hello({ name: 'lab screen' });
    expect(welcome).toMatchObject({
      type: 'welcome',
      stream: 'main',
      port: 6000,
      rights: ['view', 'return', 'publish'],
      limits: { messageBytes: 8_388_608, messagesPerSecond: 500, depth: 64 },
      state: 'waiting',
      reason: 'no frame yet',
    });
    expect(welcome.leaseKey).toMatch(/^[0-9a-f]{32}$/);
    expect(Math.abs(welcome.clockUs - before)).toBeLessThan(60_000_000);
    expect(gateway.stream.clientStatuses()).toMatchObject([{ port: 6000, kind: 'web', state: 'live', delivered: 0 }]);
    expect(gateway.stream.clientStatuses()[0]?.address).toContain('lab screen');
    expect(takeJson(gateway.stream.returns)).toBe('{"6000": null}');
  });

  it('assigns the requested port', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    expect(await viewer.hello({ port: 6002 })).toMatchObject({ port: 6002 });
  });

  it('lets a spectator watch without a port', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    expect(await viewer.hello({ spectate: true, port: 6002 })).toMatchObject({
      port: null,
      leaseKey: null,
      rights: ['view', 'publish'],
    });
    expect(gateway.stream.ports.status()).toMatchObject({ free: 4, taken: 0 });
    expect(takeJson(gateway.stream.returns)).toBe('{}');
    gateway.stream.publish(JPEG_FRAME);
    expect(await viewer.settled()).toMatchObject([
      { type: 'state', state: 'live' },
      { type: 'frame', sequence: 1 },
    ]);
  });

  it('closes with 4002 if the port is taken, or belongs to a native client', async () => {
    await using gateway = await setUp();
    await using first = await gateway.connect();
    await first.hello({ port: 6001 });
    for (const port of [6001, 5567]) {
      await using second = await gateway.connect();
      second.socket.send(encodeMessage({ type: 'hello', port }));
      expect(await second.closed).toMatchObject({ code: 4002 });
    }
    expect(await first.settled()).toEqual([]);
  });

  it('makes the viewer beyond the last free port a spectator, and reports the reason', async () => {
    await using gateway = await setUp();
    await using first = await gateway.connect();
    await using second = await gateway.connect();
    await using third = await gateway.connect();
    await using fourth = await gateway.connect();
    for (const viewer of [first, second, third, fourth])
      expect(await viewer.hello()).not.toHaveProperty('spectatorReason');
    await using late = await gateway.connect();
    expect(await late.hello()).toMatchObject({
      port: null,
      leaseKey: null,
      rights: ['view', 'publish'],
      spectatorReason: expect.stringContaining('6000-6003') as string,
    });
    expect(await late.return({ kind: 'value', value: 1 })).toMatchObject({ accepted: false, code: 'no-port' });
    expect(gateway.events).toMatchObject([{}, {}, {}, {}, { kind: 'connect', client: 'web-5', port: null }]);
  });

  it('makes a viewer that may only watch a spectator, and reports the reason', async () => {
    await using gateway = await setUp({ token: 's3cret', viewToken: 'look' });
    await using viewer = await gateway.connect();
    expect(await viewer.hello({ token: 'look', port: 6001 })).toMatchObject({
      port: null,
      rights: ['view'],
      spectatorReason: 'no right to return data',
    });
    expect(await viewer.return({ kind: 'value', value: 1 })).toMatchObject({ accepted: false, code: 'not-allowed' });
  });

  it('keeps a reserved port for the holder of its token, which takes it over from an earlier connection', async () => {
    await using gateway = await setUp({ token: 's3cret', reservedPorts: { 6000: 'arm', 6001: 'leg' } });
    await using other = await gateway.connect();
    expect(await other.hello({ token: 's3cret' })).toMatchObject({ port: 6002 });
    await using thief = await gateway.connect();
    thief.socket.send(encodeMessage({ type: 'hello', port: 6000, token: 's3cret' }));
    expect(await thief.closed).toMatchObject({ code: 4005, reason: expect.stringContaining('reserved') as string });
    await using wrong = await gateway.connect();
    wrong.socket.send(encodeMessage({ type: 'hello', port: 6000, token: 'leg' }));
    expect(await wrong.closed).toMatchObject({ code: 4005 });
    await using owner = await gateway.connect();
    expect(await owner.hello({ token: 'arm' })).toMatchObject({ port: 6000, rights: ['view', 'return'] });
    await using again = await gateway.connect();
    expect(await again.hello({ token: 'arm', port: 6000 })).toMatchObject({ port: 6000 });
    expect(await owner.closed).toMatchObject({ code: 4003 });
    expect(gateway.stream.ports.status()).toEqual({
      ranges: [{ from: 6000, to: 6003 }],
      free: 1,
      taken: 2,
      held: [],
      reserved: [6000, 6001],
    });
  });

  it('reports viewers that connect, leave, are refused, and are taken over', async () => {
    await using gateway = await setUp();
    const first = await gateway.connect();
    const welcome = await first.hello({ name: 'lab screen' });
    await using second = await gateway.connect();
    await second.hello({ leaseKey: key(welcome) });
    const client = [...gateway.webClients].at(-1);
    expect(await first.closed).toMatchObject({ code: 4003 });
    await using refused = await gateway.connect();
    refused.socket.send(encodeMessage({ type: 'hello', port: 1 }));
    await refused.closed;
    await second[Symbol.asyncDispose]();
    await client?.closed;
    expect(gateway.events).toMatchObject([
      {
        id: 1,
        stream: 'main',
        kind: 'connect',
        client: 'web-1',
        port: 6000,
        address: expect.stringContaining('lab screen') as string,
      },
      { kind: 'take-over', client: 'web-1', port: 6000 },
      { kind: 'connect', client: 'web-2', port: 6000 },
      { kind: 'refuse', client: null, port: null, reason: expect.stringContaining('6000-6003') as string },
      { id: 5, kind: 'disconnect', client: 'web-2', port: 6000, reason: 'the viewer disconnected' },
    ]);
  });

  it('is disconnected permanently: its port is free immediately, and its key is invalid', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    const welcome = await viewer.hello();
    expect(gateway.stream.sendAway('web-9', 'no such client')).toBeNull();
    expect(gateway.stream.sendAway('web-1', 'the shift is over')).toMatchObject({ id: 'web-1', port: 6000 });
    expect(await viewer.closed).toEqual({ code: 4009, reason: 'the shift is over' });
    expect(gateway.stream.ports.status()).toMatchObject({ free: 4, held: [] });
    await using other = await gateway.connect();
    expect(await other.hello()).toMatchObject({ port: 6000 });
    await using back = await gateway.connect();
    expect(await back.hello({ leaseKey: key(welcome) })).toMatchObject({ port: 6001 });
  });

  it('closes with 4004 outside the range, and names the range in the reason', async () => {
    await using gateway = await setUp();
    for (const port of [5999, 6004, 0]) {
      await using viewer = await gateway.connect();
      viewer.socket.send(encodeMessage({ type: 'hello', port }));
      const { code, reason } = await viewer.closed;
      expect(code).toBe(4004);
      expect(reason).toContain('6000-6003');
    }
  });

  it('assigns the port again to the holder of its key, even after the socket has closed', async () => {
    await using gateway = await setUp();
    const first = await gateway.connect();
    const welcome = await first.hello();
    await first[Symbol.asyncDispose]();
    await using second = await gateway.connect();
    const again = await second.hello({ leaseKey: key(welcome) });
    expect(again.port).toBe(6000);
    expect(again.leaseKey).not.toBe(welcome.leaseKey);
  });

  it('closes a viewer whose port is taken over with 4003, and drops its return data', async () => {
    await using gateway = await setUp();
    await using first = await gateway.connect();
    const welcome = await first.hello();
    await first.return({ kind: 'value', value: 'drive' });
    await using second = await gateway.connect();
    expect(await second.hello({ leaseKey: key(welcome) })).toMatchObject({ port: 6000 });
    expect(await first.closed).toMatchObject({ code: 4003 });
    expect(takeJson(gateway.stream.returns)).toBe('{"6000": null}');
    expect(gateway.stream.clientStatuses()).toHaveLength(1);
    // The old key is invalid.
    await using third = await gateway.connect();
    expect(await third.hello({ leaseKey: key(welcome) })).toMatchObject({ port: 6001 });
    expect(await second.settled()).toEqual([]);
  });

  it('closes with 4005 without the token, and with a wrong one', async () => {
    await using gateway = await setUp({ token: 'secret' });
    for (const hello of [{}, { token: 'Secret' }]) {
      await using viewer = await gateway.connect();
      viewer.socket.send(encodeMessage({ type: 'hello', ...hello }));
      expect(await viewer.closed).toMatchObject({ code: 4005 });
    }
    await using viewer = await gateway.connect();
    expect(await viewer.hello({ token: 'secret' })).toMatchObject({ port: 6000 });
  });

  it('closes with 4001 for an unknown stream', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect('/streams/other/ws');
    viewer.sendHello();
    expect(await viewer.closed).toMatchObject({ code: 4001 });
  });
});

describe('WebClient: messages', () => {
  const hello = encodeMessage({ type: 'hello' });

  it.each<[string, (Uint8Array | string)[]]>([
    ['text', ['hello']],
    ['nothing', [new Uint8Array(0)]],
    ['too few bytes', [new Uint8Array(7)]],
    ['zeros', [new Uint8Array(64)]],
    ['something else', [Buffer.from('GET / HTTP/1.1\r\n\r\n')]],
    ['a ping before hello', [encodeMessage({ type: 'ping', id: 1 })]],
    ['hello twice', [hello, hello]],
    ['an unknown type', [hello, Uint8Array.from([0x7f, 0, 0, 0, 0, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0])]],
    ["the gateway's own message", [hello, encodeMessage({ type: 'pong', id: 1, clockUs: 1 })]],
    ['an ack without its fields', [hello, Uint8Array.from([2, 0, 0, 0, 0, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0])]],
    ['a ping with a payload', [hello, Buffer.concat([encodeMessage({ type: 'ping', id: 1 }), Buffer.alloc(8)])]],
  ])('closes with 4000 for %s, and serves the next viewer', async (_name, messages) => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    for (const message of messages) viewer.socket.send(message);
    expect(await viewer.closed).toMatchObject({ code: 4000 });
    await using next = await gateway.connect();
    expect(await next.hello({ port: 6003 })).toMatchObject({ port: 6003 });
  });

  it('ignores an unknown type with the high bit', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    viewer.socket.send(Uint8Array.from([0xff, 0, 0, 0, 0, 0, 0, 1, 0x80, 0, 0, 0, 0, 0, 0, 0]));
    expect(await viewer.settled()).toEqual([]);
  });

  it('answers a ping with its id and the clock', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    viewer.socket.send(encodeMessage({ type: 'ping', id: 7 }));
    const { id, clockUs } = await viewer.next('pong');
    expect(id).toBe(7);
    expect(Number.isSafeInteger(clockUs)).toBe(true);
  });

  it('closes with 4006 for more than 500 messages per second', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    const ping = encodeMessage({ type: 'ping', id: 1 });
    for (let i = 0; i < 5000; i += 1) viewer.socket.send(ping);
    expect(await viewer.closed).toMatchObject({ code: 4006 });
  });

  it('accepts a message of the maximum size, and closes with 1009 for a larger one', async () => {
    await using gateway = await setUp({ limits: { messageBytes: 1024 } });
    await using viewer = await gateway.connectSocket();
    await viewer.hello();
    const head = encodeReturn({
      type: 'return',
      id: 1,
      mode: 'once',
      body: { kind: 'array', array: { dtype: 'uint8', shape: [900], data: new Uint8Array(0) } },
    }).head.byteLength;
    const array = (bytes: number): ReturnBody => ({
      kind: 'array',
      array: { dtype: 'uint8', shape: [bytes], data: new Uint8Array(bytes) },
    });
    expect(await viewer.return(array(1024 - head), { mode: 'once' })).toMatchObject({ accepted: true });
    viewer.send({ type: 'return', id: 2, mode: 'once', body: array(1025 - head) });
    expect(await viewer.closed).toMatchObject({ code: 1009 });
  });
});

describe('WebClient: limits of input', () => {
  const filled = (type: number, headerBytes: number): Uint8Array => {
    const header = Buffer.alloc(headerBytes, 0x61);
    Buffer.from('81a178db', 'hex').copy(header);
    header.writeUInt32BE(headerBytes - 8, 4);
    const message = new Uint8Array(8 + Math.ceil(headerBytes / 8) * 8);
    message[0] = type;
    new DataView(message.buffer).setUint32(4, headerBytes);
    message.set(header, 8);
    return message;
  };
  /** A value with a list of `count` zeros. */
  const zeros = (count: number): Uint8Array =>
    valueMessage(
      1,
      Buffer.concat([Buffer.from([0xdd, count >>> 24, count >>> 16, count >>> 8, count]), Buffer.alloc(count)]),
    );

  it('accepts 4104 bytes before hello, and closes with 1009 for one more', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connectSocket();
    viewer.socket.send(filled(1, 4096));
    await viewer.next('welcome');
    await using other = await gateway.connect();
    other.socket.send(new Uint8Array(4105));
    expect(await other.closed).toMatchObject({ code: 1009 });
  });

  it.each([
    ['spectator', { spectate: true }],
    ['viewer that may only watch', { token: 'look' }],
  ])('accepts 4104 bytes from a %s after hello as well', async (_name, hello) => {
    await using gateway = await setUp({ token: 's3cret', viewToken: 'look' });
    await using viewer = await gateway.connectSocket();
    expect(await viewer.hello({ token: 's3cret', ...hello })).toMatchObject({ limits: { messageBytes: 4104 } });
    viewer.send({
      type: 'return',
      id: 1,
      mode: 'once',
      body: { kind: 'array', array: { dtype: 'uint8', shape: [4000], data: new Uint8Array(4000) } },
    });
    expect(await viewer.next('returned')).toMatchObject({ accepted: false });
    viewer.send({
      type: 'return',
      id: 2,
      mode: 'once',
      body: { kind: 'array', array: { dtype: 'uint8', shape: [4100], data: new Uint8Array(4100) } },
    });
    expect(await viewer.closed).toMatchObject({ code: 1009 });
  });

  it.each([2, 4, 5])('closes with 4000 for a header of 257 bytes of type %i', async (type) => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    viewer.socket.send(filled(type, 257));
    expect(await viewer.closed).toMatchObject({ code: 4000 });
  });

  it('closes with 1008 for a message of too many fragments', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connectSocket();
    for (let index = 0; index < 64; index += 1) viewer.socket.send(new Uint8Array(0), { fin: false });
    viewer.socket.send(encodeMessage({ type: 'hello' }), { fin: true });
    expect(await viewer.closed).toMatchObject({ code: 1008 });
  });

  it('closes with 4006 for bytes that belong to no message', async () => {
    await using gateway = await setUp({ limits: { bytesPerSecond: 1000 } });
    await using viewer = await gateway.connectSocket();
    await viewer.hello();
    for (let index = 0; index < 1000; index += 1) viewer.socket.send(new Uint8Array(4), { fin: false });
    expect(await viewer.closed).toMatchObject({ code: 4006 });
  });

  it('closes a watching viewer with 4006 for fewer bytes than one that may return data', async () => {
    await using gateway = await setUp({
      limits: { watchingBytesPerSecond: 5000, bytesPerSecond: 1_000_000, messagesPerSecond: 100_000 },
    });
    await using watching = await gateway.connectSocket();
    await watching.hello({ spectate: true });
    await using returning = await Viewer.connect(watching.socket.url.replace(/^ws(.*)\/streams.*$/, 'http$1'));
    await returning.hello();
    for (const { socket } of [watching, returning])
      for (let index = 0; index < 1000; index += 1) socket.send(encodeMessage({ type: 'ping', id: 1 }));
    expect(await watching.closed).toMatchObject({ code: 4006 });
    for (let index = 0; index < 1000; index += 1) await returning.next('pong');
  });

  it.each([
    // ws disconnects a peer that does not read the answers to its pings.
    ['ping', [1006, 4006]],
    ['pong', [4006]],
  ] as const)('closes for too many WebSocket %ss', async (kind, codes) => {
    await using gateway = await setUp();
    await using viewer = await gateway.connectSocket();
    await viewer.hello();
    for (let index = 0; index < 2000; index += 1) viewer.socket[kind]();
    expect(codes).toContain((await viewer.closed).code);
  });

  it("accepts one second's worth of elements in one burst, and closes with 4006 beyond", async () => {
    await using gateway = await setUp({ limits: { elementsPerSecond: 1000 } });
    await using viewer = await gateway.connect();
    await viewer.hello();
    viewer.socket.send(zeros(900));
    expect(await viewer.next('returned')).toMatchObject({ accepted: true });
    viewer.socket.send(zeros(1000));
    expect(await viewer.closed).toMatchObject({ code: 4006 });
  });
});

describe('WebClient: frames', () => {
  it('sends a frame as one message of head and payload', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    const { receivedAtUs } = gateway.stream.publish({ ...JPEG_FRAME, message: { n: 1, x: NaN } });
    expect(await viewer.next('state')).toMatchObject({ state: 'live' });
    const frame: FrameMessage = await viewer.next('frame');
    expect({ ...frame, payload: Uint8Array.from(frame.payload) }).toEqual({
      type: 'frame',
      sequence: 1,
      receivedAtUs,
      width: 8,
      height: 8,
      encoding: { kind: 'jpeg' },
      message: { n: 1, x: NaN },
      payload: JPEG,
    });
    expect(gateway.stream.clientStatuses()[0]).toMatchObject({ delivered: 1, dropped: 0 });
  });

  it('sends the latest frame to viewers that connect later', async () => {
    await using gateway = await setUp();
    gateway.stream.publish(JPEG_FRAME);
    gateway.stream.publish(JPEG_FRAME);
    await using viewer = await gateway.connect();
    expect(await viewer.hello()).toMatchObject({ state: 'live' });
    expect(await viewer.next('frame')).toMatchObject({ sequence: 2 });
  });

  it('sends two frames without an acknowledgement, then only the newest', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    for (let i = 0; i < 6; i += 1) gateway.stream.publish(JPEG_FRAME);
    expect(await viewer.settled()).toMatchObject([{ type: 'state' }, { sequence: 1 }, { sequence: 2 }]);
    expect(gateway.stream.clientStatuses()[0]).toMatchObject({ delivered: 2, dropped: 3 });
    viewer.ack(1);
    expect(await viewer.settled()).toMatchObject([{ sequence: 6 }]);
    viewer.ack(6);
    expect(await viewer.settled()).toEqual([]);
    gateway.stream.publish(JPEG_FRAME);
    expect(await viewer.next('frame')).toMatchObject({ sequence: 7 });
  });

  it('sends nothing to a paused viewer, and reports the frame with which it resumes', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    for (let i = 0; i < 4; i += 1) gateway.stream.publish(JPEG_FRAME);
    await viewer.settled();
    viewer.want({ paused: true });
    viewer.ack(2);
    expect(await viewer.settled()).toEqual([]);
    gateway.stream.publish(JPEG_FRAME);
    expect(await viewer.settled()).toEqual([]);
    expect(gateway.stream.clientStatuses()[0]).toMatchObject({ state: 'paused' });
    viewer.want({ paused: false });
    const state: State = await viewer.next('state');
    expect(state).toMatchObject({ state: 'live', resumeSequence: 5 });
    expect(await viewer.next('frame')).toMatchObject({ sequence: 5 });
    viewer.want({ paused: false });
    expect(await viewer.settled()).toEqual([]);
  });

  it('resumes without a sequence while there is no frame', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    viewer.want({ paused: true });
    viewer.want({ paused: false });
    expect(await viewer.next('state')).toEqual({ type: 'state', state: 'waiting', reason: 'no frame yet' });
  });

  it('sends 8-bit samples as JPEG, or unmodified on request', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    const raw: FrameInput = {
      ...JPEG_FRAME,
      encoding: { kind: 'raw', dtype: 'uint8', shape: [8, 8, 3] },
      payload: new Uint8Array(192),
    };
    gateway.stream.publish(raw);
    await viewer.next('state');
    expect(await viewer.next('frame')).toMatchObject({ encoding: { kind: 'jpeg' } });
    viewer.want({ raw: true });
    viewer.ack(1);
    await viewer.settled();
    gateway.stream.publish(raw);
    const frame = await viewer.next('frame');
    expect(frame).toMatchObject({ encoding: { kind: 'raw', dtype: 'uint8', shape: [8, 8, 3] } });
    expect(frame.payload.byteLength).toBe(192);
  });

  it('sends a JPEG again as a baseline JPEG to a viewer that cannot decode its type, and all others unmodified', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    const unusual: FrameInput = { ...JPEG_FRAME, ...UNUSUAL_SIZE, payload: UNUSUAL_JPEGS.lossless };
    gateway.stream.publish(unusual);
    await viewer.next('state');
    expect(unusualJpegKind((await viewer.next('frame')).payload)).toBe('lossless JPEG');
    viewer.ack(1);
    viewer.want({ baseline: true });
    const again = await viewer.next('frame');
    expect(again).toMatchObject({ sequence: 1, ...UNUSUAL_SIZE, encoding: { kind: 'jpeg' } });
    expect(isBaselineJpeg(again.payload)).toBe(true);
    viewer.ack(1);
    gateway.stream.publish(JPEG_FRAME);
    expect(Uint8Array.from((await viewer.next('frame')).payload)).toEqual(JPEG);
    expect(gateway.stream.clientStatuses()[0]).toMatchObject({
      state: 'live',
      reason: 'gets its JPEGs encoded again, because it cannot decode their kind',
    });
  });

  it('sends a JPEG unmodified that the gateway cannot decode either', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    viewer.want({ baseline: true });
    await viewer.settled();
    gateway.stream.publish({ ...JPEG_FRAME, payload: UNUSUAL_JPEGS.twelveBit });
    expect(Uint8Array.from((await viewer.until('frame')).payload)).toEqual(Uint8Array.from(UNUSUAL_JPEGS.twelveBit));
  });

  it('is unsupported while the viewer reports that it can show nothing', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    gateway.stream.publish(JPEG_FRAME);
    viewer.socket.send(
      encodeMessage({ type: 'ack', sequence: 1, painted: 0, skipped: 0, failed: 7, decodeMs: 0, failing: true }),
    );
    await viewer.settled();
    expect(gateway.stream.clientStatuses()[0]).toMatchObject({
      state: 'unsupported',
      reason: 'the viewer can decode none of the frames (7 failed)',
    });
    viewer.socket.send(encodeMessage({ type: 'ack', sequence: 1, painted: 1, skipped: 0, failed: 7, decodeMs: 0 }));
    await viewer.settled();
    expect(gateway.stream.clientStatuses()[0]).toMatchObject({ state: 'live', reason: '' });
  });

  it('notifies the viewer when the stream has ended', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    gateway.stream.end('the server has ended the stream');
    expect(await viewer.next('state')).toEqual({
      type: 'state',
      state: 'ended',
      reason: 'the server has ended the stream',
    });
  });
});

describe('WebClient: return data', () => {
  it('accepts sticky and once-only values', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    const values = gateway.stream.returns.values();
    expect(await viewer.return({ kind: 'value', value: { gripper: 'close' } }, { id: 5 })).toEqual({
      type: 'returned',
      id: 5,
      accepted: true,
    });
    expect(
      await viewer.return({ kind: 'value', value: [1, 2.5, NaN, 2n ** 70n, null] }, { id: 6, mode: 'once' }),
    ).toEqual({ type: 'returned', id: 6, accepted: true });
    expect([takeJson(gateway.stream.returns), takeJson(gateway.stream.returns)]).toEqual([
      '{"6000": [1, 2.5, NaN, 1180591620717411303424, null]}',
      '{"6000": {"gripper": "close"}}',
    ]);
    expect((await values.next()).value).toEqual({ port: 6000, data: { gripper: 'close' } });
    expect((await values.next()).value).toEqual({ port: 6000, data: [1, 2.5, NaN, 2n ** 70n, null] });
    expect(gateway.stream.clientStatuses()[0]?.returnData).toEqual({ gripper: 'close' });
  });

  it('accepts arrays and JPEGs', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    const data = Uint8Array.from({ length: 24 }, (_, index) => index);
    expect(await viewer.return({ kind: 'array', array: { dtype: 'float32', shape: [2, 3], data } })).toMatchObject({
      accepted: true,
    });
    expect(gateway.stream.returns.get(6000)).toMatchObject({
      kind: 'array',
      array: { dtype: 'float32', shape: [2, 3], data },
    });
    expect(await viewer.return({ kind: 'jpeg', data: JPEG })).toMatchObject({ accepted: true });
    expect(gateway.stream.returns.get(6000)).toMatchObject({ kind: 'jpeg', data: JPEG, colorspace: 'BGR' });
  });

  it('keeps the order of values after a JPEG', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    viewer.send({ type: 'return', id: 1, mode: 'once', body: { kind: 'jpeg', data: JPEG } });
    viewer.send({ type: 'return', id: 2, mode: 'once', body: { kind: 'jpeg', data: JPEG.subarray(0, 100) } });
    viewer.send({ type: 'return', id: 3, mode: 'once', body: { kind: 'value', value: 'last' } });
    expect([await viewer.next('returned'), await viewer.next('returned'), await viewer.next('returned')]).toMatchObject(
      [
        { id: 1, accepted: true },
        { id: 2, accepted: false, code: 'jpeg-invalid' },
        { id: 3, accepted: true },
      ],
    );
    expect(takeJson(gateway.stream.returns)).toContain('$ndarray');
    expect(takeJson(gateway.stream.returns)).toBe('{"6000": "last"}');
  });

  it('accepts an urgent value before all waiting values, and discards them', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    viewer.send({ type: 'return', id: 1, mode: 'once', body: { kind: 'value', value: 'waits for the server' } });
    viewer.send({ type: 'return', id: 2, mode: 'sticky', body: { kind: 'jpeg', data: JPEG } });
    viewer.send({
      type: 'return',
      id: 3,
      mode: 'sticky',
      urgent: true,
      body: { kind: 'value', value: { stop: true } },
    });
    expect([await viewer.next('returned'), await viewer.next('returned'), await viewer.next('returned')]).toMatchObject(
      [
        { id: 1, accepted: true },
        { id: 3, accepted: true },
        { id: 2, accepted: false, code: 'superseded' },
      ],
    );
    expect(takeJson(gateway.stream.returns)).toBe('{"6000": {"stop": true}}');
  });

  const withSize = (width: number, height: number): Uint8Array => {
    const jpeg = Uint8Array.from(JPEG);
    const at = Buffer.from(jpeg).indexOf(Buffer.from([0xff, 0xc0]));
    jpeg.set([height >> 8, height & 255, width >> 8, width & 255], at + 5);
    return jpeg;
  };

  it.each<[string, string, ReturnBody]>([
    ['jpeg-invalid', 'a truncated JPEG', { kind: 'jpeg', data: JPEG.subarray(0, JPEG.byteLength - 1) }],
    [
      'jpeg-invalid',
      'a JPEG with half its scan',
      { kind: 'jpeg', data: Buffer.concat([JPEG.subarray(0, JPEG.byteLength - 40), Buffer.from([0xff, 0xd9])]) },
    ],
    ['jpeg-invalid', 'a JPEG larger than its scan', { kind: 'jpeg', data: withSize(640, 480) }],
    ['jpeg-invalid', 'no JPEG', { kind: 'jpeg', data: Buffer.from('PNG') }],
    ['jpeg-invalid', 'an empty JPEG', { kind: 'jpeg', data: new Uint8Array(0) }],
    ['too-large', 'a JPEG that claims 20000 × 20000', { kind: 'jpeg', data: withSize(20_000, 20_000) }],
    [
      'array-misfit',
      'an array one byte short',
      { kind: 'array', array: { dtype: 'float32', shape: [2, 3], data: new Uint8Array(23) } },
    ],
    [
      'array-misfit',
      'an array one byte long',
      { kind: 'array', array: { dtype: 'float32', shape: [2, 3], data: new Uint8Array(25) } },
    ],
    [
      'array-misfit',
      'an array of an unknown dtype',
      { kind: 'array', array: { dtype: 'object', shape: [1], data: new Uint8Array(8) } },
    ],
    [
      'array-misfit',
      'an array larger than memory',
      { kind: 'array', array: { dtype: 'float64', shape: [2 ** 31, 2 ** 31], data: new Uint8Array(8) } },
    ],
    ['value-invalid', 'an integer of 4301 digits', { kind: 'value', value: 10n ** 4300n }],
    ['value-invalid', 'an integer of 5000 digits', { kind: 'value', value: [-(10n ** 5000n)] }],
    ['value-invalid', '65 nested lists', { kind: 'value', value: nestedList(65) }],
    ['value-invalid', 'bytes', { kind: 'value', value: { a: new Uint8Array(4) } as unknown as Value }],
    ['value-invalid', 'a date', { kind: 'value', value: new Date(0) as unknown as Value }],
  ])('refuses with %s: %s', async (code, _name, body) => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    expect(await viewer.return({ kind: 'value', value: 'before' })).toMatchObject({ accepted: true });
    for (const mode of ['sticky', 'once'] as const)
      expect(await viewer.return(body, { id: 8, mode })).toMatchObject({ id: 8, accepted: false, code });
    expect(takeJson(gateway.stream.returns)).toBe('{"6000": "before"}');
    expect(gateway.stream.clientStatuses()[0]).toMatchObject({ rejected: 2 });
    expect(gateway.stream.returns.rejected).toBe(2);
    expect(await viewer.return({ kind: 'value', value: 'after' })).toMatchObject({ accepted: true });
  });

  it('accepts an integer of 4300 digits and 64 nested lists', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    expect(await viewer.return({ kind: 'value', value: 10n ** 4300n - 1n })).toMatchObject({ accepted: true });
    expect(await viewer.return({ kind: 'value', value: nestedList(64) })).toMatchObject({ accepted: true });
  });

  it.each([10_000, 100_000])('refuses %i nested lists, or closes, and continues to serve others', async (depth) => {
    await using gateway = await setUp();
    await using other = await gateway.connect();
    await other.hello();
    await using viewer = await gateway.connect();
    await viewer.hello();
    viewer.socket.send(valueMessage(9, Buffer.concat([Buffer.alloc(depth, 0x91), Buffer.from([0xc0])])));
    // The maximum depth of MessagePack depends on Node's stack size.
    const outcome = await Promise.any([viewer.next('returned'), viewer.closed]);
    expect([4000, 'value-invalid']).toContain(outcome.code);
    expect(await other.return({ kind: 'value', value: 1 })).toMatchObject({ accepted: true });
  });

  it.each([
    // One key of 50 000 characters, defined once, then 5000 maps of two bytes each.
    [
      "msgpackr's records",
      Buffer.concat([
        Buffer.from('dc1389d4724191dac350', 'hex'),
        Buffer.alloc(50_000, 0x6b),
        Buffer.from('01', 'hex'),
        Buffer.from('4101'.repeat(5000), 'hex'),
      ]),
    ],
    // Each list contains the previous one twice.
    [
      "msgpackr's references",
      Array.from({ length: 38 }, (_, index) => index + 2).reduce(
        (twice, id) =>
          Buffer.concat([
            Buffer.from([0xd6, 0x69, 0, 0, 0, id, 0x92]),
            twice,
            Buffer.from([0xd6, 0x70, 0, 0, 0, id - 1]),
          ]),
        Buffer.from('d66900000001920102', 'hex'),
      ),
    ],
    ['a list that announces 2^32 - 1 items', Buffer.from('ddffffffff01', 'hex')],
    ['a map that announces 2^32 - 1 items', Buffer.from('dfffffffff01', 'hex')],
    ['a string of 4 GB', Buffer.from('dbffffffff61', 'hex')],
    ['an integer of 100 000 digits', Buffer.concat([Buffer.from('c90000a23142', 'hex'), Buffer.alloc(0xa231, 0x55)])],
    ['200 000 integers in a list', Buffer.concat([Buffer.from('dd00030d40', 'hex'), Buffer.alloc(200_000, 1)])],
    ['200 000 empty maps in a list', Buffer.concat([Buffer.from('dd00030d40', 'hex'), Buffer.alloc(200_000, 0x80)])],
    [
      '100 000 keys',
      Buffer.concat([
        Buffer.from('df000186a0', 'hex'),
        ...Array.from({ length: 100_000 }, (_, index) =>
          Buffer.from(`a5${index.toString(16).padStart(10, '3')}01`, 'hex'),
        ),
      ]),
    ],
    [
      '100 000 long integers',
      Buffer.concat([Buffer.from('dd000186a0', 'hex'), Buffer.from('c705420102030405'.repeat(100_000), 'hex')]),
    ],
    ['100 000 nested lists', Buffer.alloc(100_000, 0x91)],
  ])('closes with 4000 for %s, and continues to serve others', async (_name, value) => {
    await using gateway = await setUp();
    await using other = await gateway.connect();
    await other.hello();
    await using viewer = await gateway.connect();
    await viewer.hello();
    viewer.socket.send(valueMessage(9, value));
    expect(await viewer.closed).toMatchObject({ code: 4000 });
    expect(await other.return({ kind: 'value', value: 1 })).toMatchObject({ accepted: true });
  });

  it('refuses with too-many while 32 once-only values wait', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello();
    for (let i = 0; i < 32; i += 1)
      expect(await viewer.return({ kind: 'value', value: i }, { mode: 'once' })).toMatchObject({ accepted: true });
    expect(await viewer.return({ kind: 'value', value: 32 }, { mode: 'once' })).toMatchObject({
      accepted: false,
      code: 'too-many',
    });
    takeJson(gateway.stream.returns);
    expect(await viewer.return({ kind: 'value', value: 33 }, { mode: 'once' })).toMatchObject({ accepted: true });
  });

  it('refuses a spectator with no-port', async () => {
    await using gateway = await setUp();
    await using viewer = await gateway.connect();
    await viewer.hello({ spectate: true });
    for (const body of [
      { kind: 'value', value: 1 },
      { kind: 'jpeg', data: JPEG },
    ] as const) {
      expect(await viewer.return(body)).toMatchObject({ accepted: false, code: 'no-port' });
    }
    expect(takeJson(gateway.stream.returns)).toBe('{}');
  });

  it('discards return data when the socket closes, and keeps the port reserved', async () => {
    await using gateway = await setUp();
    const viewer = await gateway.connect();
    await viewer.hello();
    await viewer.return({ kind: 'value', value: 'drive' });
    expect(takeJson(gateway.stream.returns)).toBe('{"6000": "drive"}');
    const [client] = gateway.webClients;
    await viewer[Symbol.asyncDispose]();
    await client?.closed;
    expect(takeJson(gateway.stream.returns)).toBe('{}');
    expect(gateway.stream.ports.status()).toMatchObject({ free: 3, taken: 1 });
    expect(gateway.stream.clientStatuses()).toEqual([]);
  });
});

/** A fake WebSocket of the gateway, for tests with timers. */
class FakeSocket extends EventEmitter {
  bufferedAmount = 0;
  readonly sent: Uint8Array[] = [];
  readonly send = vi.fn<(data: Uint8Array) => void>((data) => void this.sent.push(data));
  readonly readyState = 1;
  readonly transport = {
    cork: () => undefined,
    uncork: () => undefined,
    write: (data: Uint8Array, taken?: () => void) => this.sent.push(data) > 0 && ((this.taken = taken ?? null), true),
    writableLength: 0,
  };
  /** Callback of the last write: the connection has accepted it. */
  taken: (() => void) | null = null;
  answersPings = true;
  readonly ping = vi.fn<(data: Buffer) => void>((data) => void (this.answersPings && this.emit('pong', data)));
  readonly close = vi.fn<(code: number, reason: string) => void>();
  readonly terminate = vi.fn<() => void>(() => void this.emit('close'));

  receive(message: Parameters<typeof encodeMessage>[0]): void {
    this.emit('message', Buffer.from(encodeMessage(message)), true);
  }
}

describe('WebClient: malformed messages', () => {
  it('count for the stream once the viewer is admitted, and not before', async () => {
    await using gateway = await setUp();
    for (const isAdmitted of [false, true]) {
      await using viewer = await gateway.connect();
      if (isAdmitted) await viewer.hello();
      viewer.socket.send('text');
      expect(await viewer.closed).toMatchObject({ code: 4000 });
      expect(gateway.stream.returns.rejected).toBe(isAdmitted ? 1 : 0);
    }
  });
});

describe('WebClient: time', () => {
  let stream: Stream;

  beforeEach(() => {
    vi.useFakeTimers();
    stream = new Stream({
      name: 'main',
      virtualPorts: [{ from: 6000, to: 6003 }],
      sourceTakesReturns: true,
      events: new EventLog(),
      waitingReason: 'no frame yet',
      log: SILENT_LOGGER,
    });
  });

  afterEach(() => {
    stream.close();
    vi.useRealTimers();
  });

  function create(
    rights: readonly Right[] = ['view', 'return'],
    unsent = new UnsentFrames(),
  ): { socket: FakeSocket; client: WebClient; binding: ViewerBinding } {
    const socket = new FakeSocket();
    const binding = new ViewerBinding({
      id: 'web-1',
      served: { stream, renditions: new Renditions() },
      report: (event) => stream.report(event),
      address: '127.0.0.1',
      authorize: () => ({ allowed: true, principal: principalWith(rights) }),
    });
    const client = new WebClient(socket as unknown as WebSocket, {
      binding,
      transport: socket.transport,
      limits: DEFAULT_WEB_CLIENT_LIMITS,
      unsent,
      verifyJpeg: () => {
        throw new Error('no JPEG is returned here');
      },
    });
    return { socket, client, binding };
  }

  function connected(): { socket: FakeSocket; client: WebClient; binding: ViewerBinding } {
    const created = create();
    created.socket.receive({ type: 'hello' });
    return created;
  }

  const ack = (sequence: number): Ack => ({ type: 'ack', sequence, painted: 0, skipped: 0, failed: 0, decodeMs: 1 });

  it('closes with 4008 without a hello for 5 s', () => {
    const { socket } = create();
    vi.advanceTimersByTime(5000);
    expect(socket.close).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1000);
    expect(socket.close.mock.calls).toEqual([[4008, expect.any(String)]]);
  });

  it('closes with 4007 without an acknowledgement for 10 s', () => {
    const { socket } = connected();
    stream.publish(JPEG_FRAME);
    vi.advanceTimersByTime(10_000);
    expect(socket.close).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1000);
    expect(socket.close.mock.calls).toEqual([[4007, expect.any(String)]]);
  });

  it('waits forever while nothing is in flight', () => {
    const { socket } = connected();
    stream.publish(JPEG_FRAME);
    socket.receive(ack(1));
    vi.advanceTimersByTime(3_600_000);
    expect(socket.close).not.toHaveBeenCalled();
  });

  it('waits 10 s again after each acknowledgement', () => {
    const { socket } = connected();
    stream.publish(JPEG_FRAME);
    for (let i = 1; i < 20; i += 1) {
      stream.publish(JPEG_FRAME);
      vi.advanceTimersByTime(9000);
      socket.receive(ack(i));
    }
    expect(socket.close).not.toHaveBeenCalled();
  });

  it('does not count the duration of a pause', () => {
    const { socket } = connected();
    stream.publish(JPEG_FRAME);
    socket.receive({ type: 'want', paused: true });
    vi.advanceTimersByTime(60_000);
    expect(socket.close).not.toHaveBeenCalled();
    socket.receive({ type: 'want', paused: false });
    vi.advanceTimersByTime(9000);
    expect(socket.close).not.toHaveBeenCalled();
    vi.advanceTimersByTime(2000);
    expect(socket.close.mock.calls).toEqual([[4007, expect.any(String)]]);
  });

  it('is stuck in the API after 2 s without acknowledgement', () => {
    const { socket, binding } = connected();
    stream.publish(JPEG_FRAME);
    vi.advanceTimersByTime(2000);
    expect(binding.status().state).toBe('live');
    vi.advanceTimersByTime(1);
    expect(binding.status().state).toBe('stuck');
    socket.receive(ack(1));
    expect(binding.status()).toMatchObject({ state: 'live', roundTripMs: 2001 });
  });

  it('closes with 4006 if the socket does not drain', () => {
    const { socket } = connected();
    socket.bufferedAmount = DEFAULT_WEB_CLIENT_LIMITS.bufferedBytes;
    vi.advanceTimersByTime(1000);
    expect(socket.close).not.toHaveBeenCalled();
    socket.bufferedAmount += 1;
    vi.advanceTimersByTime(1000);
    expect(socket.close.mock.calls).toEqual([[4006, expect.any(String)]]);
  });

  it('writes no further frame until the connection has accepted the previous one, and then the newest', () => {
    const { socket, binding } = connected();
    socket.transport.writableLength = 1;
    for (let index = 0; index < 3; index += 1) stream.publish(JPEG_FRAME);
    socket.receive(ack(1));
    expect(binding.status()).toMatchObject({ delivered: 1, dropped: 1 });
    const first = socket.taken;
    first?.();
    expect(binding.status()).toMatchObject({ delivered: 2, dropped: 1 });
    // The callback of a frame before the waiting one.
    stream.publish(JPEG_FRAME);
    first?.();
    expect(binding.status()).toMatchObject({ delivered: 2, dropped: 1 });
  });

  it('continues after small frames for which the connection emits no drain', async () => {
    const taken: (() => void)[] = [];
    const transport = new Writable({
      highWaterMark: 1 << 20,
      write: (_data, _encoding, done) => void taken.push(done),
    });
    const socket = new FakeSocket();
    const binding = new ViewerBinding({
      id: 'web-1',
      served: { stream, renditions: new Renditions() },
      report: () => undefined,
      address: '127.0.0.1',
      authorize: () => ({ allowed: true, principal: principalWith(['view']) }),
    });
    const client = new WebClient(socket as unknown as WebSocket, {
      binding,
      transport,
      limits: DEFAULT_WEB_CLIENT_LIMITS,
      verifyJpeg: () => {
        throw new Error('no JPEG is returned here');
      },
    });
    socket.receive({ type: 'hello' });
    for (let sequence = 1; sequence <= 3; sequence += 1) {
      stream.publish(JPEG_FRAME);
      expect(binding.status()).toMatchObject({ delivered: sequence, dropped: 0 });
      socket.receive(ack(sequence));
      while (client.unsentBytes > 0) {
        taken.shift()?.();
        await Promise.resolve();
      }
    }
  });

  /** A viewer that gets H.264. `encode` is the encoder's next chunk. */
  function withVideo(): {
    readonly socket: FakeSocket;
    readonly client: WebClient;
    readonly binding: ViewerBinding;
    readonly subscribers: ReadonlySet<VideoSubscriber>;
    readonly encoding: { isSlow: boolean };
    readonly encode: (sequence: number, isKey?: boolean) => void;
  } {
    const subscribers = new Set<VideoSubscriber>();
    const encoding: SharedEncoding & { isSlow: boolean } = {
      isSlow: false,
      subscribe: (subscriber) => void subscribers.add(subscriber),
      unsubscribe: (subscriber) => void subscribers.delete(subscriber),
      requestKey: () => undefined,
    };
    const socket = new FakeSocket();
    const video = { isAvailable: true, get: () => encoding } as unknown as VideoEncodings;
    const binding = new ViewerBinding({
      id: 'web-1',
      served: { stream, renditions: new Renditions(), video },
      report: () => undefined,
      address: '127.0.0.1',
      authorize: () => ({ allowed: true, principal: principalWith(['view']) }),
    });
    const client = new WebClient(socket as unknown as WebSocket, {
      binding,
      transport: socket.transport,
      limits: DEFAULT_WEB_CLIENT_LIMITS,
      verifyJpeg: () => {
        throw new Error('no JPEG is returned here');
      },
    });
    socket.receive({ type: 'hello', features: [feature.renditions] });
    socket.receive({ type: 'want', video: true, quality: 'half' });
    const description = { codec: 'avc1.42c028', description: Uint8Array.of(1, 66, 192, 40) };
    const encode = (sequence: number, isKey = false): void => {
      for (const subscriber of subscribers)
        subscriber.chunk({
          sequence,
          receivedAtUs: 0,
          capturedAtUs: null,
          width: 640,
          height: 480,
          message: null,
          encoding: { kind: 'h264', isKey, ...(isKey ? description : {}) },
          rendition: { rendition: 'h264-2-740', pictureWidth: 320, pictureHeight: 240 },
          payload: Uint8Array.of(1),
        });
    };
    return { socket, client, binding, subscribers, encoding, encode };
  }

  it('reports the JPEGs that a viewer gets until H.264 is available, and a slow encoder', () => {
    const { client, binding, encoding, encode } = withVideo();
    stream.publish({ ...JPEG_FRAME, width: 640, height: 480 });
    expect(binding.status().reason).toMatch(/^JPEG \d+×\d+ q\d+ until H\.264 is available, /);
    encode(1, true);
    expect(binding.status().reason).toMatch(/^H\.264 \d+×\d+, [^,]*$/);
    encoding.isSlow = true;
    encode(2);
    expect(binding.status().reason).toMatch(/^H\.264 \d+×\d+, [^,]*, slow encoder$/);
    client.close(1001, 'the test ends');
  });

  it('ends the H.264 of a viewer that requests raw frames', () => {
    const { socket, client, subscribers } = withVideo();
    stream.publish({ ...JPEG_FRAME, width: 640, height: 480 });
    expect(subscribers.size).toBe(1);
    socket.receive({ type: 'want', raw: true });
    stream.publish({ ...JPEG_FRAME, width: 640, height: 480 });
    expect(subscribers.size).toBe(0);
    client.close(1001, 'the test ends');
  });

  it('needs no pictures while it gets H.264, which continues after a switch until the first picture arrives', () => {
    const { socket, client, binding, subscribers, encode } = withVideo();
    const picture = { ...JPEG_FRAME, width: 640, height: 480 };
    const announce = (sequence: number): void =>
      stream.announce({ ...picture, sequence, receivedAtUs: 0, payload: { byteLength: 50_000 } });
    expect(binding.needsPictures).toBe(true);
    stream.publish(picture);
    // The key frame has not arrived.
    expect(binding.needsPictures).toBe(true);
    encode(1, true);
    expect([binding.needsPictures, stream.needsPictures()]).toEqual([false, false]);
    let sequence = 1;
    for (; sequence <= 20; sequence += 1) {
      announce(sequence + 1);
      encode(sequence + 1);
      socket.receive(ack(sequence + 1));
    }
    expect(binding.needsPictures).toBe(false);
    // A short interruption needs none either, until the next key frame.
    for (const subscriber of subscribers) subscriber.interrupted();
    expect(binding.needsPictures).toBe(false);
    vi.advanceTimersByTime(600);
    expect(binding.needsPictures).toBe(true);
    encode((sequence += 1), true);
    expect(binding.needsPictures).toBe(false);
    socket.receive({ type: 'want', quality: 'source' });
    announce((sequence += 1));
    expect([binding.needsPictures, subscribers.size]).toEqual([true, 1]);
    const { delivered } = binding.status();
    encode((sequence += 1));
    expect(binding.status().delivered).toBe(delivered + 1);
    stream.publish({ ...picture, arrival: { sequence: (sequence += 1), receivedAtUs: 0 } });
    expect([binding.needsPictures, subscribers.size]).toEqual([true, 0]);
    client.close(1001, 'the test ends');
  });

  it('needs no pictures while another gateway sends the JPEGs of its step, and gets these, one per frame', async () => {
    /** The other gateway: the JPEGs that it sends, by the names of their steps; null if it sends none. */
    const flowing = new Set<string>();
    const requested: string[] = [];
    const renditions = new Renditions({
      remote: {
        hasJpegs: (step) => flowing.has(stepName(step)),
        jpeg: ({ sequence }, step) => {
          const name = stepName(step);
          requested.push(name);
          if (!flowing.has(name)) return null;
          if (sequence % 3 === 0) return Promise.resolve('skipped');
          return Promise.resolve({
            sequence,
            receivedAtUs: 0,
            capturedAtUs: null,
            width: 640,
            height: 480,
            message: { sequence },
            encoding: { kind: 'jpeg' },
            rendition: { rendition: name, pictureWidth: 320, pictureHeight: 240 },
            payload: Uint8Array.of(1),
          });
        },
      },
    });
    const socket = new FakeSocket();
    const binding = new ViewerBinding({
      id: 'web-1',
      served: { stream, renditions },
      report: () => undefined,
      address: '127.0.0.1',
      authorize: () => ({ allowed: true, principal: principalWith(['view']) }),
    });
    const client = new WebClient(socket as unknown as WebSocket, {
      binding,
      transport: socket.transport,
      limits: DEFAULT_WEB_CLIENT_LIMITS,
      verifyJpeg: () => {
        throw new Error('no JPEG is returned here');
      },
    });
    socket.receive({ type: 'hello', features: [feature.renditions] });
    socket.receive({ type: 'want', quality: 'half' });
    const picture = { ...JPEG_FRAME, width: 640, height: 480 };
    const settle = async (): Promise<void> => {
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    };
    expect(binding.needsPictures).toBe(true);
    flowing.add('jpeg-2-75');
    stream.publish(picture);
    await settle();
    socket.receive(ack(1));
    expect([binding.needsPictures, binding.status().delivered]).toEqual([false, 1]);
    for (let sequence = 2; sequence <= 10; sequence += 1) {
      stream.announce({ ...picture, sequence, receivedAtUs: 0, payload: { byteLength: 50_000 } });
      await settle();
      socket.receive(ack(sequence));
    }
    // Frames 3, 6 and 9 were skipped by the other gateway.
    expect([binding.needsPictures, binding.status().delivered]).toEqual([false, 7]);
    expect(new Set(requested)).toEqual(new Set(['jpeg-2-75']));
    // Another step needs pictures only if its JPEGs do not arrive.
    socket.receive({ type: 'want', quality: 'quarter' });
    for (const name of ['jpeg-4-70', 'jpeg-4-45']) flowing.add(name);
    stream.announce({ ...picture, sequence: 11, receivedAtUs: 0, payload: { byteLength: 50_000 } });
    await settle();
    expect([binding.needsPictures, binding.status().delivered]).toEqual([false, 8]);
    expect(requested.at(-1)).toMatch(/^jpeg-4-/);
    flowing.clear();
    expect(binding.needsPictures).toBe(true);
    flowing.add(requested.at(-1) ?? '');
    expect(binding.needsPictures).toBe(false);
    // The unmodified frames are pictures.
    socket.receive({ type: 'want', quality: 'source' });
    stream.announce({ ...picture, sequence: 12, receivedAtUs: 0, payload: { byteLength: 50_000 } });
    expect([binding.needsPictures, binding.status().delivered]).toEqual([true, 8]);
    client.close(1001, 'the test ends');
  });

  it('allows a waiting frame to exceed the limit of the buffer', () => {
    const { socket } = connected();
    socket.transport.writableLength = 1;
    stream.publish(JPEG_FRAME);
    socket.bufferedAmount = DEFAULT_WEB_CLIENT_LIMITS.bufferedBytes + JPEG_FRAME.payload.byteLength;
    vi.advanceTimersByTime(1000);
    expect(socket.close).not.toHaveBeenCalled();
    socket.bufferedAmount += 1000;
    vi.advanceTimersByTime(1000);
    expect(socket.close.mock.calls).toEqual([[4006, expect.any(String)]]);
  });

  it('is disconnected if too many frames wait for clients that do not read, and keeps no frame afterwards', async () => {
    const unsent = new UnsentFrames(JPEG.byteLength);
    const viewers = [create(['view', 'return'], unsent), create(['view', 'return'], unsent)];
    for (const { socket } of viewers) {
      socket.receive({ type: 'hello' });
      socket.transport.writableLength = 1;
      stream.publish({ ...JPEG_FRAME, payload: Uint8Array.from(JPEG) });
      stream.publish({ ...JPEG_FRAME, payload: Uint8Array.from(JPEG) });
    }
    expect(viewers[0]!.socket.terminate).toHaveBeenCalledTimes(1);
    expect(viewers[1]!.socket.terminate).not.toHaveBeenCalled();
    expect(unsent.bytes).toBe(JPEG.byteLength);
    viewers[1]!.client.close(1001, 'the gateway stops');
    expect(unsent.bytes).toBe(0);
    await viewers[0]!.client.closed;
  });

  it('pings with the welcome to measure the round trip, and every second to detect unreachable hosts', () => {
    const { socket } = connected();
    expect(socket.ping).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(3000);
    expect(socket.ping).toHaveBeenCalledTimes(4);
  });

  it('terminates a peer that does not close within 1 s, and then settles', async () => {
    const { socket, client } = connected();
    client.close(1001, 'the gateway stops');
    vi.advanceTimersByTime(999);
    expect(socket.terminate).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(socket.terminate).toHaveBeenCalledTimes(1);
    await client.closed;
  });

  it('closes once, sends nothing afterwards, and keeps no timer', async () => {
    const { socket, client, binding } = connected();
    client.close(1001, 'the gateway stops');
    client.close(4000, 'again');
    binding.revoke();
    expect(socket.close.mock.calls).toEqual([[1001, 'the gateway stops']]);
    socket.emit('close');
    await client.closed;
    const sent = socket.sent.length;
    stream.publish(JPEG_FRAME);
    client.offer(stream.publish(JPEG_FRAME));
    client.streamChanged('ended', 'over');
    socket.receive({ type: 'ping', id: 1 });
    vi.advanceTimersByTime(60_000);
    expect(socket.sent).toHaveLength(sent);
    expect(socket.terminate).not.toHaveBeenCalled();
    stream.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each(['é'.repeat(100), `${'a'.repeat(122)}é`, `${'a'.repeat(121)}é`, '😀'.repeat(50)])(
    'truncates the reason %j to 123 bytes without splitting a character',
    (reason) => {
      const { socket, client } = connected();
      client.close(4000, reason);
      const sent = socket.close.mock.calls[0]?.[1] ?? '';
      expect(Buffer.byteLength(sent)).toBeLessThanOrEqual(123);
      expect(Buffer.byteLength(sent)).toBeGreaterThan(119);
      expect(sent.endsWith('…')).toBe(Buffer.byteLength(reason) > 123);
      expect(reason.startsWith(sent.replace(/…$/, ''))).toBe(true);
    },
  );

  it('sends as many frames per second as the viewer requests', () => {
    const { socket, binding } = connected();
    socket.receive({ type: 'want', maxFramesPerSecond: 10 });
    for (let i = 1; i <= 400; i += 1) {
      stream.publish(JPEG_FRAME);
      socket.receive(ack(i));
      vi.advanceTimersByTime(25);
    }
    expect(binding.status().delivered).toBeGreaterThanOrEqual(98);
    expect(binding.status().delivered).toBeLessThanOrEqual(102);
  });

  it('sends every frame to a viewer that requests the rate of the source', () => {
    const { socket, binding } = connected();
    socket.receive({ type: 'want', maxFramesPerSecond: 40 });
    for (let i = 1; i <= 400; i += 1) {
      stream.publish(JPEG_FRAME);
      socket.receive(ack(i));
      vi.advanceTimersByTime(25);
    }
    expect(binding.status().delivered).toBeGreaterThanOrEqual(396);
  });

  it('disconnects a viewer that answers no ping for 15 s, even while it is paused', () => {
    const { socket } = connected();
    socket.receive({ type: 'want', paused: true });
    vi.advanceTimersByTime(60_000);
    expect(socket.terminate).not.toHaveBeenCalled();
    socket.answersPings = false;
    vi.advanceTimersByTime(15_000);
    expect(socket.terminate).not.toHaveBeenCalled();
    vi.advanceTimersByTime(2000);
    expect(socket.terminate).toHaveBeenCalled();
    expect(stream.clientStatuses()).toEqual([]);
  });

  it('reports the latency that the viewer measures', () => {
    const { socket, binding } = connected();
    expect(binding.status().delayMs).toBeNull();
    socket.receive({ ...ack(1), delayMs: 18.26 });
    expect(binding.status().delayMs).toBe(18.3);
  });

  it('refuses a viewer that may only watch with not-allowed', () => {
    const { socket } = create(['view']);
    socket.receive({ type: 'hello' });
    const { head } = encodeReturn({ type: 'return', id: 1, mode: 'once', body: { kind: 'value', value: 1 } });
    socket.emit('message', Buffer.from(head), true);
    expect(socket.sent.map((data) => decodeGatewayMessage(data))).toMatchObject([
      { type: 'welcome', rights: ['view'] },
      { type: 'returned', accepted: false, code: 'not-allowed' },
    ]);
  });
});
