import type { Replica, Store, StoredEntry } from '../../../gateway/cluster/store.ts';

/** The servers of the store: all entries, in order. */
export class ModelServers {
  readonly log: StoredEntry[] = [];
  readonly #last = new Map<string, StoredEntry>();

  get(key: string): StoredEntry | null {
    return this.#last.get(key) ?? null;
  }

  put(key: string, text: string): number {
    const entry = { key, text, revision: this.log.length + 1 };
    this.log.push(entry);
    this.#last.set(key, entry);
    return entry.revision;
  }
}

/**
 * One gateway's connection to the {@link ModelServers}. It can be cut; missed entries arrive later, in order.
 * Writes are stored immediately; their answers may be lost.
 */
export class ModelStore implements Store {
  readonly #servers: ModelServers;
  #read = 0;
  isCut = false;
  /** Keys that cannot be written, although the servers are reached. */
  refuses: (key: string) => boolean = () => false;
  /** The next write is stored, but its answer does not arrive. */
  losesAnswer = false;

  constructor(servers: ModelServers) {
    this.#servers = servers;
  }

  async put(key: string, text: string): Promise<number> {
    this.#check();
    if (this.refuses(key)) throw new Error('Permissions Violation');
    return this.#answer(this.#servers.put(key, text));
  }

  async update(key: string, text: string, expected: number): Promise<number | null> {
    this.#check();
    if (this.refuses(key)) throw new Error('Permissions Violation');
    if ((this.#servers.get(key)?.revision ?? 0) !== expected) return null;
    return this.#answer(this.#servers.put(key, text));
  }

  async get(key: string): Promise<StoredEntry | null> {
    this.#check();
    return this.#servers.get(key);
  }

  /** Delivers up to `count` entries of the watch. */
  deliver(replica: Replica, count = Infinity): void {
    for (let delivered = 0; !this.isCut && delivered < count && this.#read < this.#servers.log.length; delivered += 1) {
      const entry = this.#servers.log[this.#read];
      this.#read += 1;
      if (entry !== undefined) replica.apply(entry);
    }
  }

  #check(): void {
    if (this.isCut) throw new Error('timeout');
  }

  #answer(revision: number): number {
    if (!this.losesAnswer) return revision;
    this.losesAnswer = false;
    throw new Error('timeout');
  }
}
