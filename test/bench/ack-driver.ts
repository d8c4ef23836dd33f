/** One frame in so many is made although not every viewer has asked for it, so that a window that grows is filled. */
const SPARE_EVERY = 16;

/** A frame comes this often in any case: one that a slow viewer's mailbox dropped is never asked for again. */
const LEAST_EVERY_MS = 50;

/**
 * A source that is as fast as its viewers: it makes a frame for each acknowledgement that they send on average, at the
 * end of the event loop's turn. The process sleeps when the viewers are slower than it is, as with a source of just
 * their speed.
 */
export class AckDriver {
  readonly #push: () => void;
  #viewers = 0;
  #acknowledged = 0;
  #pushed = 0;
  #isScheduled = false;

  /** @param push gives one frame to all viewers. */
  constructor(push: () => void) {
    this.#push = push;
    setInterval(push, LEAST_EVERY_MS);
  }

  joined(): void {
    this.#viewers += 1;
  }

  left(): void {
    this.#viewers -= 1;
    this.#acknowledged = 0;
  }

  /** Viewers have sent so many acknowledgements. */
  acknowledged(count: number): void {
    this.#acknowledged += count;
    if (this.#isScheduled || this.#acknowledged < this.#viewers) return;
    this.#isScheduled = true;
    setImmediate(() => this.#pushAsManyAsTaken());
  }

  #pushAsManyAsTaken(): void {
    this.#isScheduled = false;
    for (; this.#viewers > 0 && this.#acknowledged >= this.#viewers; this.#acknowledged -= this.#viewers) {
      this.#push();
      this.#pushed += 1;
      if (this.#pushed % SPARE_EVERY === 0) this.#push();
    }
  }
}
