import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { platform } from 'node:os';
import { dirname } from 'node:path';
import { runInBackground } from '../../shared/background.ts';
import { GearwayError } from '../../shared/errors.ts';
import { systemErrorCode, systemErrorText } from '../../shared/system-errors.ts';
import { createFolder } from './create-folder.ts';
import { explainSystemError, identityOf, readVersion, replaceFile, SYSTEM_FILES } from './replace-file.ts';

/** Maximum size of the file. */
const MAX_BYTES = 1 << 20;

/** Interval between attempts after a failed one. */
const RETRY_MS = 30_000;

interface StateFileOptions {
  /** Called with a sentence when the file cannot be used, `error`, and when it can be written again, `info`. */
  readonly report: (text: string, level: 'error' | 'info') => void;
  /** System calls, which tests substitute. */
  readonly files?: typeof SYSTEM_FILES;
}

/**
 * A small JSON file with state that outlasts the process. Each change replaces the file atomically. While it cannot be
 * read or written, the process continues without it, tries again, and reports that.
 *
 * A file belongs to one process. If another process has written it, this one stops writing, so that neither undoes
 * the other's changes.
 */
export class StateFile {
  readonly path: string;
  readonly #report: StateFileOptions['report'];
  readonly #files: typeof SYSTEM_FILES;
  /** Identity of the file as it was last read or written; null before. */
  #identity: string | null = null;
  /** Returns the state to be written; null if nothing has changed. */
  #next: (() => unknown) | null = null;
  #writing: Promise<void> | null = null;
  #retry: NodeJS.Timeout | undefined;
  #problem: string | null = null;
  #isForeign = false;

  constructor(path: string, { report, files = SYSTEM_FILES }: StateFileOptions) {
    this.path = path;
    this.#report = report;
    this.#files = files;
  }

  /** Why the file cannot be written, as a sentence; null if the last attempt succeeded. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Reads the file, and creates it with its folder. Problems are reported. @returns null if there is no state. */
  async open(): Promise<unknown> {
    try {
      createFolder(dirname(this.path));
      await this.#touch();
    } catch (error) {
      this.#fail(error);
    }
    try {
      const { mode } = await stat(this.path);
      // Anyone who can write to the file could add a share link.
      if (platform() !== 'win32' && (mode & 0o002) !== 0)
        throw new GearwayError('state-invalid', 'every user of this machine may change it; set its mode to 600');
      const { bytes, identity } = await readVersion(this.path, MAX_BYTES);
      this.#identity = identity;
      if (bytes.byteLength > MAX_BYTES)
        throw new GearwayError('state-invalid', `it is larger than ${MAX_BYTES} bytes, the maximum`);
      return bytes.byteLength === 0 ? null : (JSON.parse(bytes.toString()) as unknown);
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT')
        this.#report(`${this.path} is ignored: ${systemErrorText(error)}`, 'error');
      return null;
    }
  }

  /** Schedules a write. @param state returns the state to be written as JSON; called when the writing begins. */
  save(state: () => unknown): void {
    this.#next = state;
    if (this.#writing !== null || this.#isForeign) return;
    const writing = this.#writeAll();
    this.#writing = writing;
    runInBackground(writing, (error) => this.#fail(error));
  }

  /** Resolves when everything is written, or has failed. @returns {@link StateFile.problem}. */
  async flush(): Promise<string | null> {
    await this.#writing;
    return this.#problem;
  }

  /** Writes pending changes. */
  async close(): Promise<void> {
    await this.flush();
    if (this.#next !== null && !this.#isForeign) await this.#writeAll();
    clearTimeout(this.#retry);
  }

  async #writeAll(): Promise<void> {
    clearTimeout(this.#retry);
    try {
      while (this.#next !== null) {
        const state = this.#next;
        this.#next = null;
        try {
          await this.#write(JSON.stringify(state()));
        } catch (error) {
          this.#next ??= state;
          throw error;
        }
        if (this.#problem !== null) this.#report(`${this.path} can be written again`, 'info');
        this.#problem = null;
      }
    } catch (error) {
      this.#fail(error);
      if (!this.#isForeign) this.#retryLater();
    } finally {
      // Cleared before writing: otherwise a change in the meantime would not be written.
      this.#writing = null;
    }
  }

  #retryLater(): void {
    this.#retry = setTimeout(() => {
      if (this.#next !== null) this.save(this.#next);
    }, RETRY_MS);
    this.#retry.unref();
  }

  async #write(text: string): Promise<void> {
    // The file may have been removed.
    if (await this.#touch()) this.#identity = null;
    const identity = await this.#readIdentity();
    if (this.#identity !== null && this.#identity !== identity) {
      this.#isForeign = true;
      throw new GearwayError(
        'state-invalid',
        `${this.path} was changed by another program, and is not written any more; give each gateway a folder of its own, then restart this one`,
      );
    }
    await replaceFile(this.path, text, { identity }, this.#files);
    this.#identity = await this.#readIdentity();
  }

  async #readIdentity(): Promise<string> {
    return identityOf(await this.#files.stat(this.path, { bigint: true }));
  }

  /** Creates the file if there is none. @returns whether it was created. @throws the error of the system. */
  async #touch(): Promise<boolean> {
    const exists = await this.#files.stat(this.path).then(
      () => true,
      () => false,
    );
    // O_NONBLOCK, because opening a pipe would otherwise wait for its reader.
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
    await (await open(this.path, flags, 0o600)).close();
    return !exists;
  }

  /** Reports the first failure only. */
  #fail(error: unknown): void {
    const problem =
      error instanceof GearwayError ? error.message : `${this.path} cannot be written: ${explainSystemError(error)}`;
    if (this.#problem === null || this.#isForeign) this.#report(problem, 'error');
    this.#problem = problem;
  }
}
