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

/** Maximum number of delayed refusals per address, and in total: each keeps a connection open. */
const MAX_WAITING = 8;
const MAX_WAITING_IN_ALL = 256;

/** Maximum number of remembered addresses. Beyond it, the one with the oldest last failure is forgotten. */
const MAX_ADDRESSES = 1024;

/**
 * Maximum number of addresses that are named per minute, each with at most two lines and events. Further ones are
 * reported together, so that an attacker with many addresses cannot flood the log.
 */
const MAX_NAMED = 16;

const WHAT = 'invalid token or password';

/** How long a client should wait after a 429. */
export const RETRY_AFTER_S = MAX_DELAY_MS / 1000;

interface Entry {
  /** Times of the latest failures, oldest first. */
  readonly failuresMs: number[];
  waiting: number;
  /** Failures since the last report. */
  unreported: number;
}

interface FailedLoginsOptions {
  readonly events: EventLog;
  readonly log: Logger;
}

/**
 * Counts invalid tokens and passwords per address, delays refusals after ten within a minute, and reports them: each
 * address immediately, and its number of failures every minute. Valid tokens are not delayed, because several users may
 * share an address. They are refused while the address is blocked: see {@link FailedLogins.isBlocked}.
 */
export class FailedLogins {
  readonly #options: FailedLoginsOptions;
  /** Keyed by {@link addressKey}, in the order of the last failure. */
  readonly #entries = new Map<string, Entry>();
  #waiting = 0;
  /** Number of addresses that were named immediately since the last summary. */
  #named = 0;
  /** Failures of forgotten addresses since the last summary. An address that is forgotten twice counts twice. */
  #forgotten = { addresses: 0, failures: 0 };
  /** Runs while there are entries. */
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: FailedLoginsOptions) {
    this.#options = options;
  }

  /**
   * Whether a token from this address must be refused without being checked. This is the case if the refusal would have
   * to be delayed, but the address or the gateway already has the maximum number of delayed refusals. Otherwise, a
   * client could try tokens in parallel and see the result from the kind of refusal. Tokens from loopback addresses are
   * always checked, because all clients of a proxy on this machine have that address.
   */
  isBlocked(address: string): boolean {
    if (isThisMachine(address)) return false;
    const entry = this.#entries.get(addressKey(address));
    if (entry === undefined) return false;
    if (entry.waiting >= MAX_WAITING) return true;
    return this.#waiting >= MAX_WAITING_IN_ALL && countRecent(entry) >= FREE_FAILURES;
  }

  /**
   * Counts an invalid token.
   *
   * @returns how to refuse the token: immediately, after the promise has resolved, or as one of too many.
   */
  count(
    address: string,
  ):
    | { readonly kind: 'at-once' }
    | { readonly kind: 'delayed'; readonly until: Promise<void> }
    | { readonly kind: 'too-many' } {
    const entry = this.#entry(addressKey(address));
    const excess = countRecent(entry) - FREE_FAILURES;
    entry.failuresMs.push(performance.now());
    if (entry.failuresMs.length > MAX_REMEMBERED) entry.failuresMs.shift();
    if (excess < 0) return { kind: 'at-once' };
    if (entry.waiting >= MAX_WAITING || this.#waiting >= MAX_WAITING_IN_ALL) return { kind: 'too-many' };
    return { kind: 'delayed', until: this.#delay(entry, Math.min(FIRST_DELAY_MS * 2 ** excess, MAX_DELAY_MS)) };
  }

  /** Counts a token that was refused without a check in the report of its address, if the address has failures. */
  noteUnchecked(address: string): void {
    const entry = this.#entries.get(addressKey(address));
    if (entry !== undefined) entry.unreported += 1;
  }

  /**
   * Reports the remaining failures, and forgets all. Delayed refusals are still sent. Failures of tokens that are still
   * being checked are not reported.
   */
  close(): void {
    this.#summarize();
    this.#isClosed = true;
    this.#entries.clear();
    this.#stopTimer();
  }

  #stopTimer(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** Returns the entry of an address and makes it the latest one. Reports a new entry immediately, within the limit. */
  #entry(block: string): Entry {
    let entry = this.#entries.get(block);
    if (entry !== undefined) {
      entry.unreported += 1;
      this.#entries.delete(block);
    } else {
      entry = { failuresMs: [], waiting: 0, unreported: this.#nameNew(block) ? 0 : 1 };
      if (!this.#isClosed) this.#timer ??= setInterval(() => this.#summarize(), WINDOW_MS).unref();
    }
    this.#entries.set(block, entry);
    const [oldest] = this.#entries;
    if (this.#entries.size > MAX_ADDRESSES && oldest !== undefined) this.#forget(...oldest);
    return entry;
  }

  #nameNew(block: string): boolean {
    if (this.#named >= MAX_NAMED) return false;
    this.#named += 1;
    this.#report(block, `failed log-in: ${WHAT}`);
    return true;
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

  /**
   * Reports the failures since the last report, with the names of the addresses that have the most. Runs once per
   * minute.
   */
  #summarize(): void {
    const failed = [...this.#entries]
      .filter(([, { unreported }]) => unreported > 0)
      .sort(([, a], [, b]) => b.unreported - a.unreported);
    for (const [block, { unreported }] of failed.slice(0, MAX_NAMED))
      this.#report(block, `${unreported} more failed log-ins within a minute: ${WHAT}`);
    const others = this.#forgotten;
    for (const [, { unreported }] of failed.slice(MAX_NAMED)) {
      others.addresses += 1;
      others.failures += unreported;
    }
    if (others.failures > 0)
      this.#report(
        null,
        `${others.failures} more failed log-ins within a minute from ${others.addresses} other addresses: ${WHAT}`,
      );
    this.#forgotten = { addresses: 0, failures: 0 };
    this.#named = 0;
    for (const [block, entry] of this.#entries) {
      entry.unreported = 0;
      if (countRecent(entry) === 0) this.#entries.delete(block);
    }
    if (this.#entries.size === 0) this.#stopTimer();
  }

  #forget(block: string, { unreported }: Entry): void {
    this.#entries.delete(block);
    if (unreported === 0) return;
    this.#forgotten.addresses += 1;
    this.#forgotten.failures += unreported;
  }

  #report(block: string | null, what: string): void {
    if (this.#isClosed) return;
    const peer = block === null ? {} : { peer: block };
    this.#options.log.warn({ ...peer, event: 'refuse' }, block === null ? what : `${block}: ${what}`);
    this.#options.events.add({ kind: 'refuse', stream: null, client: null, port: null, address: block, reason: what });
  }
}

/** Number of failures within the window, at most {@link MAX_REMEMBERED}. */
function countRecent({ failuresMs }: Entry): number {
  const fromMs = performance.now() - WINDOW_MS;
  while (failuresMs[0] !== undefined && failuresMs[0] <= fromMs) failuresMs.shift();
  return failuresMs.length;
}
