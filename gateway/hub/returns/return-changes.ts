import { GearwayError } from '../../../shared/errors.ts';
import { budgetBytes, NOTHING, type ReturnData } from './return-data.ts';

/** A change of a port's return data. When a sticky value ends, `data` is null. */
export interface ReturnChange {
  readonly port: number;
  readonly mode: 'sticky' | 'once';
  readonly data: ReturnData;
}

/**
 * Maximum number of unread once-only values per reader, and maximum size of all of them; the oldest are dropped first.
 */
const MAX_UNREAD_ONCE = 256;
const MAX_UNREAD_ONCE_BYTES = 16 << 20;

/**
 * One reader of a stream's return data: each port's current sticky value, its changes and its end, and each once-only
 * value, in order. Sticky values are conflated per port, so that a slow reader never gets an outdated one. Breaking out
 * of `for await` detaches only this reader.
 */
export class ReturnChanges implements AsyncIterableIterator<ReturnChange> {
  /** In order of arrival. */
  readonly #unread = new Set<ReturnChange>();
  readonly #unreadSticky = new Map<number, ReturnChange>();
  #unreadOnce = 0;
  #unreadOnceBytes = 0;
  /** The ports with a sticky value, and the timer that expires it. */
  readonly #current = new Map<number, NodeJS.Timeout | null>();
  readonly #onDrop: () => void;
  readonly #onReturn: () => void;
  #waiting: ((result: IteratorResult<ReturnChange>) => void) | null = null;
  #done = false;

  constructor(onDrop: () => void, onReturn: () => void) {
    this.#onDrop = onDrop;
    this.#onReturn = onReturn;
  }

  join(): void {
    // Not reported: a publisher is notified of a client by its first value.
  }

  discardOnce(): void {
    // Publishers get every value.
  }

  /** Sets a sticky value; without `ttlMs` it does not expire. */
  set(port: number, data: ReturnData, ttlMs?: number): void {
    this.#forget(port);
    if (data.kind !== 'value' || data.value !== null) this.#remember(port, ttlMs);
    this.#addSticky({ port, mode: 'sticky', data });
  }

  /** Restarts the time to live of the current value. */
  extend(port: number, ttlMs?: number): void {
    if (!this.#current.has(port)) return;
    this.#forget(port);
    this.#remember(port, ttlMs);
  }

  /** Ends the port's sticky value. */
  end(port: number): void {
    if (this.#forget(port)) this.#addSticky({ port, mode: 'sticky', data: NOTHING });
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
    if (this.#waiting !== null)
      return Promise.reject(new GearwayError('busy', 'next() was called while another next() is pending'));
    return new Promise((resolve) => (this.#waiting = resolve));
  }

  /** Stops the timers immediately and ends this reader after its unread changes. Idempotent. */
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

  /** @returns false if the port had no sticky value. */
  #forget(port: number): boolean {
    const timer = this.#current.get(port);
    if (timer !== undefined && timer !== null) clearTimeout(timer);
    return this.#current.delete(port);
  }
}
