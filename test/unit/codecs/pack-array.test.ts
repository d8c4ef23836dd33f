import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { packArray } from '../../../gateway/codecs/pack-array.ts';
import { unpackSamples } from '../../../shared/arrays/packed-samples.ts';

const SHAPE = [480, 640];

/** A depth image in millimetres: a slope with noise, and a square without data. */
function depth(noise: number): Uint16Array {
  let state = 1;
  const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  return Uint16Array.from({ length: 640 * 480 }, (_, at) => {
    const [x, y] = [at % 640, Math.floor(at / 640)];
    return x < 80 && y < 80 ? 0 : 800 + 4 * y + (random() - 0.5) * noise;
  });
}

describe('packArray', () => {
  it.each([
    ['without noise', 0, 20],
    ['with 4 mm of noise', 4, 2.5],
    ['with 20 mm of noise', 20, 1.8],
  ])('reduces the size of a depth image %s without loss', async (_name, noise, ratio) => {
    const data = new Uint8Array(depth(noise).buffer);
    const packed = await packArray('uint16', SHAPE, data);
    expect(data.byteLength / packed.byteLength).toBeGreaterThan(ratio);
    expect(Buffer.compare(unpackSamples('uint16', SHAPE, inflateSync(packed)), data)).toBe(0);
  });

  it('rejects a type that cannot be packed', async () => {
    await expect(packArray('>u2', [1, 2], new Uint8Array(4))).rejects.toMatchObject({ code: 'dtype-unsupported' });
  });
});
