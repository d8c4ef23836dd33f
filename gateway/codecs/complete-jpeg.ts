import { isStartOfFrame, JPEG_MARKER, JpegSegments } from './jpeg-segments.ts';

/** ITU-T T.81, K.3.3: how many codes have 1, 2, … 16 bits, and the values in their order. */
interface HuffmanTable {
  /** Its class and number, as a DHT segment names it. */
  readonly id: number;
  readonly counts: readonly number[];
  readonly values: string;
}

/** Tables K.3 to K.6. */
const STANDARD_TABLES: readonly HuffmanTable[] = [
  { id: 0x00, counts: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], values: '000102030405060708090a0b' },
  {
    id: 0x10,
    counts: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d],
    values:
      '01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a' +
      '535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6' +
      'c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa',
  },
  { id: 0x01, counts: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], values: '000102030405060708090a0b' },
  {
    id: 0x11,
    counts: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
    values:
      '000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a35363738393a434445464748' +
      '494a535455565758595a636465666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3' +
      'c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa',
  },
];

/** A whole DHT segment with all of them. */
const STANDARD_SEGMENT = createSegment();

/**
 * Completes a JPEG from a camera, so that browsers and OpenCV can decode it: webcams and AVI files leave out the Huffman tables where they
 * are the standard's, and drivers pad with zeros.
 *
 * @returns the same memory when nothing is missing, which is so for most.
 */
export function completeJpeg(jpeg: Buffer): Buffer {
  const end = endWithoutPadding(jpeg);
  const trimmed = end === jpeg.byteLength ? jpeg : jpeg.subarray(0, end);
  const at = placeForTables(trimmed);
  if (at === null) return trimmed;
  const complete = Buffer.allocUnsafeSlow(end + STANDARD_SEGMENT.byteLength);
  trimmed.copy(complete, 0, 0, at);
  STANDARD_SEGMENT.copy(complete, at);
  trimmed.copy(complete, at + STANDARD_SEGMENT.byteLength, at);
  return complete;
}

function endWithoutPadding(jpeg: Buffer): number {
  let end = jpeg.byteLength;
  while (end > 0 && jpeg[end - 1] === 0) end -= 1;
  return end;
}

/** @returns where the first scan begins, when no Huffman tables precede it; null for all other JPEGs, malformed ones included. */
function placeForTables(jpeg: Buffer): number | null {
  const segments = new JpegSegments();
  try {
    while (segments.next(jpeg)) {
      const { marker } = segments;
      if (marker === JPEG_MARKER.DHT || marker === JPEG_MARKER.EOI) return null;
      if (marker === JPEG_MARKER.SOS) return segments.start;
      // Only baseline and extended sequential frames (SOF0, SOF1) use the standard tables.
      if (isStartOfFrame(marker) && marker >= 0xc2) return null;
    }
  } catch {
    // Malformed: readJpegHeader reports why.
  }
  return null;
}

function createSegment(): Buffer {
  const tables = STANDARD_TABLES.map(({ id, counts, values }) => Buffer.concat([Buffer.from([id, ...counts]), Buffer.from(values, 'hex')]));
  const length = 2 + tables.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return Buffer.concat([Buffer.from([0xff, JPEG_MARKER.DHT, length >> 8, length & 0xff]), ...tables]);
}
