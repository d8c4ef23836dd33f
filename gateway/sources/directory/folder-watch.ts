import { type FSWatcher, watch } from 'node:fs';
import { elapse } from '../elapse.ts';
import { IMAGE_NAME } from './image-file.ts';
import type { ImageFolder } from './image-folder.ts';

/** How often a folder is listed, whatever the system tells of it: of a network's folder it tells nothing. */
const LIST_MS = 500;

/** How much of the time listing may take: a folder of a million files is listed less often. */
const LIST_SHARE = 1 / 20;

/** With each list so many of the files that were there before are named, in turn: they may have been written again. */
const KNOWN_AT_A_TIME = 100;

/** Says which files of a folder are worth a look: those of which the system tells, and those that are found without it. */
export class FolderWatch {
  readonly #folder: ImageFolder;
  #watcher: FSWatcher | null = null;
  /** The folder that is listened to. */
  #identity: string | null = null;
  /** What was heard of since it was taken. */
  readonly #heard = new Set<string>();
  #ring = new AbortController();
  #known: ReadonlySet<string> = new Set();
  /** Where the turn of those that are known has come to. */
  #turn = 0;
  #listAtMs = 0;

  constructor(folder: ImageFolder) {
    this.#folder = folder;
  }

  /** The names that are worth a look now: at first all. @throws {GearwayError} `source-unavailable` when the folder has gone. */
  async names(): Promise<ReadonlySet<string>> {
    const names = new Set(this.#heard);
    this.#heard.clear();
    const beganMs = performance.now();
    if (beganMs < this.#listAtMs) return names;
    // Before the list, so that nothing that comes meanwhile is missed.
    this.#listen(await this.#folder.identify());
    const listed = await this.#folder.list();
    for (const name of listed) if (!this.#known.has(name)) names.add(name);
    for (const name of listed.slice(this.#turn, this.#turn + KNOWN_AT_A_TIME)) names.add(name);
    this.#turn = this.#turn + KNOWN_AT_A_TIME < listed.length ? this.#turn + KNOWN_AT_A_TIME : 0;
    this.#known = new Set(listed);
    this.#listAtMs = beganMs + Math.max(LIST_MS, (performance.now() - beganMs) / LIST_SHARE);
    return names;
  }

  /** Resolves when something was heard, at this time (of `performance.now()`), when the folder is to be listed again, or with the signal. */
  async wait(atMs: number, signal: AbortSignal): Promise<void> {
    this.#ring = new AbortController();
    if (this.#heard.size > 0) return;
    await elapse(Math.min(atMs, this.#listAtMs) - performance.now(), signal, this.#ring.signal);
  }

  /** Idempotent. */
  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
    this.#identity = null;
  }

  /** The system goes on telling of a folder that was removed, and not of the one that was made in its place. */
  #listen(identity: string | null): void {
    if (identity === this.#identity) return;
    this.close();
    this.#identity = identity;
    try {
      // An error says that the folder has gone, which the next list finds.
      this.#watcher = watch(this.#folder.path, (_event, name) => this.#hear(name)).on('error', () => this.close());
    } catch {
      // The system has no more watches to give, or the folder has gone: it is listed all the same.
    }
  }

  #hear(name: string | null): void {
    if (name === null || !IMAGE_NAME.test(name)) return;
    this.#heard.add(name);
    this.#ring.abort();
  }
}
