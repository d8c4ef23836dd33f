import { describe, expect, it, vi } from 'vitest';
import { encodeJpeg } from '../../../../gateway/codecs/jpeg.ts';
import { SILENT_LOGGER } from '../../../../shared/logger.ts';
import { VideoEncoding, type VideoStream } from '../../../../gateway/clients/web/video-encoding.ts';
import type { Frame } from '../../../../gateway/hub/frame.ts';

const frame = (sequence: number): Frame => ({
  sequence,
  receivedAtUs: 0,
  width: 640,
  height: 480,
  encoding: { kind: 'raw', dtype: 'uint8', shape: [480, 640] },
  payload: new Uint8Array(0),
  message: null,
  wireHeader: null,
});

const DAY_MS = 86_400_000;

/** A stream whose frames are created by the test. */
class FakeStream implements VideoStream {
  readonly latest = null;
  offer: (frame: Frame) => void = () => undefined;

  intervalMs: number | undefined = undefined;
  hasOtherClients = false;

  frameTimeMs(): number | undefined {
    return this.intervalMs;
  }

  sendsPictures(): boolean {
    return this.hasOtherClients;
  }

  follow(follower: { offer(frame: Frame): void }): void {
    this.offer = (offered) => follower.offer(offered);
  }

  unfollow(): void {
    this.offer = () => undefined;
  }
}

/** An encoding of the stream's frames, which `jpeg` converts to JPEG. */
function encode(stream: VideoStream, jpeg: (frame: Frame) => Uint8Array | Promise<Uint8Array>): VideoEncoding {
  return new VideoEncoding({
    stream,
    step: { kind: 'h264', divisor: 1, bitsPerSecond: 500_000 },
    jpeg,
    onUnavailable: () => undefined,
    onUnused: () => undefined,
    log: SILENT_LOGGER,
  });
}

/** An encoding that records which frames it begins to convert; none is ever encoded. */
function recordConversions(stream: VideoStream): { readonly encoding: VideoEncoding; readonly converted: number[] } {
  const converted: number[] = [];
  const encoding = encode(stream, ({ sequence }) => {
    converted.push(sequence);
    return new Promise(() => undefined);
  });
  return { encoding, converted };
}

describe('VideoEncoding', () => {
  it('skips frames while earlier ones are being converted to JPEG, and continues even if a conversion fails', async () => {
    const stream = new FakeStream();
    const conversions: { readonly sequence: number; readonly fail: () => void }[] = [];
    const encoding = encode(
      stream,
      ({ sequence }) =>
        new Promise((_resolve, reject) => conversions.push({ sequence, fail: () => reject(new Error('damaged')) })),
    );
    for (let sequence = 1; sequence <= 5; sequence += 1) stream.offer(frame(sequence));
    expect(conversions.map(({ sequence }) => sequence)).toEqual([1, 2]);
    conversions[0]?.fail();
    await new Promise(setImmediate);
    for (let sequence = 6; sequence <= 9; sequence += 1) stream.offer(frame(sequence));
    expect(conversions.map(({ sequence }) => sequence)).toEqual([1, 2, 6]);
    encoding.close();
  });

  it('is slow while its encoder accepts less than half of the frames', () => {
    const stream = new FakeStream();
    const encoding = encode(
      stream,
      // The encoder does not process them before the end of the test.
      () => new Uint8Array(8),
    );
    stream.offer(frame(1));
    expect(encoding.isSlow).toBe(false);
    for (let sequence = 2; sequence <= 30; sequence += 1) stream.offer(frame(sequence));
    expect(encoding.isSlow).toBe(true);
    encoding.close();
  });

  it('starts few encoders for a publisher that changes the size with every frame', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const stream = new FakeStream();
    const encoding = encode(stream, () => new Uint8Array(8));
    const encoders = new Set<number | undefined>();
    try {
      for (let sequence = 1; sequence <= 60; sequence += 1) {
        stream.offer({ ...frame(sequence), width: sequence % 2 === 0 ? 640 : 642 });
        encoders.add(encoding.pid);
        vi.advanceTimersByTime(33);
      }
    } finally {
      encoding.close();
      vi.useRealTimers();
    }
    expect(encoders.size).toBeGreaterThan(1);
    expect(encoders.size).toBeLessThanOrEqual(5);
  });

  it('replaces its encoder before the time stamps are used up', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const stream = new FakeStream();
    const [width, height] = [64, 48];
    const jpeg = await encodeJpeg({ data: new Uint8Array(width * height), width, height, channels: 1 });
    const encoding = encode(stream, () => jpeg);
    const chunks: { readonly sequence: number; readonly isKey: boolean; readonly pid: number | undefined }[] = [];
    encoding.subscribe({
      address: '192.0.2.1',
      chunk: ({ sequence, encoding: { isKey } }) => chunks.push({ sequence, isKey, pid: encoding.pid }),
      interrupted: () => undefined,
    });
    try {
      for (const day of [0, 10, 19, 21, 30, 42]) {
        vi.advanceTimersByTime(day * DAY_MS - performance.now());
        stream.offer({ ...frame(day + 1), width, height });
        await expect.poll(() => chunks.at(-1)?.sequence).toBe(day + 1);
      }
    } finally {
      encoding.close();
      vi.useRealTimers();
    }
    expect(chunks.map(({ isKey }) => isKey)).toEqual([true, false, false, true, false, true]);
    expect(new Set(chunks.map(({ pid }) => pid)).size).toBe(3);
  });

  it('gets each frame after the clients that get the frame itself, at most a third of the interval later', () => {
    vi.useFakeTimers();
    const stream = new FakeStream();
    stream.intervalMs = 24;
    const { encoding, converted } = recordConversions(stream);
    try {
      stream.offer(frame(1));
      expect(converted).toEqual([1]);
      stream.hasOtherClients = true;
      stream.offer(frame(2));
      vi.advanceTimersByTime(7);
      expect(converted).toEqual([1]);
      vi.advanceTimersByTime(1);
      expect(converted).toEqual([1, 2]);
    } finally {
      encoding.close();
      vi.useRealTimers();
    }
  });

  it('keeps the order of frames that arrive together, and waits for none after it was closed', () => {
    vi.useFakeTimers();
    const stream = new FakeStream();
    stream.intervalMs = 33;
    stream.hasOtherClients = true;
    const { encoding, converted } = recordConversions(stream);
    try {
      stream.offer(frame(1));
      stream.offer(frame(2));
      expect(converted).toEqual([1]);
      encoding.close();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      encoding.close();
      vi.useRealTimers();
    }
  });
});
