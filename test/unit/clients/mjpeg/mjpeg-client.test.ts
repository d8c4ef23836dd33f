import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SILENT_LOGGER } from '../../../../shared/logger.ts';
import { type JpegPictures, MjpegClient, mjpegHeaders } from '../../../../gateway/clients/mjpeg/mjpeg-client.ts';
import { Renditions } from '../../../../gateway/clients/renditions.ts';
import { EventLog } from '../../../../gateway/hub/event-log.ts';
import type { Frame, FrameInput } from '../../../../gateway/hub/frame.ts';
import { Stream } from '../../../../gateway/hub/stream.ts';

/** A response whose socket accepts written data when the test calls {@link FakeResponse.drain}. */
class FakeResponse extends EventEmitter {
  readonly writes: Uint8Array[] = [];
  readonly setKeepAlive = vi.fn<(enable: boolean, delayMs: number) => void>();
  readonly socket = { setKeepAlive: this.setKeepAlive };
  headers: Record<string, string> = {};
  /** Whether the kernel accepts all data immediately. */
  drains = true;
  isCorked = false;
  isDestroyed = false;
  #onDrained: (() => void)[] = [];

  removeHeader(): void {
    // There are no headers to remove.
  }

  writeHead(status: number, headers: Record<string, string>): void {
    this.headers = { status: String(status), ...headers };
  }

  cork(): void {
    this.isCorked = true;
  }

  uncork(): void {
    this.isCorked = false;
    if (this.drains) this.drain();
  }

  write(chunk: Uint8Array, onDrained?: () => void): void {
    this.writes.push(chunk);
    if (onDrained !== undefined) this.#onDrained.push(onDrained);
  }

  drain(): void {
    for (const done of this.#onDrained.splice(0)) done();
  }

  destroy(): void {
    this.isDestroyed = true;
    this.emit('close');
  }

  /** The boundary that the header announces. */
  get boundary(): string {
    return /boundary=(\S+)$/.exec(this.headers['content-type'] ?? '')?.[1] ?? '';
  }

  /** All written data as text, with the random boundary as `B`. */
  get text(): string {
    return Buffer.concat(this.writes).toString('latin1').replaceAll(this.boundary, 'B');
  }
}

const jpeg = (text: string): FrameInput => ({
  width: 8,
  height: 8,
  encoding: { kind: 'jpeg' },
  payload: Buffer.from(text),
  message: null,
  wireHeader: null,
});
const samples = (dtype: string, bytes: number, shape = [8, 8]): FrameInput => ({
  width: 8,
  height: 8,
  encoding: { kind: 'raw', dtype, shape },
  payload: new Uint8Array(bytes),
  message: null,
  wireHeader: null,
});
const placeholder = (text: string): Frame => ({ ...jpeg(text), sequence: 0, receivedAtUs: 0 });

const streams: Stream[] = [];
function setUp(
  options: {
    maxFramesPerSecond?: number;
    first?: FrameInput;
    createPlaceholder?: (sentence: string) => Promise<Frame>;
    pictures?: JpegPictures;
  } = {},
): {
  stream: Stream;
  response: FakeResponse;
  client: MjpegClient;
  join: () => { response: FakeResponse; client: MjpegClient };
} {
  const stream = new Stream({
    name: 'main',
    virtualPorts: [{ from: 6000, to: 6003 }],
    sourceTakesReturns: false,
    events: new EventLog(),
    waitingReason: 'no frame yet',
    log: SILENT_LOGGER,
  });
  streams.push(stream);
  if (options.first !== undefined) stream.publish(options.first);
  const pictures = options.pictures ?? new Renditions();
  const placeholders = new Map<string, Frame>();
  const createPlaceholder = async (sentence: string): Promise<Frame> => {
    const known = placeholders.get(sentence) ?? placeholder(`[placeholder: ${sentence}]`);
    placeholders.set(sentence, known);
    return known;
  };
  const join = (): { response: FakeResponse; client: MjpegClient } => {
    const response = new FakeResponse();
    const client = new MjpegClient(response as unknown as ServerResponse, {
      id: 'mjpeg-1',
      stream,
      pictures,
      createPlaceholder: options.createPlaceholder ?? createPlaceholder,
      address: '127.0.0.1',
      maxFramesPerSecond: options.maxFramesPerSecond ?? null,
    });
    return { response, client };
  };
  return { stream, join, ...join() };
}

/** Settles pending promises without advancing the time. */
const settle = async (): Promise<void> => {
  await vi.advanceTimersByTimeAsync(0);
};

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  for (const stream of streams.splice(0)) stream.close();
  vi.useRealTimers();
});

describe('MjpegClient', () => {
  it("sends the latest frame immediately, and the next part's header with each frame", () => {
    const { stream, response } = setUp({ first: jpeg('<one>') });
    expect(response.headers).toEqual({
      status: '200',
      'content-type': `multipart/x-mixed-replace; boundary=${response.boundary}`,
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      connection: 'close',
    });
    const begun = '--B\r\nContent-Type: image/jpeg\r\n\r\n<one>\r\n--B\r\nContent-Type: image/jpeg\r\n\r\n';
    expect(response.text).toBe(begun);
    stream.publish(jpeg('<two>'));
    expect(response.text).toBe(`${begun}<two>\r\n--B\r\nContent-Type: image/jpeg\r\n\r\n`);
  });

  it('has an unpredictable boundary', () => {
    const { response, join } = setUp();
    expect(response.boundary).toMatch(/^gearway-[0-9a-f]{32}$/);
    expect(join().response.boundary).not.toBe(response.boundary);
  });

  it('forwards a JPEG by reference, in one write with the bytes after it', () => {
    const { stream, response } = setUp();
    const corked: boolean[] = [];
    const write = response.write.bind(response);
    response.write = (...args) => {
      corked.push(response.isCorked);
      write(...args);
    };
    const frame = stream.publish(jpeg('<one>'));
    expect(response.writes[1]).toBe(frame.payload);
    expect(corked).toEqual([true, true]);
    expect(response.isCorked).toBe(false);
  });

  it('sends only the newest frame that arrived while the socket was full', () => {
    const { stream, response, client } = setUp({ first: jpeg('<1>') });
    response.drains = false;
    for (const text of ['<2>', '<3>', '<4>', '<5>']) stream.publish(jpeg(text));
    expect(response.text.match(/<\d>/g)).toEqual(['<1>', '<2>']);
    response.drain();
    expect(response.text.match(/<\d>/g)).toEqual(['<1>', '<2>', '<5>']);
    response.drain();
    expect(response.text.match(/<\d>/g)).toEqual(['<1>', '<2>', '<5>']);
    expect(client.status()).toMatchObject({ delivered: 3, dropped: 2, repeated: 0 });
  });

  it('shows the reason for a missing frame until there is one', async () => {
    const { stream, response, client } = setUp();
    await settle();
    expect(response.text).toContain('[placeholder: no frame yet]');
    stream.end('the server has ended the stream');
    await settle();
    expect(response.text).toContain('[placeholder: the server has ended the stream]');
    expect(client.status()).toMatchObject({ delivered: 0, repeated: 0 });
    stream.publish(jpeg('<1>'));
    stream.end('over again');
    await settle();
    expect(response.text).not.toContain('over again');
    expect(response.text.endsWith('<1>\r\n--B\r\nContent-Type: image/jpeg\r\n\r\n')).toBe(true);
    expect(client.status().delivered).toBe(1);
  });

  it('never shows a placeholder that is completed after the first frame has arrived', async () => {
    let made: (frame: Frame) => void = () => undefined;
    const { stream, response } = setUp({ createPlaceholder: () => new Promise((resolve) => (made = resolve)) });
    stream.publish(jpeg('<1>'));
    made(placeholder('[placeholder]'));
    await settle();
    expect(response.text).not.toContain('[placeholder]');
  });

  it('encodes a raw frame of any type once for all clients', async () => {
    vi.useRealTimers();
    for (const [dtype, bytes] of [
      ['uint8', 64],
      ['uint16', 128],
      ['float32', 256],
      ['bool', 64],
    ] as const) {
      const { stream, response, join } = setUp({ first: jpeg('<1>') });
      const second = join();
      const frame = stream.publish(samples(dtype, bytes));
      await expect.poll(() => [response, second.response].map(({ writes }) => writes.length)).toEqual([5, 5]);
      expect(Buffer.from(response.writes[3]!).readUInt16BE(0), dtype).toBe(0xffd8);
      expect(second.response.writes[3]).toBe(response.writes[3]);
      expect(frame.encoding.kind).toBe('raw');
      response.destroy();
      second.response.destroy();
    }
  });

  it('reports a frame that cannot be shown once, and continues with frames that can be shown', async () => {
    const { stream, response } = setUp({ first: jpeg('<1>') });
    for (let i = 0; i < 3; i += 1) {
      stream.publish(samples('int16', 256, [8, 8, 2]));
      await settle();
    }
    expect(response.text.match(/\[placeholder: .*? channels\]/g)).toEqual([
      '[placeholder: arrays of shape [8, 8, 2] cannot be shown as a picture, expected 1 (gray), 3 (BGR) or 4 (BGRA) channels]',
    ]);
    stream.publish(jpeg('<2>'));
    expect(response.text.match(/<\d>/g)).toEqual(['<1>', '<2>']);
  });

  describe('with a maximum rate', () => {
    const publishFor = (stream: Stream, ms: number, framesPerSecond: number): void => {
      for (let i = 0; i < (ms * framesPerSecond) / 1000; i += 1) {
        vi.advanceTimersByTime(1000 / framesPerSecond);
        stream.publish(jpeg('<x>'));
      }
    };

    it.each([
      [5, 30, 50],
      [30, 30, 300],
      [29, 30, 290],
      [0.5, 30, 5],
      [120, 30, 300],
    ])('%d fps from a source with %d fps is %d frames in 10 s', (maxFramesPerSecond, framesPerSecond, expected) => {
      const { stream, client } = setUp({ maxFramesPerSecond });
      publishFor(stream, 2000, framesPerSecond);
      const before = client.status().delivered;
      publishFor(stream, 10_000, framesPerSecond);
      expect(Math.abs(client.status().delivered - before - expected)).toBeLessThanOrEqual(1);
    });

    it('begins with one frame, not with two', () => {
      const { stream, client } = setUp({ maxFramesPerSecond: 5, first: jpeg('<1>') });
      vi.advanceTimersByTime(33);
      stream.publish(jpeg('<2>'));
      expect(client.status().delivered).toBe(1);
    });

    it('shows the last frame before a pause', () => {
      const { stream, response, client } = setUp({ maxFramesPerSecond: 5, first: jpeg('<1>') });
      vi.advanceTimersByTime(33);
      stream.publish(jpeg('<2>'));
      vi.advanceTimersByTime(33);
      stream.publish(jpeg('<3>'));
      vi.advanceTimersByTime(300);
      expect(response.text.match(/<\d>/g)).toEqual(['<1>', '<3>']);
      expect(client.status()).toMatchObject({ delivered: 2, dropped: 1 });
    });
  });

  it('is stuck if a picture has not been sent for 2 s', () => {
    const { response, client, stream } = setUp();
    response.drains = false;
    stream.publish(jpeg('<1>'));
    vi.advanceTimersByTime(2000);
    expect(client.status().state).toBe('live');
    vi.advanceTimersByTime(1);
    expect(client.status().state).toBe('stuck');
    response.drain();
    expect(client.status().state).toBe('live');
  });

  it('is disconnected after 10 s in which nothing was sent while frames waited', () => {
    const { response, stream } = setUp();
    response.drains = false;
    stream.publish(jpeg('<1>'));
    stream.publish(jpeg('<2>'));
    vi.advanceTimersByTime(10_000);
    expect(response.isDestroyed).toBe(false);
    // Checked every second.
    vi.advanceTimersByTime(1000);
    expect(response.isDestroyed).toBe(true);
    expect(stream.clientStatuses()).toEqual([]);
  });

  it('is not disconnected while it reads pictures, even slowly', () => {
    const { response, stream } = setUp();
    response.drains = false;
    for (let second = 0; second < 60; second += 1) {
      stream.publish(jpeg('<x>'));
      vi.advanceTimersByTime(1000);
      if (second % 9 === 8) response.drain();
    }
    expect(response.isDestroyed).toBe(false);
  });

  it('sends the picture again after 5 s of silence, to detect an unreachable peer', () => {
    const { response, stream, client } = setUp({ first: jpeg('<1>') });
    vi.advanceTimersByTime(4999);
    expect(response.text.match(/<\d>/g)).toEqual(['<1>']);
    vi.advanceTimersByTime(1);
    expect(response.text.match(/<\d>/g)).toEqual(['<1>', '<1>']);
    vi.advanceTimersByTime(10_000);
    expect(client.status()).toMatchObject({ delivered: 1, repeated: 3 });
    response.drains = false;
    vi.advanceTimersByTime(30_000);
    expect(response.isDestroyed).toBe(true);
    expect(stream.clientStatuses()).toEqual([]);
  });

  it('enables TCP keep-alive', () => {
    expect(setUp().response.setKeepAlive.mock.calls).toEqual([[true, 10_000]]);
  });

  it('is a spectator', () => {
    const { stream } = setUp({ first: jpeg('<1>') });
    for (let i = 0; i < 10; i += 1) {
      vi.advanceTimersByTime(40);
      stream.publish(jpeg('<x>'));
    }
    expect(stream.clientStatuses()).toEqual([
      {
        id: 'mjpeg-1',
        port: null,
        kind: 'spectator',
        address: 'img (127.0.0.1)',
        state: 'live',
        reason: '',
        delivered: 11,
        deliveredBytes: 33,
        dropped: 0,
        withheld: 0,
        repeated: 0,
        rejected: 0,
        framesPerSecond: 25,
        roundTripMs: null,
        delayMs: null,
        returnData: null,
      },
    ]);
  });

  it('ends when its connection is closed', async () => {
    const { stream, response, client } = setUp({ first: jpeg('<1>'), maxFramesPerSecond: 1 });
    stream.publish(jpeg('<2>'));
    response.emit('close');
    await client.closed;
    expect(stream.clientStatuses()).toEqual([]);
    client.offer(stream.publish(jpeg('<3>')));
    vi.advanceTimersByTime(60_000);
    expect(response.text.match(/<\d>/g)).toEqual(['<1>']);
    expect(response.isDestroyed).toBe(false);
  });

  it('can be closed twice', async () => {
    const { stream, response, client } = setUp();
    client.close();
    client.close();
    await client.closed;
    expect(response.isDestroyed).toBe(true);
    expect(stream.clientStatuses()).toEqual([]);
  });

  it('writes nothing to a connection that was closed while a frame was encoded', async () => {
    let encoded: (jpeg: Uint8Array) => void = () => undefined;
    const renditions = new Renditions();
    renditions.jpeg = () => new Promise((resolve) => (encoded = resolve));
    const { stream, response } = setUp({ pictures: renditions });
    stream.publish(samples('uint8', 64));
    response.emit('close');
    encoded(Buffer.from('<1>'));
    await settle();
    expect(response.text).not.toContain('<1>');
  });
});

describe('mjpegHeaders', () => {
  it('has no boundary without a body', () => {
    expect(mjpegHeaders()['content-type']).toBe('multipart/x-mixed-replace');
    expect(mjpegHeaders('x')['content-type']).toBe('multipart/x-mixed-replace; boundary=x');
  });
});
