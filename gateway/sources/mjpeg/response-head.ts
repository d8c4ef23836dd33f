import { type BlankLine, findBlankLine } from '../../codecs/header-lines.ts';

/** Initial size of the memory. Most heads are smaller. */
const INITIAL_BYTES = 2048;

/**
 * Collects the status line and headers of a response that arrives in pieces. Each byte is copied and examined only a
 * fixed number of times, however small the pieces are.
 */
export class ResponseHead {
  #bytes = Buffer.alloc(INITIAL_BYTES);
  #filled = 0;
  readonly #search = { searchedTo: 0, lineEnd: -1 };
  #blank: BlankLine | null = null;

  /** Adds the next bytes, whose memory may be reused afterwards. White space before the status line is skipped. */
  add(piece: Buffer): void {
    let begin = 0;
    if (this.#filled === 0) while (isSpace(piece[begin])) begin += 1;
    const filled = this.#filled + piece.byteLength - begin;
    if (filled > this.#bytes.byteLength) this.#bytes = Buffer.concat([this.#bytes], 2 * filled);
    piece.copy(this.#bytes, this.#filled, begin);
    this.#filled = filled;
    this.#blank ??= findBlankLine(this.#bytes, this.#search, filled);
  }

  /** Whether the blank line after the headers has arrived. */
  get isComplete(): boolean {
    return this.#blank !== null;
  }

  /** Status line and headers; everything that has arrived if they are not complete. */
  get text(): string {
    return this.#bytes.toString('latin1', 0, this.#blank?.start ?? this.#filled);
  }

  /** The bytes of the body that have arrived. */
  get rest(): Buffer {
    return this.#bytes.subarray(this.#blank?.end ?? this.#filled, this.#filled);
  }
}

/** White space in ASCII. */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}
