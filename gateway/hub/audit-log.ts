import type { AuditEntry } from '../../shared/status.ts';
import type { ReturnFollower, Returns } from './returns/returns.ts';

/** Maximum number of entries kept for `GET /api/audit`, of each kind. */
const MAX_KEPT = 256;

/** Minimum interval between entries for the return data of one client. */
const INTERVAL_MS = 1000;

/** A stream whose return data is recorded. */
interface AuditedStream {
  readonly name: string;
  readonly returns: Pick<Returns, 'follow'>;
  clientAt(port: number): { readonly id: string; readonly address: string } | null;
}

/** The client of a port; null if it is not known. */
interface Identity {
  readonly client: string | null;
  readonly address: string | null;
}

/** Number of one client's values that are not in an entry yet. */
interface Unreported extends Identity {
  count: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Records administrative changes, and which clients returned data: the latest entries in memory, and all entries in a
 * file if one is configured. The first value of a client is recorded immediately, then the number of values per second.
 */
export class AuditLog {
  readonly #write: (line: string) => void;
  readonly #changes: AuditEntry[] = [];
  readonly #returns: AuditEntry[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  #isClosed = false;

  /** @param write called with each entry as a line of JSON; must not throw. */
  constructor(write: (line: string) => void = () => undefined) {
    this.#write = write;
  }

  /** The kept entries, oldest first. */
  entries(): readonly AuditEntry[] {
    return [...this.#changes, ...this.#returns].sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  }

  /** Adds an administrative change with the current time. */
  addChange(entry: Omit<Extract<AuditEntry, { kind: 'change' }>, 'time' | 'kind'>): void {
    this.#add(this.#changes, { time: new Date().toISOString(), kind: 'change', ...entry });
  }

  /** Records the return data of a stream from now on. */
  follow(stream: AuditedStream): void {
    const recorder = new ReturnRecorder(stream, this.#timers, (entry) => this.#add(this.#returns, entry));
    if (!this.#isClosed) stream.returns.follow(recorder);
  }

  /** Ends the timers. Idempotent. */
  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #add(kept: AuditEntry[], entry: AuditEntry): void {
    kept.push(entry);
    if (kept.length > MAX_KEPT) kept.shift();
    this.#write(JSON.stringify(entry));
  }
}

/** Counts the values of each port of a stream. */
class ReturnRecorder implements ReturnFollower {
  readonly #stream: AuditedStream;
  readonly #timers: Set<NodeJS.Timeout>;
  readonly #add: (entry: AuditEntry) => void;
  readonly #unreported = new Map<number, Unreported>();
  /** Counters of the current clients that have returned something, by port. */
  readonly #identities = new Map<number, Identity>();

  constructor(stream: AuditedStream, timers: Set<NodeJS.Timeout>, add: (entry: AuditEntry) => void) {
    this.#stream = stream;
    this.#timers = timers;
    this.#add = add;
  }

  join(): void {
    // The client has returned nothing yet.
  }

  set(port: number): void {
    this.#count(port);
  }

  extend(port: number): void {
    this.#count(port);
  }

  push(port: number): void {
    this.#count(port);
  }

  discardOnce(): void {
    // The values were counted when they arrived.
  }

  /** Called when a client leaves: the next client on this port gets its own entries. */
  end(port: number): void {
    this.#identities.delete(port);
    const unreported = this.#unreported.get(port);
    if (unreported === undefined) return;
    this.#stop(port, unreported.timer);
    if (unreported.count > 0) this.#report(port, unreported);
  }

  detach(): void {
    for (const port of this.#unreported.keys()) this.end(port);
  }

  #count(port: number): void {
    const unreported = this.#unreported.get(port);
    if (unreported !== undefined) {
      unreported.count += 1;
      return;
    }
    const identity = this.#identities.get(port) ?? this.#identify(port);
    this.#report(port, { count: 1, ...identity });
    this.#wait(port, identity);
  }

  #identify(port: number): Identity {
    const client = this.#stream.clientAt(port);
    const identity = { client: client?.id ?? null, address: client?.address ?? null };
    this.#identities.set(port, identity);
    return identity;
  }

  #wait(port: number, identity: Identity): void {
    const timer = setTimeout(() => {
      const { count } = unreported;
      this.#stop(port, timer);
      if (count === 0) return;
      this.#report(port, unreported);
      this.#wait(port, identity);
    }, INTERVAL_MS);
    timer.unref();
    const unreported: Unreported = { ...identity, count: 0, timer };
    this.#timers.add(timer);
    this.#unreported.set(port, unreported);
  }

  #stop(port: number, timer: NodeJS.Timeout): void {
    clearTimeout(timer);
    this.#timers.delete(timer);
    this.#unreported.delete(port);
  }

  #report(port: number, { count, client, address }: Identity & { readonly count: number }): void {
    const { name } = this.#stream;
    this.#add({ time: new Date().toISOString(), kind: 'return', stream: name, port, client, address, values: count });
  }
}
