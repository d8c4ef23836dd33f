import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { runInBackground } from '../../shared/background.ts';

/**
 * Polling interval. File-change notifications of the operating system miss changes behind symbolic links and on network
 * file systems.
 */
const INTERVAL_MS = 200;

/** Watches one file, even if it is replaced by renaming or by changing a symbolic link in its path. */
export class FileWatch {
  readonly #path: string;
  readonly #onChange: () => void;
  readonly #closing = new AbortController();

  /**
   * @param onChange called when the file has changed, and then stayed unchanged for one interval; not called when it
   * has disappeared.
   */
  constructor(path: string, onChange: () => void) {
    this.#path = path;
    this.#onChange = onChange;
  }

  /** Starts watching; changes from now on are reported. */
  async start(onFailure: (error: unknown) => void): Promise<void> {
    const first = await identify(this.#path);
    runInBackground(this.#watch(first), onFailure);
  }

  /** Idempotent. */
  close(): void {
    this.#closing.abort();
  }

  async #watch(first: string | null): Promise<void> {
    let reported = first;
    let previous = first;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await sleep(INTERVAL_MS, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      const current = await identify(this.#path);
      // A file that is still being written differs from one check to the next.
      if (current !== null && current !== reported && current === previous) {
        reported = current;
        this.#onChange();
      }
      previous = current;
    }
  }
}

/** A string that differs between versions of a file; null if there is no file. */
async function identify(path: string): Promise<string | null> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch {
    // The file is missing, for example between two renames: the running configuration stays.
    return null;
  }
}
