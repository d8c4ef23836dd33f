/** One waiting frame: a newer one replaces it. The only queue of frames in the gateway. */
export class Mailbox<T> {
  #waiting: T | undefined;
  #dropped = 0;

  /** How many were replaced before anybody took them. */
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

  /** Puts back what was taken and could not be sent, unless a newer one waits by now. */
  giveBack(item: T): void {
    if (this.#waiting === undefined) this.#waiting = item;
    else this.#dropped += 1;
  }

  /** Counts one that was taken and then given up for a newer one. */
  countDropped(): void {
    this.#dropped += 1;
  }

  /** Forgets what waits without counting it as dropped: the client asked for nothing. */
  clear(): void {
    this.#waiting = undefined;
  }
}
