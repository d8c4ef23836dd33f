import type { Writable } from 'node:stream';

/** Maximum number of buffered bytes; a pipe itself buffers 64 KiB more. */
const MAX_WAITING_BYTES = 256 << 10;

interface LineWriterOptions {
  readonly maxWaitingBytes?: number;
  /** Formats the report about lost lines as a line. */
  readonly formatReport?: (text: string) => string;
}

/**
 * Writes lines to standard error, or to another stream that may fail or stop being read, without crashing or blocking
 * the process. Lines that cannot be written (disk full, reader gone or stopped) are dropped, and their number is
 * reported once writing works again.
 */
export class LineWriter {
  readonly #stream: Writable;
  readonly #maxWaitingBytes: number;
  readonly #formatReport: (text: string) => string;
  #lost = 0;

  /** Handles the stream's `error` event. */
  constructor(stream: Writable, options: LineWriterOptions = {}) {
    const { maxWaitingBytes = MAX_WAITING_BYTES, formatReport = (text) => text } = options;
    this.#stream = stream;
    this.#formatReport = formatReport;
    this.#maxWaitingBytes = maxWaitingBytes;
    survive(stream);
    stream.on('drain', () => this.#reportLost());
  }

  /** Number of dropped lines that have not been reported yet. */
  get lost(): number {
    return this.#lost;
  }

  /** Writes `text` as one line; it must not contain line breaks. Never throws or blocks. */
  write(text: string): void {
    if (this.#stream.writableLength > this.#maxWaitingBytes) {
      this.#lost += 1;
      return;
    }
    this.#reportLost();
    this.#send(text, 1);
  }

  #reportLost(): void {
    const lost = this.#lost;
    if (lost === 0) return;
    this.#lost = 0;
    const text = `log: ${lost} ${lost === 1 ? 'line was' : 'lines were'} lost because writing failed`;
    this.#send(this.#formatReport(text), lost);
  }

  /** @param lines number of lines to count as lost if this one cannot be written. */
  #send(text: string, lines: number): void {
    this.#stream.write(`${text}\n`, (error) => {
      if (error !== null && error !== undefined) this.#lost += lines;
    });
  }
}

/**
 * Ignores write errors of a standard stream: without a listener, an `error` event would end the process. Also makes a
 * terminal's stream non-blocking: otherwise a stopped terminal (Ctrl+S, a hung SSH connection) would block the event
 * loop.
 */
export function survive(stream: Writable): void {
  stream.on('error', () => undefined);
  // Node has no public API for this, but has had this field since its first version.
  const { _handle: handle } = stream as Writable & {
    readonly _handle?: { setBlocking?(blocking: boolean): number } | null;
  };
  handle?.setBlocking?.(false);
}
