import { containFailure } from '../../shared/background.ts';
import { cleanText } from '../../shared/clean-text.ts';
import { errorText } from '../../shared/errors.ts';
import type { SourceStatus } from '../../shared/status.ts';
import type { Stream } from '../hub/stream.ts';
import { elapse } from './elapse.ts';
import type { Source } from './source.ts';
import { SourceRun } from './source-run.ts';

export interface SupervisorOptions {
  readonly source: Source;
  readonly stream: Stream;
  /** Whether the source is open only while somebody watches. */
  readonly isOnDemand: boolean;
  readonly log: (message: string) => void;
}

/** Before a source is opened again: doubled each time, and the first again after one that has delivered for a while. */
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 15_000;
const DELIVERED_MS = 5000;

/** How often a source that sleeps looks for somebody who watches. */
const WATCH_INTERVAL_MS = 50;

const ASLEEP = 'nobody watches, and the source sleeps; it starts with the first who does';

type Phase =
  | { readonly kind: 'asleep' }
  | { readonly kind: 'open'; readonly run: SourceRun }
  /** Until it is opened again. */
  | { readonly kind: 'resting'; readonly untilMs: number }
  | { readonly kind: 'closed' };

/**
 * Keeps a source going: opens it again after a failure or a stall, later each time, and with `isOnDemand` lets it sleep while
 * nobody watches. Clients stay attached throughout, and see why there is no new frame.
 */
export class SourceSupervisor {
  readonly #options: SupervisorOptions;
  readonly #closing = new AbortController();
  #phase: Phase = { kind: 'closed' };
  #lastError: string | null = null;
  #restarts = 0;
  /** Number of failures in a row with the same reason. */
  #sameFailures = 0;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /**
   * Opens the source, or has it wait for somebody who watches.
   *
   * @throws what the source's first `open()` throws; it is not opened again then.
   */
  async open(): Promise<void> {
    if (this.#options.isOnDemand) {
      this.#supervise(null);
      return;
    }
    const run = this.#createRun();
    try {
      await this.#options.source.open(run);
    } catch (error) {
      run.close();
      this.#phase = { kind: 'closed' };
      throw error;
    }
    this.#supervise(run);
  }

  /** Closes the source; nothing reaches the stream afterwards. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#phase.kind === 'open') this.#phase.run.close();
    await this.#ended;
    await this.#options.source.close();
  }

  status(): SourceStatus {
    const { kind, address } = this.#options.source;
    return { kind, address: cleanText(address), state: cleanText(this.#state()), lastError: this.#lastError, restarts: this.#restarts };
  }

  #state(): string {
    switch (this.#phase.kind) {
      case 'open':
        return this.#options.source.state();
      case 'resting':
        return `starts again in ${Math.max(0, Math.ceil((this.#phase.untilMs - performance.now()) / 1000))} s`;
      case 'asleep':
      case 'closed':
        return this.#phase.kind;
      default:
        return this.#phase satisfies never;
    }
  }

  #supervise(first: SourceRun | null): void {
    this.#ended = containFailure(this.#superviseFrom(first), (error) => {
      this.#phase = { kind: 'closed' };
      this.#failed(error);
    });
  }

  async #superviseFrom(first: SourceRun | null): Promise<void> {
    let delayMs = 0;
    for (let run = first; !this.#closing.signal.aborted; run = null) {
      run ??= await this.#reopen();
      if (run === null) break;
      const end = await run.over;
      await this.#closeSource();
      if (end.kind === 'closed') break;
      if (end.kind === 'unwatched') {
        delayMs = 0;
        continue;
      }
      delayMs = run.deliveredMs >= DELIVERED_MS || delayMs === 0 ? FIRST_DELAY_MS : Math.min(MAX_DELAY_MS, delayMs * 2);
      this.#failed(end.error);
      this.#phase = { kind: 'resting', untilMs: performance.now() + delayMs };
      await elapse(delayMs, this.#closing.signal);
      this.#restarts += 1;
    }
    this.#phase = { kind: 'closed' };
  }

  /** A source that fails even to close is opened again like one that has failed. */
  async #closeSource(): Promise<void> {
    try {
      await this.#options.source.close();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** @returns null when the supervisor is closed before. What the source's `open()` throws is the run's failure. */
  async #reopen(): Promise<SourceRun | null> {
    const { source, stream, isOnDemand } = this.#options;
    if (isOnDemand && !stream.isWatched()) {
      this.#phase = { kind: 'asleep' };
      stream.wait(ASLEEP);
      while (!this.#closing.signal.aborted && !stream.isWatched()) await elapse(WATCH_INTERVAL_MS, this.#closing.signal);
      if (!this.#closing.signal.aborted) stream.wait(source.waitingReason);
    }
    if (this.#closing.signal.aborted) return null;
    const run = this.#createRun();
    await source.open(run).catch((error: unknown) => run.fail(error));
    return run;
  }

  #createRun(): SourceRun {
    const { source, stream, isOnDemand } = this.#options;
    const run = new SourceRun({ stream, stallMs: source.stallMs, isOnDemand });
    this.#phase = { kind: 'open', run };
    return run;
  }

  #failed(error: unknown): void {
    const { source, stream, log } = this.#options;
    const reason = cleanText(errorText(error));
    this.#sameFailures = reason === this.#lastError ? this.#sameFailures + 1 : 1;
    this.#lastError = reason;
    // The stream logs its reason when that changes. What then fails again and again is logged at 10, 100, 1000 times.
    if (/^10+$/.test(String(this.#sameFailures))) log(`stream ${stream.name}: source ${source.kind} has failed ${this.#sameFailures} times in a row: ${reason}`);
    stream.interrupted(reason);
  }
}
