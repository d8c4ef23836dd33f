import { GearwayError } from '../../../shared/errors.ts';

export interface JpegSequenceOptions {
  readonly maxJpegBytes: number;
  /** Called with a JPEG's last byte; its memory is its own. */
  readonly onJpeg: (jpeg: Buffer) => void;
}

/** It grows as it must. */
const FIRST_BYTES = 256 << 10;

/** Markers of ITU-T T.81, B.1.1.3: start and end of image, start of scan. */
const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;

/** Whether nothing but the marker itself belongs to it. */
function standsAlone(marker: number): boolean {
  return marker === 0x01 || marker === SOI || (marker >= 0xd0 && marker <= 0xd7);
}

/**
 * Reads JPEGs that follow each other with nothing between, as Raspberry Pi's rpicam-vid writes them. A JPEG ends with its own end marker,
 * not with the next one's first bytes, so that none is a frame time late. A thumbnail within one is skipped with the segment
 * that it stands in.
 */
export class JpegSequenceReader {
  readonly #options: JpegSequenceOptions;
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #filled = 0;
  #at = 0;
  #isInScan = false;

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
      this.#at = 0;
      this.#isInScan = false;
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

  /** @returns where the JPEG ends; null when its end has not come. What was looked at is not looked at again. */
  #findEnd(): number | null {
    for (;;) {
      if (this.#isInScan) {
        const next = this.#bytes.subarray(0, this.#filled).indexOf(0xff, this.#at);
        this.#at = next < 0 ? this.#filled : next;
      }
      if (this.#at + 1 >= this.#filled) return null;
      if (this.#bytes[this.#at] !== 0xff) throw new GearwayError('jpeg-invalid', `the JPEG has no marker at byte ${this.#at}`);
      const marker = this.#bytes[this.#at + 1] ?? 0;
      if (this.#at === 0 && marker !== SOI) throw new GearwayError('jpeg-invalid', 'the JPEG does not begin with SOI');
      if (marker === EOI) return this.#at + 2;
      if (marker === 0xff) {
        this.#at += 1; // a fill byte
      } else if (standsAlone(marker) || (this.#isInScan && marker === 0x00)) {
        this.#at += 2; // in a scan, a byte 0xff of the data is followed by 0
      } else {
        if (this.#at + 3 >= this.#filled) return null;
        const length = this.#bytes.readUInt16BE(this.#at + 2);
        if (length < 2) throw new GearwayError('jpeg-invalid', `the JPEG has a segment of ${length} bytes`);
        this.#at += 2 + length;
        this.#isInScan = marker === SOS;
      }
    }
  }

  #checkSize(bytes: number): void {
    const { maxJpegBytes } = this.#options;
    if (bytes > maxJpegBytes) throw new GearwayError('too-large', `a JPEG has ${bytes} bytes, expected at most ${maxJpegBytes}`);
  }
}
