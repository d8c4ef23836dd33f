import { GearwayError } from '../../shared/errors.ts';
import { JPEG_MARKER, JpegSegments } from './jpeg-segments.ts';

export interface JpegSequenceOptions {
  readonly maxJpegBytes: number;
  /** Called with a JPEG's last byte; its memory is its own. */
  readonly onJpeg: (jpeg: Buffer) => void;
}

/** It grows as it must. */
const FIRST_BYTES = 256 << 10;

/**
 * Reads JPEGs that follow each other with nothing between, as Raspberry Pi's rpicam-vid writes them. A JPEG ends with
 * its own end marker, not with the next one's first bytes, so that none is a frame time late. A thumbnail within one is
 * skipped with the segment that it stands in.
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
   * Takes the next bytes, which may be written to again afterwards.
   *
   * @throws {GearwayError} `jpeg-invalid`, `too-large`; nothing more can be read then.
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
   * @returns where the JPEG ends; null while its end has not arrived. Bytes that were searched are not searched again.
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
