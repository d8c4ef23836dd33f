import jpegTurbo from '@julusian/jpeg-turbo';
import { describe, expect, it } from 'vitest';
import { drawPlaceholder } from '../../../../gateway/drawing/placeholder-picture.ts';
import { renderGlyph } from '../../../../gateway/drawing/stroke-font.ts';
import {
  locateDataStrip,
  readFrameNumber,
  TestPicture,
} from '../../../../gateway/sources/test-pattern/test-picture.ts';

const SIZES = [
  [160, 120],
  [161, 121],
  [479, 641],
  [640, 360],
  [1280, 720],
  [1281, 123],
] as const;
const NOON = new Date(2025, 2, 4, 12, 0, 0, 0).getTime();

/** Encodes as a real JPEG (4:2:2, quality 90), and decodes it. */
function throughJpeg(bgr: Uint8Array, width: number, height: number): Uint8Array {
  const jpeg = jpegTurbo.compressSync(Buffer.from(bgr), {
    format: jpegTurbo.FORMAT_BGR,
    width,
    height,
    quality: 90,
    subsampling: jpegTurbo.SAMP_422,
  });
  return jpegTurbo.decompressSync(jpeg, { format: jpegTurbo.FORMAT_BGR }).data;
}

/** Fast comparison: half a million elements would take the test runner seconds. */
function expectSamePixels(actual: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(actual, expected)).toBe(0);
}

describe('readFrameNumber', () => {
  it.each(SIZES)('reads every bit back from a JPEG of %i×%i', (width, height) => {
    const picture = new TestPicture(width, height, 30);
    for (const frameNumber of [0, 1, 2, 48_213, 0x555555, 0xaaaaaa, 0x800000, 0xffffff]) {
      expect(readFrameNumber(throughJpeg(picture.draw(frameNumber, NOON), width, height), width, height)).toBe(
        frameNumber,
      );
    }
  });

  it('wraps after 24 bits', () => {
    const picture = new TestPicture(320, 240, 30);
    expect(readFrameNumber(picture.draw(16_777_216, NOON), 320, 240)).toBe(0);
    expect(readFrameNumber(picture.draw(16_777_221, NOON), 320, 240)).toBe(5);
    expect(readFrameNumber(picture.draw(Number.MAX_SAFE_INTEGER, NOON), 320, 240)).toBe(16_777_215);
  });

  it('reads the most significant bit first, with 128 as white and 127 as black', () => {
    const bgr = new Uint8Array(1280 * 720 * 3);
    const green = (x: number): number => (24 * 1280 + x) * 3 + 1;
    bgr[green(456)] = 128;
    bgr[green(472)] = 127;
    bgr[green(824)] = 255;
    expect(readFrameNumber(bgr, 1280, 720)).toBe(0x800001);
  });

  it('refuses bytes that are not a picture of that size', () => {
    expect(() => readFrameNumber(new Uint8Array(160 * 120 * 3 - 1), 160, 120)).toThrow(RangeError);
    expect(() => readFrameNumber(new Uint8Array(160 * 120 * 4), 160, 120)).toThrow(RangeError);
  });
});

describe('locateDataStrip', () => {
  it('is one row if it fits, otherwise two', () => {
    expect(locateDataStrip(1280, 720)).toEqual({ x: 448, y: 16, blockPx: 16, columns: 24 });
    expect(locateDataStrip(3840, 2160)).toEqual({ x: 1344, y: 48, blockPx: 48, columns: 24 });
    expect(locateDataStrip(479, 641)).toEqual({ x: 144, y: 8, blockPx: 8, columns: 24 });
    expect(locateDataStrip(208, 120)).toEqual({ x: 8, y: 8, blockPx: 8, columns: 24 });
    expect(locateDataStrip(207, 120)).toEqual({ x: 56, y: 8, blockPx: 8, columns: 12 });
    expect(locateDataStrip(160, 120)).toEqual({ x: 32, y: 8, blockPx: 8, columns: 12 });
  });
});

describe('TestPicture', () => {
  it.each(SIZES)('overwrites the previous frame completely, at %i×%i', (width, height) => {
    const used = new TestPicture(width, height, 30);
    const fresh = new TestPicture(width, height, 30);
    used.draw(999_999, new Date(2025, 2, 4, 23, 59, 58, 888).getTime());
    used.draw(444_444, new Date(2025, 2, 4, 7, 44, 44, 777).getTime());
    expectSamePixels(used.draw(1, NOON), fresh.draw(1, NOON));
  });

  it('draws into the same memory every time', () => {
    const picture = new TestPicture(160, 120, 30);
    const first = picture.draw(0, NOON);
    expect(first.byteLength).toBe(57_600);
    expect(picture.draw(1, NOON)).toBe(first);
  });

  it('redraws the number, the clock and the moving parts', () => {
    const picture = new TestPicture(640, 360, 30);
    const first = picture.draw(0, NOON).slice();
    const changedRows = (next: Uint8Array): boolean[] =>
      Array.from(
        { length: 360 },
        (_, y) =>
          Buffer.compare(first.subarray(y * 1920, (y + 1) * 1920), next.subarray(y * 1920, (y + 1) * 1920)) !== 0,
      );

    const laterFrame = changedRows(picture.draw(1, NOON));
    expect(laterFrame[12]).toBe(true); // data strip
    expect(laterFrame[100]).toBe(true); // number
    expect(laterFrame[250]).toBe(false); // bars
    expect(laterFrame[308]).toBe(true); // marker

    const laterTime = changedRows(picture.draw(0, NOON + 1));
    expect(laterTime[100]).toBe(false);
    expect(laterTime[180]).toBe(true); // clock
    expect(laterTime[308]).toBe(false);
  });

  it('shows bars whose colours do not depend on the frame', () => {
    const bgr = new TestPicture(1280, 720, 30).draw(7, NOON);
    const colourAt = (x: number): number[] => [...bgr.subarray((490 * 1280 + x) * 3, (490 * 1280 + x) * 3 + 3)];
    expect(colourAt(230)).toEqual([0xf2, 0xf2, 0xf2]); // white
    expect(colourAt(360)).toEqual([0x4c, 0xd9, 0xe8]); // yellow
    expect(colourAt(500)).toEqual([0xd9, 0xc7, 0x55]); // cyan
    expect(colourAt(640)).toEqual([0x6b, 0xc2, 0x5c]); // green
    expect(colourAt(770)).toEqual([0xc9, 0x6f, 0xc8]); // magenta
    expect(colourAt(910)).toEqual([0x4e, 0x57, 0xd4]); // red
    expect(colourAt(1050)).toEqual([0xd1, 0x68, 0x4a]); // blue
  });

  it.each([0.2, 1, 29.97, 60, 1000])('accepts a rate of %d', (framesPerSecond) => {
    const picture = new TestPicture(320, 240, framesPerSecond);
    expect(readFrameNumber(picture.draw(123, NOON), 320, 240)).toBe(123);
  });

  it('accepts only sizes from 160×120 to sides of 3840', () => {
    expect(new TestPicture(160, 120, 30).draw(0, NOON).byteLength).toBe(57_600);
    expect(new TestPicture(3840, 120, 30).draw(0, NOON).byteLength).toBe(1_382_400);
    expect(new TestPicture(160, 3840, 30).draw(0, NOON).byteLength).toBe(1_843_200);
    for (const [width, height] of [
      [159, 120],
      [160, 119],
      [3841, 120],
      [160, 3841],
      [160.5, 120],
      [NaN, 120],
    ] as const) {
      expect(() => new TestPicture(width, height, 30)).toThrow(RangeError);
    }
  });

  it('refuses invalid rates, frame numbers and times', () => {
    for (const rate of [0, -1, NaN, Infinity]) expect(() => new TestPicture(160, 120, rate)).toThrow(RangeError);
    const picture = new TestPicture(160, 120, 30);
    for (const frameNumber of [-1, 0.5, NaN, 2 ** 53])
      expect(() => picture.draw(frameNumber, NOON)).toThrow(RangeError);
    expect(() => picture.draw(0, NaN)).toThrow(RangeError);
  });
});

describe('drawPlaceholder', () => {
  it.each(SIZES)('draws light text on a dark background at %i×%i', (width, height) => {
    const bgr = drawPlaceholder(
      width,
      height,
      'WAITING FOR A SOURCE',
      'Nothing has come from tcp://10.0.0.5:5555 yet.',
    );
    expect(bgr.byteLength).toBe(width * height * 3);
    const bright = bgr.filter((value) => value > 200).length / bgr.byteLength;
    expect(bright).toBeGreaterThan(0.001);
    expect(bright).toBeLessThan(0.1);
  });

  it('accepts texts that are empty, too long, or contain characters that the font does not have', () => {
    expect(drawPlaceholder(160, 120, '', '').byteLength).toBe(57_600);
    expect(drawPlaceholder(160, 120, 'W'.repeat(500), 'word '.repeat(500)).byteLength).toBe(57_600);
    expect(drawPlaceholder(160, 120, 'Ж 🎥', 'x'.repeat(5000)).byteLength).toBe(57_600);
  });
});

describe('renderGlyph', () => {
  it('draws every character in a cell of the same width', () => {
    for (const char of "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz :.,-+=×/()'_?!Ж") {
      const glyph = renderGlyph(char, 100, 12);
      expect(glyph.width).toBe(72);
      expect(glyph.height).toBeGreaterThanOrEqual(100);
      expect(glyph.alpha.byteLength).toBe(72 * glyph.height);
    }
  });

  it('fills the height with capitals and digits, and extends below it for descenders', () => {
    const rowIsInked = (char: string, row: number): boolean =>
      renderGlyph(char, 100, 12)
        .alpha.subarray(row * 72, (row + 1) * 72)
        .some((value) => value > 127);
    for (const char of '0123456789ABCDEFGHIJKLMNOPRSTUVWXYZ') {
      expect(renderGlyph(char, 100, 12).height).toBe(100);
      expect(rowIsInked(char, 0)).toBe(true);
      expect(rowIsInked(char, 99)).toBe(true);
    }
    expect(renderGlyph('g', 100, 12).height).toBe(127);
    expect(renderGlyph(' ', 100, 12).alpha.every((value) => value === 0)).toBe(true);
  });

  it('draws a stroke that is solid inside and has soft edges', () => {
    const { alpha, width } = renderGlyph('I', 100, 11);
    const row = [...alpha.subarray(50 * width, 51 * width)];
    expect(row.filter((value) => value === 255)).toHaveLength(10);
    expect(row.filter((value) => value > 0 && value < 255)).toEqual([128, 128]);
  });
});
