import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Principal, RightsEnd } from './principal.ts';
import type { SavedSession } from './saved-rights.ts';

const ID_BYTES = 32;

/** Maximum duration of a session, and maximum time without a request and without open connections. */
export const SESSION_LIFETIME_MS = 30 * 24 * 3_600_000;
const IDLE_MS = 24 * 3_600_000;

/**
 * Maximum number of sessions. There is no maximum per token or user, because many people and displays may share a
 * token, even behind one address. The file with the sessions must stay below the maximum size of `StateFile`.
 */
const MAX_SESSIONS = 2048;

const SWEEP_MS = 60_000;

/** Age at which the saved time of last use is updated; short compared with the time after which a session ends. */
const SAVE_USE_MS = 15 * 60_000;

/** Access to the identities to which sessions belong. */
export interface SessionOwners {
  /** All fields of an identity and its proof as text; null for one that cannot be found again after a restart. */
  describe(owner: Principal): string | null;
  /** The identities of a name, with their descriptions. */
  named(name: string): readonly { readonly text: string; readonly principal: Principal }[];
}

/** Default: owners cannot be found again after a restart. */
const FORGOTTEN: SessionOwners = { describe: () => null, named: () => [] };

interface Session {
  readonly name: string;
  /** Address that logged in, as returned by `addressKey`; null for a saved session. */
  readonly address: string | null;
  readonly expiresAtMs: number;
  /** As in {@link SavedSession.proof}; null if the session is not saved. */
  readonly proof: string | null;
  usedAtMs: number;
  savedUseAtMs: number;
  /** Identity of the session; null for a saved session that was not used since the start. */
  live: LiveSession | null;
}

interface LiveSession {
  readonly principal: Principal;
  /** Removes the listener for the end of the owner's rights. */
  unwatch: () => void;
}

/**
 * Log-ins of browsers. A session has the rights of its owner, and ends with them, by log-out, after 24 hours without
 * use, or after 30 days. Its id is a secret of 256 bits; only its hash is kept.
 *
 * Sessions can outlast the process: {@link Sessions.save} and {@link Sessions.restore}. A restored session is only a
 * claim until its id is presented: then its owner is looked up among the current identities, and found only if the
 * identity has the same proof and the same rights as at the log-in.
 */
export class Sessions {
  readonly #owners: SessionOwners;
  readonly #onChange: () => void;
  /** Sessions by hash of the id, the least recently used first. */
  readonly #sessions = new Map<string, Session>();
  /** Timer that ends unused sessions; runs while there are any. */
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param owners default: none, so that no session can be saved.
   * @param onChange called whenever the result of {@link Sessions.save} has changed. It must not throw.
   */
  constructor(owners: SessionOwners = FORGOTTEN, onChange: () => void = () => undefined) {
    this.#owners = owners;
    this.#onChange = onChange;
  }

  /**
   * Opens a session.
   *
   * @param address of the sender, as returned by `addressKey`.
   * @returns its secret id.
   */
  open(owner: Principal, address: string): { readonly id: string; readonly principal: Principal } {
    this.#makeRoom(owner.name, address);
    const id = randomBytes(ID_BYTES).toString('base64url');
    const text = this.#owners.describe(owner);
    const now = Date.now();
    const session: Session = {
      name: owner.name,
      address,
      expiresAtMs: now + SESSION_LIFETIME_MS,
      proof: text === null ? null : proofOf(id, text).toString('base64'),
      usedAtMs: now,
      savedUseAtMs: now,
      live: null,
    };
    const principal = this.#add(keyOf(id), session, owner);
    if (session.proof !== null) this.#onChange();
    return { id, principal };
  }

  /** The identity of a session; null if there is none with this id. The call counts as a use of the session. */
  find(id: string): Principal | null {
    const key = keyOf(id);
    const session = this.#sessions.get(key);
    if (session === undefined) return null;
    if (isOver(session)) {
      this.#end(key, { reason: 'the session has ended', mayRetry: false });
      return null;
    }
    const principal = session.live?.principal ?? this.#resume(id, key, session);
    if (principal === null) return null;
    // The clock of a computer without a battery-backed clock is behind until it has been synchronized.
    session.usedAtMs = Math.max(session.usedAtMs, Date.now());
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    return principal;
  }

  /** Ends a session with all its connections and requests. Does nothing if there is none with this id. */
  end(id: string, end: RightsEnd): void {
    this.#end(keyOf(id), end);
  }

  /**
   * Ends the saved sessions of identities that were changed or removed. Sessions that were used since the start end
   * with their owners.
   */
  forget(names: readonly string[]): void {
    for (const [key, { name, live }] of this.#sessions)
      if (live === null && names.includes(name))
        this.#end(key, { reason: `the rights of ${name} have ended`, mayRetry: false });
  }

  /** The sessions that can be restored, the least recently used first. */
  save(): readonly SavedSession[] {
    const saved: SavedSession[] = [];
    for (const [key, session] of this.#sessions) {
      const { name, proof, expiresAtMs } = session;
      if (proof === null || isOver(session)) continue;
      session.savedUseAtMs = lastUseOf(session);
      saved.push({ key, name, proof, expiresAtMs, usedAtMs: session.savedUseAtMs });
    }
    return saved;
  }

  /** Adds saved sessions, before any is opened. Expired and excess sessions are left out. */
  restore(saved: readonly SavedSession[]): void {
    // The most recently used sessions are kept.
    const kept = saved.filter((session) => !isOver({ ...session, live: null })).slice(-MAX_SESSIONS);
    for (const { key, name, proof, expiresAtMs, usedAtMs } of kept)
      this.#sessions.set(key, {
        name,
        address: null,
        proof,
        expiresAtMs,
        usedAtMs,
        savedUseAtMs: usedAtMs,
        live: null,
      });
    this.#startTimer();
  }

  /** Stops the timer. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Creates a session's identity from that of its owner. */
  #add(key: string, session: Session, owner: Principal): Principal {
    const principal = owner.derive(session.expiresAtMs);
    const live: LiveSession = { principal, unwatch: () => undefined };
    session.live = live;
    // Must precede the listener for the owner's rights, which may have ended already.
    this.#sessions.set(key, session);
    // No retry: the session has ended, even if the same token has other rights now.
    live.unwatch = owner.whenEnded(({ reason }) => this.#end(key, { reason, mayRetry: false }));
    this.#startTimer();
    return principal;
  }

  /** Finds the owner of a restored session; ends the session if there is none any more. */
  #resume(id: string, key: string, session: Session): Principal | null {
    const expected = Buffer.from(session.proof ?? '', 'base64');
    const owner = this.#owners.named(session.name).find(({ text }) => {
      const proof = proofOf(id, text);
      return proof.byteLength === expected.byteLength && timingSafeEqual(proof, expected);
    });
    if (owner === undefined || owner.principal.ended !== null) {
      this.#end(key, { reason: `the rights of ${session.name} have ended`, mayRetry: false });
      return null;
    }
    return this.#add(key, session, owner.principal);
  }

  /**
   * Makes room for another session of this name and address. If there are too many, one of the user with the most
   * sessions ends, at the address that has the most of them: neither another user nor another holder of a shared token
   * can be logged out. Of these sessions, the least recently used one without open connections ends;
   * if each has open connections, the least recently used one.
   */
  #makeRoom(name: string, address: string): void {
    if (this.#sessions.size < MAX_SESSIONS) return;
    this.#sweep();
    if (this.#sessions.size < MAX_SESSIONS) return;
    const ofUser = largest([...this.#sessions], ([, session]) => session.name, name);
    // A saved session counts as the only one of its address.
    const ofAddress = largest(ofUser, ([key, session]) => session.address ?? key, address);
    const [key] = ofAddress.find(([, { live }]) => live?.principal.isWatched !== true) ?? ofAddress[0] ?? [];
    if (key !== undefined) this.#end(key, { reason: 'there are too many newer sessions', mayRetry: false });
  }

  #startTimer(): void {
    if (this.#timer !== undefined || this.#sessions.size === 0) return;
    this.#timer = setInterval(() => {
      this.#sweep();
      if ([...this.#sessions.values()].some(isUseUnsaved)) this.#onChange();
      if (this.#sessions.size === 0) this.close();
    }, SWEEP_MS);
    this.#timer.unref();
  }

  #sweep(): void {
    const now = Date.now();
    for (const [key, session] of this.#sessions)
      if (isOver(session, now)) this.#end(key, { reason: 'the session has ended', mayRetry: false });
  }

  #end(key: string, end: RightsEnd): void {
    const session = this.#sessions.get(key);
    if (session === undefined) return;
    this.#sessions.delete(key);
    session.live?.unwatch();
    session.live?.principal.end(end);
    if (session.proof !== null) this.#onChange();
  }
}

/**
 * The elements of all groups that are the largest, in their order.
 *
 * @param groupOf returns the group of an element.
 * @param joining the group that is about to get one more element.
 */
function largest<T>(all: readonly T[], groupOf: (element: T) => string, joining: string): readonly T[] {
  const counts = new Map([[joining, 1]]);
  for (const element of all) counts.set(groupOf(element), (counts.get(groupOf(element)) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const found = all.filter((element) => counts.get(groupOf(element)) === most);
  // The joining element may be the only one of the largest group.
  return found.length > 0 ? found : all;
}

function isOver(
  { live, usedAtMs, expiresAtMs }: Pick<Session, 'live' | 'usedAtMs' | 'expiresAtMs'>,
  now = Date.now(),
): boolean {
  if (live !== null && live.principal.ended !== null) return true;
  return now >= expiresAtMs || (now - usedAtMs >= IDLE_MS && live?.principal.isWatched !== true);
}

/** Open connections count as a use of the session. */
function lastUseOf({ live, usedAtMs }: Session): number {
  return live?.principal.isWatched === true ? Date.now() : usedAtMs;
}

function isUseUnsaved(session: Session): boolean {
  return session.proof !== null && lastUseOf(session) - session.savedUseAtMs >= SAVE_USE_MS;
}

function keyOf(id: string): string {
  return createHash('sha256').update(id).digest('base64');
}

/** Binds a session to its owner. Without the id, which is not stored, guesses about the owner cannot be verified. */
function proofOf(id: string, owner: string): Buffer {
  return createHmac('sha256', id).update(owner).digest();
}
