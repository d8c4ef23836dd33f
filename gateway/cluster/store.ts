/** A value of the cluster's {@link Store}. */
export interface StoredEntry {
  readonly key: string;
  /** JSON. */
  readonly text: string;
  /** Increases with each write of any key. */
  readonly revision: number;
}

/**
 * The shared state of the cluster: keys with revisions, in the order of their writes. In a gateway, a bucket of NATS
 * JetStream; in tests, a model of one.
 */
export interface Store {
  /** @returns the new revision. @throws if a majority of the servers cannot be reached in time. */
  put(key: string, text: string): Promise<number>;
  /**
   * Writes the key if its revision is `expected`; 0 if it must not exist.
   *
   * @returns the new revision; null if the key has another one.
   * @throws if a majority of the servers cannot be reached in time; the value may have been written.
   */
  update(key: string, text: string, expected: number): Promise<number | null>;
  /** @returns null if there is no such key. @throws if the servers cannot be reached in time. */
  get(key: string): Promise<StoredEntry | null>;
}

/** A key of a {@link Replica}. */
export interface ReplicaEntry {
  /** The parsed value; undefined if the key is known not to exist. */
  readonly value: unknown;
  /** 0 if the key does not exist. */
  readonly revision: number;
  /** When this revision arrived here, by the clock of the replica. */
  readonly atMs: number;
}

/** Maximum size of all values of a {@link Replica}, in UTF-16 code units. Further keys are ignored. */
const MAX_REPLICA_LENGTH = 256 << 20;

/** Length that is counted for each key, in addition to that of its value. */
const KEY_LENGTH = 256;

/** Keys of gateways. Other programs may store other keys in the same bucket. */
const KEY = /^(?:member|owner|port)\.[\w.-]{1,200}$/;

type Listener = (key: string, entry: ReplicaEntry) => void;

/** This gateway's copy of the {@link Store}, which a watch keeps up to date. Reads it without waiting. */
export class Replica {
  readonly #store: Store;
  readonly #nowMs: () => number;
  readonly #entries = new Map<string, ReplicaEntry & { readonly length: number }>();
  readonly #listeners = new Set<Listener>();
  #length = 0;

  constructor(store: Store, nowMs: () => number = () => performance.now()) {
    this.#store = store;
    this.#nowMs = nowMs;
  }

  get(key: string): ReplicaEntry | undefined {
    return this.#entries.get(key);
  }

  entries(): IterableIterator<[string, ReplicaEntry]> {
    return this.#entries.entries();
  }

  /**
   * Calls the listener for each new revision of a key, in the order of the store. @returns a function that removes the
   * listener.
   */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Records a value. Called by the watch, possibly several times per revision. */
  apply({ key, text, revision }: StoredEntry): void {
    const known = this.#entries.get(key);
    if (revision <= (known?.revision ?? 0) || !KEY.test(key)) return;
    // The key is then unknown to this gateway, which therefore cannot overwrite it.
    if (known === undefined && this.#length + text.length > MAX_REPLICA_LENGTH) return;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      // Not written by a gateway. Its revision is kept, so that the key can be overwritten.
    }
    this.#change(key, { value, revision, atMs: this.#nowMs() }, text.length);
  }

  /** Forgets all keys: the store was created again. */
  clear(): void {
    this.#entries.clear();
    this.#length = 0;
  }

  /** Removes a key from this copy only, because it has expired in the store. */
  forget(key: string): void {
    this.#length -= this.#entries.get(key)?.length ?? 0;
    this.#entries.delete(key);
  }

  /**
   * Writes a key if it has not been written since the revision in this copy.
   *
   * @param options `reads`: whether to read the conflicting value immediately after a conflict. Otherwise it arrives
   * with the watch, after all earlier writes. Default true.
   * @returns the new revision; null after a conflict.
   * @throws if the store cannot be reached in time; the value may have been written.
   */
  async update(
    key: string,
    value: unknown,
    { reads = true }: { readonly reads?: boolean } = {},
  ): Promise<number | null> {
    const expected = this.#entries.get(key)?.revision ?? 0;
    const text = JSON.stringify(value);
    const revision = await this.#store.update(key, text, expected);
    if (revision !== null) {
      this.apply({ key, text, revision });
      return revision;
    }
    const current = await this.#store.get(key);
    if (current !== null) {
      if (reads) this.apply(current);
    } else if ((this.#entries.get(key)?.revision ?? 0) === expected)
      this.#change(key, { value: undefined, revision: 0, atMs: this.#nowMs() }, 0);
    return null;
  }

  /**
   * Reads the current value of a key, which the watch may not have delivered yet.
   *
   * @throws if the store cannot be reached in time.
   */
  async refresh(key: string): Promise<void> {
    const current = await this.#store.get(key);
    if (current !== null) this.apply(current);
  }

  #change(key: string, entry: ReplicaEntry, textLength: number): void {
    const length = textLength + KEY_LENGTH;
    this.forget(key);
    this.#length += length;
    this.#entries.set(key, { ...entry, length });
    for (const listener of this.#listeners) listener(key, entry);
  }
}
