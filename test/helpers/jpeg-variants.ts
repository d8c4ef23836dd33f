import { segment } from './jpeg-builder.ts';

/** The segments of a JPEG before the data of its first scan. */
export function segmentsOf(jpeg: Buffer): { readonly marker: number; readonly from: number; readonly to: number }[] {
  const found: { marker: number; from: number; to: number }[] = [];
  for (let at = 2; found.at(-1)?.marker !== 0xda;) {
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
    for (let at = from + 4; at < to;) {
      const next = at + 17 + jpeg.subarray(at + 1, at + 17).reduce((sum, count) => sum + count, 0);
      if (!isRemoved(jpeg[at]!)) kept.push(...jpeg.subarray(at, next));
      at = next;
    }
    if (kept.length > 0) parts.push(segment(0xc4, ...kept));
  }
  return Buffer.concat([...parts, jpeg.subarray(end)]);
}

/** Inserts segments after SOI. */
export function withSegments(jpeg: Buffer, ...segments: readonly Buffer[]): Buffer {
  return Buffer.concat([jpeg.subarray(0, 2), ...segments, jpeg.subarray(2)]);
}

/** An APP1 segment with EXIF data that has only an orientation, and a thumbnail. */
export function exif(
  orientation: number,
  {
    isLittle = true,
    type = 3,
    thumbnail = Buffer.alloc(0),
  }: { isLittle?: boolean; type?: number; thumbnail?: Buffer } = {},
): Buffer {
  const tiff = Buffer.alloc(26);
  tiff.write(isLittle ? 'II*\0' : 'MM\0*', 0, 'latin1');
  const [short, long] = isLittle
    ? [tiff.writeUInt16LE.bind(tiff), tiff.writeUInt32LE.bind(tiff)]
    : [tiff.writeUInt16BE.bind(tiff), tiff.writeUInt32BE.bind(tiff)];
  long(8, 4);
  short(1, 8);
  short(0x0112, 10);
  short(type, 12);
  long(1, 14);
  short(orientation, 18);
  return segment(0xe1, ...Buffer.from('Exif\0\0'), ...tiff, ...thumbnail);
}

/** A JPEG that is upright after it has been rotated according to its EXIF data. */
export function oriented(jpeg: Buffer, orientation: number): Buffer {
  return withSegments(jpeg, exif(orientation));
}

/** Bytes that cameras, drivers and phones append to a JPEG, by name. */
export const TAILS: Readonly<Record<string, (bytes: number, jpeg: Buffer) => Buffer>> = {
  zeros: (bytes) => Buffer.alloc(bytes),
  'bytes of 0xff': (bytes) => Buffer.alloc(bytes, 0xff),
  text: (bytes) => Buffer.alloc(bytes, 'a short film, and no JPEG '),
  'pseudo-random bytes': (bytes) =>
    Buffer.from(Array.from({ length: bytes }, (_, at) => (at * 7919 + (at >> 3) * 31) & 255)),
  'a second JPEG': (bytes, jpeg) => Buffer.concat(Array<Buffer>(Math.ceil(bytes / jpeg.byteLength)).fill(jpeg)),
  'the end of an older picture': (bytes, jpeg) =>
    Buffer.concat([Buffer.alloc(Math.max(0, bytes - 200), 0x55), jpeg.subarray(-200)]),
};

export const TAIL_BYTES = [1, 2, 63, 64, 65, 1000, 100_000] as const;

/** Position of the pixel (x, y) of a stored picture in the upright one (EXIF 2.3, 4.6.4 A), by orientation. */
const UPRIGHT: Readonly<
  Record<number, (x: number, y: number, width: number, height: number) => readonly [x: number, y: number]>
> = {
  1: (x, y) => [x, y],
  2: (x, y, width) => [width - 1 - x, y],
  3: (x, y, width, height) => [width - 1 - x, height - 1 - y],
  4: (x, y, _width, height) => [x, height - 1 - y],
  5: (x, y) => [y, x],
  6: (x, y, _width, height) => [height - 1 - y, x],
  7: (x, y, width, height) => [height - 1 - y, width - 1 - x],
  8: (x, y, width) => [y, width - 1 - x],
};

export const ORIENTATIONS = [1, 2, 3, 4, 5, 6, 7, 8] as const;

/** BGR of the corners of an upright {@link storedPicture}: top left, top right, bottom left, bottom right. */
export const CORNERS = [
  [40, 40, 220],
  [40, 200, 40],
  [220, 60, 40],
  [230, 230, 230],
] as const;

/**
 * BGR samples of a picture that has {@link CORNERS}, each filling a quarter, after it was rotated. Sides are those of
 * the upright picture.
 */
export function storedPicture(
  orientation: number,
  { width, height }: { readonly width: number; readonly height: number },
): { readonly data: Buffer; readonly width: number; readonly height: number; readonly channels: 3 } {
  const [storedWidth, storedHeight] = orientation >= 5 ? [height, width] : [width, height];
  const data = Buffer.alloc(width * height * 3);
  for (let y = 0; y < storedHeight; y += 1) {
    for (let x = 0; x < storedWidth; x += 1) {
      const [column, row] = UPRIGHT[orientation]!(x, y, storedWidth, storedHeight);
      data.set(CORNERS[(row < height / 2 ? 0 : 2) + (column < width / 2 ? 0 : 1)]!, (y * storedWidth + x) * 3);
    }
  }
  return { data, width: storedWidth, height: storedHeight, channels: 3 };
}

/** Maximum difference between the corners of decoded samples and {@link CORNERS}. */
export function cornerError(
  samples: Uint8Array,
  { width, height, isRgb = false }: { readonly width: number; readonly height: number; readonly isRgb?: boolean },
): number {
  const places = [
    [4, 4],
    [width - 5, 4],
    [4, height - 5],
    [width - 5, height - 5],
  ] as const;
  return Math.max(
    ...places.flatMap(([x, y], corner) =>
      CORNERS[corner]!.map((expected, channel) =>
        Math.abs(expected - samples[(y * width + x) * 3 + (isRgb ? 2 - channel : channel)]!),
      ),
    ),
  );
}
