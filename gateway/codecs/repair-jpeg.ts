import { type JpegHeader, type MissingTables, readJpegHeader, tableBit } from './jpeg-header.ts';
import { JPEG_MARKER } from './jpeg-segments.ts';

/** A JPEG that the decoders of all clients accept, as far as can be determined without decoding it. */
interface RepairedJpeg {
  /** The same object as before if there was nothing to repair. */
  readonly jpeg: Uint8Array;
  /** Header of the JPEG before the repair. */
  readonly header: JpegHeader;
}

/**
 * Repairs a JPEG, in the same way for every source. Bytes after EOI, which cameras, drivers and phones append, are cut
 * off without a copy; Huffman tables that the JPEG uses without defining them, as from webcams and AVI files, are
 * added. All other bytes stay as they are. Repairs that require decoding are made by {@link turnUpright}.
 *
 * @param colorspace as in {@link readJpegHeader}.
 * @throws {GearwayError} `jpeg-invalid`, `jpeg-too-complex`.
 */
export function repairJpeg(jpeg: Uint8Array, colorspace?: string): RepairedJpeg {
  const header = readJpegHeader(jpeg, colorspace);
  const { bytes, missingTables } = header;
  const cut = bytes === jpeg.byteLength ? jpeg : jpeg.subarray(0, bytes);
  return { jpeg: missingTables === null ? cut : addTables(cut, missingTables), header };
}

/** ITU-T T.81, K.3.3: the number of codes of 1, 2, … 16 bits, and the values in their order. */
interface HuffmanTable {
  /** Class and number of the table, as in a DHT segment. */
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

/** DHT segments by the tables that are already defined. */
const segments: (Buffer | undefined)[] = [];

function addTables(jpeg: Uint8Array, { at, defined }: MissingTables): Buffer {
  const segment = (segments[defined] ??= createSegment(defined));
  const whole = Buffer.allocUnsafeSlow(jpeg.byteLength + segment.byteLength);
  whole.set(jpeg.subarray(0, at));
  whole.set(segment, at);
  whole.set(jpeg.subarray(at), at + segment.byteLength);
  return whole;
}

/** A DHT segment with the standard tables that are not defined. */
function createSegment(defined: number): Buffer {
  const tables = STANDARD_TABLES.filter(({ id }) => (tableBit(id) & defined) === 0).map(({ id, counts, values }) =>
    Buffer.concat([Buffer.from([id, ...counts]), Buffer.from(values, 'hex')]),
  );
  const length = 2 + tables.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return Buffer.concat([Buffer.from([0xff, JPEG_MARKER.DHT, length >> 8, length & 0xff]), ...tables]);
}
