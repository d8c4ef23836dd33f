/** Coding processes that some or all browsers do not support, by start-of-frame marker (ITU-T T.81, table B.1). */
const UNUSUAL: ReadonlyMap<number, string> = new Map([
  [0xc3, 'lossless JPEG'],
  [0xc5, 'hierarchical JPEG'],
  [0xc6, 'hierarchical JPEG'],
  [0xc7, 'hierarchical JPEG'],
  [0xc9, 'JPEG with arithmetic coding'],
  [0xca, 'JPEG with arithmetic coding'],
  [0xcb, 'lossless JPEG with arithmetic coding'],
  [0xcd, 'hierarchical JPEG'],
  [0xce, 'hierarchical JPEG'],
  [0xcf, 'hierarchical JPEG'],
]);

/** Markers of baseline, extended sequential and progressive coding, which browsers decode with 8 bits. */
const [BASELINE, EXTENDED, PROGRESSIVE] = [0xc0, 0xc1, 0xc2];

const USUAL_BITS = 8;

/**
 * Names the kind of a JPEG that many decoders do not support; null for baseline and progressive JPEG of 8 bits, and for
 * bytes without a frame header.
 */
export function unusualJpegKind(jpeg: Uint8Array): string | null {
  const header = findFrameHeader(jpeg);
  if (header === null) return null;
  const coding = UNUSUAL.get(header.marker) ?? null;
  if (header.bits === USUAL_BITS) return coding;
  const conjunction = coding?.includes(' with ') === true ? 'and' : 'with';
  return `${coding ?? 'JPEG'} ${conjunction} ${header.bits} bits per sample`;
}

/** Whether the bytes are a JPEG of the kind that every decoder supports. */
export function isBaselineJpeg(jpeg: Uint8Array): boolean {
  const header = findFrameHeader(jpeg);
  return header?.marker === BASELINE && header.bits === USUAL_BITS;
}

function findFrameHeader(jpeg: Uint8Array): { readonly marker: number; readonly bits: number } | null {
  let at = 2;
  while (at + 4 < jpeg.byteLength && jpeg[at] === 0xff) {
    const marker = jpeg[at + 1] ?? 0;
    if (marker === BASELINE || marker === EXTENDED || marker === PROGRESSIVE || UNUSUAL.has(marker))
      return { marker, bits: jpeg[at + 4] ?? 0 };
    // A fill byte, or a segment with its length.
    at += marker === 0xff ? 1 : 2 + (jpeg[at + 2] ?? 0) * 256 + (jpeg[at + 3] ?? 0);
  }
  return null;
}
