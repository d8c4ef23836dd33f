import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { Renditions } from '../../../gateway/clients/renditions.ts';
import { Snapshots } from '../../../gateway/http/snapshots.ts';
import type { Frame } from '../../../gateway/hub/frame.ts';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import { readJpegHeader } from '../../../gateway/codecs/jpeg-header.ts';

const renditions = new Renditions();
const ADDRESS = '192.0.2.1';
let sequence = 0;

function raw(dtype: string, shape: number[], samples: Uint8Array | Uint16Array | Float32Array): Frame {
  sequence += 1;
  const [height = 0, width = 0] = shape;
  return {
    sequence,
    receivedAtUs: 0,
    width,
    height,
    encoding: { kind: 'raw', dtype, shape },
    payload: new Uint8Array(samples.buffer),
    message: null,
    wireHeader: null,
  };
}

async function jpegFrame(width: number, height: number): Promise<Frame> {
  const payload = await encodeJpeg({
    data: new Uint8Array(width * height * 3).map((_, at) => at % 251),
    width,
    height,
    channels: 3,
  });
  return { ...raw('uint8', [height, width, 3], new Uint8Array(0)), encoding: { kind: 'jpeg' }, payload };
}

/** The unconverted values of a PNG, with its bit depth and channels. */
async function decode(
  png: Uint8Array,
): Promise<{ values: number[]; depth: string; channels: number; width: number; height: number }> {
  const { depth, channels, space } = await sharp(png).metadata();
  const isDeep = depth === 'ushort';
  const { data, info } = await sharp(png)
    .toColourspace(space)
    .raw({ depth: isDeep ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const values = isDeep ? [...new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)] : [...data];
  return { values, depth, channels, width: info.width, height: info.height };
}

describe('Snapshots', () => {
  it('returns an unmodified JPEG, even if more than its width is requested', async () => {
    const snapshots = new Snapshots();
    const frame = await jpegFrame(64, 32);
    for (const width of [null, 64, 16_384])
      expect(snapshots.get(frame, { format: 'jpg', width }, renditions, ADDRESS)).toBe(frame.payload);
  });

  it('returns the JPEG of 8-bit samples that viewers get', async () => {
    const frame = raw('uint8', [8, 8], new Uint8Array(64));
    const { payload } = await renditions.get(frame, false);
    expect(await new Snapshots().get(frame, { format: 'jpg', width: null }, renditions, ADDRESS)).toBe(payload);
  });

  it.each([
    [1, 1],
    [63, 32],
    [32, 16],
  ])('makes a JPEG of width %d', async (width, height) => {
    const snapshots = new Snapshots();
    for (const frame of [
      await jpegFrame(64, 32),
      raw('uint8', [32, 64, 3], new Uint8Array(64 * 32 * 3)),
      raw('uint8', [32, 64, 4], new Uint8Array(64 * 32 * 4)),
      raw('uint16', [32, 64], new Uint16Array(64 * 32)),
    ]) {
      expect(readJpegHeader(await snapshots.get(frame, { format: 'jpg', width }, renditions, ADDRESS))).toMatchObject({
        width,
        height,
      });
    }
  });

  it('never returns a picture without a height', async () => {
    const frame = raw('uint8', [1, 1000], new Uint8Array(1000));
    expect(
      await decode(await new Snapshots().get(frame, { format: 'png', width: 1 }, renditions, ADDRESS)),
    ).toMatchObject({
      width: 1,
      height: 1,
    });
  });

  it('keeps the colours of the samples in a small JPEG', async () => {
    const blue = raw(
      'uint8',
      [32, 64, 3],
      new Uint8Array(64 * 32 * 3).map((_, at) => (at % 3 === 0 ? 250 : 10)),
    );
    const { data } = await sharp(await new Snapshots().get(blue, { format: 'jpg', width: 16 }, renditions, ADDRESS))
      .raw()
      .toBuffer({ resolveWithObject: true });
    const [red = 0, , third = 0] = data;
    expect(red).toBeLessThan(20);
    expect(third).toBeGreaterThan(240);
  });

  it('keeps 8-bit values exactly: gray, BGR as RGB, BGRA as RGBA', async () => {
    const snapshots = new Snapshots();
    const png = async (frame: Frame): ReturnType<typeof decode> =>
      decode(await snapshots.get(frame, { format: 'png', width: null }, renditions, ADDRESS));
    const all = Uint8Array.from({ length: 256 }, (_, value) => value);
    expect(await png(raw('uint8', [16, 16], all))).toEqual({
      values: [...all],
      depth: 'uchar',
      channels: 1,
      width: 16,
      height: 16,
    });
    expect(await png(raw('uint8', [1, 2, 3], Uint8Array.of(1, 2, 3, 250, 128, 7)))).toEqual({
      values: [3, 2, 1, 7, 128, 250],
      depth: 'uchar',
      channels: 3,
      width: 2,
      height: 1,
    });
    expect(await png(raw('uint8', [1, 2, 4], Uint8Array.of(1, 2, 3, 0, 250, 128, 7, 77)))).toEqual({
      values: [3, 2, 1, 0, 7, 128, 250, 77],
      depth: 'uchar',
      channels: 4,
      width: 2,
      height: 1,
    });
  });

  it('keeps all 16-bit values exactly', async () => {
    const snapshots = new Snapshots();
    const png = async (frame: Frame): ReturnType<typeof decode> =>
      decode(await snapshots.get(frame, { format: 'png', width: null }, renditions, ADDRESS));
    const all = Uint16Array.from({ length: 65_536 }, (_, value) => value);
    const gray = await png(raw('uint16', [256, 256], all));
    expect(gray).toMatchObject({ depth: 'ushort', channels: 1, width: 256, height: 256 });
    expect(gray.values.filter((value, at) => value !== at)).toEqual([]);
    expect(await png(raw('uint16', [1, 2, 3], Uint16Array.of(1, 2000, 65_535, 40_000, 3, 256)))).toEqual({
      values: [65_535, 2000, 1, 256, 3, 40_000],
      depth: 'ushort',
      channels: 3,
      width: 2,
      height: 1,
    });
    expect(await png(raw('uint16', [1, 1, 4], Uint16Array.of(1, 2000, 65_535, 9)))).toEqual({
      values: [65_535, 2000, 1, 9],
      depth: 'ushort',
      channels: 4,
      width: 1,
      height: 1,
    });
  });

  it('shows floats as viewers do', async () => {
    const frame = raw('float32', [1, 3], Float32Array.of(0, 0.5, 1));
    expect(await decode(await new Snapshots().get(frame, { format: 'png', width: null }, renditions, ADDRESS))).toEqual(
      {
        values: [0, 0, 0, 255, 128, 128, 128, 255, 255, 255, 255, 255],
        depth: 'uchar',
        channels: 4,
        width: 3,
        height: 1,
      },
    );
  });

  it('returns a PNG with exactly the decoded pixels of a JPEG', async () => {
    const frame = await jpegFrame(64, 32);
    const expected = await sharp(frame.payload).raw().toBuffer();
    const { values } = await decode(
      await new Snapshots().get(frame, { format: 'png', width: null }, renditions, ADDRESS),
    );
    expect(Buffer.compare(Buffer.from(values), expected)).toBe(0);
  });

  it('encodes equal requests once', async () => {
    const snapshots = new Snapshots();
    const frame = await jpegFrame(64, 32);
    const [first, second, other] = [32, 32, 16].map((width) =>
      snapshots.get(frame, { format: 'png', width }, renditions, ADDRESS),
    );
    expect(second).toBe(first);
    expect(other).not.toBe(first);
    expect(snapshots.get(frame, { format: 'jpg', width: 32 }, renditions, ADDRESS)).not.toBe(first);
    // The picture is not enlarged, so it is the same as without a width.
    expect(snapshots.get(frame, { format: 'png', width: 640 }, renditions, ADDRESS)).toBe(
      snapshots.get(frame, { format: 'png', width: null }, renditions, ADDRESS),
    );
    await first;
    expect(snapshots.get(frame, { format: 'png', width: 32 }, renditions, ADDRESS)).toBe(first);
  });

  it('refuses a fifth encoding while four are running, but not a cached or already requested picture', async () => {
    const snapshots = new Snapshots();
    const frame = await jpegFrame(64, 32);
    const four = [1, 2, 3, 4].map((width) => snapshots.get(frame, { format: 'png', width }, renditions, ADDRESS));
    expect(() => snapshots.get(frame, { format: 'png', width: 5 }, renditions, ADDRESS)).toThrow(
      expect.objectContaining({ code: 'busy' }),
    );
    expect(snapshots.get(frame, { format: 'png', width: 4 }, renditions, ADDRESS)).toBe(four[3]);
    expect(snapshots.get(frame, { format: 'jpg', width: null }, renditions, ADDRESS)).toBe(frame.payload);
    await Promise.all(four.map(async (each) => each));
    await expect(snapshots.get(frame, { format: 'png', width: 5 }, renditions, ADDRESS)).resolves.toBeInstanceOf(
      Uint8Array,
    );
  });

  it('refuses further encodings of an address before those of others, and eight in all', async () => {
    const snapshots = new Snapshots();
    const ends: (() => void)[] = [];
    const work = (): Promise<void> => new Promise((resolve) => void ends.push(resolve));
    const run = (address: string): Promise<void> => snapshots.inTurn(work, address);
    const all = [1, 2, 3, 4].map(() => run(ADDRESS));
    expect(() => run(ADDRESS)).toThrow('4 pictures are already being encoded for your address; retry later');
    all.push(...[1, 2, 3, 4].map(() => run('192.0.2.2')));
    expect(() => run('192.0.2.3')).toThrow('8 pictures are already being encoded; retry later');
    for (let at = 0; at < 8; at += 1) {
      ends[at]!();
      await all[at];
    }
    const last = run('192.0.2.3');
    ends[8]!();
    await last;
  });

  it('limits other work for pictures together with encodings', async () => {
    const snapshots = new Snapshots();
    const ends: (() => void)[] = [];
    const work = (): Promise<void> => new Promise((resolve) => void ends.push(resolve));
    const four = [1, 2, 3, 4].map(() => snapshots.inTurn(work, ADDRESS));
    expect(ends).toHaveLength(2);
    expect(() => snapshots.inTurn(work, ADDRESS)).toThrow(expect.objectContaining({ code: 'busy' }));
    ends[0]!();
    await four[0];
    expect(ends).toHaveLength(3);
    ends[1]!();
    ends[2]!();
    await four[2];
    ends[3]!();
    await Promise.all(four);
    await snapshots.inTurn(async () => undefined, ADDRESS);
  });

  it('releases its slot after a failure', async () => {
    const snapshots = new Snapshots();
    for (let i = 0; i < 9; i += 1) {
      await expect(
        snapshots.get(raw('int32', [1, 1, 2], new Uint8Array(8)), { format: 'png', width: null }, renditions, ADDRESS),
      ).rejects.toMatchObject({ code: 'channels-unsupported' });
      const broken: Frame = {
        ...raw('uint8', [8, 8, 3], new Uint8Array(0)),
        encoding: { kind: 'jpeg' },
        payload: Uint8Array.of(0xff, 0xd8, 0xff, 0xd9),
      };
      await expect(snapshots.get(broken, { format: 'png', width: null }, renditions, ADDRESS)).rejects.toMatchObject({
        code: 'picture-invalid',
      });
    }
  });

  it('caches at most eight results of a frame', async () => {
    const snapshots = new Snapshots();
    const frame = await jpegFrame(64, 32);
    const first = snapshots.get(frame, { format: 'png', width: 1 }, renditions, ADDRESS);
    for (let width = 2; width <= 8; width += 1)
      await snapshots.get(frame, { format: 'png', width }, renditions, ADDRESS);
    expect(snapshots.get(frame, { format: 'png', width: 1 }, renditions, ADDRESS)).toBe(first);
    await snapshots.get(frame, { format: 'png', width: 9 }, renditions, ADDRESS);
    expect(snapshots.get(frame, { format: 'png', width: 1 }, renditions, ADDRESS)).not.toBe(first);
  });
});
