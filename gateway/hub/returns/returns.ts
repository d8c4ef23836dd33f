import { GearwayError } from '../../../shared/errors.ts';
import type { NDArray } from '../../../shared/ndarray.ts';
import type { Value } from '../../../shared/protocol.ts';
import { BoundedReader } from '../bounded-reader.ts';
import { ByteBudget } from '../byte-budget.ts';
import { ReturnChanges } from './return-changes.ts';
import { budgetBytes, formatReturnData, isSameReturnData, NOTHING, type ReturnData } from './return-data.ts';

export { NOTHING, type ReturnData } from './return-data.ts';

/** A port's sticky value. `version` is another whenever the value is, and unique in its stream; the same value set again keeps object and version. */
export type StickyData = ReturnData & { readonly version: number };

/** What `stream.returns()` yields. `data` is a value, an {@link NDArray}, or the bytes of a JPEG. */
export interface PortData {
  readonly port: number;
  readonly data: Value | NDArray | Uint8Array;
}

/** A value that is kept, with what it takes of the budget. */
interface Kept {
  readonly data: ReturnData;
  readonly bytes: number;
  /** Its text in {@link Returns.takeJson}, made when it is first needed. */
  text: string | null;
}

interface Entry {
  /** The same object as long as the value is the same: callers keep what they made of it. */
  sticky: { readonly kept: Kept; readonly data: StickyData } | null;
  expiresAtMs: number;
  /** When the sticky value was set, by the count of all values. */
  setAt: number;
  once: { readonly kept: Kept; readonly expiresAtMs: number; readonly setAt: number }[];
}

/** Maximum number of once-only values per port that wait for the server's next frame; further ones are refused. */
const MAX_ONCE = 32;

/**
 * Maximum number of bytes of a stream's return data, sticky and once-only values of all ports together, as {@link budgetBytes} counts them. It
 * bounds the memory, and the reply that merges all values, which a NetGear server has to parse.
 */
export const MAX_STREAM_RETURN_BYTES = 32 << 20;

/** The same for all streams of a gateway together. */
export const MAX_RETURN_BYTES = 128 << 20;

/** Maximum number of bytes that wait for one reader of `returns()`; the oldest values are dropped. */
const MAX_UNREAD_BYTES = 16 << 20;

/**
 * The return data of a stream, by port. A sticky value counts until it is replaced, until its time to live is over, or
 * until its client leaves. Once-only values go out in order, one a reply and port.
 */
export class Returns {
  readonly #entries = new Map<number, Entry>();
  readonly #readers = new Set<BoundedReader<PortData>>();
  readonly #followers = new Set<ReturnChanges>();
  readonly #nowMs: () => number;
  readonly #budget: ByteBudget;
  /** The object as JSON, while nothing has changed: one reply a frame costs nothing then. */
  #json: string | null = null;
  #jsonValidUntilMs = 0;
  /** Whether a server takes once-only values. Without one they go to `returns()` alone. */
  readonly #hasServer: boolean;
  /** Values so far: later is newer. */
  #count = 0;
  #dropped = 0;
  #rejected = 0;
  #closed = false;

  /** @param options `budget`: the bytes that this stream may keep, {@link MAX_STREAM_RETURN_BYTES} by default. */
  constructor(options: { hasServer: boolean; budget?: ByteBudget; nowMs?: () => number }) {
    this.#hasServer = options.hasServer;
    this.#budget = options.budget ?? new ByteBudget(MAX_STREAM_RETURN_BYTES);
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  /** Values that a slow reader of `returns()` has missed, and once-only ones that were too old when the server came. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Bytes of the kept values, as they count for the budget. */
  get bytes(): number {
    return this.#budget.used;
  }

  get rejected(): number {
    return this.#rejected;
  }

  countRejected(): void {
    this.#rejected += 1;
  }

  /** A client is there: its port stands in the object from now on, with null while it has returned nothing. */
  join(port: number): void {
    if (this.#entries.has(port)) return;
    this.#entries.set(port, { sticky: null, expiresAtMs: Infinity, setAt: 0, once: [] });
    this.#json = null;
  }

  /** The client is gone, and its data with it: a closed tab cannot keep a robot driving. */
  leave(port: number): void {
    const entry = this.#entries.get(port);
    if (entry === undefined) return;
    this.#entries.delete(port);
    this.#dropSticky(entry);
    for (const { kept } of entry.once) this.#budget.release(kept.bytes);
    this.#json = null;
    for (const follower of this.#followers) follower.end(port);
  }

  /**
   * Sets the sticky value. The port must have joined.
   *
   * @throws {GearwayError} `too-large` when the budget is used up; the previous value counts on.
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
      if (ttlMs !== undefined) this.#json = null;
      return;
    }
    this.#json = null;
    for (const follower of this.#followers) follower.set(port, data, ttlMs);
    this.#publish(port, data);
  }

  /**
   * Adds a once-only value. One whose time to live is over before the server takes it is thrown away.
   *
   * @throws {GearwayError} `too-many` when the server takes them slower than they come, `too-large` when the budget is used up.
   */
  push(port: number, data: ReturnData, ttlMs?: number): void {
    const entry = this.#entry(port);
    if (this.#hasServer) {
      this.#dropExpired(entry);
      if (entry.once.length >= MAX_ONCE) throw new GearwayError('too-many', `${MAX_ONCE} once-only values wait for the server's next frame; send fewer, or sticky ones`);
      entry.once.push({ kept: this.#keep(data), expiresAtMs: ttlMs === undefined ? Infinity : this.#nowMs() + ttlMs, setAt: (this.#count += 1) });
      this.#json = null;
    }
    for (const follower of this.#followers) follower.push(port, data);
    this.#publish(port, data);
  }

  /** The sticky value of a port; null when there is none, or its time is over. */
  get(port: number): StickyData | null {
    const entry = this.#entries.get(port);
    return entry === undefined ? null : this.#live(entry);
  }

  /** All clients' data as Python JSON, `{"5567": …, "6000": null}`, ordered by port. Takes each port's next once-only value. */
  takeJson(): string {
    const now = this.#nowMs();
    if (this.#json !== null && now < this.#jsonValidUntilMs) return this.#json;
    let validUntilMs = Infinity;
    const members: string[] = [];
    for (const [port, entry] of [...this.#entries].sort(([a], [b]) => a - b)) {
      const once = this.#takeOnce(entry);
      // The next reply differs: from this value, or by the one behind it.
      if (once !== null) validUntilMs = 0;
      const sticky = this.#live(entry) === null ? null : entry.sticky;
      if (once === null && sticky !== null) validUntilMs = Math.min(validUntilMs, entry.expiresAtMs);
      const kept = once ?? sticky?.kept;
      if (kept !== undefined) kept.text ??= formatReturnData(kept.data);
      members.push(`"${port}": ${kept?.text ?? 'null'}`);
    }
    this.#json = `{${members.join(', ')}}`;
    this.#jsonValidUntilMs = validUntilMs;
    return this.#json;
  }

  /** One port's data for the server behind it: its next once-only value, else the sticky one; {@link NOTHING} when nobody sits there. */
  take(port: number): ReturnData {
    const entry = this.#entries.get(port);
    if (entry === undefined) return NOTHING;
    return this.#takeOnce(entry)?.data ?? this.#live(entry) ?? NOTHING;
  }

  /** The newest sticky value of all ports; before it the once-only ones, oldest first. */
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

  /** Each value from now on: a sticky one when it changes, and every once-only one. Breaking out detaches this reader alone. */
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

  /** For a publisher: the sticky values that count now, then what {@link ReturnChanges} tells. Breaking out detaches this reader alone. */
  changes(): ReturnChanges {
    const follower = new ReturnChanges(
      () => (this.#dropped += 1),
      () => this.#followers.delete(follower),
    );
    for (const [port, entry] of this.#entries) {
      const sticky = this.#live(entry);
      if (sticky !== null) follower.set(port, sticky, entry.expiresAtMs === Infinity ? undefined : entry.expiresAtMs - this.#nowMs());
    }
    this.#followers.add(follower);
    if (this.#closed) follower.detach();
    return follower;
  }

  /** Ends all readers, and those that come later immediately. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const port of this.#entries.keys()) this.leave(port);
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

  /** Replaces the sticky value, whose bytes are given back first. When the new one does not fit, the old one stays. */
  #replaceSticky(entry: Entry, data: ReturnData): void {
    const previous = entry.sticky;
    if (previous !== null) this.#budget.release(previous.kept.bytes);
    let kept: Kept;
    try {
      kept = this.#keep(data);
    } catch (error) {
      // What was released is free: nothing else ran in between.
      if (previous !== null) this.#budget.reserve(previous.kept.bytes);
      throw error;
    }
    entry.sticky = { kept, data: { ...data, version: this.#count + 1 } };
  }

  /** @throws {GearwayError} `too-large`. */
  #keep(data: ReturnData): Kept {
    const bytes = budgetBytes(data);
    if (!this.#budget.reserve(bytes)) {
      // What has expired is given back when it is looked at.
      for (const entry of this.#entries.values()) {
        this.#live(entry);
        this.#dropExpired(entry);
      }
      if (!this.#budget.reserve(bytes)) throw new GearwayError('too-large', `the value takes ${bytes} bytes; all return data of a stream may take ${this.#budget.capacity}, of which ${this.#budget.used} are in use, and all streams together are limited as well; send something smaller`);
    }
    return { data, bytes, text: null };
  }

  #takeOnce(entry: Entry): Kept | null {
    this.#dropExpired(entry);
    const once = entry.once.shift();
    if (once === undefined) return null;
    this.#budget.release(once.kept.bytes);
    this.#json = null;
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
