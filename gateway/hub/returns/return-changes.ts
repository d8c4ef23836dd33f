import { GearwayError } from '../../../shared/errors.ts';
import { budgetBytes, type ReturnData } from './return-data.ts';

/** What a client returns from now on. When a sticky value ends, its port gives null. */
export interface ReturnChange {
  readonly port: number;
  readonly mode: 'sticky' | 'once';
  readonly data: ReturnData;
}

/** What a port gives from then on, as one that has returned nothing. */
const ENDED: ReturnData = { kind: 'value', value: null, json: 'null' };

/** Maximum number of once-only values that wait for one reader, and of their bytes; the oldest are dropped. */
const MAX_UNREAD_ONCE = 256;
const MAX_UNREAD_ONCE_BYTES = 16 << 20;

/**
 * One follower of a stream's return data, for who acts on it: each port's sticky value as it is now, when it changes and when it
 * ends, and each once-only value, in order. Of a port's sticky values only the latest waits, so that a slow reader is never left
 * with an old one. Breaking out of `for await` detaches this reader alone.
 */
export class ReturnChanges implements AsyncIterableIterator<ReturnChange> {
  /** In their order. */
  readonly #unread = new Set<ReturnChange>();
  readonly #unreadSticky = new Map<number, ReturnChange>();
  #unreadOnce = 0;
  #unreadOnceBytes = 0;
  /** The ports whose sticky value counts, and what ends it by itself. */
  readonly #current = new Map<number, NodeJS.Timeout | null>();
  readonly #onDrop: () => void;
  readonly #onReturn: () => void;
  #waiting: ((result: IteratorResult<ReturnChange>) => void) | null = null;
  #done = false;

  constructor(onDrop: () => void, onReturn: () => void) {
    this.#onDrop = onDrop;
    this.#onReturn = onReturn;
  }

  /** A sticky value; without `ttlMs` it does not end by itself. */
  set(port: number, data: ReturnData, ttlMs?: number): void {
    this.#forget(port);
    if (data.kind !== 'value' || data.value !== null) this.#remember(port, ttlMs);
    this.#addSticky({ port, mode: 'sticky', data });
  }

  /** The same value counts from now on for so long. */
  extend(port: number, ttlMs?: number): void {
    if (!this.#current.has(port)) return;
    this.#forget(port);
    this.#remember(port, ttlMs);
  }

  /** The port's sticky value counts no more. */
  end(port: number): void {
    if (this.#forget(port)) this.#addSticky({ port, mode: 'sticky', data: ENDED });
  }

  push(port: number, data: ReturnData): void {
    const bytes = budgetBytes(data);
    for (const change of this.#unread) {
      if (this.#unreadOnce < MAX_UNREAD_ONCE && this.#unreadOnceBytes + bytes <= MAX_UNREAD_ONCE_BYTES) break;
      if (change.mode !== 'once') continue;
      this.#take(change);
      this.#onDrop();
    }
    this.#unreadOnce += 1;
    this.#unreadOnceBytes += bytes;
    this.#add({ port, mode: 'once', data });
  }

  next(): Promise<IteratorResult<ReturnChange>> {
    const [change] = this.#unread;
    if (change !== undefined) {
      this.#take(change);
      return Promise.resolve({ value: change, done: false });
    }
    if (this.#done) return Promise.resolve({ value: undefined, done: true });
    if (this.#waiting !== null) return Promise.reject(new GearwayError('busy', 'next() was called while another next() is pending'));
    return new Promise((resolve) => (this.#waiting = resolve));
  }

  /** Ends this follower once it has read what waits, and its timers immediately. Idempotent. */
  detach(): void {
    this.#done = true;
    for (const port of this.#current.keys()) this.#forget(port);
    this.#onReturn();
    this.#waiting?.({ value: undefined, done: true });
    this.#waiting = null;
  }

  return(): Promise<IteratorResult<ReturnChange>> {
    this.detach();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #addSticky(change: ReturnChange): void {
    const older = this.#unreadSticky.get(change.port);
    if (older !== undefined) this.#take(older);
    this.#unreadSticky.set(change.port, change);
    this.#add(change);
  }

  #add(change: ReturnChange): void {
    this.#unread.add(change);
    if (this.#waiting === null) return;
    const resolve = this.#waiting;
    this.#waiting = null;
    this.#take(change);
    resolve({ value: change, done: false });
  }

  #take(change: ReturnChange): void {
    this.#unread.delete(change);
    if (change.mode === 'once') {
      this.#unreadOnce -= 1;
      this.#unreadOnceBytes -= budgetBytes(change.data);
    } else this.#unreadSticky.delete(change.port);
  }

  #remember(port: number, ttlMs: number | undefined): void {
    this.#current.set(port, ttlMs === undefined ? null : setTimeout(() => this.end(port), ttlMs).unref());
  }

  /** @returns false when no sticky value counted. */
  #forget(port: number): boolean {
    const timer = this.#current.get(port);
    if (timer !== undefined && timer !== null) clearTimeout(timer);
    return this.#current.delete(port);
  }
}
