import { GearwayError } from '../../shared/errors.ts';

/** Default maximum number of unread items per reader; the oldest is dropped first. */
const MAX_UNREAD = 256;

/**
 * One consumer of pushed items, with bounded memory: a reader that is too slow misses the oldest items.
 * Breaking out of `for await` detaches only this reader.
 */
export class BoundedReader<T> implements AsyncIterableIterator<T> {
  readonly #unread: { readonly item: T; readonly bytes: number }[] = [];
  readonly #maxItems: number;
  readonly #maxBytes: number;
  #unreadBytes = 0;
  readonly #onDrop: () => void;
  readonly #onReturn: () => void;
  #waiting: ((result: IteratorResult<T>) => void) | null = null;
  #done = false;

  /** @param options `maxItems` and `maxBytes` limit the unread items; a single item may exceed `maxBytes`. */
  constructor(
    onDrop: () => void,
    onReturn: () => void,
    { maxItems = MAX_UNREAD, maxBytes = Infinity }: { readonly maxItems?: number; readonly maxBytes?: number } = {},
  ) {
    this.#onDrop = onDrop;
    this.#onReturn = onReturn;
    this.#maxItems = maxItems;
    this.#maxBytes = maxBytes;
  }

  add(item: T, bytes = 0): void {
    if (this.#waiting !== null) {
      const resolve = this.#waiting;
      this.#waiting = null;
      resolve({ value: item, done: false });
      return;
    }
    while (
      this.#unread.length >= this.#maxItems ||
      (this.#unread.length > 0 && this.#unreadBytes + bytes > this.#maxBytes)
    ) {
      this.#unreadBytes -= this.#unread.shift()?.bytes ?? 0;
      this.#onDrop();
    }
    this.#unread.push({ item, bytes });
    this.#unreadBytes += bytes;
  }

  next(): Promise<IteratorResult<T>> {
    const unread = this.#unread.shift();
    if (unread !== undefined) {
      this.#unreadBytes -= unread.bytes;
      return Promise.resolve({ value: unread.item, done: false });
    }
    if (this.#done) return Promise.resolve({ value: undefined, done: true });
    if (this.#waiting !== null)
      return Promise.reject(new GearwayError('busy', 'next() was called while another next() is pending'));
    return new Promise((resolve) => (this.#waiting = resolve));
  }

  /** Ends this reader after its unread items. Idempotent. */
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
