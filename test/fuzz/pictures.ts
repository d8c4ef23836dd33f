import sharp, { type Sharp } from 'sharp';
import { npyOf } from '../helpers/pictures.ts';
import type { Random } from './random.ts';

/** Valid pictures in the formats that the gateway reads. */
export interface Samples {
  readonly jpegs: readonly Buffer[];
  readonly npys: readonly Buffer[];
  readonly bmps: readonly Buffer[];
  /** PNG, WebP and TIFF, which only `directory:` reads. */
  readonly others: readonly Buffer[];
}

/** Creates the samples. They are the same on every machine with the same version of the library. */
export async function createSamples(): Promise<Samples> {
  const width = 64;
  const height = 48;
  const data = Buffer.alloc(width * height * 3);
  for (let at = 0; at < data.length; at += 1) data[at] = (at * 7 + (at >> 5)) & 0xff;
  const source = (): Sharp => sharp(data, { raw: { width, height, channels: 3 } });
  const jpegs = await Promise.all([
    source().jpeg({ quality: 90, chromaSubsampling: '4:2:0' }).toBuffer(),
    source().jpeg({ quality: 60, chromaSubsampling: '4:4:4' }).toBuffer(),
    source().jpeg({ quality: 80, progressive: true }).toBuffer(),
    source().grayscale().jpeg().toBuffer(),
    source().toColourspace('cmyk').jpeg().toBuffer(),
    source().resize(1, 1).jpeg().toBuffer(),
    source().resize(640, 480).jpeg().toBuffer(),
  ]);
  const others = await Promise.all([
    source().png().toBuffer(),
    source().png({ palette: true }).toBuffer(),
    source().webp().toBuffer(),
    source().tiff().toBuffer(),
  ]);
  const npys = [
    npyOf('|u1', [48, 64, 3], 48 * 64 * 3),
    npyOf('<u2', [48, 64], 48 * 64 * 2),
    npyOf('<f4', [48, 64], 48 * 64 * 4),
    npyOf('>i2', [48, 64], 48 * 64 * 2),
    npyOf('|b1', [4, 4], 16),
  ];
  return { jpegs, npys, bmps: [bmp(24), bmp(8), bmp(32), bmp(1)], others };
}

/** A BMP of 16 × 8 pixels. */
function bmp(bits: 1 | 8 | 24 | 32): Buffer {
  const colours = bits <= 8 ? 1 << bits : 0;
  const stride = Math.ceil((16 * bits) / 32) * 4;
  const offset = 54 + colours * 4;
  const bytes = Buffer.alloc(offset + stride * 8, 0x55);
  bytes.write('BM', 0, 'latin1');
  bytes.writeUInt32LE(bytes.length, 2);
  bytes.writeUInt32LE(0, 6);
  bytes.writeUInt32LE(offset, 10);
  bytes.writeUInt32LE(40, 14);
  bytes.writeInt32LE(16, 18);
  bytes.writeInt32LE(8, 22);
  bytes.writeUInt16LE(1, 26);
  bytes.writeUInt16LE(bits, 28);
  bytes.fill(0, 30, 54);
  bytes.writeUInt32LE(stride * 8, 34);
  return bytes;
}

/** A part of a JPEG: a marker with its segment, or the data of a scan. */
type Segment = { readonly marker: number; readonly body: Buffer } | { readonly marker: null; readonly body: Buffer };

/** Splits a JPEG into parts. `body` follows the segment's length. */
function segmentsOf(jpeg: Buffer): Segment[] {
  const segments: Segment[] = [];
  let at = 0;
  while (at + 1 < jpeg.length) {
    const marker = jpeg[at + 1] ?? 0;
    if (jpeg[at] !== 0xff || marker === 0 || marker === 0xff) break;
    if (marker === 0xd8 || marker === 0xd9) {
      segments.push({ marker, body: Buffer.alloc(0) });
      at += 2;
      continue;
    }
    const end = at + 2 + jpeg.readUInt16BE(at + 2);
    segments.push({ marker, body: jpeg.subarray(at + 4, end) });
    at = end;
    if (marker !== 0xda) continue;
    let scanEnd = at;
    while (
      scanEnd + 1 < jpeg.length &&
      !(jpeg[scanEnd] === 0xff && jpeg[scanEnd + 1] !== 0 && ((jpeg[scanEnd + 1] ?? 0) & 0xf8) !== 0xd0)
    )
      scanEnd += 1;
    segments.push({ marker: null, body: jpeg.subarray(at, scanEnd) });
    at = scanEnd;
  }
  return segments;
}

function joinSegments(segments: readonly Segment[]): Buffer {
  return Buffer.concat(segments.flatMap(({ marker, body }) => (marker === null ? [body] : [segment(marker, body)])));
}

function segment(marker: number, body: Uint8Array): Buffer {
  if (marker === 0xd8 || marker === 0xd9) return Buffer.of(0xff, marker);
  return Buffer.concat([
    Buffer.of(0xff, marker, ((body.byteLength + 2) >> 8) & 0xff, (body.byteLength + 2) & 0xff),
    body,
  ]);
}

/**
 * Specific faults of a JPEG. Each of them leaves the rest intact, so that decoders read far before they detect the
 * fault.
 */
const DAMAGES: readonly ((segments: Segment[], random: Random) => Segment[])[] = [
  // Extra bytes before EOI, as webcams and frame grabbers leave them.
  (segments, random) => [
    ...segments.slice(0, -1),
    {
      marker: null,
      body: random.chance(0.5) ? Buffer.alloc(random.between(1, 600)) : random.bytes(random.between(1, 64)),
    },
    ...segments.slice(-1),
  ],
  // A scan that ends early.
  (segments, random) => mapScans(segments, (scan) => scan.subarray(0, Math.floor(scan.length * random.next()))),
  // Bytes changed within a scan.
  (segments, random) =>
    mapScans(segments, (scan) => {
      const copy = Buffer.from(scan);
      for (let n = random.between(1, 60); n > 0 && copy.length > 0; n -= 1)
        copy[random.below(copy.length)] = random.below(256);
      return copy;
    }),
  // The same scan again, once or hundreds of times.
  (segments, random) => {
    const at = segments.findLastIndex(({ marker }) => marker === 0xda);
    const scan = segments.slice(at, at + 2);
    return at < 0
      ? segments
      : [
          ...segments.slice(0, at),
          ...Array.from(
            {
              length:
                random.weighted([
                  [3, 1],
                  [2, 10],
                  [1, 300],
                ]) + 1,
            },
            () => scan,
          ).flat(),
          ...segments.slice(at + 2),
        ];
  },
  // Another kind of frame: extended, progressive, lossless, arithmetic.
  (segments, random) =>
    segments.map((part) =>
      isStartOfFrame(part)
        ? { marker: random.pick([0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb]), body: part.body }
        : part,
    ),
  // Size, precision, components and sampling of the frame.
  (segments, random) =>
    segments.map((part) => {
      if (!isStartOfFrame(part)) return part;
      const body = Buffer.from(part.body);
      const at = random.pick([0, 1, 2, 3, 4, 5, 6, 7, 10, 13]);
      if (at < body.length)
        body[at] = random.pick([0, 1, 2, 3, 4, 8, 12, 16, 0x11, 0x12, 0x21, 0x22, 0x41, 0x44, 0x7f, 0xff]);
      return { marker: part.marker, body };
    }),
  // Missing, doubled or moved segments: tables, frame, scan, end.
  (segments, random) => segments.filter((_, index) => index === 0 || !random.chance(0.15)),
  (segments, random) => segments.flatMap((part) => (random.chance(0.15) ? [part, part] : [part])),
  (segments, random) => {
    const copy = [...segments];
    const [moved] = copy.splice(random.below(copy.length), 1);
    copy.splice(random.below(copy.length + 1), 0, ...(moved === undefined ? [] : [moved]));
    return copy;
  },
  // Restart intervals that do not match the scan.
  (segments, random) => insertBefore(segments, 0xda, { marker: 0xdd, body: Buffer.of(0, random.pick([1, 2, 255])) }),
  // Application data: thumbnails, orientation, many comments.
  (segments, random) =>
    insertBefore(segments, random.pick([0xc0, 0xc2, 0xda, 0xdb]), {
      marker: random.pick([0xe0, 0xe1, 0xe2, 0xee, 0xfe]),
      body: random.chance(0.5) ? joinSegments(segments).subarray(0, 60_000) : random.bytes(random.between(0, 300)),
    }),
  // Padding after the end, as left by buffers of a fixed size.
  (segments, random) => [...segments, { marker: null, body: Buffer.alloc(random.pick([1, 63, 64, 65, 1000, 5000])) }],
  // Two pictures.
  (segments) => [...segments, ...segments],
  // A segment whose length is wrong.
  (segments, random) => {
    const bytes = joinSegments(segments);
    const at = bytes.indexOf(Buffer.of(0xff, random.pick([0xc0, 0xc2, 0xc4, 0xda, 0xdb])));
    if (at >= 0 && at + 4 <= bytes.length) bytes.writeUInt16BE(random.pick([0, 1, 2, 3, 255, 65_535]), at + 2);
    return [{ marker: null, body: bytes }];
  },
];

function isStartOfFrame({ marker }: Segment): boolean {
  return marker !== null && marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function mapScans(segments: readonly Segment[], change: (scan: Buffer) => Buffer): Segment[] {
  return segments.map((part) => (part.marker === null ? { marker: null, body: change(part.body) } : part));
}

function insertBefore(segments: readonly Segment[], marker: number, added: Segment): Segment[] {
  const at = segments.findIndex((part) => part.marker === marker);
  return at < 0 ? [...segments] : [...segments.slice(0, at), added, ...segments.slice(at)];
}

/** A JPEG with one or two kinds of damage. */
export function damageJpeg(jpeg: Buffer, random: Random): Buffer {
  let segments = segmentsOf(jpeg);
  for (let n = random.between(1, 2); n > 0; n -= 1) segments = random.pick(DAMAGES)(segments, random);
  return joinSegments(segments);
}

/**
 * A progressive JPEG of many scans that are a few bytes each and cost their decoder a pass over all coefficients: 4096
 * × 4096 with 1200 scans is 40 KB and ten seconds of work. The bytes must not be modified.
 */
export function scanBomb(width: number, height: number, scans: number): Buffer {
  const key = `${width}x${height} ${scans}`;
  const bomb = bombs.get(key) ?? createScanBomb(width, height, scans);
  bombs.set(key, bomb);
  return bomb;
}

const bombs = new Map<string, Buffer>();

function createScanBomb(width: number, height: number, scans: number): Buffer {
  const blocks = Math.ceil(width / 8) * Math.ceil(height / 8);
  const frame = Buffer.of(8, height >> 8, height & 0xff, width >> 8, width & 0xff, 1, 1, 0x11, 0);
  const quantization = Buffer.concat([Buffer.of(0), Buffer.alloc(64, 1)]);
  // One code of one bit each: DC difference 0, and AC "the next 16384 to 32767 blocks are done" (run length class 14).
  const table = (kind: number, symbol: number): Buffer =>
    Buffer.concat([Buffer.of(kind), Buffer.of(1), Buffer.alloc(15), Buffer.of(symbol)]);
  const dc = segment(0xda, Buffer.of(1, 1, 0x00, 0, 0, 0x00));
  const dcData = Buffer.alloc(Math.ceil(blocks / 8));
  const runs = Math.ceil(blocks / 32_767);
  const acData = Buffer.alloc(Math.ceil((runs * 15) / 8) + 1);
  // Each run is the code 0 and fourteen ones: 0x7fff in 15 bits; 0xff is followed by a stuffed zero.
  const bits = '011111111111111'.repeat(runs).padEnd(acData.length * 8, '1');
  for (let at = 0; at < acData.length; at += 1) acData[at] = Number.parseInt(bits.slice(at * 8, at * 8 + 8), 2);
  const stuffed = Buffer.from([...acData].flatMap((byte) => (byte === 0xff ? [0xff, 0] : [byte])));
  const ac = Array.from({ length: scans }, (_, n) =>
    Buffer.concat([segment(0xda, Buffer.of(1, 1, 0x00, 1 + (n % 63), 1 + (n % 63), 0x00)), stuffed]),
  );
  return Buffer.concat([
    Buffer.of(0xff, 0xd8),
    segment(0xdb, quantization),
    segment(0xc2, frame),
    segment(0xc4, table(0x00, 0)),
    segment(0xc4, table(0x10, 0xe0)),
    dc,
    dcData,
    ...ac,
    Buffer.of(0xff, 0xd9),
  ]);
}
