import { GearwayError } from '../../shared/errors.ts';
import { JPEG_MARKER, JpegSegments } from './jpeg-segments.ts';

interface JpegSequenceOptions {
  readonly maxJpegBytes: number;
  /** Called when the last byte of a JPEG has arrived. The receiver owns its memory. */
  readonly onJpeg: (jpeg: Buffer) => void;
}

/** Initial size of the buffer, which grows on demand. */
const FIRST_BYTES = 256 << 10;

/**
 * Reads consecutive JPEGs without separators, as Raspberry Pi's rpicam-vid writes them. A JPEG is delivered with its
 * end marker, not with the first bytes of the next one, which would add a frame interval of latency. Thumbnails are
 * skipped with their segments.
 */
export class JpegSequenceReader {
  readonly #options: JpegSequenceOptions;
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #filled = 0;
  #segments = new JpegSegments();

  constructor(options: JpegSequenceOptions) {
    this.#options = options;
  }

  /**
   * Reads the next bytes. The caller may reuse their memory afterwards.
   *
   * @throws {GearwayError} `jpeg-invalid`, `too-large`; the reader cannot be used afterwards.
   */
  read(chunk: Buffer): void {
    this.#append(chunk);
    for (let end = this.#findEnd(); end !== null; end = this.#findEnd()) {
      this.#checkSize(end);
      const jpeg = Buffer.allocUnsafeSlow(end);
      this.#bytes.copy(jpeg, 0, 0, end);
      this.#bytes.copyWithin(0, end, this.#filled);
      this.#filled -= end;
      this.#segments = new JpegSegments();
      this.#options.onJpeg(jpeg);
    }
    this.#checkSize(this.#filled);
  }

  #append(chunk: Buffer): void {
    const filled = this.#filled + chunk.byteLength;
    if (filled > this.#bytes.byteLength) {
      const larger = Buffer.allocUnsafeSlow(Math.max(filled, this.#bytes.byteLength * 2));
      this.#bytes.copy(larger, 0, 0, this.#filled);
      this.#bytes = larger;
    }
    chunk.copy(this.#bytes, this.#filled);
    this.#filled = filled;
  }

  /**
   * @returns the end of the JPEG; null while it has not arrived. Bytes that were searched are not searched again.
   */
  #findEnd(): number | null {
    const bytes = this.#bytes.subarray(0, this.#filled);
    while (this.#segments.next(bytes)) if (this.#segments.marker === JPEG_MARKER.EOI) return this.#segments.end;
    return null;
  }

  #checkSize(bytes: number): void {
    const { maxJpegBytes } = this.#options;
    if (bytes > maxJpegBytes)
      throw new GearwayError('too-large', `a JPEG has ${bytes} bytes, expected at most ${maxJpegBytes}`);
  }
}
