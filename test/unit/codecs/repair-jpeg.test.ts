import jpegTurbo from '@julusian/jpeg-turbo';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../../gateway/codecs/jpeg.ts';
import { repairJpeg } from '../../../gateway/codecs/repair-jpeg.ts';
import { EOI, segment } from '../../helpers/jpeg-builder.ts';
import {
  exif,
  oriented,
  segmentsOf,
  TAIL_BYTES,
  TAILS,
  withoutTables,
  withSegments,
} from '../../helpers/jpeg-variants.ts';

const [WIDTH, HEIGHT] = [96, 64];
const samples = Buffer.from(Array.from({ length: WIDTH * HEIGHT * 3 }, (_, at) => (at * at * 31) % 256));
const baseline: Buffer = await encodeJpeg({ data: samples, width: WIDTH, height: HEIGHT, channels: 3 });
const gray: Buffer = await encodeJpeg({
  data: samples.subarray(0, WIDTH * HEIGHT),
  width: WIDTH,
  height: HEIGHT,
  channels: 1,
});
const image = (): Sharp => sharp(samples, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });

/** Complete JPEGs in which EOI also occurs before the end. */
const JPEGS: Readonly<Record<string, Buffer>> = {
  'a baseline JPEG': baseline,
  'a gray JPEG': gray,
  'a progressive JPEG': await image().jpeg({ progressive: true }).toBuffer(),
  'a JPEG with a thumbnail in its EXIF data': withSegments(baseline, exif(1, { thumbnail: gray.subarray(0, 2000) })),
  'a JPEG with EOI in APP2 and a comment': withSegments(
    baseline,
    segment(0xe2, ...EOI, ...EOI),
    segment(0xfe, 1, ...EOI),
  ),
  'a JPEG with EOI in a comment after its scan': Buffer.concat([
    baseline.subarray(0, -2),
    segment(0xfe, ...EOI, 1, 2, 3),
    EOI,
  ]),
  'a progressive JPEG with EOI in a comment between its scans': await (async () => {
    const jpeg = await image().jpeg({ progressive: true }).toBuffer();
    const second = jpeg.indexOf(Buffer.of(0xff, 0xda), jpeg.indexOf(Buffer.of(0xff, 0xda)) + 2);
    return Buffer.concat([jpeg.subarray(0, second), segment(0xfe, ...EOI, 1, 2, 3), jpeg.subarray(second)]);
  })(),
};

const decode = (jpeg: Uint8Array): Buffer =>
  jpegTurbo
    .decompressSync(Buffer.from(jpeg), Buffer.alloc(WIDTH * HEIGHT * 3), { format: jpegTurbo.FORMAT_BGR })
    .data.subarray(0, WIDTH * HEIGHT * 3);

describe('repairJpeg', () => {
  it.each(Object.entries(JPEGS))('returns %s unmodified, as the same object', (_name, jpeg) => {
    expect(repairJpeg(jpeg).jpeg).toBe(jpeg);
    const plain = new Uint8Array(jpeg);
    expect(repairJpeg(plain).jpeg).toBe(plain);
  });

  describe.each(Object.entries(JPEGS))('cuts off the bytes after %s, without a copy', (_name, jpeg) => {
    it.each(Object.entries(TAILS))('%s', (_tail, tail) => {
      for (const bytes of TAIL_BYTES) {
        const padded = Buffer.concat([jpeg, tail(bytes, jpeg)]);
        const { jpeg: cut } = repairJpeg(padded);
        expect(Buffer.compare(cut, jpeg), `${bytes} bytes`).toBe(0);
        expect(cut.buffer).toBe(padded.buffer);
      }
    });
  });

  it.each(Object.entries(JPEGS))('rejects %s that is truncated at any length', (_name, jpeg) => {
    const scan = segmentsOf(jpeg).at(-1)!.to;
    const comment = jpeg.indexOf(Buffer.of(0xff, 0xfe), scan); // a truncated segment cannot be distinguished from damaged data
    for (let length = 2; length < jpeg.byteLength; length += length < 400 || length > jpeg.byteLength - 20 ? 1 : 97) {
      if (comment >= 0 && length > comment && length < comment + 9) continue;
      expect(() => repairJpeg(Buffer.from(jpeg.subarray(0, length))), `${length} of ${jpeg.byteLength} bytes`).toThrow(
        expect.objectContaining({ code: 'jpeg-invalid', message: expect.stringContaining('truncated') as string }),
      );
    }
  });

  it('does not cut off a JPEG with a damaged scan, because browsers show a part of it', () => {
    for (const damage of [Buffer.of(0xff, 0xe5, 0xff, 0xff), Buffer.of(0xff, 0xfe, 0, 9)]) {
      const at = baseline.byteLength >> 1;
      const jpeg = Buffer.concat([baseline.subarray(0, at), damage, baseline.subarray(at)]);
      expect(repairJpeg(jpeg).jpeg).toBe(jpeg);
      expect(Buffer.compare(repairJpeg(Buffer.concat([jpeg, Buffer.alloc(1000)])).jpeg, jpeg)).toBe(0);
    }
  });

  it('takes linear time for any trailing bytes and any fill bytes', () => {
    const fillings = [
      [0xff],
      [0xff, 0x00],
      [0xff, 0xd0],
      [0xff, 0x01],
      [0xff, 0xfe, 0x00, 0x02],
      [0x00],
      [0x12, 0xff, 0xd8],
    ];
    for (const filling of fillings) {
      const bytes = Buffer.alloc(8 << 20, Buffer.from(filling));
      for (const jpeg of [
        Buffer.concat([baseline, bytes]),
        Buffer.concat([baseline.subarray(0, -2), bytes, EOI, bytes]),
        Buffer.concat([baseline.subarray(0, -2), bytes]),
      ]) {
        const { user } = process.cpuUsage();
        try {
          repairJpeg(jpeg);
        } catch {
          // Only the duration matters.
        }
        expect(process.cpuUsage().user - user, `${filling.join(' ')}`).toBeLessThan(1_000_000);
      }
    }
  });

  it.each([
    ['all tables of a colour JPEG', baseline, () => true],
    ['all tables of a gray JPEG', gray, () => true],
    ['the chroma tables', baseline, (id: number) => (id & 1) === 1],
    ['the AC tables', baseline, (id: number) => id >= 0x10],
    ['one table', baseline, (id: number) => id === 0x11],
  ] as const)('adds %s', (_name, jpeg, isRemoved) => {
    const bare = withoutTables(Buffer.from(jpeg), isRemoved);
    expect(bare.byteLength).toBeLessThan(jpeg.byteLength);
    expect(decode(repairJpeg(bare).jpeg).equals(decode(jpeg))).toBe(true);
    const padded = repairJpeg(Buffer.concat([bare, Buffer.alloc(1000)])).jpeg;
    expect(Buffer.compare(padded, repairJpeg(bare).jpeg)).toBe(0);
  });

  it('adds the tables of libjpeg, byte for byte', () => {
    const tables = (jpeg: Buffer): string =>
      segmentsOf(jpeg)
        .filter(({ marker }) => marker === 0xc4)
        .map(({ from, to }) => jpeg.toString('hex', from + 4, to))
        .join('');
    expect(tables(repairJpeg(withoutTables(baseline)).jpeg as Buffer)).toBe(tables(baseline));
  });

  it('adds no tables to other kinds of JPEG', async () => {
    const progressive = withoutTables(await image().jpeg({ progressive: true }).toBuffer());
    expect(repairJpeg(progressive).jpeg).toBe(progressive);
  });

  it('rejects a JPEG without tables that is truncated within its first 700 bytes', () => {
    const bare = withoutTables(oriented(baseline, 6));
    for (let length = 0; length < 700; length += 1)
      expect(() => repairJpeg(Buffer.from(bare.subarray(0, length)))).toThrow(
        expect.objectContaining({ code: 'jpeg-invalid' }),
      );
  });

  describe('reads the EXIF orientation', () => {
    it.each([1, 2, 3, 4, 5, 6, 7, 8])('%i, in both byte orders', (orientation) => {
      for (const isLittle of [true, false])
        expect(repairJpeg(withSegments(baseline, exif(orientation, { isLittle }))).header.orientation).toBe(
          orientation,
        );
    });

    it.each([
      ['is 0', exif(0)],
      ['is 9', exif(9)],
      ['has another type', exif(6, { type: 4 })],
      [
        'is in other data',
        segment(0xe1, ...Buffer.from('http://ns.adobe.com/xap/1.0/\0<x:xmpmeta tiff:Orientation="6"/>')),
      ],
      ['is in an empty segment', segment(0xe1)],
      ['is in APP2', Buffer.concat([Buffer.of(0xff, 0xe2), exif(6).subarray(2)])],
    ])('1 if it %s', (_name, app) => {
      expect(repairJpeg(withSegments(baseline, app)).header.orientation).toBe(1);
    });

    it('1 for EXIF data that is truncated at any length', () => {
      const whole = exif(6).subarray(4);
      for (let length = 0; length < whole.byteLength - 6; length += 1)
        expect(
          repairJpeg(withSegments(baseline, segment(0xe1, ...whole.subarray(0, length)))).header.orientation,
          `${length}`,
        ).toBe(1);
    });

    it('after other APP1 data, and only that of the picture itself', () => {
      const xmp = segment(0xe1, ...Buffer.from('http://ns.adobe.com/xap/1.0/\0<x/>'));
      expect(repairJpeg(withSegments(baseline, xmp, exif(8))).header.orientation).toBe(8);
      expect(repairJpeg(withSegments(baseline, exif(1, { thumbnail: oriented(gray, 6) }))).header.orientation).toBe(1);
    });

    it('without an error for a directory at another position, or with a count that is too large', () => {
      for (const [at, value] of [
        [14, 0xffff_fff0],
        [14, 0],
        [18, 0xffff],
      ] as const) {
        const app = exif(6);
        if (at === 14) app.writeUInt32LE(value, at);
        else app.writeUInt16LE(value, at);
        expect(() => repairJpeg(withSegments(baseline, app))).not.toThrow();
      }
    });
  });
});
