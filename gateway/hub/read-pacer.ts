import { WorkDebt } from './work-debt.ts';

/** Processing time after which reading pauses, so that it blocks the event loop only briefly. */
const SLICE_MS = 10;

interface PausedReader {
  pause(): void;
  resume(): void;
}

/**
 * Limits the time that the data of one peer takes on the event loop to about half: after several milliseconds of
 * processing, reading pauses for as long as they took. Otherwise a peer whose bytes are expensive to process, such as
 * tiny chunks or endless line ends, could stop all streams: libuv reads up to 2 MB from one connection at a time. Peers
 * whose bytes take less than half of the time are never paused.
 */
export class ReadPacer {
  readonly #reader: PausedReader;
  readonly #debt = new WorkDebt();
  #rest: NodeJS.Timeout | null = null;

  constructor(reader: PausedReader) {
    this.#reader = reader;
  }

  /** Whether reading is paused. Data that still arrives may be processed. */
  get isResting(): boolean {
    return this.#rest !== null;
  }

  /** Processes data that has arrived. */
  run<T>(work: () => T): T {
    const fromMs = performance.now();
    try {
      return work();
    } finally {
      const owedMs = this.#debt.worked(fromMs);
      if (owedMs >= SLICE_MS && this.#rest === null) this.#pause(owedMs);
    }
  }

  /** Ends a pause without resuming. Call when reading has ended. Idempotent. */
  close(): void {
    if (this.#rest !== null) clearTimeout(this.#rest);
    this.#rest = null;
  }

  #pause(forMs: number): void {
    this.#reader.pause();
    this.#rest = setTimeout(() => {
      this.#rest = null;
      this.#reader.resume();
    }, forMs);
  }
}
