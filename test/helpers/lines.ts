import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** Keeps every line of a stream, and waits for the next matching one. */
export class Lines {
  readonly all: string[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #readers = new Set<(line: string) => void>();
  #ended = false;

  constructor(stream: Readable) {
    const reader = createInterface({ input: stream });
    reader.on('line', (line) => {
      this.all.push(line);
      for (const read of this.#readers) read(line);
      this.#wake();
    });
    reader.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Calls `read` with each future line. */
  each(read: (line: string) => void): void {
    this.#readers.add(read);
  }

  /** The first value that `read` finds in past or future lines. Rejects when the stream ends, or after a timeout. */
  async waitFor<T>(what: string, read: (line: string) => T | undefined, timeoutMs = 20_000): Promise<T> {
    const deadline = performance.now() + timeoutMs;
    let from = 0;
    for (;;) {
      for (; from < this.all.length; from += 1) {
        const value = read(this.all[from]!);
        if (value !== undefined) return value;
      }
      const leftMs = deadline - performance.now();
      if (this.#ended || leftMs <= 0)
        throw new Error(`${what} did not occur; the last lines were:\n${this.all.slice(-12).join('\n')}`);
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          this.#waiting.delete(done);
          resolve();
        };
        const timer = setTimeout(done, leftMs);
        this.#waiting.add(done);
      });
    }
  }

  #wake(): void {
    // A waiter removes itself when it is called, which a set allows.
    for (const done of this.#waiting) done();
  }
}
