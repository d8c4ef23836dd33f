import type { Sendable } from '../../netgear/picture.ts';
import { compareNames, type FileState, type ImageFolder, type ReadImage } from './image-folder.ts';

/** An image that has come. */
export interface FoundImage {
  readonly name: string;
  readonly picture: Sendable;
}

/** What can't be read is being written as long as it changes, and for so long after. */
const WRITING_MS = 2000;

/** How many times as long as the last attempt took the next one waits: a large file that is written in small pieces is not decoded at each. */
const REST_FACTOR = 4;

interface Attempt {
  /** When this version was seen first. */
  readonly version: string;
  readonly firstMs: number;
  readonly retryAtMs: number;
}

/** Finds what has come last to a folder. A file of which there is half is left for later, and one that came before it is taken meanwhile. */
export class NewestImage {
  readonly #folder: ImageFolder;
  readonly #reject: (error: unknown) => void;
  /** When the latest one came that was found or passed over; null before the first was found. */
  #sinceMs: number | null = null;
  /** The one that was found last: many programs write the same file again and again. */
  #latest: string | null = null;
  /** Of those that came then or later, what is not looked at again. By name. */
  readonly #done = new Map<string, FileState>();
  /** What could not be read yet, by name. */
  readonly #attempts = new Map<string, Attempt>();

  /** @param reject hears of each file that is no image, once. */
  constructor(folder: ImageFolder, reject: (error: unknown) => void) {
    this.#folder = folder;
    this.#reject = reject;
  }

  /** When what could not be read is tried again, by `performance.now()`; Infinity when there is nothing of that kind. */
  get retryAtMs(): number {
    let atMs = Infinity;
    for (const { retryAtMs } of this.#attempts.values()) atMs = Math.min(atMs, retryAtMs);
    return atMs;
  }

  /**
   * Looks at these names, at those that could not be read yet, and at the one that was found last.
   *
   * @returns the newest image that is there as a whole: first of all the one that was written last, which may have been copied here
   * with its time, then what comes. Null when none has come since the last one.
   */
  async find(names: Iterable<string>): Promise<FoundImage | null> {
    const files: FileState[] = [];
    const all = new Set([...names, ...this.#attempts.keys()]);
    if (this.#latest !== null) all.add(this.#latest);
    for (const name of all) {
      const file = await this.#folder.look(name);
      if (file !== null && this.#isNew(file)) files.push(file);
      // What is older than the one that was found is not tried any more.
      else this.#attempts.delete(name);
    }
    const order = this.#sinceMs === null ? 'writtenMs' : 'changedMs';
    files.sort((a, b) => b[order] - a[order] || compareNames(b.name, a.name));
    for (const [index, file] of files.entries()) {
      const read = await this.#try(file);
      if (read === null) continue;
      // It may have been written again between the look and the reading.
      this.#pass([{ ...file, version: read.version, changedMs: Math.max(file.changedMs, read.changedMs) }, ...files.slice(index + 1)]);
      this.#latest = file.name;
      return { name: file.name, picture: read.picture };
    }
    return null;
  }

  #isNew({ name, changedMs, version }: FileState): boolean {
    return changedMs >= (this.#sinceMs ?? -Infinity) && this.#done.get(name)?.version !== version;
  }

  /** @param files the one that was found, and those that are not newer. */
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

  /** @returns null when it cannot be read, or not yet. */
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
        this.#attempts.set(file.name, { version: file.version, firstMs, retryAtMs: nowMs + Math.max(1, REST_FACTOR * (nowMs - beganMs)) });
        return null;
      }
      this.#attempts.delete(file.name);
      this.#done.set(file.name, file);
      this.#reject(error);
      return null;
    }
  }
}
