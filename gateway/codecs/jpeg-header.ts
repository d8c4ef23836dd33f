import { GearwayError } from '../../shared/errors.ts';
import { isStartOfFrame, JPEG_MARKER, JpegSegments } from './jpeg-segments.ts';

/** Size of a JPEG, from its frame header. */
export interface JpegHeader {
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  readonly components: number;
}

/** Bytes tolerated behind the end-of-image marker: encoders pad. */
const MAX_PADDING_BYTES = 64;

/**
 * Maximum number of 8×8 blocks that a decoder of a JPEG with several scans visits, each block counted once per scan that contains it.
 * A visit takes up to 0.1 µs, so a decode takes less than half a second. The usual ten scans of a progressive JPEG fit up to 19
 * megapixels without chroma subsampling, and up to 28 with 4:2:0.
 */
export const MAX_BLOCK_VISITS = 1 << 22;

/** Maximum number of blocks of a JPEG with several scans: its decoder holds all of them in memory, 128 bytes each. */
export const MAX_BUFFERED_BLOCKS = 1 << 20;

/** Maximum number of segments that are read; cameras and programs write fewer than a thousand. */
const MAX_SEGMENTS = 1 << 16;

/** Larger pictures are refused by their size wherever they arrive. */
const MAX_PIXELS = 1 << 26;

interface Component {
  readonly id: number;
  /** Blocks of the whole image, padded to whole MCUs. */
  readonly blocks: number;
}

/**
 * Reads a JPEG's size (ITU-T T.81, B.2.2) and checks its structure up to the first scan and its end. Nothing is decoded. Where the picture
 * has several scans, the markers behind the first one are read too: a JPEG of a few KB can hold thousands of scans, each of which
 * costs a decoder a pass over the whole picture.
 *
 * @param colorspace what a NetGear peer decodes it to: 4 components decode to CMYK alone, and nothing else does.
 * @throws {GearwayError} `jpeg-invalid`; `jpeg-too-complex` when decoding would take too long or too much memory.
 */
export function readJpegHeader(jpeg: Uint8Array, colorspace?: string): JpegHeader {
  if (jpeg[0] !== 0xff || jpeg[1] !== JPEG_MARKER.SOI) throw invalid('does not begin with SOI');
  if (!endsWithEoi(jpeg)) throw invalid('has no EOI at its end: it is truncated');
  const segments = new JpegSegments();
  let frame: FrameHeader | null = null;
  while (segments.next(jpeg)) {
    checkCount(segments);
    const { marker, start } = segments;
    if (marker === JPEG_MARKER.EOI) break;
    if (isStartOfFrame(marker)) {
      if (frame !== null) throw invalid('has two frame headers');
      frame = readFrameHeader(jpeg, marker, start);
    } else if (marker === JPEG_MARKER.SOS) {
      if (frame === null) throw invalid('has a scan before its start-of-frame marker');
      checkScans(jpeg, segments, frame);
      break;
    }
  }
  if (frame === null) throw invalid('has no start-of-frame marker');
  const { width, height, components } = frame;
  if (colorspace !== undefined && (components === 4) !== (colorspace === 'CMYK')) throw invalid(`has ${components} components, which do not decode to ${colorspace}`);
  return { width, height, components };
}

interface FrameHeader extends JpegHeader {
  readonly marker: number;
  /** Offset of its segment. */
  readonly start: number;
}

function readFrameHeader(jpeg: Uint8Array, marker: number, start: number): FrameHeader {
  const height = byte(jpeg, start + 5) * 256 + byte(jpeg, start + 6);
  const width = byte(jpeg, start + 7) * 256 + byte(jpeg, start + 8);
  const components = byte(jpeg, start + 9);
  if (width === 0 || height === 0) throw invalid(`is ${width}×${height} pixels`);
  return { marker, start, width, height, components };
}

/** @param segments at the first scan. */
function checkScans(jpeg: Uint8Array, segments: JpegSegments, frame: FrameHeader): void {
  const { marker, width, height, components: count } = frame;
  // A sequential JPEG with all components in its first scan has no other: decoders refuse a second one.
  const isSequential = marker !== 0xc2 && marker !== 0xc6 && marker !== 0xca && marker !== 0xce;
  if (isSequential && byte(jpeg, segments.start + 4) === count) return;
  if (width * height > MAX_PIXELS) return;
  const components = readComponents(jpeg, frame);
  const all = components.reduce((sum, { blocks }) => sum + blocks, 0);
  if (all > MAX_BUFFERED_BLOCKS) throw tooComplex(`has several scans and ${all} blocks of 8×8 samples, expected at most ${MAX_BUFFERED_BLOCKS}`);
  let visits = 0;
  let scans = 0;
  do {
    checkCount(segments);
    if (segments.marker === JPEG_MARKER.EOI) return;
    if (segments.marker !== JPEG_MARKER.SOS) continue;
    scans += 1;
    visits += scannedBlocks(jpeg, segments, components);
    if (visits > MAX_BLOCK_VISITS) throw tooComplex(`has so many scans that decoding visits more than ${MAX_BLOCK_VISITS} blocks of 8×8 samples (${scans} scans of ${all} blocks)`);
  } while (segments.next(jpeg));
}

function checkCount({ count }: JpegSegments): void {
  if (count > MAX_SEGMENTS) throw tooComplex(`has more than ${MAX_SEGMENTS} segments`);
}

function readComponents(jpeg: Uint8Array, { start, width, height, components: count }: FrameHeader): readonly Component[] {
  const factors = Array.from({ length: count }, (_, index) => {
    const sampling = byte(jpeg, start + 11 + 3 * index);
    return { id: byte(jpeg, start + 10 + 3 * index), horizontal: sampling >> 4, vertical: sampling & 15 };
  });
  if (factors.some(({ horizontal, vertical }) => horizontal < 1 || vertical < 1 || horizontal > 4 || vertical > 4)) throw invalid('has sampling factors other than 1 to 4');
  const columns = Math.ceil(width / (8 * Math.max(...factors.map(({ horizontal }) => horizontal))));
  const rows = Math.ceil(height / (8 * Math.max(...factors.map(({ vertical }) => vertical))));
  return factors.map(({ id, horizontal, vertical }) => ({ id, blocks: columns * horizontal * rows * vertical }));
}

/** Blocks of the components of the scan that `segments` is at. */
function scannedBlocks(jpeg: Uint8Array, { start, end }: JpegSegments, components: readonly Component[]): number {
  const count = byte(jpeg, start + 4);
  let blocks = 0;
  for (let index = 0; index < count && start + 5 + 2 * index < end; index += 1) {
    const id = jpeg[start + 5 + 2 * index];
    blocks += components.find((component) => component.id === id)?.blocks ?? 0;
  }
  return blocks;
}

function endsWithEoi(jpeg: Uint8Array): boolean {
  const last = Math.max(0, jpeg.byteLength - 2 - MAX_PADDING_BYTES);
  for (let at = jpeg.byteLength - 2; at >= last; at -= 1) {
    if (jpeg[at] === 0xff && jpeg[at + 1] === JPEG_MARKER.EOI) return true;
  }
  return false;
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
