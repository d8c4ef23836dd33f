/** Bytes that are kept: a program's last words say why it has ended. */
const DEFAULT_KEPT_BYTES = 8 << 10;

/** The end of what a program has printed. Whatever it prints, and for ever, takes no more memory than that. */
export class LastOutput {
  readonly #keptBytes: number;
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Whether the beginning was thrown away. */
  #isCut = false;

  constructor(keptBytes = DEFAULT_KEPT_BYTES) {
    this.#keptBytes = keptBytes;
  }

  add(chunk: Buffer): void {
    if (chunk.byteLength > this.#keptBytes) this.#isCut = true;
    // A copy: a chunk is a part of a larger piece of memory, which would be pinned.
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
   * The lines that are not empty, without colours and control characters. None is cut, so that a password in one can be found and hidden: a first line
   * that has lost its beginning is left out.
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
