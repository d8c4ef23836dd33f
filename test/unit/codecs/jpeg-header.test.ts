import { describe, expect, it } from 'vitest';
import { MAX_BLOCK_VISITS, MAX_BUFFERED_BLOCKS, readJpegHeader } from '../../../gateway/codecs/jpeg-header.ts';

const invalid: unknown = expect.objectContaining({ name: 'GearwayError', code: 'jpeg-invalid' });

const SOI = [0xff, 0xd8];
const EOI = [0xff, 0xd9];
const JFIF = [0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0];
const DHT = [0xff, 0xc4, 0, 3, 0];
const SOS = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0];
const SCAN = [0x12, 0xff, 0x00, 0x34];

/** A start of frame, T.81 B.2.2: length, precision, height, width, components. */
function startOfFrame(width: number, height: number, { marker = 0xc0, components = 3 } = {}): number[] {
  const parameters = Array.from({ length: components }, (_, index) => [index + 1, 0x11, 0]).flat();
  return [
    0xff,
    marker,
    0,
    8 + 3 * components,
    8,
    height >> 8,
    height & 255,
    width >> 8,
    width & 255,
    components,
    ...parameters,
  ];
}

const jpeg = (...segments: number[][]): Uint8Array => Uint8Array.from(segments.flat());
const rest = [SOS, SCAN, EOI] as const;

describe('readJpegHeader', () => {
  it('reads size and components', () => {
    expect(readJpegHeader(jpeg(SOI, JFIF, startOfFrame(1280, 720), DHT, ...rest))).toMatchObject({
      width: 1280,
      height: 720,
      components: 3,
    });
    expect(readJpegHeader(jpeg(SOI, startOfFrame(10, 8, { components: 1 }), ...rest))).toMatchObject({
      width: 10,
      height: 8,
      components: 1,
    });
    expect(readJpegHeader(jpeg(SOI, startOfFrame(10, 8, { components: 4 }), ...rest))).toMatchObject({
      width: 10,
      height: 8,
      components: 4,
    });
  });

  it.each(['GRAY', 'BGR', 'RGBX', 'ABGR', 'CMYK'])('accepts for %s only JPEGs that decode to it', (colorspace) => {
    for (const components of [1, 3, 4]) {
      const read = (): unknown => readJpegHeader(jpeg(SOI, startOfFrame(10, 8, { components }), ...rest), colorspace);
      if ((components === 4) === (colorspace === 'CMYK'))
        expect(read()).toMatchObject({ width: 10, height: 8, components });
      else expect(read).toThrow(invalid);
    }
  });

  it('reads an announced size of 20000 × 20000, and the largest one, at no cost', () => {
    expect(readJpegHeader(jpeg(SOI, startOfFrame(20_000, 20_000), ...rest))).toMatchObject({
      width: 20_000,
      height: 20_000,
      components: 3,
    });
    expect(readJpegHeader(jpeg(SOI, startOfFrame(65_535, 65_535), ...rest))).toMatchObject({
      width: 65_535,
      height: 65_535,
      components: 3,
    });
  });

  it.each([0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf])(
    'recognizes the marker 0x%x as a start of frame',
    (marker) => {
      expect(readJpegHeader(jpeg(SOI, startOfFrame(10, 8, { marker }), ...rest))).toMatchObject({
        width: 10,
        height: 8,
      });
    },
  );

  it.each([0xc4, 0xc8, 0xcc])('does not recognize the marker 0x%x as a start of frame', (marker) => {
    expect(() => readJpegHeader(jpeg(SOI, startOfFrame(10, 8, { marker }), ...rest))).toThrow(invalid);
  });

  it('skips tables before the start of frame', () => {
    expect(
      readJpegHeader(jpeg(SOI, DHT, [0xff, 0xcc, 0, 2], [0xff, 0xdb, 0, 3, 0], startOfFrame(10, 8), ...rest)),
    ).toMatchObject({ width: 10 });
  });

  it('skips fill bytes and markers without a length', () => {
    expect(readJpegHeader(jpeg(SOI, [0xff, 0xff, 0xff], JFIF, [0xff], startOfFrame(10, 8), ...rest))).toMatchObject({
      width: 10,
    });
    expect(readJpegHeader(jpeg(SOI, [0xff, 0x01, 0xff, 0xd0, 0xff, 0xd7], startOfFrame(10, 8), ...rest))).toMatchObject(
      { width: 10 },
    );
  });

  it('refuses endless fill bytes', () => {
    const filled = (count: number): Uint8Array =>
      Buffer.concat([Uint8Array.from(SOI), Buffer.alloc(count, 0xff), jpeg(startOfFrame(10, 8), ...rest)]);
    expect(readJpegHeader(filled(60_000))).toMatchObject({ width: 10 });
    expect(() => readJpegHeader(filled(70_000))).toThrow(expect.objectContaining({ code: 'jpeg-too-complex' }));
  });

  it.each([
    ['nothing', []],
    ['one byte', [0xff]],
    ['SOI alone', SOI],
    ['SOI and EOI', [...SOI, ...EOI]],
    ['something else', [0x89, 0x50, 0x4e, 0x47, ...EOI]],
    ['no SOI', [...JFIF, ...startOfFrame(10, 8), ...EOI]],
    ['no EOI', [...SOI, ...startOfFrame(10, 8), ...SOS, ...SCAN]],
    ['half an EOI', [...SOI, ...startOfFrame(10, 8), ...SOS, ...SCAN, 0xff]],
    ['no start of frame', [...SOI, ...JFIF, ...SOS, ...SCAN, ...EOI]],
    ['a start of frame after the scan', [...SOI, ...SOS, ...startOfFrame(10, 8), ...EOI]],
    ['bytes between segments', [...SOI, 0, ...startOfFrame(10, 8), ...EOI]],
    ['a segment of length 0', [...SOI, 0xff, 0xe0, 0, 0, ...startOfFrame(10, 8), ...EOI]],
    ['a segment of length 1', [...SOI, 0xff, 0xe0, 0, 1, ...startOfFrame(10, 8), ...EOI]],
    ['a segment beyond the end', [...SOI, 0xff, 0xe0, 0xff, 0xff, ...startOfFrame(10, 8), ...EOI]],
    ['no width', [...SOI, ...startOfFrame(0, 8), ...SOS, ...EOI]],
    ['no height', [...SOI, ...startOfFrame(10, 0), ...SOS, ...EOI]],
    ['a start of frame cut off', [...SOI, 0xff, 0xc0, 0, 17, 8, 0, ...EOI]],
    ['fill bytes without end', [...SOI, ...Array<number>(1000).fill(0xff), ...EOI]],
  ])('rejects %s', (_name, bytes) => {
    expect(() => readJpegHeader(Uint8Array.from(bytes))).toThrow(invalid);
  });

  it('rejects a JPEG at every shorter length', () => {
    const whole = jpeg(SOI, JFIF, startOfFrame(10, 8), DHT, ...rest);
    for (let length = 0; length < whole.byteLength; length += 1)
      expect(() => readJpegHeader(whole.subarray(0, length))).toThrow(invalid);
  });

  describe('of several scans', () => {
    const scans = (count: number, frame = startOfFrame(4096, 4096, { marker: 0xc2, components: 1 })): Uint8Array =>
      jpeg(SOI, frame, ...Array.from({ length: count }, () => [...SOS, ...SCAN]), EOI);
    const complex: unknown = expect.objectContaining({ name: 'GearwayError', code: 'jpeg-too-complex' });

    /** A progressive JPEG with this data in its first scan. */
    const withData = (data: Uint8Array): Uint8Array =>
      Buffer.concat([
        jpeg(SOI, startOfFrame(16, 16, { marker: 0xc2, components: 1 }), SOS),
        data,
        Uint8Array.from(EOI),
      ]);
    const escaped = (count: number, second: number, between: number): Buffer =>
      Buffer.alloc(count * (2 + between), Buffer.concat([Uint8Array.of(0xff, second), Buffer.alloc(between, 1)]));

    it.each([
      ['stuffed bytes', 0],
      ['restart markers', 0xd0],
      ['fill bytes', 0xff],
    ])('is refused with more %s than an encoder writes', (_name, second) => {
      expect(readJpegHeader(withData(escaped(30_000, second, 0)))).toMatchObject({ width: 16 });
      expect(() => readJpegHeader(withData(escaped(1 << 20, second, 0)))).toThrow(complex);
    });

    it('may have one stuffed byte in 64 at any size, four times the usual ratio in compressed data', () => {
      expect(readJpegHeader(withData(escaped(1 << 18, 0, 62)))).toMatchObject({ width: 16 });
      expect(() => readJpegHeader(withData(escaped(1 << 18, 0, 30)))).toThrow(complex);
    });

    it('accepts scans up to the maximum number of blocks, and no more', () => {
      const most = MAX_BLOCK_VISITS / (512 * 512);
      expect(readJpegHeader(scans(most))).toMatchObject({ width: 4096 });
      expect(() => readJpegHeader(scans(most + 1))).toThrow(complex);
      expect(readJpegHeader(scans(8 * most, startOfFrame(1448, 1448, { marker: 0xc2, components: 1 })))).toMatchObject({
        width: 1448,
      });
    });

    it('counts scans of a sequential JPEG, too', () => {
      const frame = startOfFrame(4096, 4096, { components: 3 });
      expect(readJpegHeader(scans(16, frame))).toMatchObject({ width: 4096 });
      expect(() => readJpegHeader(scans(17, frame))).toThrow(complex);
    });

    it("accepts only JPEGs that fit into a decoder's memory", () => {
      expect(readJpegHeader(scans(1, startOfFrame(8192, 8192, { marker: 0xc2, components: 1 })))).toMatchObject({
        width: 8192,
      });
      expect(MAX_BUFFERED_BLOCKS).toBe(1024 * 1024);
      expect(() => readJpegHeader(scans(1, startOfFrame(8192, 8200 - 8, { marker: 0xc2, components: 3 })))).toThrow(
        complex,
      );
    });

    it.each([
      ['stuffed bytes', [0xff, 0x00, 0x12]],
      ['restart markers', [0xff, 0xd0, 0x01, 0xff, 0xd7]],
      ['fill bytes', [0xff, 0xff, 0xff]],
      ['tables', DHT],
      ['bytes that belong to no segment', [0, 1, 2, 3]],
      ['a comment that contains scans', [0xff, 0xfe, 0, 12, ...SOS]],
    ])('counts scans with %s between them', (_name, between) => {
      const many = (count: number): Uint8Array =>
        jpeg(
          SOI,
          startOfFrame(4096, 4096, { marker: 0xc2, components: 1 }),
          ...Array.from({ length: count }, () => [...SOS, ...SCAN, ...between]),
          EOI,
        );
      expect(readJpegHeader(many(16))).toMatchObject({ width: 4096 });
      expect(() => readJpegHeader(many(17))).toThrow(complex);
    });

    it('reads any fill bytes at 8 MiB per second or more', () => {
      for (const filling of [
        [0xff],
        [0xff, 0x00],
        [0xff, 0xd0],
        [0xff, 0xfe, 0x00, 0x02],
        [...Array<number>(33).fill(1), 0xff, 0x00],
      ]) {
        const bytes = Buffer.concat([
          Buffer.from([...SOI, ...startOfFrame(4096, 4096, { marker: 0xc2, components: 1 }), ...SOS]),
          Buffer.alloc(8 << 20, Buffer.from(filling)),
          Buffer.from(EOI),
        ]);
        const { user } = process.cpuUsage();
        try {
          readJpegHeader(bytes);
        } catch {
          // Only the duration matters.
        }
        expect(process.cpuUsage().user - user).toBeLessThan(1_000_000);
      }
    });
  });
});
