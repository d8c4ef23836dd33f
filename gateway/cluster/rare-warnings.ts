import type { LogFields, Logger } from '../../shared/logger.ts';

const INTERVAL_MS = 10_000;

/** Logs at most one warning per 10 s, because other gateways and programs can cause them at any rate. */
export class RareWarnings {
  readonly #log: Logger;
  readonly #nowMs: () => number;
  #loggedAtMs = -Infinity;
  #suppressed = 0;

  constructor(log: Logger, nowMs: () => number = () => performance.now()) {
    this.#log = log;
    this.#nowMs = nowMs;
  }

  warn(text: string, fields: LogFields = {}): void {
    if (this.#nowMs() - this.#loggedAtMs < INTERVAL_MS) {
      this.#suppressed += 1;
      return;
    }
    this.#log.warn(fields, this.#suppressed === 0 ? text : `${text} (and ${this.#suppressed} more warnings before)`);
    this.#loggedAtMs = this.#nowMs();
    this.#suppressed = 0;
  }
}
