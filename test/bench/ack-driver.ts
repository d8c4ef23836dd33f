/** Number of frames between two extra frames, which not all viewers have requested, so that a growing window fills. */
const SPARE_EVERY = 16;

/**
 * Maximum interval between frames. It is needed because a frame that the mailbox of a slow viewer dropped is never
 * requested again.
 */
const MAX_INTERVAL_MS = 50;

/**
 * A source that is as fast as its viewers: it creates one frame per acknowledgement (averaged over the viewers), at the
 * end of an iteration of the event loop. While the viewers are slower, the process is idle.
 */
export class AckDriver {
  readonly #push: () => void;
  #viewers = 0;
  #acknowledged = 0;
  #pushed = 0;
  #isScheduled = false;

  /** @param push sends one frame to all viewers. */
  constructor(push: () => void) {
    this.#push = push;
    setInterval(push, MAX_INTERVAL_MS);
  }

  joined(): void {
    this.#viewers += 1;
  }

  left(): void {
    this.#viewers -= 1;
    this.#acknowledged = 0;
  }

  /** Counts acknowledgements of viewers. */
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
