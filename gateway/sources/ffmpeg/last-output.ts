/** Default number of bytes that are kept. */
const DEFAULT_KEPT_BYTES = 8 << 10;

/** Keeps the end of a program's output, which usually explains why it has ended, in constant memory. */
export class LastOutput {
  readonly #keptBytes: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Whether the beginning was discarded. */
  #isCut = false;

  constructor(keptBytes = DEFAULT_KEPT_BYTES) {
    this.#keptBytes = keptBytes;
  }

  add(chunk: Buffer): void {
    if (chunk.byteLength > this.#keptBytes) this.#isCut = true;
    // Copied, because a chunk is a view of a larger buffer, which would be kept alive.
    this.#chunks.push(Buffer.from(chunk.subarray(Math.max(0, chunk.byteLength - this.#keptBytes))));
    this.#bytes += chunk.byteLength;
    if (this.#bytes < 2 * this.#keptBytes) return;
    this.#isCut = true;
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [Buffer.from(all.subarray(Math.max(0, all.byteLength - this.#keptBytes)))];
    this.#bytes = this.#chunks[0]?.byteLength ?? 0;
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }

  /**
   * Non-empty lines without colours and control characters. An incomplete first line is omitted, because a truncated
   * password in it could not be found and hidden.
   */
  lines(): string[] {
    const text = this.#isCut ? this.text().replace(/^[^\r\n]*/, '') : this.text();
    return text
      .replaceAll(/\u001B\[[0-9;]*m/g, '')
      .split(/[\r\n]+/)
      .map((line) => line.replaceAll(/[\u0000-\u001F\u007F-\u009F]/g, ' ').trim())
      .filter((line) => line !== '');
  }
}
