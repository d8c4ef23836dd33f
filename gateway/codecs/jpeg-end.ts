import { isStartOfFrame, JPEG_MARKER, JpegSegments } from './jpeg-segments.ts';

/** Result of a search for the end of a JPEG. Offsets are relative to its first byte. */
type JpegEnd =
  | { readonly kind: 'complete'; readonly end: number }
  /** The end of the JPEG has not arrived. */
  | { readonly kind: 'pending' }
  /** The JPEG is truncated: another one begins inside it. */
  | { readonly kind: 'torn'; readonly next: number }
  /** The header is damaged, or the data is not a JPEG. Another JPEG may begin at `next` or later. */
  | { readonly kind: 'invalid'; readonly next: number };

/** SOI, and the first byte of the next marker. */
export const JPEG_BEGIN = Buffer.of(0xff, 0xd8, 0xff);

/** Whether bytes begin like a JPEG, regardless of the announced type. */
export function beginsAsJpeg(bytes: Uint8Array): boolean {
  return JPEG_BEGIN.every((byte, index) => bytes[index] === byte);
}

const END = Buffer.of(0xff, JPEG_MARKER.EOI);

const PENDING: JpegEnd = { kind: 'pending' };

const APP2 = 0xe2;
const COMMENT = 0xfe;

/** First bytes of the APP2 segment of a JPEG that further JPEGs of the same picture follow (CIPA DC-007). */
const MULTI_PICTURE = Buffer.from('MPF\0');

/**
 * Finds the end of a JPEG whose bytes are still arriving. Unlike {@link JpegSegments}, it recognizes a truncated
 * picture that another one follows, and damaged data does not make it skip an end. Thumbnails are skipped with their
 * segments.
 */
export class JpegEndFinder {
  /** Whether further JPEGs that belong to this one follow. */
  isMultiPicture = false;
  readonly #segments = new JpegSegments();
  /** Offset from which the entropy-coded data is searched next; 0 within the header. */
  #dataAt = 0;
  #frameComponents = 0;
  #isProgressive = false;
  /** Whether further scans may follow the first one. */
  #hasMoreScans = false;

  /** Whether the first scan has not begun yet. */
  get isInHeader(): boolean {
    return this.#dataAt === 0;
  }

  /** @param jpeg the JPEG as far as it has arrived: the same bytes as before, or more. */
  find(jpeg: Buffer): JpegEnd {
    const found = this.isInHeader ? this.#readHeader(jpeg) : null;
    return found ?? (this.#hasMoreScans ? this.#readScans(jpeg) : this.#readLastScan(jpeg));
  }

  /** @returns null when the first scan begins. */
  #readHeader(jpeg: Buffer): JpegEnd | null {
    const segments = this.#segments;
    try {
      while (segments.next(jpeg)) {
        const { marker, start, end } = segments;
        if (marker === JPEG_MARKER.EOI) return { kind: 'complete', end };
        if (marker === JPEG_MARKER.SOI && start > 0) return { kind: 'torn', next: start };
        const mayContainJpeg = (marker >= 0xe0 && marker <= 0xef) || marker === COMMENT;
        const next = mayContainJpeg ? -1 : jpeg.subarray(start, end).indexOf(JPEG_BEGIN, 1);
        if (next > 0) return { kind: 'torn', next: start + next };
        if (marker === APP2 && jpeg.subarray(start + 4, end).indexOf(MULTI_PICTURE) === 0) this.isMultiPicture = true;
        if (isStartOfFrame(marker)) {
          this.#frameComponents = jpeg[start + 9] ?? 0;
          this.#isProgressive = (marker & 3) === 2;
        }
        if (marker === JPEG_MARKER.SOS) {
          this.#hasMoreScans = this.#isProgressive || jpeg[start + 4] !== this.#frameComponents;
          this.#dataAt = end;
          return null;
        }
      }
      return PENDING;
    } catch {
      // The last segment may contain the beginning of another JPEG.
      return { kind: 'invalid', next: Math.max(2, segments.start + 4) };
    }
  }

  /** In a single scan, the only marker is that of the end, which a native search finds fastest. */
  #readLastScan(jpeg: Buffer): JpegEnd {
    const end = jpeg.indexOf(END, this.#dataAt);
    const next = jpeg.subarray(0, end < 0 ? jpeg.byteLength : end).indexOf(JPEG_BEGIN, this.#dataAt);
    if (next >= 0) return { kind: 'torn', next };
    if (end >= 0) return { kind: 'complete', end: end + END.byteLength };
    // The last bytes may be the beginning of an end marker or of another JPEG.
    this.#dataAt = Math.max(this.#dataAt, jpeg.byteLength - JPEG_BEGIN.byteLength + 1);
    return PENDING;
  }

  #readScans(jpeg: Buffer): JpegEnd {
    for (let at = jpeg.indexOf(0xff, this.#dataAt); at >= 0; at = jpeg.indexOf(0xff, this.#dataAt)) {
      this.#dataAt = at;
      const marker = jpeg[at + 1];
      if (marker === undefined) return PENDING;
      if (marker === JPEG_MARKER.EOI) return { kind: 'complete', end: at + 2 };
      if (marker === JPEG_MARKER.SOI) {
        if (at + 2 >= jpeg.byteLength) return PENDING;
        if (jpeg[at + 2] === 0xff) return { kind: 'torn', next: at };
      }
      let next = at + (marker === 0xff ? 1 : 2);
      if (isBetweenScans(marker)) {
        const end = segmentEnd(jpeg, at);
        if (end === null) return PENDING;
        if (end > 0) next = end;
      }
      this.#dataAt = next;
    }
    this.#dataAt = Math.max(this.#dataAt, jpeg.byteLength);
    return PENDING;
  }
}

/**
 * Whether a segment of this kind may stand between two scans: tables, DNL, application data, comments, or the next
 * scan.
 */
function isBetweenScans(marker: number): boolean {
  return marker === 0xc4 || marker === 0xcc || (marker >= 0xda && marker <= 0xef) || marker === COMMENT;
}

/**
 * Finds the end of a segment between scans. In damaged data, any bytes can look like a segment; skipping those could
 * skip the end of the JPEG. Therefore a scan must have the length of its components, and another marker must follow all
 * others.
 *
 * @returns null while the end is unknown; 0 if the bytes are not a segment.
 */
function segmentEnd(jpeg: Buffer, at: number): number | null {
  if (at + 5 > jpeg.byteLength) return null;
  const length = jpeg.readUInt16BE(at + 2);
  const end = at + 2 + length;
  if (jpeg[at + 1] === JPEG_MARKER.SOS) {
    const components = jpeg[at + 4] ?? 0;
    return components >= 1 && components <= 4 && length === 6 + 2 * components ? end : 0;
  }
  if (length < 2) return 0;
  if (end + 2 > jpeg.byteLength) return null;
  return jpeg[end] === 0xff && (jpeg[end + 1] ?? 0) >= 0xc0 ? end : 0;
}
