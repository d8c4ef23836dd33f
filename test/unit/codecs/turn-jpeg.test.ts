import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import { readJpegHeader } from '../../../gateway/codecs/jpeg-header.ts';
import { turnUpright } from '../../../gateway/codecs/turn-jpeg.ts';
import { buildJpeg, createRandom } from '../../helpers/jpeg-builder.ts';
import { cornerError, exif, ORIENTATIONS, oriented, storedPicture, withSegments } from '../../helpers/jpeg-variants.ts';

const SIZE = { width: 96, height: 64 };
const stored = async (orientation: number): Promise<Buffer> =>
  oriented(await encodeJpeg(storedPicture(orientation, SIZE)), orientation);

describe('turnUpright', () => {
  it.each(ORIENTATIONS)('rotates orientation %i', async (orientation) => {
    const jpeg = await stored(orientation);
    const turned = await turnUpright(jpeg);
    expect(readJpegHeader(turned)).toMatchObject({ ...SIZE, components: 3, orientation: 1 });
    expect(cornerError(await sharp(turned).raw().toBuffer(), { ...SIZE, isRgb: true })).toBeLessThan(4);
  });

  it.each([
    [1, '4:2:0', true],
    [1, '4:4:4', false],
  ] as const)('keeps the chroma of %i, %s', async (_number, chromaSubsampling, isHalfChroma) => {
    const { data, width, height } = storedPicture(6, SIZE);
    const jpeg = oriented(
      await sharp(data, { raw: { width, height, channels: 3 } })
        .jpeg({ chromaSubsampling })
        .toBuffer(),
      6,
    );
    expect(readJpegHeader(await turnUpright(jpeg))).toMatchObject({ ...SIZE, isHalfChroma });
  });

  it('keeps grayscale and CMYK', async () => {
    const { data, width, height } = storedPicture(6, SIZE);
    const image = sharp(data, { raw: { width, height, channels: 3 } });
    const gray = await image.clone().toColourspace('b-w').jpeg().toBuffer();
    const cmyk = await image.clone().toColourspace('cmyk').jpeg().toBuffer();
    expect(readJpegHeader(await turnUpright(oriented(gray, 6)))).toMatchObject({ ...SIZE, components: 1 });
    expect(readJpegHeader(await turnUpright(oriented(cmyk, 6)))).toMatchObject({ ...SIZE, components: 4 });
  });

  it('keeps the samples and the colour profile, which belong together', async () => {
    const { data, width, height } = storedPicture(6, SIZE);
    const jpeg = oriented(
      await sharp(data, { raw: { width, height, channels: 3 } })
        .withIccProfile('p3')
        .jpeg({ quality: 95 })
        .toBuffer(),
      6,
    );
    const turned = await turnUpright(jpeg);
    const { icc } = await sharp(turned).metadata();
    expect(icc).toEqual((await sharp(jpeg).metadata()).icc);
    const samples = async (bytes: Uint8Array): Promise<Buffer> => sharp(bytes, { ignoreIcc: true }).raw().toBuffer();
    const [before, after] = [await samples(jpeg), await samples(turned)];
    const at = (x: number, y: number, columns: number): number => (y * columns + x) * 3;
    for (const channel of [0, 1, 2])
      expect(Math.abs(after[at(4, 4, 96) + channel]! - before[at(4, 91, 64) + channel]!)).toBeLessThan(4);
  });

  it('rotates the intact part of a damaged JPEG', async () => {
    const jpeg = await stored(6);
    const damaged = Buffer.concat([jpeg.subarray(0, -60), jpeg.subarray(-2)]);
    expect(readJpegHeader(await turnUpright(damaged))).toMatchObject(SIZE);
  });

  it('has no visible loss', async () => {
    const noise = createRandom(7);
    const data = Buffer.from(
      Array.from({ length: 320 * 240 * 3 }, (_, at) => 128 + 90 * Math.sin(at / 700) + 30 * noise()),
    );
    const jpeg = await encodeJpeg({ data, width: 320, height: 240, channels: 3 });
    const turned = await turnUpright(oriented(jpeg, 6));
    const [before, after] = [await sharp(jpeg).raw().toBuffer(), await sharp(turned).rotate(270).raw().toBuffer()];
    const error = before.reduce((sum, sample, at) => sum + (sample - after[at]!) ** 2, 0) / before.byteLength;
    expect(10 * Math.log10(255 ** 2 / error)).toBeGreaterThan(45);
  });

  it('refuses a JPEG that cannot be decoded', async () => {
    for (const jpeg of [
      buildJpeg({
        width: 50,
        height: 35,
        sampling: [[1, 1]],
        frameMarker: 0xc3,
        before: [exif(6)],
        random: createRandom(1),
      }),
      withSegments(Buffer.from('ffd8ffc0001108000a000a03011100021101031101ffda0008010100003f0012ffd9', 'hex'), exif(6)),
    ]) {
      await expect(turnUpright(jpeg)).rejects.toMatchObject({
        code: 'jpeg-invalid',
        message: expect.stringContaining('EXIF orientation 6') as string,
      });
    }
  });

  it('rotates two at a time, and any number in total', async () => {
    const jpegs = await Promise.all(Array.from({ length: 9 }, (_, index) => stored((index % 7) + 2)));
    for (const turned of await Promise.all(jpegs.map(turnUpright))) expect(readJpegHeader(turned)).toMatchObject(SIZE);
  });
});
