import { inflateSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { encodeJpeg } from '../../../../gateway/codecs/jpeg.ts';
import { readJpegHeader } from '../../../../gateway/codecs/jpeg-header.ts';
import type { FrameInput } from '../../../../gateway/hub/frame.ts';
import { unpackSamples } from '../../../../shared/arrays/packed-samples.ts';
import { feature, type Hello } from '../../../../shared/protocol.ts';
import { createHttpApp, type HttpApp, type HttpAppOptions } from '../../../helpers/http-app.ts';
import { Viewer } from '../../../helpers/viewer.ts';

const [WIDTH, HEIGHT] = [640, 480];

async function picture(): Promise<FrameInput> {
  const data = Uint8Array.from({ length: WIDTH * HEIGHT * 3 }, (_, at) => (at * 7) % 251);
  const payload = await encodeJpeg({ data, width: WIDTH, height: HEIGHT, channels: 3 });
  return { width: WIDTH, height: HEIGHT, encoding: { kind: 'jpeg' }, payload, message: { n: 1 }, wireHeader: null };
}

const MODERN: Omit<Hello, 'type'> = { features: [feature.renditions] };

async function setUp(options: HttpAppOptions = {}): Promise<{
  http: HttpApp;
  url: string;
  connect: (hello: Omit<Hello, 'type'>) => Promise<Viewer>;
  [Symbol.asyncDispose]: () => Promise<void>;
}> {
  const http = await createHttpApp(options);
  const url = await http.listen();
  const viewers: Viewer[] = [];
  return {
    http,
    url,
    async connect(hello) {
      const viewer = await Viewer.connect(url);
      viewers.push(viewer);
      await viewer.hello(hello);
      return viewer;
    },
    async [Symbol.asyncDispose]() {
      for (const viewer of viewers) await viewer[Symbol.asyncDispose]();
      await http[Symbol.asyncDispose]();
    },
  };
}

// The gateway measures links with this clock. It stands still, so that a busy machine is not mistaken for a slow link.
beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

describe('WebClient with renditions', () => {
  // A busy machine must not look like a distant viewer, or like a slow link.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
  afterEach(() => void vi.useRealTimers());

  it('sends unmodified frames to a viewer with a fast link', async () => {
    await using app = await setUp();
    const viewer = await app.connect(MODERN);
    const input = await picture();
    for (let n = 1; n <= 5; n += 1) {
      app.http.stream.publish(input);
      const frame = await viewer.until('frame');
      expect(frame.rendition).toBeUndefined();
      expect(Buffer.compare(frame.payload, input.payload)).toBe(0);
      viewer.ack(frame.sequence);
    }
    expect(app.http.stream.clientStatuses()[0]).toMatchObject({ state: 'live', reason: '' });
  });

  it('sends the first frame as requested in the hello', async () => {
    await using app = await setUp();
    app.http.stream.publish(await picture());
    const viewer = await app.connect({ ...MODERN, want: { quality: 'half' } });
    expect(await viewer.until('frame')).toMatchObject({ sequence: 1, rendition: { pictureWidth: WIDTH / 2 } });
  });

  it('sends a small JPEG as the first frame to a viewer whose hello arrives late, and then frames of the source', async () => {
    await using app = await setUp();
    const input = await picture();
    app.http.stream.publish(input);
    const viewer = await Viewer.connect(app.url);
    onTestFinished(() => viewer[Symbol.asyncDispose]());
    vi.advanceTimersByTime(110);
    await viewer.hello(MODERN);
    const first = await viewer.until('frame');
    expect(first.rendition?.rendition).toBe('jpeg-1-50');
    expect(first.payload.byteLength).toBeLessThan(input.payload.byteLength / 2);
    viewer.ack(first.sequence);
    app.http.stream.publish(input);
    const second = await viewer.until('frame');
    expect(second.rendition).toBeUndefined();
  });

  it('sends scaled JPEGs to a viewer that requests half the size, with sequence and message of the frame, and reports it', async () => {
    await using app = await setUp();
    const viewer = await app.connect(MODERN);
    viewer.want({ quality: 'half' });
    await viewer.settled();
    const { sequence } = app.http.stream.publish(await picture());
    const frame = await viewer.until('frame');
    expect(frame).toMatchObject({
      sequence,
      width: WIDTH,
      height: HEIGHT,
      encoding: { kind: 'jpeg' },
      message: { n: 1 },
      rendition: { pictureWidth: WIDTH / 2, pictureHeight: HEIGHT / 2 },
    });
    expect(readJpegHeader(frame.payload)).toMatchObject({ width: WIDTH / 2, height: HEIGHT / 2 });
    viewer.ack(sequence);
    const { text, isLimited } = await viewer.until('delivery');
    expect(text).toMatch(/^JPEG 320×240 q75, .*: as requested by the viewer$/);
    expect(isLimited).toBe(false);
    // The bit rate in the report may have changed in the meantime.
    expect(app.http.stream.clientStatuses()[0]).toMatchObject({
      state: 'live',
      reason: expect.stringMatching(/^JPEG 320×240 q75, .*: as requested by the viewer$/) as unknown,
    });
  });

  it('shares a rendition among the viewers of a step', async () => {
    await using app = await setUp();
    const viewers = [await app.connect(MODERN), await app.connect(MODERN), await app.connect(MODERN)];
    for (const viewer of viewers) {
      viewer.want({ quality: 'quarter' });
      await viewer.settled();
    }
    app.http.stream.publish(await picture());
    const payloads = await Promise.all(viewers.map(async (viewer) => (await viewer.until('frame')).payload));
    expect(payloads.every((payload) => Buffer.compare(payload, payloads[0] ?? new Uint8Array()) === 0)).toBe(true);
  });

  it.each([
    ['does not support renditions', {}, {}],
    ['watches a stream without renditions', MODERN, { withoutRenditions: new Set(['main']) }],
  ])('sends unmodified frames to a viewer that %s, even if it requests others', async (_name, hello, options) => {
    await using app = await setUp(options);
    const viewer = await app.connect(hello);
    viewer.want({ quality: 'quarter', maxBitsPerSecond: 1000 });
    await viewer.settled();
    const input = await picture();
    app.http.stream.publish(input);
    const frame = await viewer.until('frame');
    expect(frame.rendition).toBeUndefined();
    expect(frame.payload.byteLength).toBe(input.payload.byteLength);
  });

  it('sends unmodified 16-bit samples for any request of the viewer', async () => {
    await using app = await setUp();
    const viewer = await app.connect(MODERN);
    viewer.want({ quality: 'quarter', maxBitsPerSecond: 1000 });
    await viewer.settled();
    const payload = new Uint8Array(WIDTH * HEIGHT * 2).fill(9);
    app.http.stream.publish({
      width: WIDTH,
      height: HEIGHT,
      encoding: { kind: 'raw', dtype: 'uint16', shape: [HEIGHT, WIDTH] },
      payload,
      message: null,
      wireHeader: null,
    });
    const frame = await viewer.until('frame');
    expect(frame).toMatchObject({ encoding: { kind: 'raw', dtype: 'uint16' } });
    expect(frame.payload.byteLength).toBe(payload.byteLength);
  });

  it('packs 16-bit samples for a viewer that shows packed arrays and needs less', async () => {
    await using app = await setUp();
    const viewer = await app.connect({ features: [feature.renditions, feature.packedArrays] });
    viewer.want({ maxBitsPerSecond: 1000 });
    await viewer.settled();
    const samples = Uint16Array.from({ length: WIDTH * HEIGHT }, (_, at) => 800 + (at % 7));
    const payload = new Uint8Array(samples.buffer);
    const shape = [HEIGHT, WIDTH];
    const input: FrameInput = {
      width: WIDTH,
      height: HEIGHT,
      encoding: { kind: 'raw', dtype: 'uint16', shape },
      payload,
      message: { n: 1 },
      wireHeader: null,
    };
    // The rate of the stream, on which the limit depends, is known from the second frame on.
    app.http.stream.publish(input);
    viewer.ack((await viewer.until('frame')).sequence);
    vi.advanceTimersByTime(20);
    app.http.stream.publish(input);
    const frame = await viewer.until('frame');
    expect(frame).toMatchObject({ encoding: { kind: 'packed', dtype: 'uint16', shape }, message: { n: 1 } });
    expect(Buffer.compare(unpackSamples('uint16', shape, inflateSync(frame.payload)), payload)).toBe(0);
  });

  it('sends the unmodified frame if it cannot be scaled', async () => {
    await using app = await setUp();
    const viewer = await app.connect(MODERN);
    viewer.want({ quality: 'half' });
    await viewer.settled();
    const damaged = { ...(await picture()), payload: Uint8Array.of(0xff, 0xd8, 0xff, 0xd9) };
    app.http.stream.publish(damaged);
    const frame = await viewer.until('frame');
    expect(frame.rendition).toBeUndefined();
    expect(Buffer.compare(frame.payload, damaged.payload)).toBe(0);
  });

  it('does not send a second frame before the first one has measured the link', async () => {
    await using app = await setUp();
    const viewer = await app.connect(MODERN);
    const input = await picture();
    const first = app.http.stream.publish(input);
    app.http.stream.publish(input);
    expect((await viewer.settled()).filter(({ type }) => type === 'frame')).toHaveLength(1);
    viewer.ack(first.sequence);
    await viewer.until('frame');
  });
});
