import type { Sendable } from '../../netgear/picture.ts';
import { compareNames, type FileState, type ImageFolder, type ReadImage } from './image-folder.ts';

/** A new image. */
interface FoundImage {
  readonly name: string;
  readonly picture: Sendable;
}

/** How long after its last change an unreadable file is assumed to be incomplete. */
const WRITING_MS = 2000;

/**
 * Ratio of the wait before a retry to the duration of the last attempt, so that a large file is not decoded for each
 * small write.
 */
const REST_FACTOR = 4;

interface Attempt {
  readonly version: string;
  /** When this version was first seen. */
  readonly firstMs: number;
  readonly retryAtMs: number;
}

/**
 * Finds the newest image of a folder. Incomplete files are retried later; in the meantime, an older one may be
 * returned.
 */
export class NewestImage {
  readonly #folder: ImageFolder;
  readonly #reject: (error: unknown) => void;
  /** Change time of the newest file that was found or skipped; null before the first. */
  #sinceMs: number | null = null;
  /** The file found last. Always rechecked, because many programs overwrite the same file. */
  #latest: string | null = null;
  /** Files changed at `#sinceMs` or later that need no further attempt, by name. */
  readonly #done = new Map<string, FileState>();
  /** Files that could not be read yet, by name. */
  readonly #attempts = new Map<string, Attempt>();

  /** @param reject called once for each file that is not a valid image. */
  constructor(folder: ImageFolder, reject: (error: unknown) => void) {
    this.#folder = folder;
    this.#reject = reject;
  }

  /** Time of the next retry of an unreadable file, by `performance.now()`; Infinity if there is none. */
  get retryAtMs(): number {
    let atMs = Infinity;
    for (const { retryAtMs } of this.#attempts.values()) atMs = Math.min(atMs, retryAtMs);
    return atMs;
  }

  /**
   * Checks these names, those that could not be read yet, and the one found last.
   *
   * @returns the newest complete image: on the first call by modification time, because files may have been copied
   * into the folder; then by change time. Null if there is no new one.
   */
  async find(names: Iterable<string>): Promise<FoundImage | null> {
    const files: FileState[] = [];
    const all = new Set([...names, ...this.#attempts.keys()]);
    if (this.#latest !== null) all.add(this.#latest);
    for (const name of all) {
      const file = await this.#folder.inspect(name);
      if (file !== null && this.#isNew(file)) files.push(file);
      // Files older than the one that was found are not retried.
      else this.#attempts.delete(name);
    }
    const order = this.#sinceMs === null ? 'writtenMs' : 'changedMs';
    files.sort((a, b) => b[order] - a[order] || compareNames(b.name, a.name));
    for (const [index, file] of files.entries()) {
      const read = await this.#try(file);
      if (read === null) continue;
      // The file may have been overwritten between checking and reading.
      this.#pass([
        { ...file, version: read.version, changedMs: Math.max(file.changedMs, read.changedMs) },
        ...files.slice(index + 1),
      ]);
      this.#latest = file.name;
      return { name: file.name, picture: read.picture };
    }
    return null;
  }

  #isNew({ name, changedMs, version }: FileState): boolean {
    return changedMs >= (this.#sinceMs ?? -Infinity) && this.#done.get(name)?.version !== version;
  }

  /** Marks files as done. @param files the image that was found, and files that are not newer. */
  #pass(files: readonly FileState[]): void {
    let sinceMs = this.#sinceMs ?? -Infinity;
    for (const file of files) {
      this.#done.set(file.name, file);
      this.#attempts.delete(file.name);
      sinceMs = Math.max(sinceMs, file.changedMs);
    }
    this.#sinceMs = sinceMs;
    for (const { name, changedMs } of this.#done.values()) if (changedMs < sinceMs) this.#done.delete(name);
  }

  /** @returns null if the file cannot be read, or cannot be read yet. */
  async #try(file: FileState): Promise<ReadImage | null> {
    const beganMs = performance.now();
    const last = this.#attempts.get(file.name);
    if (last !== undefined && beganMs < last.retryAtMs) return null;
    try {
      return await this.#folder.read(file.name);
    } catch (error) {
      const nowMs = performance.now();
      const firstMs = last?.version === file.version ? last.firstMs : beganMs;
      if (nowMs - firstMs < WRITING_MS) {
        this.#attempts.set(file.name, {
          version: file.version,
          firstMs,
          retryAtMs: nowMs + Math.max(1, REST_FACTOR * (nowMs - beganMs)),
        });
        return null;
      }
      this.#attempts.delete(file.name);
      this.#done.set(file.name, file);
      this.#reject(error);
      return null;
    }
  }
}
