import type { AuditEntry } from '../../shared/status.ts';
import type { ReturnFollower, Returns } from './returns/returns.ts';

/** Maximum number of entries kept for `GET /api/audit`, of each kind. */
const MAX_KEPT = 256;

/** Minimum interval between entries for the return data of one address on one port. */
const INTERVAL_MS = 1000;

/** A stream whose return data is recorded. */
interface AuditedStream {
  readonly name: string;
  readonly returns: Pick<Returns, 'follow'>;
  clientAt(port: number): { readonly id: string; readonly address: string } | null;
}

/** The client of a port; its id and address are null if they are not known. */
interface Identity {
  readonly port: number;
  readonly client: string | null;
  readonly address: string | null;
}

/** Number of values that are not in an entry yet, and the client that returned the latest one. */
interface Unreported extends Identity {
  client: string | null;
  count: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Records administrative changes, and which clients returned data: the latest entries in memory, and all entries in a
 * file if one is configured. The first value of a client is recorded immediately, then the number of values per second.
 * The count continues if the client reconnects to its port within this second, because a viewer on an unreliable link
 * would otherwise cause an entry per connection.
 */
export class AuditLog {
  readonly #write: (line: string) => void;
  readonly #changes: AuditEntry[] = [];
  readonly #returns: AuditEntry[] = [];
  readonly #recorders = new Set<ReturnRecorder>();
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
    if (this.#isClosed) return;
    const recorder = new ReturnRecorder(stream, {
      add: (entry) => this.#add(this.#returns, entry),
      onDetach: () => this.#recorders.delete(recorder),
    });
    this.#recorders.add(recorder);
    stream.returns.follow(recorder);
  }

  /** Records the values that are not in an entry yet, and ends the timers. Idempotent. */
  close(): void {
    this.#isClosed = true;
    for (const recorder of this.#recorders) recorder.detach();
  }

  #add(kept: AuditEntry[], entry: AuditEntry): void {
    kept.push(entry);
    if (kept.length > MAX_KEPT) kept.shift();
    this.#write(JSON.stringify(entry));
  }
}

interface RecorderOptions {
  readonly add: (entry: AuditEntry) => void;
  readonly onDetach: () => void;
}

/** Counts the values of each port of a stream, by address. */
class ReturnRecorder implements ReturnFollower {
  readonly #stream: AuditedStream;
  readonly #options: RecorderOptions;
  /** By port and address. */
  readonly #unreported = new Map<string, Unreported>();
  /** Current clients that have returned something, by port. */
  readonly #identities = new Map<number, Identity>();

  constructor(stream: AuditedStream, options: RecorderOptions) {
    this.#stream = stream;
    this.#options = options;
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

  /** Called when a client leaves. Its values are reported when the interval ends. */
  end(port: number): void {
    this.#identities.delete(port);
  }

  detach(): void {
    for (const unreported of this.#unreported.values()) {
      clearTimeout(unreported.timer);
      if (unreported.count > 0) this.#report(unreported);
    }
    this.#unreported.clear();
    this.#options.onDetach();
  }

  #count(port: number): void {
    const identity = this.#identities.get(port) ?? this.#identify(port);
    const key = `${port} ${identity.address}`;
    const unreported = this.#unreported.get(key);
    if (unreported === undefined) {
      this.#report({ ...identity, count: 1 });
      this.#wait(key, identity);
      return;
    }
    unreported.count += 1;
    unreported.client = identity.client;
  }

  #identify(port: number): Identity {
    const client = this.#stream.clientAt(port);
    const identity = { port, client: client?.id ?? null, address: client?.address ?? null };
    this.#identities.set(port, identity);
    return identity;
  }

  #wait(key: string, identity: Identity): void {
    const timer = setTimeout(() => {
      this.#unreported.delete(key);
      if (unreported.count === 0) return;
      this.#report(unreported);
      this.#wait(key, unreported);
    }, INTERVAL_MS);
    timer.unref();
    const { port, client, address } = identity;
    const unreported: Unreported = { port, client, address, count: 0, timer };
    this.#unreported.set(key, unreported);
  }

  #report({ count, port, client, address }: Identity & { readonly count: number }): void {
    const { name } = this.#stream;
    this.#options.add({
      time: new Date().toISOString(),
      kind: 'return',
      stream: name,
      port,
      client,
      address,
      values: count,
    });
  }
}
