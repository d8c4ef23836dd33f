import { GearwayError } from '../../../shared/errors.ts';

/** Maximum length of a line with the size of a chunk. */
const MAX_LINE = 1024;

/**
 * Number of bytes by which lines between chunks may exceed the data: a server that sends only such lines is never
 * silent, and no other limit applies to it.
 */
const MAX_OVERHEAD = 64 << 10;

const LINE_FEED = 0x0a;

/**
 * Decodes the chunked transfer coding (RFC 9112, 7.1) as it arrives. Tolerates lines that end with LF, and a body that
 * is not chunked although its header announces it.
 */
export class ChunkedDecoder {
  readonly #take: (data: Buffer) => void;
  #line = '';
  /** Number of bytes until the end of the chunk; null while its size is being read. */
  #rest: number | null = null;
  #chunks = 0;
  /** Number of bytes of lines, minus the number of bytes of data. */
  #overhead = 0;
  #isPlain = false;
  #hasEnded = false;

  /** @param take called with views of the bytes that were read. */
  constructor(take: (data: Buffer) => void) {
    this.#take = take;
  }

  /** Whether the last chunk has arrived. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** @throws {GearwayError} `source-failed` if a chunk has no valid size, or there are too many tiny chunks. */
  read(bytes: Buffer): void {
    for (let at = 0; at < bytes.byteLength && !this.#hasEnded;) {
      if (this.#isPlain || this.#rest !== null) {
        const data = bytes.subarray(at, this.#isPlain ? undefined : at + (this.#rest ?? 0));
        at += data.byteLength;
        this.#overhead = Math.max(0, this.#overhead - data.byteLength);
        if (this.#rest !== null) this.#rest = this.#rest === data.byteLength ? null : this.#rest - data.byteLength;
        this.#take(data);
        continue;
      }
      const lineFeed = bytes.indexOf(LINE_FEED, at);
      const end = lineFeed < 0 ? bytes.byteLength : lineFeed + 1;
      this.#line += bytes.toString('latin1', at, Math.min(end, at + MAX_LINE + 1));
      at = end;
      if (lineFeed >= 0 || this.#line.length > MAX_LINE) this.#readLine();
    }
  }

  #readLine(): void {
    const line = this.#line;
    this.#overhead += line.length;
    if (this.#overhead > MAX_OVERHEAD)
      throw new GearwayError(
        'source-failed',
        `the response has ${MAX_OVERHEAD >> 10} KiB more of chunk sizes and empty lines than of data`,
      );
    const [, size] = /^\s*([0-9a-f]{1,8})\s*(?:;.*)?$/is.exec(line) ?? [];
    // Line end after each chunk; some servers also send one before the first chunk.
    if (size === undefined && line.trim() === '') {
      this.#line = '';
      return;
    }
    if (size === undefined) {
      if (this.#chunks > 0)
        throw new GearwayError(
          'source-failed',
          `a chunk of the response has the size ${JSON.stringify(line.trim().slice(0, 32))}, expected a hexadecimal number`,
        );
      this.#isPlain = true;
      this.#take(Buffer.from(line, 'latin1'));
    } else {
      this.#chunks += 1;
      this.#rest = Number.parseInt(size, 16);
      this.#hasEnded = this.#rest === 0;
    }
    this.#line = '';
  }
}
