import { constants } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { runInBackground } from '../../shared/background.ts';
import { systemErrorText } from '../../shared/system-errors.ts';

/** Maximum number of pending characters; further lines are dropped. */
const MAX_WAITING = 256 << 10;

/**
 * O_NONBLOCK, because opening a pipe without a reader, or writing to a full one, would otherwise block a thread, and
 * with it the end of the process.
 */
const OPTIONS = {
  mode: 0o600,
  flag: constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK,
} as const;

/**
 * Appends lines to a file. It is opened for each batch of lines, so a program such as logrotate may rename it at any
 * time. Lines that cannot be written (disk full, no permission) are dropped; the gateway continues, and reports the
 * failure and later the number of lost lines.
 */
export class AppendedFile {
  readonly #path: string;
  readonly #report: (problem: string) => void;
  readonly #append: typeof appendFile;
  #waiting: string[] = [];
  #waitingLength = 0;
  #lost = 0;
  #hasFailed = false;
  #writing: Promise<void> | null = null;

  /** @param report called with a sentence when writing fails for the first time, and when it works again. */
  constructor(path: string, report: (problem: string) => void, append: typeof appendFile = appendFile) {
    this.#path = path;
    this.#report = report;
    this.#append = append;
  }

  /** Checks that lines can be appended, and creates the file. @throws the error of the system. */
  async open(): Promise<void> {
    await this.#append(this.#path, '', OPTIONS);
  }

  /** Appends a line; it must not contain line breaks. Never throws or blocks. */
  write(line: string): void {
    if (this.#waitingLength > MAX_WAITING) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(line);
    this.#waitingLength += line.length;
    if (this.#writing !== null) return;
    const writing = this.#flush();
    this.#writing = writing;
    runInBackground(writing, (error) => this.#report(systemErrorText(error)));
  }

  /** Resolves when all lines have been written or dropped. */
  async close(): Promise<void> {
    await this.#writing;
  }

  async #flush(): Promise<void> {
    try {
      while (this.#waiting.length > 0) await this.#appendWaiting();
    } finally {
      // In the same task: otherwise a line that is added in between would never be written.
      this.#writing = null;
    }
  }

  async #appendWaiting(): Promise<void> {
    const lines = this.#waiting;
    this.#waiting = [];
    this.#waitingLength = 0;
    // The last attempt may have written a part of a line.
    const text = `${this.#hasFailed ? '\n' : ''}${lines.join('\n')}\n`;
    try {
      await this.#append(this.#path, text, OPTIONS);
      if (this.#hasFailed) this.#report(`${this.#path} can be written again; ${this.#lost} lines were lost`);
      this.#hasFailed = false;
      this.#lost = 0;
    } catch (error) {
      this.#lost += lines.length;
      if (!this.#hasFailed) this.#report(`${this.#path} cannot be written: ${systemErrorText(error)}`);
      this.#hasFailed = true;
    }
  }
}
