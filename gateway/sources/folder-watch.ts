import { type FSWatcher, watch } from 'node:fs';
import { elapse } from './elapse.ts';
import { IMAGE_NAME } from './image-file.ts';
import type { ImageFolder } from './image-folder.ts';

/** How often a folder is asked whether it has other files: network file systems say nothing by themselves. */
const POLL_MS = 500;

/** How much of the time all its files may be looked at, for those that were written again: in a large folder that is seldom. */
const FULL_SHARE = 1 / 20;

/** Says which files of a folder are worth a look: what the system tells of, and what is found where it tells nothing, or not everything. */
export class FolderWatch {
  readonly #folder: ImageFolder;
  /** What was heard of since it was taken. */
  readonly #heard = new Set<string>();
  #ring = new AbortController();
  #watcher: FSWatcher | null = null;
  /** The folder that is listened to. */
  #identity: string | null = null;
  #known: ReadonlySet<string> = new Set();
  #listedChangedMs: number | null = null;
  #pollAtMs = 0;
  #fullAtMs = 0;
  #fullBeganMs: number | null = null;

  constructor(folder: ImageFolder) {
    this.#folder = folder;
  }

  /** The names that are worth a look now: at first all. @throws {GearwayError} `source-unavailable` when the folder has gone. */
  async names(): Promise<Iterable<string>> {
    const beganMs = performance.now();
    const heard = [...this.#heard].filter((name) => IMAGE_NAME.test(name));
    this.#heard.clear();
    if (beganMs < this.#pollAtMs) return heard;
    this.#pollAtMs = beganMs + POLL_MS;
    const found = await this.#folder.find();
    this.#listen(found?.identity ?? '');
    const isFull = beganMs >= this.#fullAtMs;
    // A folder changes with its list of names.
    if (!isFull && found !== null && found.changedMs === this.#listedChangedMs) return heard;
    const names = await this.#folder.list();
    const fresh = names.filter((name) => !this.#known.has(name));
    this.#known = new Set(names);
    this.#listedChangedMs = found?.changedMs ?? null;
    if (!isFull) return [...heard, ...fresh];
    this.#fullBeganMs = beganMs;
    return names;
  }

  /** Resolves when something was heard, at the next look that is due, by `performance.now()` or the folder's own time, or with the signal. */
  async wait(atMs: number, signal: AbortSignal): Promise<void> {
    const nowMs = performance.now();
    if (this.#fullBeganMs !== null) this.#fullAtMs = nowMs + Math.max(POLL_MS, (nowMs - this.#fullBeganMs) / FULL_SHARE);
    this.#fullBeganMs = null;
    this.#ring = new AbortController();
    if (this.#heard.size > 0) return;
    await elapse(Math.min(atMs, this.#pollAtMs) - nowMs, AbortSignal.any([signal, this.#ring.signal]));
  }

  /** Idempotent. */
  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
    this.#identity = null;
  }

  /** The system goes on telling of a folder that was removed, and not of the one that was made in its place. */
  #listen(identity: string): void {
    if (identity === this.#identity) return;
    this.close();
    this.#identity = identity;
    try {
      // An error says that the folder has gone, which the next look finds.
      this.#watcher = watch(this.#folder.path, (_event, name) => this.#hear(name)).on('error', () => this.close());
    } catch {
      // The system has no more watches to give, or the folder has gone: it is looked at all the same.
    }
  }

  #hear(name: string | null): void {
    if (name === null) return;
    this.#heard.add(name);
    this.#ring.abort();
  }
}
