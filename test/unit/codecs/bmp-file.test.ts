import { describe, expect, it } from 'vitest';
import { isBmp, readBmp } from '../../../gateway/codecs/bmp-file.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

// As OpenCV 5.0.0 writes them (cv2.imencode(".bmp", …)): file header, picture header, palette, rows from the last one
// on.
/** [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [10, 11, 12]]] */
const COLOUR =
  hex(`424d 46000000 00000000 36000000  28000000 02000000 02000000 0100 1800 00000000 00000000 00000000 00000000 00000000 00000000
  070809 0a0b0c 0000  010203 040506 0000`);
/** The same pixels with an opaque fourth channel: 32 bits, with masks. */
const FOUR =
  hex(`424d 9a000000 00000000 8a000000  7c000000 02000000 02000000 0100 2000 03000000 00000000 00000000 00000000 00000000 00000000
  0000ff00 00ff0000 ff000000 000000ff 42475273 ${'00'.repeat(64)}
  070809ff 0a0b0cff  010203ff 040506ff`);
const grayPalette = Array.from({ length: 256 }, (_none, gray) => Buffer.of(gray, gray, gray, 0).toString('hex')).join(
  '',
);
/** [[1, 2], [3, 200]] */
const GRAY =
  hex(`424d 3e040000 00000000 36040000  28000000 02000000 02000000 0100 0800 00000000 00000000 00000000 00000000 00000000 00000000
  ${grayPalette}  03c80000 01020000`);

const edited = (bmp: Buffer, at: number, bytes: string): Buffer => {
  const copy = Buffer.from(bmp);
  copy.set(hex(bytes), at);
  return copy;
};

describe('readBmp', () => {
  it('reads 24 bits and 32 bits as BGR, from the first row on', async () => {
    const bgr = { dtype: 'uint8', shape: [2, 2, 3], data: Buffer.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12) };
    expect(isBmp(COLOUR)).toBe(true);
    expect(await readBmp(COLOUR)).toEqual(bgr);
    expect(await readBmp(FOUR)).toEqual(bgr);
    // 32 bits without masks have the same order.
    expect(await readBmp(edited(FOUR, 30, '00000000'))).toEqual(bgr);
  });

  it('reads 8 bits as gray, or as the colours of the palette', async () => {
    expect(await readBmp(GRAY)).toEqual({ dtype: 'uint8', shape: [2, 2], data: Buffer.of(1, 2, 3, 200) });
    expect(await readBmp(edited(GRAY, 54 + 4 * 2, '0a0a0a'))).toEqual({
      dtype: 'uint8',
      shape: [2, 2],
      data: Buffer.of(1, 10, 3, 200),
    });
    expect(await readBmp(edited(GRAY, 54 + 4 * 2, '0a0b0c'))).toEqual({
      dtype: 'uint8',
      shape: [2, 2, 3],
      data: Buffer.of(1, 1, 1, 10, 11, 12, 3, 3, 3, 200, 200, 200),
    });
  });

  it('reads a picture that begins with its first row', async () => {
    expect((await readBmp(edited(COLOUR, 22, 'feffffff'))).data).toEqual(
      Buffer.of(7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6),
    );
  });

  it('reads nothing of a truncated picture', async () => {
    for (const bmp of [COLOUR, FOUR, GRAY])
      for (let end = 0; end < bmp.byteLength; end += 1)
        await expect(readBmp(bmp.subarray(0, end)), `${end} bytes`).rejects.toEqual(coded('image-invalid'));
  });

  it.each([
    ['1 bit', edited(COLOUR, 28, '0100')],
    ['16 bits', edited(COLOUR, 28, '1000')],
    ['run lengths', edited(GRAY, 30, '01000000')],
    ['no width', edited(COLOUR, 18, '00000000')],
    ['a negative width', edited(COLOUR, 18, 'ffffffff')],
    ['no height', edited(COLOUR, 22, '00000000')],
    ['more pixels than allowed', edited(COLOUR, 18, 'ffff0000ffff0000')],
    ['the header of OS/2', edited(COLOUR, 14, '0c000000')],
    ['samples within its header', edited(COLOUR, 10, '20000000')],
    ['colours in another order', edited(FOUR, 54, 'ff000000 00ff0000 0000ff00')],
    ['a pixel that is not in its palette', edited(GRAY, 46, '04000000')],
  ])('refuses %s', async (_name, bmp) => {
    await expect(readBmp(bmp)).rejects.toEqual(coded('image-invalid'));
  });

  it('refuses a palette with which the picture would be larger than a frame may be', async () => {
    const [width, height] = [8192, 4096];
    const size = Buffer.alloc(8);
    size.writeInt32LE(width, 0);
    size.writeInt32LE(height, 4);
    const small = edited(edited(GRAY, 54 + 4 * 2, '0a0b0c'), 18, size.toString('hex'));
    await expect(readBmp(Buffer.concat([small, Buffer.alloc(width * height)]))).rejects.toEqual(coded('too-large'));
  });
});
