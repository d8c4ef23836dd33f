import { describe, expect, it, vi } from 'vitest';
import { encodeJpeg } from '../../../gateway/jpeg.ts';
import { JpegChecker } from '../../../gateway/sources/ffmpeg/jpeg-checker.ts';
import { PictureFeed } from '../../../gateway/sources/ffmpeg/picture-feed.ts';

/** Real JPEGs of different sizes, so that they take different times. */
const JPEGS = await Promise.all(
  Array.from({ length: 6 }, (_, index) => {
    const side = 16 << (5 - index);
    return encodeJpeg({ data: Buffer.from(Array.from({ length: side * side * 3 }, (__, at) => (at * 31 + index) % 251)), width: side, height: side, channels: 3 });
  }),
);

/** Half of its scan is missing; begin and end are as they should be. */
function damaged(jpeg: Buffer): Buffer {
  return Buffer.concat([jpeg.subarray(0, jpeg.byteLength - Math.floor(jpeg.byteLength / 3)), jpeg.subarray(-2)]);
}

describe('JpegChecker', () => {
  it('gives pictures in the order in which they came, however long each takes', async () => {
    const good: Buffer[] = [];
    const checker = new JpegChecker({ isLive: false, onGood: (jpeg) => good.push(jpeg), onBad: () => undefined });
    for (const jpeg of JPEGS.slice(0, 3)) checker.offer(jpeg);
    await checker.drained();
    expect(good).toEqual(JPEGS.slice(0, 3));
  });

  it('leaves damaged ones out, and says why', async () => {
    const seen: unknown[] = [];
    const checker = new JpegChecker({ isLive: false, onGood: (jpeg) => seen.push(jpeg), onBad: (error) => seen.push(error) });
    for (const jpeg of [JPEGS[3]!, damaged(JPEGS[2]!), JPEGS[4]!]) checker.offer(jpeg);
    await checker.drained();
    expect(seen).toEqual([JPEGS[3], expect.objectContaining({ code: 'jpeg-invalid' }), JPEGS[4]]);
  });

  it('lets the newest of a live source wait while it is busy, and drops those before it', async () => {
    const good: Buffer[] = [];
    const checker = new JpegChecker({ isLive: true, onGood: (jpeg) => good.push(jpeg), onBad: () => undefined });
    for (const jpeg of JPEGS) checker.offer(jpeg);
    await checker.drained();
    expect(good.map((jpeg) => JPEGS.indexOf(jpeg))).toEqual([0, 1, 2, 5]);
  });

  it('checks all of a file, and says when the next may come', async () => {
    const good: Buffer[] = [];
    const checker = new JpegChecker({ isLive: false, onGood: (jpeg) => good.push(jpeg), onBad: () => undefined });
    for (const jpeg of JPEGS.slice(0, 3)) checker.offer(jpeg);
    expect(checker.ready()).toBe(null);
    for (const jpeg of JPEGS.slice(3)) checker.offer(jpeg);
    await checker.ready();
    // The last three are being decoded.
    expect(good.length).toBeGreaterThan(2);
    expect(checker.ready()).toBe(null);
    await checker.drained();
    expect(good).toEqual(JPEGS);
  });

  it('keeps nobody waiting once it is closed', async () => {
    const checker = new JpegChecker({ isLive: false, onGood: () => undefined, onBad: () => undefined });
    for (const jpeg of JPEGS) checker.offer(jpeg);
    const ready = checker.ready();
    checker.close();
    await ready;
    expect(checker.ready()).toBe(null);
  });

  it('says nothing once it is closed', async () => {
    const onGood = vi.fn<(jpeg: unknown) => void>();
    const checker = new JpegChecker({ isLive: false, onGood, onBad: onGood });
    for (const jpeg of JPEGS) checker.offer(jpeg);
    checker.close();
    await checker.drained();
    expect(onGood).not.toHaveBeenCalled();
  });
});

describe('PictureFeed', () => {
  function feed(isChecked: boolean): { feed: PictureFeed; publish: ReturnType<typeof vi.fn>; reject: ReturnType<typeof vi.fn>; onHopeless: ReturnType<typeof vi.fn<() => void>> } {
    const publish = vi.fn();
    const reject = vi.fn();
    const onHopeless = vi.fn<() => void>();
    const sink = { publish, reject, end: vi.fn(), fail: vi.fn(), returns: {} } as never;
    return { feed: new PictureFeed({ sink, isChecked, isLive: false, onPublished: () => undefined, onHopeless }), publish, reject, onHopeless };
  }

  it('publishes good pictures, and counts bad ones', async () => {
    const { feed: checked, publish, reject } = feed(true);
    checked.offer(JPEGS[4]!);
    checked.offer(damaged(JPEGS[3]!));
    checked.offer({ dtype: 'uint8', shape: [1, 2], data: Buffer.alloc(2) });
    await checked.drained();
    expect(publish.mock.calls.map(([input]) => (input as { encoding: unknown }).encoding)).toEqual([{ kind: 'raw', dtype: 'uint8', shape: [1, 2] }, { kind: 'jpeg' }]);
    expect(reject).toHaveBeenCalledWith(expect.objectContaining({ code: 'jpeg-invalid' }));
    expect([checked.published, checked.rejected]).toEqual([2, 1]);
  });

  it('looks at the markers alone where it need not decode', () => {
    const { feed: unchecked, publish, reject } = feed(false);
    unchecked.offer(damaged(JPEGS[3]!));
    expect(publish).toHaveBeenCalledTimes(1);
    unchecked.offer(JPEGS[3]!.subarray(0, 500));
    expect(reject).toHaveBeenCalledTimes(1);
  });

  it('gives up when the first ten are bad, and not after a good one', () => {
    const { feed: first, onHopeless } = feed(false);
    for (let count = 0; count < 9; count += 1) first.offer(Buffer.from('none'));
    expect(onHopeless).not.toHaveBeenCalled();
    for (let count = 0; count < 20; count += 1) first.offer(Buffer.from('none'));
    expect(onHopeless).toHaveBeenCalledTimes(1);
    const second = feed(false);
    second.feed.offer(JPEGS[4]!);
    for (let count = 0; count < 30; count += 1) second.feed.offer(Buffer.from('none'));
    expect(second.onHopeless).not.toHaveBeenCalled();
  });
});
