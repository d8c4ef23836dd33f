import { GearwayError } from '../../shared/errors.ts';

/** JPEG markers (ITU-T T.81, table B.1): the byte that follows 0xff. */
export const JPEG_MARKER = { SOI: 0xd8, EOI: 0xd9, SOS: 0xda, DHT: 0xc4, APP1: 0xe1 } as const;

/** Whether a marker begins a frame header (SOF0 to SOF15). DHT, JPG and DAC lie in the same range and do not. */
export function isStartOfFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

/**
 * Maximum number of fill bytes and of bytes of 0xff in entropy-coded data, in addition to one per 64 bytes of the JPEG.
 * In compressed data, one byte of 256 is 0xff. Each of them costs a native search.
 */
const MAX_FREE_ESCAPES = 1 << 16;
const MIN_BYTES_PER_ESCAPE = 64;

/**
 * Iterates over the markers of a JPEG, which may be complete or still arriving. Segments are skipped by
 * their length, so the markers of a thumbnail inside a segment are not visited. Entropy-coded data, restart markers and
 * fill bytes are skipped.
 *
 * Bytes between segments are an error before the first scan. After it they are skipped, as by decoders.
 */
export class JpegSegments {
  /** The current marker. */
  marker = 0;
  /** Offset of the current marker's 0xff. */
  start = 0;
  /** Offset after the current segment; for SOS, where its entropy-coded data begins. */
  end = 0;
  /** Number of segments so far. */
  count = 0;
  #at = 0;
  #hasScan = false;
  /** Number of bytes of 0xff in entropy-coded data, and of fill bytes, so far. */
  #escapes = 0;

  /**
   * Moves to the next marker whose segment is complete.
   *
   * @param bytes the JPEG as far as it has arrived: the same bytes as before, or more.
   * @returns false when the bytes end before the next marker or inside its segment.
   * @throws {GearwayError} `jpeg-invalid`; `jpeg-too-complex` for more bytes of 0xff than any encoder writes.
   */
  next(bytes: Uint8Array): boolean {
    const at = (this.#at = this.#hasScan ? this.#skipData(bytes, this.#at) : this.#skipFill(bytes, this.#at));
    if (at + 1 >= bytes.byteLength) return false;
    if (bytes[at] !== 0xff) throw invalid(at === 0 ? 'does not begin with SOI' : `has no marker at byte ${at}`);
    const marker = bytes[at + 1] ?? 0;
    if (at === 0 && marker !== JPEG_MARKER.SOI) throw invalid('does not begin with SOI');
    const end = at + (hasNoLength(marker) ? 2 : segmentLength(bytes, at));
    if (end > bytes.byteLength) return false;
    this.marker = marker;
    this.start = at;
    this.end = end;
    this.count += 1;
    this.#at = end;
    if (marker === JPEG_MARKER.SOS) this.#hasScan = true;
    return true;
  }

  /**
   * @returns the offset of the next marker that is neither data (0xff, 0) nor a restart marker; that of a last 0xff; or
   * the length.
   */
  #skipData(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.byteLength;) {
      if (bytes[at] !== 0xff) at = bytes.indexOf(0xff, at);
      if (at < 0) break;
      const next = bytes[at + 1];
      const isRestart = next !== undefined && next >= 0xd0 && next <= 0xd7;
      if (next !== 0 && next !== 0xff && !isRestart) return at;
      this.#countEscape(at);
      at += next === 0xff ? 1 : 2;
    }
    return bytes.byteLength;
  }

  /** Skips fill bytes: each 0xff that is followed by another one. */
  #skipFill(bytes: Uint8Array, from: number): number {
    let at = from;
    for (; bytes[at] === 0xff && bytes[at + 1] === 0xff; at += 1) this.#countEscape(at);
    return at;
  }

  #countEscape(at: number): void {
    this.#escapes += 1;
    if (this.#escapes > MAX_FREE_ESCAPES + at / MIN_BYTES_PER_ESCAPE)
      throw new GearwayError(
        'jpeg-too-complex',
        `the JPEG has ${this.#escapes} bytes of 0xff in its first ${at} bytes, expected fewer in compressed data`,
      );
  }
}

/** TEM, RST0 to RST7, SOI and EOI. */
function hasNoLength(marker: number): boolean {
  return marker === 0x01 || (marker >= 0xd0 && marker <= 0xd9);
}

/** @returns the size of marker and segment in bytes; Infinity if the length itself has not arrived. */
function segmentLength(bytes: Uint8Array, at: number): number {
  const high = bytes[at + 2];
  const low = bytes[at + 3];
  if (high === undefined || low === undefined) return Infinity;
  const length = high * 256 + low;
  if (length < 2) throw invalid(`has a segment of ${length} bytes`);
  return 2 + length;
}

function invalid(problem: string): GearwayError {
  return new GearwayError('jpeg-invalid', `the JPEG ${problem}`);
}
