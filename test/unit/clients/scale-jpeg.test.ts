import { describe, expect, it } from 'vitest';
import { scaleJpeg } from '../../../gateway/clients/scale-jpeg.ts';
import type { EncodablePicture } from '../../../gateway/codecs/encode-picture.ts';

const PICTURE: EncodablePicture = {
  encoding: { kind: 'raw', dtype: 'uint8', shape: [8, 16] },
  width: 16,
  height: 8,
  payload: new Uint8Array(128),
};

describe('scaleJpeg', () => {
  it('scales two pictures at a time; the third waits', async () => {
    const begun: number[] = [];
    const finish: ((picture: EncodablePicture) => void)[] = [];
    const scaled = [0, 1, 2].map((n) =>
      scaleJpeg(
        () =>
          new Promise((resolve) => {
            begun.push(n);
            finish.push(resolve);
          }),
        { width: 8, quality: null },
      ),
    );
    // The first loads sharp.
    await expect.poll(() => begun).toEqual([0, 1]);
    finish[0]?.(PICTURE);
    expect(await scaled[0]).toMatchObject({ width: 8, height: 4 });
    await expect.poll(() => begun).toEqual([0, 1, 2]);
    for (const resolve of finish) resolve(PICTURE);
    await Promise.all(scaled);
  }, 30_000);
});
