import type { Logger } from '../../shared/logger.ts';
import type { EventLog } from '../hub/event-log.ts';
import { addressKey } from '../hub/shares.ts';
import { isThisMachine } from './access.ts';

/** Number of failed log-ins per address within {@link WINDOW_MS} that are answered immediately. */
const FREE_FAILURES = 10;

const WINDOW_MS = 60_000;

/** Delay of the first refusal beyond {@link FREE_FAILURES}; it doubles with each further one. */
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 5000;

/** Number of failures per address that are remembered; enough to reach the maximum delay. */
const MAX_REMEMBERED = 16;

/** Maximum number of delayed refusals per address, and in total: each holds a connection. */
const MAX_WAITING = 8;
const MAX_WAITING_IN_ALL = 256;

/** Maximum number of remembered addresses. Beyond it, the one with the oldest last failure is forgotten. */
const MAX_ADDRESSES = 1024;

/** How long a client should wait after a 429. */
export const RETRY_AFTER_S = MAX_DELAY_MS / 1000;

interface Entry {
  /** Times of the latest failures, oldest first. */
  readonly failuresMs: number[];
  waiting: number;
  /** Failures since the last report. */
  unreported: number;
  readonly timer: NodeJS.Timeout;
}

interface FailedLoginsOptions {
  readonly events: EventLog;
  readonly log: Logger;
}

/**
 * Counts invalid tokens per address, delays refusals after ten within a minute, and reports them with one log line and
 * one event per address and minute. Valid tokens are not delayed, because several users may share an address, unless
 * the address {@link FailedLogins.isBlocked}.
 */
export class FailedLogins {
  readonly #options: FailedLoginsOptions;
  /** By {@link addressKey}, in the order of the last failure. */
  readonly #entries = new Map<string, Entry>();
  #waiting = 0;

  constructor(options: FailedLoginsOptions) {
    this.#options = options;
  }

  /**
   * Whether a token from this address must be refused without being checked, because the maximum number of delayed
   * refusals is pending. Otherwise a client could try tokens in parallel and see the result from the kind of refusal.
   * Tokens from loopback addresses are always checked, because all clients of a proxy on this machine have that
   * address.
   */
  isBlocked(address: string): boolean {
    return !isThisMachine(address) && (this.#entries.get(addressKey(address))?.waiting ?? 0) >= MAX_WAITING;
  }

  /**
   * Counts an invalid token.
   *
   * @returns how to refuse it: immediately, after the promise has resolved, or as one of too many.
   */
  count(
    address: string,
  ):
    | { readonly kind: 'at-once' }
    | { readonly kind: 'delayed'; readonly until: Promise<void> }
    | { readonly kind: 'too-many' } {
    const block = addressKey(address);
    const entry = this.#entry(block);
    const nowMs = performance.now();
    while (entry.failuresMs[0] !== undefined && entry.failuresMs[0] <= nowMs - WINDOW_MS) entry.failuresMs.shift();
    const excess = entry.failuresMs.length - FREE_FAILURES;
    entry.failuresMs.push(nowMs);
    if (entry.failuresMs.length > MAX_REMEMBERED) entry.failuresMs.shift();
    if (excess < 0) return { kind: 'at-once' };
    if (entry.waiting >= MAX_WAITING || this.#waiting >= MAX_WAITING_IN_ALL) return { kind: 'too-many' };
    return { kind: 'delayed', until: this.#delay(entry, Math.min(FIRST_DELAY_MS * 2 ** excess, MAX_DELAY_MS)) };
  }

  /** Stops all reports. Delayed refusals are still sent. */
  close(): void {
    for (const { timer } of this.#entries.values()) clearInterval(timer);
    this.#entries.clear();
  }

  /** Returns the entry of an address and makes it the latest one. Reports a new entry immediately. */
  #entry(block: string): Entry {
    let entry = this.#entries.get(block);
    if (entry !== undefined) {
      entry.unreported += 1;
      this.#entries.delete(block);
    } else {
      const timer = setInterval(() => this.#summarize(block), WINDOW_MS);
      timer.unref();
      entry = { failuresMs: [], waiting: 0, unreported: 0, timer };
      this.#report(block, 'failed log-in: invalid token');
    }
    this.#entries.set(block, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > MAX_ADDRESSES && oldest !== undefined) this.#forget(oldest);
    return entry;
  }

  #delay(entry: Entry, delayMs: number): Promise<void> {
    entry.waiting += 1;
    this.#waiting += 1;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        entry.waiting -= 1;
        this.#waiting -= 1;
        resolve();
      }, delayMs);
      timer.unref();
    });
  }

  /** Called once per minute and address: reports new failures, or forgets the address if there were none. */
  #summarize(block: string): void {
    const entry = this.#entries.get(block);
    if (entry === undefined) return;
    if (entry.unreported === 0) {
      this.#forget(block);
      return;
    }
    this.#report(block, `${entry.unreported} more failed log-ins within a minute: invalid token`);
    entry.unreported = 0;
  }

  #forget(block: string): void {
    clearInterval(this.#entries.get(block)?.timer);
    this.#entries.delete(block);
  }

  #report(block: string, what: string): void {
    this.#options.log.warn({ peer: block, event: 'refuse' }, `${block}: ${what}`);
    this.#options.events.add({ kind: 'refuse', stream: null, client: null, port: null, address: block, reason: what });
  }
}
