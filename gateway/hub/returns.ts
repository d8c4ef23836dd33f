import { GearwayError } from '../../shared/errors.ts';
import type { NDArray } from '../../shared/ndarray.ts';
import type { Value } from '../../shared/protocol.ts';
import { BoundedReader } from './bounded-reader.ts';
import { ReturnChanges } from './return-changes.ts';

/** Return data as the hub keeps it. `json` is Python JSON of the value, as its sender wrote it. Binary data is the hub's own. */
export type ReturnData =
  | { readonly kind: 'value'; readonly value: Value; readonly json: string }
  | { readonly kind: 'array'; readonly array: NDArray }
  /** `colorspace` is the channel order that a NetGear server decodes it to. */
  | { readonly kind: 'jpeg'; readonly data: Uint8Array; readonly colorspace: string };

/** A port's sticky value. `version` is another whenever the value is, and unique in its stream; the same value set again keeps object and version. */
export type StickyData = ReturnData & { readonly version: number };

/** Python's None: what a port gives while it has returned nothing. */
export const NOTHING: ReturnData = { kind: 'value', value: null, json: 'null' };

/** What `stream.returns()` yields. `data` is a value, an {@link NDArray}, or the bytes of a JPEG. */
export interface PortData {
  readonly port: number;
  readonly data: Value | NDArray | Uint8Array;
}

interface Entry {
  sticky: StickyData | null;
  expiresAtMs: number;
  /** When the sticky value was set, by the count of all values. */
  setAt: number;
  once: { readonly data: ReturnData; readonly expiresAtMs: number; readonly setAt: number }[];
}

/** Most once-only values of a port that wait for the server's next frame; further ones are refused. */
const MAX_ONCE = 32;

/**
 * The return data of a stream, by port. A sticky value counts until it is replaced, until its time to live is over, or
 * until its client leaves. Once-only values go out in order, one a reply and port.
 */
export class Returns {
  readonly #entries = new Map<number, Entry>();
  readonly #readers = new Set<BoundedReader<PortData>>();
  readonly #followers = new Set<ReturnChanges>();
  readonly #nowMs: () => number;
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

  constructor(options: { hasServer: boolean; nowMs?: () => number }) {
    this.#hasServer = options.hasServer;
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  /** Values that a slow reader of `returns()` has missed, and once-only ones that were too old when the server came. */
  get dropped(): number {
    return this.#dropped;
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
    if (!this.#entries.delete(port)) return;
    this.#json = null;
    for (const follower of this.#followers) follower.end(port);
  }

  /** Sets the sticky value. The port must have joined. */
  set(port: number, data: ReturnData, ttlMs?: number): void {
    const entry = this.#entry(port);
    const previous = this.#live(entry);
    const isSame = previous !== null && sameData(previous, data);
    entry.setAt = this.#count += 1;
    entry.expiresAtMs = ttlMs === undefined ? Infinity : this.#nowMs() + ttlMs;
    if (isSame) {
      for (const follower of this.#followers) follower.extend(port, ttlMs);
      if (ttlMs !== undefined) this.#json = null;
      return;
    }
    entry.sticky = { ...data, version: entry.setAt };
    this.#json = null;
    for (const follower of this.#followers) follower.set(port, data, ttlMs);
    this.#publish(port, data);
  }

  /**
   * Adds a once-only value. One whose time to live is over before the server takes it is thrown away.
   *
   * @throws {GearwayError} `too-many` when the server takes them slower than they come.
   */
  push(port: number, data: ReturnData, ttlMs?: number): void {
    const entry = this.#entry(port);
    if (this.#hasServer) {
      this.#dropExpired(entry);
      if (entry.once.length >= MAX_ONCE) throw new GearwayError('too-many', `${MAX_ONCE} once-only values wait for the server's next frame; send fewer, or sticky ones`);
      entry.once.push({ data, expiresAtMs: ttlMs === undefined ? Infinity : this.#nowMs() + ttlMs, setAt: (this.#count += 1) });
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
      this.#dropExpired(entry);
      const once = entry.once.shift()?.data;
      // The next reply differs: from this value, or by the one behind it.
      if (once !== undefined) validUntilMs = 0;
      const data = once ?? this.#live(entry);
      if (data !== null) validUntilMs = Math.min(validUntilMs, entry.expiresAtMs);
      members.push(`"${port}": ${data === null ? 'null' : formatData(data)}`);
    }
    this.#json = `{${members.join(', ')}}`;
    this.#jsonValidUntilMs = validUntilMs;
    return this.#json;
  }

  /** One port's data for the server behind it: its next once-only value, else the sticky one; {@link NOTHING} when nobody sits there. */
  take(port: number): ReturnData {
    const entry = this.#entries.get(port);
    if (entry === undefined) return NOTHING;
    this.#dropExpired(entry);
    const once = entry.once.shift();
    if (once !== undefined) this.#json = null;
    return once?.data ?? this.#live(entry) ?? NOTHING;
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
    const once = oldestOnce?.once.shift();
    if (once !== undefined) this.#json = null;
    return once?.data ?? newest?.sticky ?? NOTHING;
  }

  /** Each value from now on: a sticky one when it changes, and every once-only one. Breaking out detaches this reader alone. */
  values(): AsyncIterableIterator<PortData> {
    const reader = new BoundedReader<PortData>(
      () => (this.#dropped += 1),
      () => this.#readers.delete(reader),
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

  /** Ends all readers, and those that come later at once. */
  close(): void {
    this.#closed = true;
    for (const reader of [...this.#readers, ...this.#followers]) reader.detach();
  }

  #entry(port: number): Entry {
    const entry = this.#entries.get(port);
    if (entry === undefined) throw new GearwayError('no-port', `no client has joined on port ${port}`);
    return entry;
  }

  #live(entry: Entry): StickyData | null {
    if (this.#nowMs() >= entry.expiresAtMs) entry.sticky = null;
    return entry.sticky;
  }

  #dropExpired(entry: Entry): void {
    if (entry.once.length === 0) return;
    const now = this.#nowMs();
    const live = entry.once.filter(({ expiresAtMs }) => now < expiresAtMs);
    this.#dropped += entry.once.length - live.length;
    entry.once = live;
  }

  #publish(port: number, data: ReturnData): void {
    for (const reader of this.#readers) reader.add({ port, data: plainData(data) });
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

/** An array inside the JSON object stands as `{"$ndarray": …}`, its bytes as base64. */
function formatData(data: ReturnData): string {
  switch (data.kind) {
    case 'value':
      return data.json;
    case 'array': {
      const { dtype, shape, data: bytes } = data.array;
      return `{"$ndarray": {"dtype": "${dtype}", "shape": [${shape.join(', ')}], "data": "${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}"}}`;
    }
    case 'jpeg':
      return `{"$ndarray": {"jpeg": "${Buffer.from(data.data.buffer, data.data.byteOffset, data.data.byteLength).toString('base64')}"}}`;
    default:
      return data satisfies never;
  }
}

function sameData(a: ReturnData, b: ReturnData): boolean {
  if (a.kind === 'value') return b.kind === 'value' && a.json === b.json;
  if (a.kind === 'jpeg') return b.kind === 'jpeg' && a.colorspace === b.colorspace && Buffer.compare(a.data, b.data) === 0;
  return (
    b.kind === 'array' &&
    a.array.dtype === b.array.dtype &&
    a.array.shape.join() === b.array.shape.join() &&
    Buffer.compare(a.array.data, b.array.data) === 0
  );
}
