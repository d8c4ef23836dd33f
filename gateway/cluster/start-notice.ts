import type { Logger } from '../../shared/logger.ts';

/** A start that has to wait longer than this is logged, and again at intervals. */
const NOTICE_MS = 1000;
const NOTICE_INTERVAL_MS = 5000;

/** Logs, after a second and then at intervals, what the start of a gateway is waiting for, until it is closed. */
export class StartNotice {
  /** Latest reason; empty if none is known. */
  reason = '';
  readonly #log: Logger;
  readonly #problem: string;
  readonly #untilMs: number;
  #timer: NodeJS.Timeout;

  /**
   * @param problem as a sentence without a full stop.
   * @param timeoutMs maximum time of the start.
   */
  constructor(log: Logger, problem: string, timeoutMs: number) {
    this.#log = log;
    this.#problem = problem;
    this.#untilMs = performance.now() + timeoutMs;
    this.#timer = setTimeout(() => this.#notify(), NOTICE_MS);
  }

  /** Idempotent. */
  close(): void {
    clearTimeout(this.#timer);
  }

  #notify(): void {
    const cause = this.reason === '' ? '' : ` (${this.reason})`;
    const leftS = Math.max(1, Math.round((this.#untilMs - performance.now()) / 1000));
    this.#log.warn({}, `${this.#problem}${cause}; trying for another ${leftS} s, and no stream is served until then`);
    this.#timer = setTimeout(() => this.#notify(), NOTICE_INTERVAL_MS);
  }
}
