import { GearwayError } from '../../shared/errors.ts';

/** Most items that wait for one reader; the oldest is dropped. */
const MAX_UNREAD = 256;

/**
 * One consumer of items that come by themselves, with a bounded memory: who reads too slowly misses the oldest.
 * Breaking out of `for await` detaches this reader alone.
 */
export class BoundedReader<T> implements AsyncIterableIterator<T> {
  readonly #unread: T[] = [];
  readonly #onDrop: () => void;
  readonly #onReturn: () => void;
  #waiting: ((result: IteratorResult<T>) => void) | null = null;
  #done = false;

  constructor(onDrop: () => void, onReturn: () => void) {
    this.#onDrop = onDrop;
    this.#onReturn = onReturn;
  }

  add(item: T): void {
    if (this.#waiting !== null) {
      const resolve = this.#waiting;
      this.#waiting = null;
      resolve({ value: item, done: false });
      return;
    }
    if (this.#unread.length >= MAX_UNREAD) {
      this.#unread.shift();
      this.#onDrop();
    }
    this.#unread.push(item);
  }

  next(): Promise<IteratorResult<T>> {
    const item = this.#unread.shift();
    if (item !== undefined) return Promise.resolve({ value: item, done: false });
    if (this.#done) return Promise.resolve({ value: undefined, done: true });
    if (this.#waiting !== null) return Promise.reject(new GearwayError('busy', 'next() was called while another next() is pending'));
    return new Promise((resolve) => (this.#waiting = resolve));
  }

  /** Ends this reader once it has read what waits. Idempotent. */
  detach(): void {
    this.#done = true;
    this.#onReturn();
    this.#waiting?.({ value: undefined, done: true });
    this.#waiting = null;
  }

  return(): Promise<IteratorResult<T>> {
    this.detach();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
