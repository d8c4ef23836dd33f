import { type FSWatcher, watch } from 'node:fs';
import { sleep } from '../sleep.ts';
import type { ImageFolder } from './image-folder.ts';

/** Interval at which a folder is listed in addition to system events, because network folders have none. */
const LIST_MS = 500;

/** Maximum fraction of the time spent on listing, so that a folder with a million files is listed less often. */
const LIST_SHARE = 1 / 20;

/** Number of known files that are rechecked with each listing, in turn, because they may have been overwritten. */
const KNOWN_AT_A_TIME = 100;

/** Reports which files of a folder may be new or changed, from system events and by polling. */
export class FolderWatch {
  readonly #folder: ImageFolder;
  #watcher: FSWatcher | null = null;
  /** The watched folder, as returned by `identify()`. */
  #watchedIdentity: string | null = null;
  /** Names reported by the system since the last call of `names()`. */
  readonly #changed = new Set<string>();
  #wakeUp = new AbortController();
  #known: ReadonlySet<string> = new Set();
  /** Position in the list from which known files are rechecked next. */
  #turn = 0;
  #listAtMs = 0;

  constructor(folder: ImageFolder) {
    this.#folder = folder;
  }

  /**
   * Names that may be new or changed; all on the first call. @throws {GearwayError} `source-unavailable` if the folder
   * is missing.
   */
  async names(): Promise<ReadonlySet<string>> {
    const names = new Set(this.#changed);
    this.#changed.clear();
    const beganMs = performance.now();
    if (beganMs < this.#listAtMs) return names;
    // Reset before listing, so that files that arrive in the meantime are not missed.
    this.#watch(await this.#folder.identify());
    const listed = await this.#folder.list();
    for (const name of listed) if (!this.#known.has(name)) names.add(name);
    for (const name of listed.slice(this.#turn, this.#turn + KNOWN_AT_A_TIME)) names.add(name);
    this.#turn = this.#turn + KNOWN_AT_A_TIME < listed.length ? this.#turn + KNOWN_AT_A_TIME : 0;
    this.#known = new Set(listed);
    this.#listAtMs = beganMs + Math.max(LIST_MS, (performance.now() - beganMs) / LIST_SHARE);
    return names;
  }

  /**
   * Resolves on a system event, at `atMs` (of `performance.now()`), when the folder must be listed again, or when the
   * signal aborts.
   */
  async wait(atMs: number, signal: AbortSignal): Promise<void> {
    this.#wakeUp = new AbortController();
    if (this.#changed.size > 0) return;
    await sleep(Math.min(atMs, this.#listAtMs) - performance.now(), signal, this.#wakeUp.signal);
  }

  /** Idempotent. */
  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
    this.#watchedIdentity = null;
  }

  /** Watches the folder again if it was removed and recreated: a watcher stays attached to the removed folder. */
  #watch(identity: string | null): void {
    if (identity === this.#watchedIdentity) return;
    this.close();
    this.#watchedIdentity = identity;
    try {
      // An error means that the folder was removed, which the next listing detects.
      this.#watcher = watch(this.#folder.path, (_event, name) => this.#onChange(name)).on('error', () => this.close());
    } catch {
      // No more watches are available, or the folder was removed: polling still works.
    }
  }

  #onChange(name: string | null): void {
    if (name === null || !this.#folder.accepts(name)) return;
    this.#changed.add(name);
    this.#wakeUp.abort();
  }
}
