import { describe, expect, it } from 'vitest';
import { encodeJpeg } from '../../../../gateway/codecs/jpeg.ts';
import { BMP } from '../../../../gateway/codecs/bmp.ts';
import { HeadedReader } from '../../../../gateway/codecs/headed-reader.ts';
import { JpegSequenceReader } from '../../../../gateway/codecs/jpeg-sequence-reader.ts';
import { PGM } from '../../../../gateway/codecs/pgm.ts';
import type { NDArray } from '../../../../shared/ndarray.ts';

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
}

/** 3×2 pixels of 24 bits, by hand: rows of 9 bytes, padded to 12. */
const BMP_3X2 = hex(`
  424d 4e000000 0000 0000 36000000
  28000000 03000000 02000000 0100 1800 00000000 18000000 00000000 00000000 00000000 00000000
  010203 040506 070809 eeeeee
  0a0b0c 0d0e0f 101112 eeeeee`);

/** 4×1 pixels, which need no padding. */
const BMP_4X1 = hex(`
  424d 42000000 0000 0000 36000000
  28000000 04000000 01000000 0100 1800 00000000 0c000000 00000000 00000000 00000000 00000000
  ff0000 00ff00 0000ff 7f7f7f`);

const PGM_3X1 = Buffer.concat([Buffer.from('P5\n3 1\n255\n'), hex('00 7f ff')]);
const PGM_2X2_WIDE = Buffer.concat([Buffer.from('P5\n2 2\n65535\n'), hex('0001 0203 fffe 8000')]);

const PICTURES = {
  bmp: { format: BMP, bytes: Buffer.concat([BMP_3X2, BMP_4X1, BMP_3X2]), ends: [78, 144, 222] },
  pgm: { format: PGM, bytes: Buffer.concat([PGM_3X1, PGM_2X2_WIDE, PGM_3X1]), ends: [14, 35, 49] },
} as const;

const EXPECTED: Readonly<Record<keyof typeof PICTURES, readonly NDArray[]>> = {
  bmp: [
    { dtype: 'uint8', shape: [2, 3, 3], data: hex('010203 040506 070809 0a0b0c 0d0e0f 101112') },
    { dtype: 'uint8', shape: [1, 4, 3], data: hex('ff0000 00ff00 0000ff 7f7f7f') },
    { dtype: 'uint8', shape: [2, 3, 3], data: hex('010203 040506 070809 0a0b0c 0d0e0f 101112') },
  ],
  pgm: [
    { dtype: 'uint8', shape: [1, 3], data: hex('00 7f ff') },
    { dtype: 'uint16', shape: [2, 2], data: hex('0100 0302 feff 0080') },
    { dtype: 'uint8', shape: [1, 3], data: hex('00 7f ff') },
  ],
};

function readHeaded(kind: keyof typeof PICTURES, chunks: readonly Buffer[], maxBodyBytes = 100): NDArray[] {
  const pictures: NDArray[] = [];
  const reader = new HeadedReader({
    format: PICTURES[kind].format,
    maxBodyBytes,
    onPicture: (picture) => pictures.push(picture),
  });
  for (const chunk of chunks) {
    const lent = Buffer.from(chunk);
    reader.read(lent);
    lent.fill(0xdd); // the memory is reused
  }
  return pictures;
}

describe.each(['bmp', 'pgm'] as const)('HeadedReader of %s', (kind) => {
  const { bytes, ends } = PICTURES[kind];

  it('delivers each picture with its last byte, but no truncated picture', () => {
    for (let length = 0; length <= bytes.byteLength; length += 1) {
      const count = ends.filter((end) => end <= length).length;
      expect(readHeaded(kind, [bytes.subarray(0, length)]), `${length} bytes`).toEqual(EXPECTED[kind].slice(0, count));
    }
  });

  it('reads chunks of every size', () => {
    for (let size = 1; size <= bytes.byteLength; size += 1) {
      const chunks = Array.from({ length: Math.ceil(bytes.byteLength / size) }, (_, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      expect(readHeaded(kind, chunks), `chunks of ${size} bytes`).toEqual(EXPECTED[kind]);
    }
  });

  it('delivers each picture in separate memory', () => {
    const [first, , third] = readHeaded(kind, [bytes]);
    expect(first!.data.buffer).not.toBe(third!.data.buffer);
    expect(first!.data.byteOffset).toBe(0);
  });
});

describe('HeadedReader', () => {
  it('allocates no memory for a picture beyond the limit', () => {
    expect(readHeaded('bmp', [BMP_3X2], 24)).toHaveLength(1);
    expect(() => readHeaded('bmp', [BMP_3X2], 23)).toThrow(expect.objectContaining({ code: 'too-large' }));
    expect(readHeaded('pgm', [PGM_2X2_WIDE], 8)).toHaveLength(1);
    expect(() => readHeaded('pgm', [PGM_2X2_WIDE], 7)).toThrow(expect.objectContaining({ code: 'too-large' }));
    expect(() => readHeaded('pgm', [Buffer.from('P5\n999999 999999\n65535\n')])).toThrow(
      expect.objectContaining({ code: 'too-large' }),
    );
  });

  it.each([
    ['another magic', 0, '4e'],
    ['another offset', 10, '37'],
    ['another header', 14, '6c'],
    ['no width', 18, '00'],
    ['a negative height', 22, 'feffffff'],
    ['a palette', 28, '08'],
    ['a compression', 30, '01'],
  ])('refuses a BMP with %s', (_, at, bytes) => {
    const broken = Buffer.from(BMP_3X2);
    hex(bytes).copy(broken, at);
    expect(() => readHeaded('bmp', [broken])).toThrow(expect.objectContaining({ code: 'picture-invalid' }));
  });

  it.each([
    'P6\n1 1\n255\n',
    'Q',
    'P5\n0 1\n255\n',
    'P5\n1 1\n1023\n',
    'P5\n#comment\n1 1\n255\n___________________',
    'P5\n1234567 1\n255\n________________',
  ])('refuses a PGM that begins with %j', (text) => {
    expect(() => readHeaded('pgm', [Buffer.from(text)])).toThrow(expect.objectContaining({ code: 'picture-invalid' }));
  });
});

/**
 * Minimal hand-written data with the structure of a JPEG: a thumbnail with its own EOI in a segment, a stuffed byte, a
 * restart marker, a fill byte, a second scan.
 */
const JPEG_A = hex('ffd8 ffe1 0006 ffd8 ffd9 ffda 0003 00 1122 ff00 33 ffd0 44 ffff d9');
const JPEG_B = hex('ffd8 ffdb 0004 0101 ffda 0002 55 ffc4 0003 00 ffda 0002 66 ffd9');

function readJpegs(chunks: readonly Buffer[], maxJpegBytes = 1000): string[] {
  const jpegs: Buffer[] = [];
  const reader = new JpegSequenceReader({ maxJpegBytes, onJpeg: (jpeg) => jpegs.push(jpeg) });
  for (const chunk of chunks) {
    const lent = Buffer.from(chunk);
    reader.read(lent);
    lent.fill(0xdd);
  }
  return jpegs.map((jpeg) => jpeg.toString('hex'));
}

describe('JpegSequenceReader', () => {
  const bytes = Buffer.concat([JPEG_A, JPEG_B, JPEG_A]);
  const ends = [JPEG_A.byteLength, JPEG_A.byteLength + JPEG_B.byteLength, bytes.byteLength];
  const all = [JPEG_A, JPEG_B, JPEG_A].map((jpeg) => jpeg.toString('hex'));

  it('delivers each JPEG with its last byte, but no truncated JPEG', () => {
    for (let length = 0; length <= bytes.byteLength; length += 1) {
      expect(readJpegs([bytes.subarray(0, length)]), `${length} bytes`).toEqual(
        all.slice(0, ends.filter((end) => end <= length).length),
      );
    }
  });

  it('reads chunks of every size', () => {
    for (let size = 1; size <= bytes.byteLength; size += 1) {
      const chunks = Array.from({ length: Math.ceil(bytes.byteLength / size) }, (_, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      expect(readJpegs(chunks), `chunks of ${size} bytes`).toEqual(all);
    }
  });

  it('reads real JPEGs, including those larger than its initial buffer', async () => {
    const pictures = await Promise.all(
      [64, 600].map(async (side) =>
        encodeJpeg(
          {
            data: Buffer.from(Array.from({ length: side * side * 3 }, (_, at) => (at * 7919) % 251)),
            width: side,
            height: side,
            channels: 3,
          },
          100,
        ),
      ),
    );
    const stream = Buffer.concat([...pictures, ...pictures]);
    const chunks = Array.from({ length: Math.ceil(stream.byteLength / 65_536) }, (_, index) =>
      stream.subarray(index * 65_536, (index + 1) * 65_536),
    );
    expect(pictures[1]!.byteLength).toBeGreaterThan(256 << 10);
    expect(readJpegs(chunks, 1 << 22)).toEqual([...pictures, ...pictures].map((jpeg) => jpeg.toString('hex')));
  });

  it.each(['ffd9', '0000', 'ffd8 0000', 'ffd8 ffe1 0001', 'ffd8 ffdb 0002 1234'])('refuses %s', (text) => {
    expect(() => readJpegs([hex(text)])).toThrow(expect.objectContaining({ code: 'jpeg-invalid' }));
  });

  it('refuses a JPEG beyond the limit before it has ended', () => {
    expect(readJpegs([JPEG_B], JPEG_B.byteLength)).toHaveLength(1);
    expect(() => readJpegs([JPEG_B], JPEG_B.byteLength - 1)).toThrow(expect.objectContaining({ code: 'too-large' }));
    expect(() => readJpegs([hex('ffd8 ffda 0002'), Buffer.alloc(2000)])).toThrow(
      expect.objectContaining({ code: 'too-large' }),
    );
  });
});
