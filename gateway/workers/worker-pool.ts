import { setTimeout as delay } from 'node:timers/promises';
import type { LocalPlace } from '../clients/local-place.ts';
import type { RemoteViewer } from './remote-viewer.ts';
import { type Upgrade, ViewerWorker, type ViewerWorkerOptions } from './viewer-worker.ts';

/** A worker that has lived so long has not ended of what ended the one before it. */
const CALM_MS = 10_000;

/** Between two starts of a worker that does not live long: doubled each time. The first start is at once. */
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 15_000;

export interface WorkerPoolOptions extends ViewerWorkerOptions {
  readonly count: number;
  readonly log: (message: string) => void;
}

/** The workers that serve viewers' sockets, each started again when it ends. */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #running = new Set<ViewerWorker>();
  readonly #closing = new AbortController();
  readonly #kept: Promise<unknown>;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#kept = Promise.all(Array.from({ length: options.count }, () => this.#keepOne()));
  }

  /**
   * Hands a socket to the worker that has the fewest viewers.
   *
   * @returns null while none is there; the socket is the caller's then.
   */
  serve(upgrade: Upgrade, place: LocalPlace): RemoteViewer | null {
    let least: ViewerWorker | undefined;
    for (const worker of this.#running) if (worker.load < (least?.load ?? Infinity)) least = worker;
    return least?.serve(upgrade, place) ?? null;
  }

  /** Ends all workers, within about a second. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#running].map((worker) => worker.stop()));
    await this.#kept;
  }

  /** Runs a worker, and the next one when it has ended. */
  async #keepOne(): Promise<void> {
    const { signal } = this.#closing;
    for (let delayMs = 0; !signal.aborted; ) {
      const startedAtMs = performance.now();
      const worker = new ViewerWorker(this.#options);
      this.#running.add(worker);
      const cause = await worker.ended;
      this.#running.delete(worker);
      if (signal.aborted) return;
      const lived = performance.now() - startedAtMs;
      delayMs = lived > CALM_MS ? 0 : delayMs;
      this.#options.log(`a worker has ended (${cause}); its viewers connect again, and another is started ${delayMs === 0 ? 'now' : `in ${delayMs / 1000} s`}`);
      if (delayMs > 0) await delay(delayMs, undefined, { signal }).catch(() => undefined);
      delayMs = Math.min(MAX_DELAY_MS, Math.max(FIRST_DELAY_MS, delayMs * 2));
    }
  }
}
