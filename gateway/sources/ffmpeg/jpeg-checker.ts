import { checkJpeg } from '../../jpeg.ts';

export interface JpegCheckerOptions {
  /** Called in the order in which the pictures came, as the next one is. */
  readonly onGood: (jpeg: Buffer) => void;
  readonly onBad: (error: unknown) => void;
}

/** As many as the thread pool may have of one source; a newer picture replaces the one that waits behind them. */
const MAX_IN_FLIGHT = 3;

/**
 * Decodes each JPEG once before anybody gets it. Cameras give damaged ones now and then (a webcam at a long cable, every few minutes), which
 * a browser shows with a gray stripe, and which end the receiver of a real NetGear client for good.
 */
export class JpegChecker {
  readonly #options: JpegCheckerOptions;
  #inFlight = 0;
  #waiting: Buffer | null = null;
  #last: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: JpegCheckerOptions) {
    this.#options = options;
  }

  offer(jpeg: Buffer): void {
    if (this.#inFlight < MAX_IN_FLIGHT) this.#check(jpeg);
    else this.#waiting = jpeg;
  }

  /** Resolves when all that was offered has been checked. */
  async drained(): Promise<void> {
    for (let last: Promise<void> | null = null; last !== this.#last; ) {
      last = this.#last;
      await last;
    }
  }

  /** Nothing is called afterwards. */
  close(): void {
    this.#isClosed = true;
    this.#waiting = null;
  }

  #check(jpeg: Buffer): void {
    this.#inFlight += 1;
    const checked = checkJpeg(jpeg).then(
      () => null,
      (error: unknown) => ({ error }),
    );
    this.#last = this.#last.then(async () => {
      const bad = await checked;
      this.#inFlight -= 1;
      if (this.#isClosed) return;
      const waiting = this.#waiting;
      this.#waiting = null;
      if (waiting !== null) this.#check(waiting);
      if (bad === null) this.#options.onGood(jpeg);
      else this.#options.onBad(bad.error);
    });
  }
}
