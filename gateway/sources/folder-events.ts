import { type FSWatcher, watch } from 'node:fs';
import { elapse } from './elapse.ts';

/** What the system says of a folder. It may say nothing at all (network file systems), or not everything: the folder has to be looked at as well. */
export class FolderEvents {
  readonly #path: string;
  readonly #names = new Set<string>();
  #identity: string | null = null;
  #watcher: FSWatcher | null = null;
  #ring = new AbortController();

  constructor(path: string) {
    this.#path = path;
  }

  /** @param identity of the folder that is at the path now: the system goes on telling of the one before, which was removed. */
  listen(identity: string): void {
    if (identity === this.#identity) return;
    this.close();
    this.#identity = identity;
    try {
      // An error says that the folder has gone, which the next look finds.
      this.#watcher = watch(this.#path, (_event, name) => this.#heard(name)).on('error', () => this.close());
    } catch {
      // The system has no more watches to give, or the folder has gone: it is looked at all the same.
    }
  }

  /** The names of which something was heard, once. */
  take(): readonly string[] {
    const names = [...this.#names];
    this.#names.clear();
    return names;
  }

  /** Resolves when something was heard that was not taken, when time is over, or with the signal. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    this.#ring = new AbortController();
    if (this.#names.size > 0) return;
    await elapse(ms, AbortSignal.any([signal, this.#ring.signal]));
  }

  /** Idempotent; it may listen again. */
  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
    this.#identity = null;
  }

  #heard(name: string | null): void {
    if (name === null) return;
    this.#names.add(name);
    this.#ring.abort();
  }
}
