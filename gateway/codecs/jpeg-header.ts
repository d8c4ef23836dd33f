import { GearwayError } from '../../shared/errors.ts';
import { type Orientation, readExifOrientation } from './exif-orientation.ts';
import { isStartOfFrame, JPEG_MARKER, JpegSegments } from './jpeg-segments.ts';

/** Metadata read from the markers of a JPEG. */
export interface JpegHeader {
  /** Pixels, as stored: before a decoder applies the orientation. */
  readonly width: number;
  /** Pixels, as stored. */
  readonly height: number;
  readonly components: number;
  /** Orientation in its EXIF data; 1 if it is upright or has none. */
  readonly orientation: Orientation;
  /** Whether its chroma has half of the luma's resolution in both directions (4:2:0). */
  readonly isHalfChroma: boolean;
  /** Length up to and including EOI. Cameras and phones append padding, other pictures, or videos. */
  readonly bytes: number;
  /**
   * Huffman tables that its first scan uses without defining them: webcams and AVI files rely on the standard ones.
   * Usually null.
   */
  readonly missingTables: MissingTables | null;
}

export interface MissingTables {
  /** Offset of the scan that they must precede. */
  readonly at: number;
  /** Bits of the tables that are defined, see {@link tableBit}. */
  readonly defined: number;
}

/** Bit of a Huffman table that has a standard definition: DC 0 and 1, AC 0 and 1. 0 for other tables. */
export function tableBit(id: number): number {
  return (id & 0xee) === 0 ? 1 << (((id >> 3) & 2) | (id & 1)) : 0;
}

/** The last bytes of a complete JPEG. */
const EOI = Buffer.of(0xff, JPEG_MARKER.EOI);

/**
 * Maximum number of 8×8 blocks that a decoder of a JPEG with several scans visits, each block counted once per scan
 * that contains it. A visit takes up to 0.1 µs, so a decode takes less than half a second. The usual ten scans of a
 * progressive JPEG fit up to 19 megapixels without chroma subsampling, and up to 28 with 4:2:0.
 */
export const MAX_BLOCK_VISITS = 1 << 22;

/** Maximum number of blocks of a JPEG with several scans: its decoder keeps all of them in memory, 128 bytes each. */
export const MAX_BUFFERED_BLOCKS = 1 << 20;

/** Maximum number of segments that are read; cameras and programs write fewer than a thousand. */
const MAX_SEGMENTS = 1 << 16;

/** Larger pictures are rejected because of their size, regardless of the source. */
const MAX_PIXELS = 1 << 26;

interface Component {
  readonly id: number;
  /** Number of blocks of the whole image, padded to whole MCUs. */
  readonly blocks: number;
}

/**
 * Reads a JPEG's metadata (ITU-T T.81, B.2), and checks its structure up to the first scan and its end. Nothing is
 * decoded. Where the picture has several scans, the markers after the first one are read, too: a JPEG of a few KB can
 * contain thousands of scans, and a decoder visits the whole picture for each.
 *
 * @param colorspace to which a NetGear peer decodes the JPEG: CMYK if and only if there are 4 components.
 * @throws {GearwayError} `jpeg-invalid`; `jpeg-too-complex` when decoding would take too long or too much memory.
 */
export function readJpegHeader(jpeg: Uint8Array, colorspace?: string): JpegHeader {
  if (jpeg[0] !== 0xff || jpeg[1] !== JPEG_MARKER.SOI) throw invalid('does not begin with SOI');
  const segments = new JpegSegments();
  let frame: FrameHeader | null = null;
  let orientation: Orientation | null = null;
  let defined = 0;
  while (segments.next(jpeg)) {
    checkCount(segments);
    const { marker, start, end } = segments;
    if (marker === JPEG_MARKER.EOI) {
      if (frame === null) throw invalid('has no start-of-frame marker');
      return describe(frame, { orientation, bytes: end, missingTables: null }, colorspace);
    }
    if (marker === JPEG_MARKER.APP1) {
      orientation ??= readExifOrientation(jpeg.subarray(start + 4, end));
    } else if (marker === JPEG_MARKER.DHT) {
      defined |= readTables(jpeg, start + 4, end);
    } else if (isStartOfFrame(marker)) {
      if (frame !== null) throw invalid('has two frame headers');
      frame = readFrameHeader(jpeg, marker, start);
    } else if (marker === JPEG_MARKER.SOS) {
      if (frame === null) throw invalid('has a scan before its start-of-frame marker');
      // Only baseline and extended sequential frames (SOF0, SOF1) use the standard tables.
      const isMissing = frame.marker <= 0xc1 && (usedTables(jpeg, start + 4, end) & ~defined) !== 0;
      return describe(
        frame,
        {
          orientation,
          bytes: readScans(jpeg, segments, frame),
          missingTables: isMissing ? { at: start, defined } : null,
        },
        colorspace,
      );
    }
  }
  throw invalid(TRUNCATED);
}

const TRUNCATED = 'has no EOI: it is truncated';

function describe(
  { width, height, components, isHalfChroma }: FrameHeader,
  {
    orientation,
    bytes,
    missingTables,
  }: Pick<JpegHeader, 'bytes' | 'missingTables'> & { readonly orientation: Orientation | null },
  colorspace: string | undefined,
): JpegHeader {
  if (colorspace !== undefined && (components === 4) !== (colorspace === 'CMYK'))
    throw invalid(`has ${components} components, which do not decode to ${colorspace}`);
  return { width, height, components, orientation: orientation ?? 1, isHalfChroma, bytes, missingTables };
}

interface FrameHeader extends Pick<JpegHeader, 'width' | 'height' | 'components' | 'isHalfChroma'> {
  readonly marker: number;
  /** Offset of its segment. */
  readonly start: number;
}

function readFrameHeader(jpeg: Uint8Array, marker: number, start: number): FrameHeader {
  const height = byte(jpeg, start + 5) * 256 + byte(jpeg, start + 6);
  const width = byte(jpeg, start + 7) * 256 + byte(jpeg, start + 8);
  const components = byte(jpeg, start + 9);
  if (width === 0 || height === 0) throw invalid(`is ${width}×${height} pixels`);
  return {
    marker,
    start,
    width,
    height,
    components,
    isHalfChroma: components === 3 && jpeg[start + 11] === 0x22 && jpeg[start + 14] === 0x11,
  };
}

/** Bits of the tables that a DHT segment defines. */
function readTables(jpeg: Uint8Array, start: number, end: number): number {
  let bits = 0;
  for (let at = start; at + 17 <= end;) {
    bits |= tableBit(jpeg[at] ?? 0);
    let values = 0;
    for (let length = 1; length <= 16; length += 1) values += jpeg[at + length] ?? 0;
    at += 17 + values;
  }
  return bits;
}

/** Bits of the tables that a scan uses. */
function usedTables(jpeg: Uint8Array, start: number, end: number): number {
  let bits = 0;
  for (let at = start + 2; at < Math.min(start + 1 + 2 * (jpeg[start] ?? 0), end); at += 2) {
    const numbers = jpeg[at] ?? 0;
    bits |= tableBit(numbers >> 4) | tableBit(0x10 | (numbers & 15));
  }
  return bits;
}

/**
 * Finds EOI, and checks the scans where there are several.
 *
 * @param segments at the first scan.
 * @returns the length of the JPEG.
 */
function readScans(jpeg: Uint8Array, segments: JpegSegments, frame: FrameHeader): number {
  const { marker, width, height, components: count } = frame;
  // A sequential JPEG with all components in its first scan has no other scan: decoders reject a second one.
  const isSequential = marker !== 0xc2 && marker !== 0xc6 && marker !== 0xca && marker !== 0xce;
  if ((isSequential && byte(jpeg, segments.start + 4) === count) || width * height > MAX_PIXELS)
    return findEnd(jpeg, segments);
  const components = readComponents(jpeg, frame);
  const all = components.reduce((sum, { blocks }) => sum + blocks, 0);
  if (all > MAX_BUFFERED_BLOCKS)
    throw tooComplex(`has several scans and ${all} blocks of 8×8 samples, expected at most ${MAX_BUFFERED_BLOCKS}`);
  let visits = 0;
  let scans = 0;
  do {
    checkCount(segments);
    if (segments.marker === JPEG_MARKER.EOI) return segments.end;
    if (segments.marker !== JPEG_MARKER.SOS) continue;
    scans += 1;
    visits += scannedBlocks(jpeg, segments, components);
    if (visits > MAX_BLOCK_VISITS)
      throw tooComplex(
        `has so many scans that decoding visits more than ${MAX_BLOCK_VISITS} blocks of 8×8 samples (${scans} scans of ${all} blocks)`,
      );
  } while (segments.next(jpeg));
  return findLastEnd(jpeg, segments.end);
}

/**
 * Finds the end of a JPEG with one scan. In entropy-coded data, 0xff is followed by 0 or a restart marker, so the first
 * EOI is the end of the picture, and a native search finds it: 30 GB per second. The markers in between are read only
 * if more bytes follow that EOI, because that EOI may then be part of a segment.
 * @param segments at the scan.
 */
function findEnd(jpeg: Uint8Array, segments: JpegSegments): number {
  const end = toBuffer(jpeg).indexOf(EOI, segments.end) + EOI.byteLength;
  if (end === jpeg.byteLength) return end;
  while (segments.next(jpeg)) {
    checkCount(segments);
    if (segments.marker === JPEG_MARKER.EOI) return segments.end;
  }
  return findLastEnd(jpeg, segments.end);
}

/**
 * Finds the end of a JPEG whose scans are damaged, so that they cannot be read marker by marker. Decoders show the
 * intact part of it.
 *
 * @param start end of the last segment that could be read.
 */
function findLastEnd(jpeg: Uint8Array, start: number): number {
  const at = toBuffer(jpeg).lastIndexOf(EOI);
  if (at < start) throw invalid(TRUNCATED);
  return at + EOI.byteLength;
}

function toBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function checkCount({ count }: JpegSegments): void {
  if (count > MAX_SEGMENTS) throw tooComplex(`has more than ${MAX_SEGMENTS} segments`);
}

function readComponents(
  jpeg: Uint8Array,
  { start, width, height, components: count }: FrameHeader,
): readonly Component[] {
  const factors = Array.from({ length: count }, (_, index) => {
    const sampling = byte(jpeg, start + 11 + 3 * index);
    return { id: byte(jpeg, start + 10 + 3 * index), horizontal: sampling >> 4, vertical: sampling & 15 };
  });
  if (factors.some(({ horizontal, vertical }) => horizontal < 1 || vertical < 1 || horizontal > 4 || vertical > 4))
    throw invalid('has sampling factors other than 1 to 4');
  const columns = Math.ceil(width / (8 * Math.max(...factors.map(({ horizontal }) => horizontal))));
  const rows = Math.ceil(height / (8 * Math.max(...factors.map(({ vertical }) => vertical))));
  return factors.map(({ id, horizontal, vertical }) => ({ id, blocks: columns * horizontal * rows * vertical }));
}

/** Number of blocks of the components of the scan at which `segments` is. */
function scannedBlocks(jpeg: Uint8Array, { start, end }: JpegSegments, components: readonly Component[]): number {
  const count = byte(jpeg, start + 4);
  let blocks = 0;
  for (let index = 0; index < count && start + 5 + 2 * index < end; index += 1) {
    const id = jpeg[start + 5 + 2 * index];
    blocks += components.find((component) => component.id === id)?.blocks ?? 0;
  }
  return blocks;
}

function byte(bytes: Uint8Array, at: number): number {
  const value = bytes[at];
  if (value === undefined) throw invalid('ends inside a marker');
  return value;
}

function invalid(problem: string): GearwayError {
  return new GearwayError('jpeg-invalid', `the JPEG ${problem}`);
}

function tooComplex(problem: string): GearwayError {
  return new GearwayError('jpeg-too-complex', `the JPEG ${problem}`);
}
