import type { Writable } from 'node:stream';

/** Maximum number of bytes that wait for a reader; a pipe itself holds 64 KiB more. */
const MAX_WAITING_BYTES = 256 << 10;

/**
 * Writes lines to standard error, or to any other stream that may fail or stop being read, without ever ending or blocking the process.
 * Lines that cannot be written (a full disk, a reader that is gone or stopped) are dropped, and their number is reported as soon as
 * writing works again.
 */
export class LineWriter {
  readonly #stream: Writable;
  readonly #maxWaitingBytes: number;
  #lost = 0;

  /** Takes over the stream's `error` event. */
  constructor(stream: Writable, { maxWaitingBytes = MAX_WAITING_BYTES }: { readonly maxWaitingBytes?: number } = {}) {
    this.#stream = stream;
    this.#maxWaitingBytes = maxWaitingBytes;
    survive(stream);
    stream.on('drain', () => this.#reportLost());
  }

  /** Number of lines dropped and not reported yet. */
  get lost(): number {
    return this.#lost;
  }

  /** Writes `text` as one line; it must not contain line breaks. Never throws and never waits. */
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
    this.#send(`${new Date().toISOString()} log: ${lost} ${lost === 1 ? 'line was' : 'lines were'} lost, because nothing could be written`, lost);
  }

  /** @param lines number of lines that are lost when this one is. */
  #send(text: string, lines: number): void {
    this.#stream.write(`${text}\n`, (error) => {
      if (error !== null && error !== undefined) this.#lost += lines;
    });
  }
}

/**
 * Lets writing to a standard stream fail without ending the process: Node ends it for an `error` event without a listener. Also makes
 * a terminal's stream non-blocking: Node blocks on terminals, so one that is stopped (Ctrl+S, a hung SSH connection) would stop every
 * stream of the gateway.
 */
export function survive(stream: Writable): void {
  stream.on('error', () => undefined);
  // Node has no public way to do this, and has kept the handle in this field since its first version.
  const { _handle: handle } = stream as Writable & { readonly _handle?: { setBlocking?(blocking: boolean): number } | null };
  handle?.setBlocking?.(false);
}
