import { beforeEach, describe, expect, it } from 'vitest';
import type { SharedEncoding, VideoChunk, VideoSubscriber } from '../../../../gateway/renditions/rendition.ts';
import { ViewerVideo } from '../../../../gateway/clients/web/viewer-video.ts';
import type { VideoStep } from '../../../../gateway/renditions/ladder.ts';

const LARGE: VideoStep = { kind: 'h264', divisor: 1, bitsPerSecond: 2_000_000 };
const SMALL: VideoStep = { kind: 'h264', divisor: 2, bitsPerSecond: 500_000 };

/** An encoding whose chunks are created by the test. */
class FakeEncoding implements SharedEncoding {
  readonly subscribers = new Set<VideoSubscriber>();
  keyRequests = 0;

  subscribe(subscriber: VideoSubscriber): void {
    this.subscribers.add(subscriber);
  }

  unsubscribe(subscriber: VideoSubscriber): void {
    this.subscribers.delete(subscriber);
  }

  requestKey(): void {
    this.keyRequests += 1;
  }

  give(sequence: number, isKey = false): void {
    const chunk: VideoChunk = {
      sequence,
      receivedAtUs: 0,
      width: 640,
      height: 480,
      message: null,
      encoding: { kind: 'h264', isKey },
      rendition: { rendition: 'h264-1-500', pictureWidth: 640, pictureHeight: 480 },
      payload: new Uint8Array(0),
    };
    for (const subscriber of this.subscribers) subscriber.chunk(chunk);
  }

  fail(): void {
    for (const subscriber of this.subscribers) subscriber.interrupted();
  }
}

describe('ViewerVideo', () => {
  let encodings: Map<VideoStep, FakeEncoding | null>;
  let sent: number[];
  let isCongested: boolean;
  let video: ViewerVideo;

  beforeEach(() => {
    encodings = new Map([
      [LARGE, new FakeEncoding()],
      [SMALL, new FakeEncoding()],
    ]);
    sent = [];
    isCongested = false;
    video = new ViewerVideo({
      encoding: (step) => encodings.get(step) ?? null,
      address: '192.0.2.1',
      send: ({ sequence }) => sent.push(sequence),
      isCongested: () => isCongested,
    });
  });

  const [large, small] = [(): FakeEncoding => encodings.get(LARGE)!, (): FakeEncoding => encodings.get(SMALL)!];

  it('begins with a key frame', () => {
    expect(video.use(LARGE)).toBe(true);
    large().give(1);
    expect(video.isFlowing).toBe(false);
    large().give(2, true);
    large().give(3);
    expect(video.isFlowing).toBe(true);
    expect(sent).toEqual([2, 3]);
  });

  it('subscribes once, even if the step is selected repeatedly', () => {
    video.use(LARGE);
    video.use(LARGE);
    large().give(1, true);
    video.use(LARGE);
    expect(large().subscribers.size).toBe(1);
  });

  it('keeps the former step until the new one has a key frame', () => {
    video.use(LARGE);
    large().give(1, true);
    video.use(SMALL);
    large().give(2);
    small().give(2);
    expect(sent).toEqual([1, 2]);
    expect(video.isFlowing).toBe(true);
    small().give(3, true);
    large().give(4);
    small().give(4);
    expect(sent).toEqual([1, 2, 3, 4]);
    expect(large().subscribers.size).toBe(0);
  });

  it('returns to the former step while the new one has no key frame', () => {
    video.use(LARGE);
    large().give(1, true);
    video.use(SMALL);
    video.use(LARGE);
    expect(small().subscribers.size).toBe(0);
    large().give(2);
    expect(sent).toEqual([1, 2]);
  });

  it('skips to the next key frame on a congested link, and requests it when the link is free', () => {
    video.use(LARGE);
    large().give(1, true);
    isCongested = true;
    large().give(2);
    video.released();
    expect(large().keyRequests).toBe(0);
    expect(video.isFlowing).toBe(false);
    isCongested = false;
    large().give(3);
    video.released();
    video.released();
    expect(large().keyRequests).toBe(1);
    large().give(4, true);
    large().give(5);
    expect(sent).toEqual([1, 4, 5]);
  });

  it('waits for the key frame of a restarted encoder', () => {
    video.use(LARGE);
    large().give(1, true);
    large().fail();
    expect(video.isFlowing).toBe(false);
    large().give(2);
    large().give(3, true);
    expect(sent).toEqual([1, 3]);
  });

  it('ends its subscriptions when no step is selected, H.264 is no longer available, and on close', () => {
    for (const end of [
      () => video.use(null),
      () => {
        encodings.set(SMALL, null);
        return video.use(SMALL);
      },
      () => video.close(),
    ]) {
      video.use(LARGE);
      large().give(1, true);
      expect(large().subscribers.size).toBe(1);
      end();
      expect(large().subscribers.size).toBe(0);
      expect(video.isFlowing).toBe(false);
    }
  });
});
