import { createHash, randomBytes } from 'node:crypto';
import type { Principal, RightsEnd } from './principal.ts';

const ID_BYTES = 32;

/** How long a session lasts at most, and how long without a request while it has nothing open. */
export const SESSION_LIFETIME_MS = 30 * 24 * 3_600_000;
const IDLE_MS = 24 * 3_600_000;

/** Maximum number of sessions per token or user, and in total. Beyond it, the least recently used one ends. */
const MAX_PER_USER = 32;
const MAX_SESSIONS = 1024;

const SWEEP_MS = 60_000;

interface Session {
  readonly principal: Principal;
  usedAtMs: number;
  /** Removes the listener for the end of the owner's rights. */
  unwatch: () => void;
}

/**
 * Log-ins of browsers. A session has the rights of its owner, and ends with them, by log-out, after 24 hours without
 * use, or after 30 days. Its id is a secret of 256 bits, of which only the hash is kept. Nothing is stored on disk: all
 * sessions end with the gateway.
 */
export class Sessions {
  /** By hash of the id, the least recently used first. */
  readonly #sessions = new Map<string, Session>();
  readonly #timer: NodeJS.Timeout;

  constructor() {
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#timer.unref();
  }

  /** Opens a session. @returns its secret id. */
  open(owner: Principal): { readonly id: string; readonly principal: Principal } {
    this.#sweep();
    this.#makeRoom(owner.name);
    const id = randomBytes(ID_BYTES).toString('base64url');
    const key = keyOf(id);
    const principal = owner.derive(Date.now() + SESSION_LIFETIME_MS);
    const session: Session = { principal, usedAtMs: Date.now(), unwatch: () => undefined };
    // Before it watches the owner, whose rights may have ended already.
    this.#sessions.set(key, session);
    // Not to be retried: the session is over, even if the same token has other rights now.
    session.unwatch = owner.whenEnded(({ reason }) => this.#end(key, { reason, mayRetry: false }));
    return { id, principal };
  }

  /** The identity of a session, which counts as its use; null if there is none with this id. */
  find(id: string): Principal | null {
    const key = keyOf(id);
    const session = this.#sessions.get(key);
    if (session === undefined) return null;
    if (isOver(session)) {
      this.#end(key, { reason: 'the session has ended', mayRetry: false });
      return null;
    }
    session.usedAtMs = Date.now();
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    return session.principal;
  }

  /** Ends a session with everything that it has open. Does nothing if there is none with this id. */
  end(id: string, end: RightsEnd): void {
    this.#end(keyOf(id), end);
  }

  /** Stops the timer. */
  close(): void {
    clearInterval(this.#timer);
  }

  #makeRoom(name: string): void {
    const own = [...this.#sessions].filter(([, { principal }]) => principal.name === name);
    const [oldest] = own.length >= MAX_PER_USER ? own : this.#sessions.size >= MAX_SESSIONS ? this.#sessions : [];
    if (oldest !== undefined) this.#end(oldest[0], { reason: 'there are too many newer sessions', mayRetry: false });
  }

  #sweep(): void {
    for (const [key, session] of this.#sessions)
      if (isOver(session)) this.#end(key, { reason: 'the session has ended', mayRetry: false });
  }

  #end(key: string, end: RightsEnd): void {
    const session = this.#sessions.get(key);
    if (session === undefined) return;
    this.#sessions.delete(key);
    session.unwatch();
    session.principal.end(end);
  }
}

function isOver({ principal, usedAtMs }: Session): boolean {
  return principal.ended !== null || (Date.now() - usedAtMs >= IDLE_MS && !principal.isWatched);
}

function keyOf(id: string): string {
  return createHash('sha256').update(id).digest('base64');
}
