import { BoundedMap } from '../../shared/bounded-map.ts';
import type { Logger } from '../../shared/logger.ts';

/** Maximum number of entries per interval and user. */
const MAX_ENTRIES = 20;
const INTERVAL_MS = 10_000;

/** Maximum number of users whose log-ins are counted. */
const MAX_USERS = 1024;

/**
 * Logs log-ins, at most 20 per user within 10 s, so that a user who logs in repeatedly neither fills the log nor hides
 * other users. The next entry contains the number of omitted log-ins.
 */
export class LogInLog {
  readonly #log: Logger;
  readonly #users = new BoundedMap<string, { readonly sinceMs: number; count: number }>(MAX_USERS);

  constructor(log: Logger) {
    this.#log = log;
  }

  /** @param peer address of the user. */
  loggedIn(principal: string, peer: string, nowMs = performance.now()): void {
    const recent = this.#users.get(principal);
    const isRecent = recent !== undefined && nowMs - recent.sinceMs < INTERVAL_MS;
    const current = isRecent ? recent : { sinceMs: nowMs, count: 0 };
    current.count += 1;
    this.#users.set(principal, current);
    if (current.count > MAX_ENTRIES) return;
    const omitted = isRecent || recent === undefined ? 0 : recent.count - MAX_ENTRIES;
    const more = omitted > 0 ? ` (and ${omitted} more times before)` : '';
    this.#log.info({ peer, principal }, `${peer}: ${principal} logged in${more}`);
  }
}
