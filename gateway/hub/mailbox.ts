/** Stores one pending frame, which a newer one replaces. The only queue of frames in the gateway. */
export class Mailbox<T> {
  #waiting: T | undefined;
  #dropped = 0;

  /** Number of frames overwritten before they were taken. */
  get dropped(): number {
    return this.#dropped;
  }

  get isEmpty(): boolean {
    return this.#waiting === undefined;
  }

  put(item: T): void {
    if (this.#waiting !== undefined) this.#dropped += 1;
    this.#waiting = item;
  }

  take(): T | undefined {
    const item = this.#waiting;
    this.#waiting = undefined;
    return item;
  }

  /** Puts back a frame that could not be sent, unless a newer one is already pending. */
  restore(item: T): void {
    if (this.#waiting === undefined) this.#waiting = item;
    else this.#dropped += 1;
  }

  /** Counts a frame that was taken and then abandoned in favour of a newer one. */
  countDropped(): void {
    this.#dropped += 1;
  }

  /** Discards the pending frame without counting it as dropped, because the client has not requested it. */
  clear(): void {
    this.#waiting = undefined;
  }
}
