import { GearwayError } from '../../../shared/errors.ts';
import type { NDArray } from '../../../shared/ndarray.ts';
import type { Value } from '../../../shared/protocol.ts';
import { BoundedReader } from '../bounded-reader.ts';
import { ByteBudget } from '../byte-budget.ts';
import { ReturnChanges } from './return-changes.ts';
import { budgetBytes, isSameReturnData, NOTHING, type ReturnData } from './return-data.ts';

export { NOTHING, type ReturnData } from './return-data.ts';

/**
 * A port's sticky value. `version` is unique in its stream and changes whenever the value does; setting an equal value
 * again keeps both object and version.
 */
export type StickyData = ReturnData & { readonly version: number };

/** Item of `stream.returns()`. `data` is a value, an {@link NDArray}, or the bytes of a JPEG. */
export interface PortData {
  readonly port: number;
  readonly data: Value | NDArray | Uint8Array;
}

/** One port's data in {@link Returns.takeAll}. Unchanged data is returned as the same object. */
export interface PortReturn {
  readonly port: number;
  readonly data: ReturnData;
}

/** A stored value and its share of the budget. */
interface Kept {
  readonly data: ReturnData;
  readonly bytes: number;
}

/** Observer of all changes of a stream's return data. Calls must not block. */
export interface ReturnFollower {
  /** Called when a client has joined; it has returned nothing yet. */
  join(port: number): void;
  /** Called with a new sticky value; without `ttlMs` it does not expire. */
  set(port: number, data: ReturnData, ttlMs?: number): void;
  /** Called when the same sticky value was set again, with a new time to live. */
  extend(port: number, ttlMs?: number): void;
  /** @throws {GearwayError} if the value cannot be accepted, which refuses it. */
  push(port: number, data: ReturnData, ttlMs?: number): void;
  /** Called when the pending once-only values of the port are discarded. */
  discardOnce(port: number): void;
  /** Called when the client has left, which ends its data. */
  end(port: number): void;
  /** Called after the last change. */
  detach(): void;
}

interface Entry {
  /** The ports that have joined, see {@link Returns.join}. */
  readonly by: object;
  /** The same object for as long as the value is unchanged: callers cache by identity. */
  sticky: { readonly kept: Kept; readonly data: StickyData } | null;
  expiresAtMs: number;
  /** Position of the sticky value in the order of all values, from {@link Returns.#count}. */
  setAt: number;
  once: { readonly kept: Kept; readonly expiresAtMs: number; readonly setAt: number }[];
  /** Whether the sticky value is urgent and not delivered yet: it precedes once-only values. */
  isUrgent: boolean;
}

/** Maximum number of pending once-only values per port; further ones are refused. */
export const MAX_ONCE = 32;

/** Identity for joins and leaves of callers without one. */
const ANYONE = {};

/**
 * Maximum size of a stream's return data, sticky and once-only values of all ports together, in bytes as counted by
 * {@link budgetBytes}. Limits memory, and the merged reply that a NetGear server has to parse.
 */
export const MAX_STREAM_RETURN_BYTES = 16 << 20;

/** Maximum size of the return data of all streams of a gateway together. */
export const MAX_RETURN_BYTES = 64 << 20;

/** Maximum number of unread bytes per reader of `returns()`; the oldest values are dropped first. */
const MAX_UNREAD_BYTES = 16 << 20;

/**
 * The return data of a stream, by port. A sticky value is valid until it is replaced, its time to live expires, or its
 * client leaves. Once-only values are sent in order, one per reply and port.
 */
export class Returns {
  readonly #entries = new Map<number, Entry>();
  readonly #readers = new Set<BoundedReader<PortData>>();
  readonly #followers = new Set<ReturnFollower>();
  readonly #nowMs: () => number;
  readonly #budget: ByteBudget;
  /** The result of {@link takeAll} while nothing changes, because a reply is needed for every frame. */
  #all: readonly PortReturn[] | null = null;
  #allValidUntilMs = 0;
  /** Whether a server consumes once-only values. Otherwise they only go to the readers. */
  readonly #hasServer: boolean;
  /** Monotonic counter used to order values. */
  #count = 0;
  #dropped = 0;
  #rejected = 0;
  #closed = false;

  /** @param options `budget`: limits the stored bytes of this stream, {@link MAX_STREAM_RETURN_BYTES} by default. */
  constructor(options: { hasServer: boolean; budget?: ByteBudget; nowMs?: () => number }) {
    this.#hasServer = options.hasServer;
    this.#budget = options.budget ?? new ByteBudget(MAX_STREAM_RETURN_BYTES);
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  /**
   * Number of values that slow readers missed, and of once-only values that expired before they were sent to the
   * server.
   */
  get dropped(): number {
    return this.#dropped;
  }

  /** Size of the stored values, as counted by {@link budgetBytes}. */
  get bytes(): number {
    return this.#budget.used;
  }

  get rejected(): number {
    return this.#rejected;
  }

  countRejected(): void {
    this.#rejected += 1;
  }

  /**
   * Adds a client: its port is in the merged object from now on, with null until it returns something.
   * @param by identity of the client or its connection. The client replaces any other client on this port, and ends the
   * data of that client: in a cluster, the previous holder of a port may leave after the next one has joined.
   */
  join(port: number, by: object = ANYONE): void {
    const entry = this.#entries.get(port);
    if (entry?.by === by) return;
    if (entry !== undefined) this.#remove(port, entry);
    this.#entries.set(port, { by, sticky: null, expiresAtMs: Infinity, setAt: 0, once: [], isUrgent: false });
    this.#all = null;
    for (const follower of this.#followers) follower.join(port);
  }

  /**
   * Removes a client and its data: a closed tab must not keep a robot driving. Does nothing if another one has replaced
   * it.
   */
  leave(port: number, by: object = ANYONE): void {
    const entry = this.#entries.get(port);
    if (entry?.by === by) this.#remove(port, entry);
  }

  /** Whether `by` is the client that joined last on this port. */
  hasJoined(port: number, by: object): boolean {
    return this.#entries.get(port)?.by === by;
  }

  /** Number of clients that have joined. */
  get size(): number {
    return this.#entries.size;
  }

  /** Whether any client has joined. */
  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  #remove(port: number, entry: Entry): void {
    this.#entries.delete(port);
    this.#dropSticky(entry);
    for (const { kept } of entry.once) this.#budget.release(kept.bytes);
    this.#all = null;
    for (const follower of this.#followers) follower.end(port);
  }

  /**
   * Sets the sticky value. The port must have joined.
   *
   * @throws {GearwayError} `too-large` when the budget is used up; the previous value stays valid.
   */
  set(port: number, data: ReturnData, ttlMs?: number): void {
    const entry = this.#entry(port);
    const previous = this.#live(entry);
    const isSame = previous !== null && isSameReturnData(previous, data);
    if (!isSame) this.#replaceSticky(entry, data);
    entry.setAt = this.#count += 1;
    entry.expiresAtMs = ttlMs === undefined ? Infinity : this.#nowMs() + ttlMs;
    if (isSame) {
      for (const follower of this.#followers) follower.extend(port, ttlMs);
      if (ttlMs !== undefined) this.#all = null;
      return;
    }
    this.#all = null;
    for (const follower of this.#followers) follower.set(port, data, ttlMs);
    this.#publish(port, data);
  }

  /**
   * Adds a once-only value. It is discarded if its time to live expires before it is sent to the server.
   *
   * @throws {GearwayError} `too-many` when too many are pending, `too-large` when the budget is used up.
   */
  push(port: number, data: ReturnData, ttlMs?: number): void {
    const entry = this.#entry(port);
    if (this.#hasServer) {
      this.#dropExpired(entry);
      if (entry.once.length >= MAX_ONCE) {
        throw new GearwayError(
          'too-many',
          `${MAX_ONCE} once-only values are already pending; send fewer, or use sticky values`,
        );
      }
      const expiresAtMs = ttlMs === undefined ? Infinity : this.#nowMs() + ttlMs;
      entry.once.push({ kept: this.#keep(data), expiresAtMs, setAt: (this.#count += 1) });
      this.#all = null;
    }
    for (const follower of this.#followers) follower.push(port, data, ttlMs);
    this.#publish(port, data);
  }

  /**
   * Discards the once-only values of a port, which the server would receive before the sticky one. They are counted as
   * dropped. Later once-only values wait until the sticky value has been delivered once.
   */
  discardOnce(port: number): void {
    const entry = this.#entry(port);
    entry.isUrgent = this.#hasServer;
    for (const { kept } of entry.once.splice(0)) {
      this.#budget.release(kept.bytes);
      this.#dropped += 1;
    }
    this.#all = null;
    for (const follower of this.#followers) follower.discardOnce(port);
  }

  /** The sticky value of a port; null if there is none, or it has expired. */
  get(port: number): StickyData | null {
    const entry = this.#entries.get(port);
    return entry === undefined ? null : this.#live(entry);
  }

  /**
   * All clients' data, in the order of their ports: {@link NOTHING} for a client that has returned none. Consumes each
   * port's next once-only value.
   *
   * @returns the same array while nothing changes.
   */
  takeAll(): readonly PortReturn[] {
    const now = this.#nowMs();
    if (this.#all !== null && now < this.#allValidUntilMs) return this.#all;
    let validUntilMs = Infinity;
    const all: PortReturn[] = [];
    for (const [port, entry] of [...this.#entries].sort(([a], [b]) => a - b)) {
      const once = this.#takeOnce(entry);
      // This value is sent only once, or is pending, so the next reply will differ.
      if (once !== null || entry.once.length > 0) validUntilMs = 0;
      const sticky = this.#live(entry) === null ? null : entry.sticky;
      if (once === null && sticky !== null) validUntilMs = Math.min(validUntilMs, entry.expiresAtMs);
      all.push({ port, data: (once ?? sticky?.kept)?.data ?? NOTHING });
    }
    this.#all = all;
    this.#allValidUntilMs = validUntilMs;
    return all;
  }

  /**
   * One port's data: its next once-only value, or the sticky one if there is none; {@link NOTHING} if no client has
   * joined.
   */
  take(port: number): ReturnData {
    const entry = this.#entries.get(port);
    if (entry === undefined) return NOTHING;
    return this.#takeOnce(entry)?.data ?? this.#live(entry) ?? NOTHING;
  }

  /** The oldest once-only value of all ports; if there is none, the newest sticky value. */
  takeNewest(): ReturnData {
    let oldestOnce: Entry | undefined;
    let newest: Entry | undefined;
    for (const entry of this.#entries.values()) {
      this.#dropExpired(entry);
      if ((entry.once[0]?.setAt ?? Infinity) < (oldestOnce?.once[0]?.setAt ?? Infinity)) oldestOnce = entry;
      if (this.#live(entry) !== null && (newest === undefined || entry.setAt > newest.setAt)) newest = entry;
    }
    const once = oldestOnce === undefined ? null : this.#takeOnce(oldestOnce);
    return once?.data ?? newest?.sticky?.data ?? NOTHING;
  }

  /** New values: sticky ones when they change, and every once-only one. Breaking out detaches only this reader. */
  values(): AsyncIterableIterator<PortData> {
    const reader = new BoundedReader<PortData>(
      () => (this.#dropped += 1),
      () => this.#readers.delete(reader),
      { maxBytes: MAX_UNREAD_BYTES },
    );
    this.#readers.add(reader);
    if (this.#closed) reader.detach();
    return reader;
  }

  /** The current sticky values, then all changes, for a publisher. Breaking out detaches only this reader. */
  changes(): ReturnChanges {
    const follower = new ReturnChanges(
      () => (this.#dropped += 1),
      () => this.#followers.delete(follower),
    );
    this.follow(follower);
    return follower;
  }

  /** Replays the current clients and their sticky values to the follower, then reports all changes to it. */
  follow(follower: ReturnFollower): void {
    for (const [port, entry] of this.#entries) {
      follower.join(port);
      const sticky = this.#live(entry);
      const ttlMs = entry.expiresAtMs === Infinity ? undefined : entry.expiresAtMs - this.#nowMs();
      if (sticky !== null) follower.set(port, sticky, ttlMs);
    }
    this.#followers.add(follower);
    if (this.#closed) follower.detach();
  }

  unfollow(follower: ReturnFollower): void {
    this.#followers.delete(follower);
  }

  /** Ends all readers; later ones end immediately. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const [port, entry] of this.#entries) this.#remove(port, entry);
    for (const reader of [...this.#readers, ...this.#followers]) reader.detach();
  }

  #entry(port: number): Entry {
    const entry = this.#entries.get(port);
    if (entry === undefined) throw new GearwayError('no-port', `no client has joined on port ${port}`);
    return entry;
  }

  #live(entry: Entry): StickyData | null {
    if (this.#nowMs() >= entry.expiresAtMs) this.#dropSticky(entry);
    return entry.sticky?.data ?? null;
  }

  #dropSticky(entry: Entry): void {
    if (entry.sticky === null) return;
    this.#budget.release(entry.sticky.kept.bytes);
    entry.sticky = null;
  }

  /** Replaces the sticky value, releasing its bytes first. If the new value does not fit, the old one stays. */
  #replaceSticky(entry: Entry, data: ReturnData): void {
    const previous = entry.sticky;
    if (previous !== null) this.#budget.release(previous.kept.bytes);
    let kept: Kept;
    try {
      kept = this.#keep(data);
    } catch (error) {
      // Cannot fail, because no other code has run since the release.
      if (previous !== null) this.#budget.reserve(previous.kept.bytes);
      throw error;
    }
    entry.sticky = { kept, data: { ...data, version: this.#count + 1 } };
  }

  /** @throws {GearwayError} `too-large`. */
  #keep(data: ReturnData): Kept {
    const bytes = budgetBytes(data);
    if (!this.#budget.reserve(bytes)) {
      // Expired values are only released when they are accessed.
      for (const entry of this.#entries.values()) {
        this.#live(entry);
        this.#dropExpired(entry);
      }
      if (!this.#budget.reserve(bytes)) {
        const { used, capacity } = this.#budget;
        const text = `the value takes ${bytes} bytes, but ${used} of the stream's ${capacity} bytes of return data are in use`;
        throw new GearwayError('too-large', `${text}, and the total of all streams is limited as well; send less data`);
      }
    }
    return { data, bytes };
  }

  #takeOnce(entry: Entry): Kept | null {
    this.#dropExpired(entry);
    if (entry.isUrgent) {
      entry.isUrgent = false;
      return null;
    }
    const once = entry.once.shift();
    if (once === undefined) return null;
    this.#budget.release(once.kept.bytes);
    this.#all = null;
    return once.kept;
  }

  #dropExpired(entry: Entry): void {
    if (entry.once.length === 0) return;
    const now = this.#nowMs();
    const live = entry.once.filter(({ expiresAtMs }) => now < expiresAtMs);
    if (live.length === entry.once.length) return;
    for (const { kept, expiresAtMs } of entry.once) if (now >= expiresAtMs) this.#budget.release(kept.bytes);
    this.#dropped += entry.once.length - live.length;
    entry.once = live;
  }

  #publish(port: number, data: ReturnData): void {
    if (this.#readers.size === 0) return;
    const bytes = budgetBytes(data);
    for (const reader of this.#readers) reader.add({ port, data: plainData(data) }, bytes);
  }
}

function plainData(data: ReturnData): PortData['data'] {
  switch (data.kind) {
    case 'value':
      return data.value;
    case 'array':
      return data.array;
    case 'jpeg':
      return data.data;
    default:
      return data satisfies never;
  }
}
