import { segment } from './jpeg-builder.ts';

/** A JPEG's segments in front of its first scan's data. */
export function segmentsOf(jpeg: Buffer): { readonly marker: number; readonly from: number; readonly to: number }[] {
  const found: { marker: number; from: number; to: number }[] = [];
  for (let at = 2; found.at(-1)?.marker !== 0xda; ) {
    const to = at + 2 + jpeg.readUInt16BE(at + 2);
    found.push({ marker: jpeg[at + 1]!, from: at, to });
    at = to;
  }
  return found;
}

/** Removes the Huffman tables that `isRemoved` selects by their id; all by default. */
export function withoutTables(jpeg: Buffer, isRemoved: (id: number) => boolean = () => true): Buffer {
  const parts: Buffer[] = [jpeg.subarray(0, 2)];
  let end = 2;
  for (const { marker, from, to } of segmentsOf(jpeg)) {
    end = to;
    if (marker !== 0xc4) {
      parts.push(jpeg.subarray(from, to));
      continue;
    }
    const kept: number[] = [];
    for (let at = from + 4; at < to; ) {
      const next = at + 17 + jpeg.subarray(at + 1, at + 17).reduce((sum, count) => sum + count, 0);
      if (!isRemoved(jpeg[at]!)) kept.push(...jpeg.subarray(at, next));
      at = next;
    }
    if (kept.length > 0) parts.push(segment(0xc4, ...kept));
  }
  return Buffer.concat([...parts, jpeg.subarray(end)]);
}

/** Inserts segments behind SOI. */
export function withSegments(jpeg: Buffer, ...segments: readonly Buffer[]): Buffer {
  return Buffer.concat([jpeg.subarray(0, 2), ...segments, jpeg.subarray(2)]);
}

/** An APP1 segment with EXIF data that has only an orientation, and a thumbnail. */
export function exif(orientation: number, { isLittle = true, type = 3, thumbnail = Buffer.alloc(0) }: { isLittle?: boolean; type?: number; thumbnail?: Buffer } = {}): Buffer {
  const tiff = Buffer.alloc(26);
  tiff.write(isLittle ? 'II*\0' : 'MM\0*', 0, 'latin1');
  const [short, long] = isLittle ? [tiff.writeUInt16LE.bind(tiff), tiff.writeUInt32LE.bind(tiff)] : [tiff.writeUInt16BE.bind(tiff), tiff.writeUInt32BE.bind(tiff)];
  long(8, 4);
  short(1, 8);
  short(0x0112, 10);
  short(type, 12);
  long(1, 14);
  short(orientation, 18);
  return segment(0xe1, ...Buffer.from('Exif\0\0'), ...tiff, ...thumbnail);
}

/** A JPEG that is upright after it has been turned as its EXIF data says. */
export function oriented(jpeg: Buffer, orientation: number): Buffer {
  return withSegments(jpeg, exif(orientation));
}

/** What cameras, drivers and phones put behind a JPEG, by name. */
export const TAILS: Readonly<Record<string, (bytes: number, jpeg: Buffer) => Buffer>> = {
  zeros: (bytes) => Buffer.alloc(bytes),
  'bytes of 0xff': (bytes) => Buffer.alloc(bytes, 0xff),
  'text': (bytes) => Buffer.alloc(bytes, 'a short film, and no JPEG '),
  'pseudo-random bytes': (bytes) => Buffer.from(Array.from({ length: bytes }, (_, at) => (at * 7919 + (at >> 3) * 31) & 255)),
  'a second JPEG': (bytes, jpeg) => Buffer.concat(Array<Buffer>(Math.ceil(bytes / jpeg.byteLength)).fill(jpeg)),
  'the end of an older picture': (bytes, jpeg) => Buffer.concat([Buffer.alloc(Math.max(0, bytes - 200), 0x55), jpeg.subarray(-200)]),
};

export const TAIL_BYTES = [1, 2, 63, 64, 65, 1000, 100_000] as const;
