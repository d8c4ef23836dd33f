import { describe, expect, it, vi } from 'vitest';
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

/** A stream whose frames are created by the test. */
class FakeStream implements VideoStream {
  readonly latest = null;
  offer: (frame: Frame) => void = () => undefined;

  frameTimeMs(): undefined {
    return undefined;
  }

  follow(follower: { offer(frame: Frame): void }): void {
    this.offer = (offered) => follower.offer(offered);
  }

  unfollow(): void {
    this.offer = () => undefined;
  }
}

describe('VideoEncoding', () => {
  it('skips frames while earlier ones are being converted to JPEG, and continues even if a conversion fails', async () => {
    const stream = new FakeStream();
    const conversions: { readonly sequence: number; readonly fail: () => void }[] = [];
    const encoding = new VideoEncoding({
      stream,
      step: { kind: 'h264', divisor: 1, bitsPerSecond: 500_000 },
      jpeg: ({ sequence }) =>
        new Promise((_resolve, reject) => conversions.push({ sequence, fail: () => reject(new Error('damaged')) })),
      onUnavailable: () => undefined,
      onUnused: () => undefined,
      log: SILENT_LOGGER,
    });
    for (let sequence = 1; sequence <= 5; sequence += 1) stream.offer(frame(sequence));
    expect(conversions.map(({ sequence }) => sequence)).toEqual([1, 2]);
    conversions[0]?.fail();
    await new Promise(setImmediate);
    for (let sequence = 6; sequence <= 9; sequence += 1) stream.offer(frame(sequence));
    expect(conversions.map(({ sequence }) => sequence)).toEqual([1, 2, 6]);
    encoding.close();
  });

  it('starts few encoders for a publisher that changes the size with every frame', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const stream = new FakeStream();
    const encoding = new VideoEncoding({
      stream,
      step: { kind: 'h264', divisor: 1, bitsPerSecond: 500_000 },
      jpeg: () => new Uint8Array(8),
      onUnavailable: () => undefined,
      onUnused: () => undefined,
      log: SILENT_LOGGER,
    });
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
});
