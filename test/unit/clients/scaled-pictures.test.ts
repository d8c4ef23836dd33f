import { describe, expect, it } from 'vitest';
import { SCALING_LIMITS, ScaledPictures } from '../../../gateway/clients/scaled-pictures.ts';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import { readJpegHeader } from '../../../gateway/codecs/jpeg-header.ts';
import type { Frame } from '../../../gateway/hub/frame.ts';

async function jpegFrame(width = 64, height = 32): Promise<Frame> {
  const payload = await encodeJpeg({
    data: new Uint8Array(width * height * 3).map((_, at) => (at * 7919) % 251),
    width,
    height,
    channels: 3,
  });
  return {
    sequence: 1,
    receivedAtUs: 0,
    width,
    height,
    encoding: { kind: 'jpeg' },
    payload,
    message: null,
    wireHeader: null,
  };
}

describe('ScaledPictures', () => {
  it('makes a JPEG of the width, with its size', async () => {
    const scaled = new ScaledPictures().acquire('main', { width: 20, quality: null });
    const { data, width, height } = await scaled.encode(await jpegFrame());
    expect([width, height]).toEqual([20, 10]);
    expect(readJpegHeader(data)).toMatchObject({ width: 20, height: 10 });
  });

  it('makes a smaller JPEG of the same size with less quality', async () => {
    const pictures = new ScaledPictures();
    const frame = await jpegFrame();
    const [best, worst] = await Promise.all(
      [95, 10].map((quality) => pictures.acquire('main', { width: null, quality }).encode(frame)),
    );
    expect(best).toMatchObject({ width: 64, height: 32 });
    expect(worst).toMatchObject({ width: 64, height: 32 });
    expect(worst!.data.byteLength).toBeLessThan(best!.data.byteLength / 2);
  });

  it('scales a frame once for all clients with the same scaling', async () => {
    const pictures = new ScaledPictures();
    const frame = await jpegFrame();
    const [first, second, other] = [20, 20, 30].map((width) => pictures.acquire('main', { width, quality: 50 }));
    expect(second!.encode(frame)).toBe(first!.encode(frame));
    expect(other!.encode(frame)).not.toBe(first!.encode(frame));
    expect(pictures.size).toBe(2);
    await Promise.all([first, other].map((scaled) => scaled!.encode(frame)));
  });

  it('limits the scalings of a stream, not the number of their users', () => {
    const pictures = new ScaledPictures();
    const all = Array.from({ length: SCALING_LIMITS.perStream.inAll }, (_, n) =>
      pictures.acquire('main', { width: 100 + n, quality: null }),
    );
    expect(() => pictures.acquire('main', { width: 99, quality: null })).toThrow(
      expect.objectContaining({ code: 'too-many' }),
    );
    const again = pictures.acquire('main', { width: 100, quality: null });
    pictures.acquire('other', { width: 99, quality: null });
    // The other client still uses the scaling.
    all[0]!.release();
    all[0]!.release();
    expect(() => pictures.acquire('main', { width: 99, quality: null })).toThrow(
      expect.objectContaining({ code: 'too-many' }),
    );
    again.release();
    pictures.acquire('main', { width: 99, quality: null });
  });

  it('limits the scalings of all streams', () => {
    const pictures = new ScaledPictures();
    const perStream = SCALING_LIMITS.perStream.inAll;
    const total = SCALING_LIMITS.total.inAll;
    for (let n = 0; n < total; n += 1)
      pictures.acquire(`stream-${Math.floor(n / perStream)}`, { width: 100 + n, quality: null });
    expect(() => pictures.acquire('one-more', { width: 99, quality: null })).toThrow(
      expect.objectContaining({ code: 'too-many' }),
    );
    expect(pictures.size).toBe(total);
  });

  it('leaves scalings to other addresses, in each stream and in all', () => {
    const pictures = new ScaledPictures();
    const { perStream, total } = SCALING_LIMITS;
    const acquire = (stream: string, width: number, address: string): { release(): void } =>
      pictures.acquire(stream, { width, quality: null }, { address });
    const own = Array.from({ length: total.perAddress }, (_, n) =>
      acquire(`stream-${Math.floor(n / perStream.perAddress)}`, 100 + n, '192.0.2.1'),
    );
    const refused = expect.objectContaining({ code: 'address-limit' });
    expect(() => acquire('stream-0', 99, '192.0.2.1')).toThrow(refused);
    expect(() => acquire('one-more', 99, '192.0.2.1')).toThrow(refused);
    // A scaling that the address already uses costs nothing more.
    acquire('stream-0', 100, '192.0.2.1').release();
    acquire('stream-0', 99, '192.0.2.2').release();
    const joined = acquire('stream-0', 100, '192.0.2.2');
    for (const each of own) each.release();
    expect(pictures.size).toBe(1);
    joined.release();
    expect(pictures.size).toBe(0);
    acquire('one-more', 99, '192.0.2.1');
  });

  it('rejects for a frame that cannot be decoded, for each client', async () => {
    const pictures = new ScaledPictures();
    const scaled = pictures.acquire('main', { width: 20, quality: null });
    const damaged: Frame = { ...(await jpegFrame()), payload: Buffer.alloc(100) };
    await expect(scaled.encode(damaged)).rejects.toMatchObject({ code: 'picture-invalid' });
    await expect(scaled.jpeg(damaged)).rejects.toMatchObject({ code: 'picture-invalid' });
  });
});
