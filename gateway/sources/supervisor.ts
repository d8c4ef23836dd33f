import { containFailure } from '../../shared/background.ts';
import { cleanText } from '../../shared/clean-text.ts';
import { errorText } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import { type SourceStatus, SUSPENDED_REASON } from '../../shared/status.ts';
import type { Stream } from '../hub/stream.ts';
import { sleep } from './sleep.ts';
import type { Source } from './source.ts';
import { SourceRun } from './source-run.ts';

interface SupervisorOptions {
  readonly source: Source;
  readonly stream: Stream;
  /** Whether the source is open only while there are viewers. */
  readonly isOnDemand: boolean;
  /** The logger of the stream. */
  readonly log: Logger;
}

/**
 * Exponential back-off before a source is reopened. It is reset after a run that has delivered frames for
 * `DELIVERED_MS`.
 */
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 15_000;
const DELIVERED_MS = 5000;

/** Interval at which a suspended source polls for viewers. Polling cannot miss a notification. */
const WATCH_INTERVAL_MS = 50;

type Phase =
  | { readonly kind: 'asleep' }
  | { readonly kind: 'open'; readonly run: SourceRun }
  /** The source waits to be reopened. */
  | { readonly kind: 'resting'; readonly untilMs: number }
  | { readonly kind: 'closed' };

/**
 * Keeps a source running: reopens it with exponential back-off after a failure or a stall, and with `isOnDemand`
 * suspends it while there are no viewers. Clients stay attached throughout, and get the reason why there is no new
 * frame.
 */
export class SourceSupervisor {
  readonly #options: SupervisorOptions;
  readonly #closing = new AbortController();
  #phase: Phase = { kind: 'closed' };
  #lastError: string | null = null;
  #restarts = 0;
  /** Number of consecutive failures with the same reason. */
  #sameFailures = 0;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /**
   * Opens the source, or with `isOnDemand` starts waiting for viewers.
   *
   * @throws the error of the source's first `open()`, after which it is not reopened.
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

  /** Opens the source like {@link SourceSupervisor.open}, but treats a failure of the first `open()` like any other. */
  start(): void {
    this.#supervise(null);
  }

  /** Closes the source, which does not use the stream afterwards. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#phase.kind === 'open') this.#phase.run.close();
    await this.#ended;
    await this.#options.source.close();
  }

  status(): SourceStatus {
    const { kind, address } = this.#options.source;
    return {
      kind,
      address: cleanText(address),
      state: cleanText(this.#state()),
      lastError: this.#lastError,
      restarts: this.#restarts,
    };
  }

  #state(): string {
    switch (this.#phase.kind) {
      case 'open':
        return this.#options.source.state();
      case 'resting':
        return `restarts in ${Math.max(0, Math.ceil((this.#phase.untilMs - performance.now()) / 1000))} s`;
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
      if (end.kind !== 'failed') {
        delayMs = 0;
        continue;
      }
      delayMs = run.deliveredMs >= DELIVERED_MS || delayMs === 0 ? FIRST_DELAY_MS : Math.min(MAX_DELAY_MS, delayMs * 2);
      this.#failed(end.error);
      this.#phase = { kind: 'resting', untilMs: performance.now() + delayMs };
      await sleep(delayMs, this.#closing.signal);
      this.#restarts += 1;
    }
    this.#phase = { kind: 'closed' };
  }

  /** Closes the source. A failure to close is treated like any other failure: the source is reopened. */
  async #closeSource(): Promise<void> {
    try {
      await this.#options.source.close();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** @returns null if the supervisor is closed first. An error of the source's `open()` becomes the run's failure. */
  async #reopen(): Promise<SourceRun | null> {
    const { source, stream } = this.#options;
    // Evaluated each time: in a cluster, a gateway that becomes the owner runs the source even without viewers.
    const isUnwanted = (): boolean => this.#options.isOnDemand && !stream.isWatched();
    if (isUnwanted()) {
      this.#phase = { kind: 'asleep' };
      stream.wait(source.suspendedReason ?? SUSPENDED_REASON);
      while (!this.#closing.signal.aborted && isUnwanted()) await sleep(WATCH_INTERVAL_MS, this.#closing.signal);
      if (!this.#closing.signal.aborted) stream.wait(source.waitingReason);
    }
    if (this.#closing.signal.aborted) return null;
    const run = this.#createRun();
    await source.open(run).catch((error: unknown) => run.fail(error));
    return run;
  }

  #createRun(): SourceRun {
    const { source, stream, isOnDemand } = this.#options;
    const run = new SourceRun({
      stream,
      isOnDemand,
      problem: () => source.problem?.() ?? null,
      get stallMs() {
        return source.stallMs;
      },
    });
    this.#phase = { kind: 'open', run };
    return run;
  }

  #failed(error: unknown): void {
    const { source, stream, log } = this.#options;
    const reason = cleanText(errorText(error));
    this.#sameFailures = reason === this.#lastError ? this.#sameFailures + 1 : 1;
    this.#lastError = reason;
    // The stream logs a reason when it changes. Of repeated failures, only the 10th, 100th, 1000th and so on are
    // logged.
    if (/^10+$/.test(String(this.#sameFailures))) {
      log.warn({}, `source ${source.kind} has failed ${this.#sameFailures} times in a row: ${reason}`);
    }
    stream.interrupted(reason);
  }
}
