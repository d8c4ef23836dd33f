import { describe, expect, it, vi } from 'vitest';
import type { FrameInput } from '../../../gateway/hub/frame.ts';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import { PicturePublisher } from '../../../gateway/sources/picture-publisher.ts';

const JPEG = await encodeJpeg({
  data: Buffer.from(Array.from({ length: 48 * 48 * 3 }, (_, at) => (at * 31) % 251)),
  width: 48,
  height: 48,
  channels: 3,
});

describe('PicturePublisher', () => {
  function createFeed(isTrusted = false): {
    feed: PicturePublisher;
    inputs: FrameInput[];
    reject: ReturnType<typeof vi.fn>;
    onAllInvalid: ReturnType<typeof vi.fn<() => void>>;
  } {
    const inputs: FrameInput[] = [];
    const reject = vi.fn();
    const onAllInvalid = vi.fn<() => void>();
    const sink = {
      publish: (input: FrameInput) => inputs.push(input),
      reject,
      end: vi.fn(),
      fail: vi.fn(),
      returns: {},
    } as never;
    return {
      feed: new PicturePublisher({ sink, isTrusted, onPublished: () => undefined, onAllInvalid }),
      inputs,
      reject,
      onAllInvalid,
    };
  }

  const verified = (inputs: readonly FrameInput[], isGood: boolean): void => {
    for (const { onVerified } of inputs) onVerified!(isGood);
  };

  it('publishes pictures immediately, including damaged ones, and rejects other data', () => {
    const { feed, inputs, reject } = createFeed();
    const damaged = Buffer.concat([JPEG.subarray(0, JPEG.byteLength - 200), JPEG.subarray(-2)]);
    feed.offer(damaged);
    feed.offer({ dtype: 'uint8', shape: [1, 2], data: Buffer.alloc(2) });
    feed.offer(JPEG.subarray(0, 500));
    expect(inputs).toMatchObject([{ payload: damaged, isTrusted: false }, { encoding: { kind: 'raw' } }]);
    expect(reject.mock.calls).toEqual([[expect.objectContaining({ code: 'jpeg-invalid' })]]);
    expect([feed.published, feed.allFramesInvalid]).toEqual([2, false]);
  });

  it('requests no verification of trusted pictures', () => {
    const { feed, inputs } = createFeed(true);
    feed.offer(JPEG);
    expect(inputs).toMatchObject([{ isTrusted: true, onVerified: undefined }]);
  });

  it('fails if the first ten pictures are malformed, but not after a valid one', () => {
    const first = createFeed();
    for (let count = 0; count < 9; count += 1) first.feed.offer(Buffer.from('none'));
    expect(first.onAllInvalid).not.toHaveBeenCalled();
    for (let count = 0; count < 20; count += 1) first.feed.offer(Buffer.from('none'));
    expect(first.onAllInvalid).toHaveBeenCalledTimes(1);
    expect(first.feed.allFramesInvalid).toBe(true);
    const second = createFeed();
    second.feed.offer(JPEG);
    for (let count = 0; count < 30; count += 1) second.feed.offer(Buffer.from('none'));
    expect(second.onAllInvalid).not.toHaveBeenCalled();
  });

  it('fails if NetGear clients can decode none of the first ten pictures, but not after a valid one', () => {
    const first = createFeed();
    for (let count = 0; count < 20; count += 1) first.feed.offer(JPEG);
    verified(first.inputs.slice(0, 9), false);
    expect(first.onAllInvalid).not.toHaveBeenCalled();
    verified(first.inputs.slice(9), false);
    expect(first.onAllInvalid).toHaveBeenCalledTimes(1);
    expect(first.feed.allFramesInvalid).toBe(true);
    const second = createFeed();
    for (let count = 0; count < 20; count += 1) second.feed.offer(JPEG);
    verified(second.inputs.slice(0, 1), true);
    verified(second.inputs.slice(1), false);
    expect(second.onAllInvalid).not.toHaveBeenCalled();
    expect(second.feed.allFramesInvalid).toBe(false);
  });

  it('reports nothing after it was closed', () => {
    const { feed, inputs, onAllInvalid } = createFeed();
    for (let count = 0; count < 10; count += 1) feed.offer(JPEG);
    feed.close();
    feed.offer(JPEG);
    verified(inputs, false);
    expect(inputs).toHaveLength(10);
    expect(onAllInvalid).not.toHaveBeenCalled();
  });
});
