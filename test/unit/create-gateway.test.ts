import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import {
  createGateway,
  type Gateway,
  type GatewayOptions,
  type NDArray,
  type StreamStatus,
  type Value,
} from '../../gateway/create-gateway.ts';
import {
  decodeGatewayMessage,
  encodeMessage,
  encodeReturn,
  type FrameMessage,
  type GatewayMessage,
} from '../../shared/protocol.ts';
import { freePorts } from '../helpers/free-port.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

/** A JPEG of 8 × 8 pixels, encoded by simplejpeg. */
const JPEG = ((): Uint8Array => {
  const { replies } = JSON.parse(
    readFileSync(new URL('../vectors/client-return-ndarray-jpeg.json', import.meta.url), 'utf8'),
  ) as { replies: { parts: { base64?: string }[] }[] };
  return Uint8Array.from(Buffer.from(replies[0]?.parts[1]?.base64 ?? '', 'base64'));
})();

const array = (dtype: string, shape: number[], bytes: number): NDArray => ({
  dtype,
  shape,
  data: new Uint8Array(bytes),
});

async function start(options: GatewayOptions = {}): Promise<Gateway & { readonly url: string }> {
  const gateway = await createGateway({ port: 0, source: 'push:', ...options });
  const { url } = await gateway.listen();
  return Object.assign(gateway, { url });
}

/** A viewer with a port over TCP, and its received messages. */
class Viewer implements AsyncDisposable {
  readonly socket: WebSocket;
  readonly closed: Promise<number>;
  readonly #unread: GatewayMessage[] = [];
  #waiting: (() => void) | null = null;

  constructor(url: string) {
    this.socket = new WebSocket(`${url.replace('http', 'ws')}streams/main/ws`, 'gearway.v1', {
      perMessageDeflate: false,
    });
    this.socket.on('open', () => this.socket.send(encodeMessage({ type: 'hello' })));
    this.socket.on('error', () => undefined);
    this.socket.on('message', (data: Buffer) => {
      const message = decodeGatewayMessage(data);
      if (message !== undefined) this.#unread.push(message);
      this.#waiting?.();
    });
    this.closed = once(this.socket, 'close').then(([code]) => code as number);
  }

  static async open(url: string): Promise<Viewer> {
    const viewer = new Viewer(url);
    await viewer.next('welcome');
    return viewer;
  }

  /** The next message of this type; others are skipped. */
  async next<T extends GatewayMessage['type']>(type: T): Promise<Extract<GatewayMessage, { type: T }>> {
    for (;;) {
      while (this.#unread.length === 0) await new Promise<void>((resolve) => (this.#waiting = resolve));
      const message = this.#unread.shift();
      if (message?.type === type) return message as Extract<GatewayMessage, { type: T }>;
    }
  }

  async return(value: Value, mode: 'sticky' | 'once'): Promise<void> {
    this.socket.send(encodeReturn({ type: 'return', id: 1, mode, body: { kind: 'value', value } }).head);
    await this.next('returned');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.terminate();
    await this.closed;
  }
}

describe('createGateway', () => {
  it('serves health and the stream on any free port', async () => {
    await using gateway = await start();
    expect(gateway.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    expect(gateway.streams.get('main')).toBe(gateway.stream);
    const health = await fetch(`${gateway.url}healthz`);
    expect(health.status).toBe(200);
    const response = await fetch(`${gateway.url}api/streams/main`);
    expect((await response.json()) as StreamStatus).toEqual({
      name: 'main',
      state: 'waiting',
      reason: 'waiting for a publisher',
      source: {
        kind: 'push',
        address: 'any publisher',
        state: 'waiting for a publisher',
        lastError: null,
        restarts: 0,
      },
      showable: true,
      frame: null,
      counters: {
        received: 0,
        receivedBytes: 0,
        rejected: 0,
        returnsRejected: 0,
        returnsDropped: 0,
        lastRejections: [],
      },
      ports: { ranges: [{ from: 6000, to: 6063 }], free: 64, taken: 0, held: [], reserved: [] },
      control: null,
      awaited: [],
      clients: [],
    });
    expect((await fetch(`${gateway.url}api/streams/other`)).status).toBe(404);
  });

  it.each<[string, GatewayOptions]>([
    ['option-invalid', { port: -1 }],
    ['option-invalid', { host: '0.0.0.0' }],
    ['source-invalid', { source: 'ftp://camera' }],
    ['source-invalid', { source: '' }],
    ['source-invalid', { source: 'test-pattern:?fps=0' }],
    ['address-invalid', { source: 'netgear:' }],
    ['pattern-unknown', { source: 'netgear:tcp://127.0.0.1:5555?pattern=7' }],
    ['port-taken', { clients: ['tcp://127.0.0.1:5567', 'tcp://127.0.0.2:5567'] }],
  ])('rejects with %s: %o', async (code, options) => {
    await expect(createGateway({ port: 0, ...options })).rejects.toMatchObject({ name: 'GearwayError', code });
  });

  it('rejects if the address of a source is in use, and works once it is free', async () => {
    const [port] = await freePorts(1);
    const source = `netgear:tcp://127.0.0.1:${port}?pattern=1`;
    const first = await createGateway({ source });
    await expect(createGateway({ source })).rejects.toMatchObject({ code: 'source-unavailable' });
    await first.close();
    await using second = await createGateway({ source });
    expect(second.stream.status().source.state).toBe('listening');
  });

  it('does not listen on a port that is taken', async () => {
    await using first = await start();
    await using second = await createGateway({ port: Number(new URL(first.url).port) });
    await expect(second.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('closes viewers with 1001, then settles', async () => {
    const gateway = await start();
    await using viewer = await Viewer.open(gateway.url);
    await gateway.close();
    expect(await viewer.closed).toBe(1001);
    await gateway.closed;
    await expect(fetch(`${gateway.url}healthz`)).rejects.toThrow();
  });

  it('can be closed repeatedly, even before it listens', async () => {
    const gateway = await createGateway();
    await Promise.all([gateway.close(), gateway.close({ onClose: 'terminate' })]);
    await gateway.close();
    await gateway[Symbol.asyncDispose]();
    await gateway.closed;
  });

  it('closes at the end of an `await using` block', async () => {
    let closed: Promise<void>;
    {
      await using gateway = await createGateway();
      ({ closed } = gateway);
    }
    await closed;
  });
});

describe('GatewayStream.push', () => {
  it('sends a JPEG with its message', async () => {
    await using gateway = await start();
    await using viewer = await Viewer.open(gateway.url);
    expect(gateway.stream.push(JPEG, { message: { n: 1 } })).toBe(1);
    const frame: FrameMessage = await viewer.next('frame');
    expect(frame).toMatchObject({ sequence: 1, width: 8, height: 8, encoding: { kind: 'jpeg' }, message: { n: 1 } });
    expect(Uint8Array.from(frame.payload)).toEqual(JPEG);
    expect(gateway.stream.push(JPEG)).toBe(2);
    expect(await viewer.next('frame')).toMatchObject({ sequence: 2, message: null });
    expect(gateway.stream.status()).toMatchObject({ state: 'live', frame: { sequence: 2, encoding: 'jpeg' } });
    expect(gateway.stream.clients).toMatchObject([{ port: 6000, kind: 'web', delivered: 2 }]);
  });

  it('sends arrays', async () => {
    await using gateway = await start();
    await using viewer = await Viewer.open(gateway.url);
    gateway.stream.push(array('uint16', [2, 3], 12), { message: 'depth' });
    expect(await viewer.next('frame')).toMatchObject({
      width: 3,
      height: 2,
      encoding: { kind: 'raw', dtype: 'uint16', shape: [2, 3] },
      message: 'depth',
    });
    gateway.stream.push(array('uint8', [2, 3, 3], 18));
    expect(await viewer.next('frame')).toMatchObject({ width: 3, height: 2, encoding: { kind: 'jpeg' } });
  });

  it.each<[string, string, Uint8Array | NDArray]>([
    ['jpeg-invalid', 'bytes that are not a JPEG', new Uint8Array(10)],
    ['jpeg-invalid', 'a truncated JPEG', JPEG.subarray(0, -1)],
    ['array-misfit', 'an array one byte short', array('uint8', [2, 3, 3], 17)],
    ['shape-invalid', 'an array of one dimension', array('uint8', [18], 18)],
    ['shape-invalid', 'an array of four dimensions', array('uint8', [1, 2, 3, 3], 18)],
    ['shape-invalid', 'an array without rows', array('uint8', [0, 3, 3], 0)],
    ['shape-invalid', 'an array without channels', array('uint8', [2, 3, 0], 0)],
    ['dtype-unknown', 'an array of objects', array('object', [2, 3], 48)],
    ['shape-invalid', 'an array of a negative size', array('uint8', [-2, -3], 6)],
    ['too-large', 'an array that is too wide', array('uint8', [1, 16_385], 16_385)],
  ])('rejects with %s %s', async (code, _name, frame) => {
    await using gateway = await createGateway();
    expect(() => gateway.stream.push(frame)).toThrow(coded(code));
    expect(gateway.stream.status()).toMatchObject({ state: 'waiting', counters: { received: 0 } });
  });

  it('rejects a message that Python cannot read', async () => {
    await using gateway = await createGateway();
    for (const message of [new Date(0), new Uint8Array(1), 10n ** 4300n, undefined]) {
      const invalid = [message] as unknown as Value;
      expect(() => gateway.stream.push(JPEG, { message: invalid })).toThrow(coded('value-invalid'));
    }
  });

  it('rejects frames when the stream has another source, or is closed', async () => {
    await using other = await createGateway({ source: 'test-pattern:?size=160x120&fps=1' });
    expect(() => other.stream.push(JPEG)).toThrow(coded('source-busy'));
    const gateway = await createGateway();
    await gateway.close();
    expect(() => gateway.stream.push(JPEG)).toThrow(coded('closed'));
  });
});

describe('GatewayStream.returns', () => {
  it('yields the return data of viewers', async () => {
    await using gateway = await start();
    await using first = await Viewer.open(gateway.url);
    await using second = await Viewer.open(gateway.url);
    const returned = gateway.stream.returns();
    await first.return({ gripper: 'close' }, 'sticky');
    await first.return({ gripper: 'close' }, 'sticky');
    await second.return(7, 'once');
    await second.return(7, 'once');
    const items = [];
    for await (const item of returned) if (items.push(item) === 3) break;
    expect(items).toEqual([
      { port: 6000, data: { gripper: 'close' } },
      { port: 6001, data: 7 },
      { port: 6001, data: 7 },
    ]);
  });

  it('ends when the gateway closes, and immediately afterwards', async () => {
    const gateway = await createGateway();
    const pending = gateway.stream.returns().next();
    await gateway.close();
    expect(await pending).toEqual({ value: undefined, done: true });
    expect(await gateway.stream.returns().next()).toEqual({ value: undefined, done: true });
  });
});
