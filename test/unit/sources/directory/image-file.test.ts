import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import type { NDArray } from '../../../../shared/ndarray.ts';
import { encodeJpeg } from '../../../../gateway/codecs/jpeg.ts';
import { IMAGE_NAME, readImage } from '../../../../gateway/sources/directory/image-file.ts';
import { npyOf } from '../../../helpers/pictures.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

/** As small as each format allows, because truncated files are read up to each byte. */
const [WIDTH, HEIGHT] = [8, 6];
const samples = Buffer.from(Array.from({ length: WIDTH * HEIGHT * 3 }, (_none, at) => (at * 131) % 251));
const colour = (): Sharp => sharp(samples, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
const deepSamples = Uint16Array.from({ length: WIDTH * HEIGHT }, (_none, at) => (at * 7919) % 65_536);
const deep = (): Sharp =>
  sharp(deepSamples, { raw: { width: WIDTH, height: HEIGHT, channels: 1 } }).toColourspace('grey16');

/** Half of one picture and half of another, like a file that is being overwritten. */
const DAMAGED = (await colour().png({ compressionLevel: 0 }).toBuffer()).fill(0xaa, 90, 130);

/** [[0.5, 1.5]] as a TIFF of OpenCV's. */
const FLOAT = Buffer.from(
  'SUkqABAAAAAAAAA/AADAPwsAAAEDAAEAAAACAAAAAQEDAAEAAAABAAAAAgEDAAEAAAAgAAAAAwEDAAEAAAABAAAABgEDAAEAAAABAAAAEQEEAAEAAAAIAAAAFQEDAAEAAAABAAAAFgEDAAEAAAABAAAAFwEEAAEAAAAIAAAAHAEDAAEAAAABAAAAUwEDAAEAAAADAAAAAAAAAA==',
  'base64',
);

/** The samples with blue first. */
const BGR = Buffer.from(samples.map((_sample, at) => samples[at - (at % 3) + 2 - (at % 3)] ?? 0));

describe('IMAGE_NAME', () => {
  it.each(['a.jpg', 'a.JPEG', 'a.png', 'a.bmp', 'a.webp', 'a.tif', 'a.tiff', 'a.npy', 'ü "b" \';c.jpg', 'a\nb.jpg'])(
    'matches %j',
    (name) => expect(name).toMatch(IMAGE_NAME),
  );
  it.each(['.jpg', '.a.jpg', '._a.jpg', 'a.jpg.part', 'a.gif', 'a.svg', 'ajpg', ''])('does not match %j', (name) =>
    expect(name).not.toMatch(IMAGE_NAME),
  );
});

describe('readImage', () => {
  it('does not change a JPEG', async () => {
    const jpeg = await encodeJpeg({ data: samples, width: WIDTH, height: HEIGHT, channels: 3 });
    expect(await readImage(jpeg)).toBe(jpeg);
  });

  it('removes the bytes that phones append to a JPEG', async () => {
    const jpeg = await encodeJpeg({ data: samples, width: WIDTH, height: HEIGHT, channels: 3 });
    for (const film of [Buffer.from('a short film, and no JPEG'.repeat(9)), Buffer.alloc(100), jpeg.subarray(0, 500)]) {
      expect(Buffer.from((await readImage(Buffer.concat([jpeg, film]))) as Uint8Array).equals(jpeg)).toBe(true);
    }
  });

  it.each<[string, () => Sharp]>([
    ['PNG', () => colour().png()],
    ['PNG, interlaced', () => colour().png({ progressive: true })],
    ['PNG with a colour profile', () => colour().withIccProfile('p3').png()],
    ['PNG, with alpha', () => colour().ensureAlpha(0.3).png()],
    ['WebP', () => colour().webp({ lossless: true })],
    ['TIFF', () => colour().tiff({ compression: 'none' })],
    ['TIFF, packed, in tiles', () => colour().tiff({ compression: 'lzw', tile: true, tileWidth: 16, tileHeight: 16 })],
  ])('decodes %s, and refuses truncated files', async (name, encode) => {
    const bytes = await encode().toBuffer();
    // withIccProfile converts the samples; the expected values are those in the file.
    const expected = name.includes('profile')
      ? Buffer.from(
          await sharp(bytes, { ignoreIcc: true })
            .recomb([
              [0, 0, 1],
              [0, 1, 0],
              [1, 0, 0],
            ])
            .raw()
            .toBuffer(),
        )
      : BGR;
    const { dtype, shape, data } = (await readImage(bytes)) as NDArray;
    expect([dtype, shape, Buffer.compare(data, expected)]).toEqual(['uint8', [HEIGHT, WIDTH, 3], 0]);
    // A PNG is complete without its last chunk, IEND, which is empty.
    const needed = bytes.byteLength - (name.startsWith('PNG') ? 12 : 0);
    // Every length near both ends of the file, and every third length in between.
    for (let end = 0; end < needed; end += end < 300 || end > needed - 30 ? 1 : 3)
      await expect(readImage(bytes.subarray(0, end)), `${end} of ${bytes.byteLength} bytes`).rejects.toEqual(
        coded('image-invalid'),
      );
  });

  it.each<[string, () => Sharp]>([
    ['PNG', () => deep().png()],
    ['TIFF', () => deep().tiff({ compression: 'lzw' })],
  ])('keeps all 16 bits of a grayscale %s', async (_name, encode) => {
    const { dtype, shape, data } = (await readImage(await encode().toBuffer())) as NDArray;
    expect([dtype, shape, Buffer.compare(data, Buffer.from(deepSamples.buffer))]).toEqual([
      'uint16',
      [HEIGHT, WIDTH],
      0,
    ]);
  });

  it('reads .npy without copying', async () => {
    const npy = npyOf('<u2', [4, 5], 40);
    expect(await readImage(npy)).toEqual({ dtype: 'uint16', shape: [4, 5], data: Buffer.alloc(40) });
    await expect(readImage(npy.subarray(0, -1))).rejects.toEqual(coded('array-misfit'));
  });

  it('refuses a picture that is larger than a frame may be, before it is decoded', async () => {
    const side = 4800;
    const bomb = await sharp({ create: { width: side, height: side, channels: 3, background: '#123' } })
      .png({ compressionLevel: 9 })
      .toBuffer();
    expect(bomb.byteLength).toBeLessThan(1 << 20);
    await expect(readImage(bomb)).rejects.toEqual(coded('too-large'));
    await expect(readImage(bomb)).rejects.toThrow(`the picture is ${side}×${side} pixels`);
  });

  it('refuses samples that would have to be converted', async () => {
    await expect(readImage(FLOAT)).rejects.toEqual(coded('image-invalid'));
  });

  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('no image')],
    // The library could read it, and files that it names.
    [
      'SVG',
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>'),
    ],
    [
      'GIF',
      Buffer.from('47494638396101000100800000ffffff00000021f90401000000002c00000000010001000002024401003b', 'hex'),
    ],
    ['a PNG that is damaged', DAMAGED],
  ])('refuses %s', async (_name, bytes) => {
    await expect(readImage(bytes)).rejects.toEqual(coded('image-invalid'));
  });
});
