import { containFailure } from '../../../shared/background.ts';
import { checkJpeg } from '../../jpeg.ts';

export interface JpegCheckerOptions {
  /** Whether a newer picture replaces those that wait, as fits a camera. Of a file all are checked, and whoever gives them waits until it is {@link JpegChecker.ready}. */
  readonly isLive: boolean;
  /** Called in the order in which the pictures came. */
  readonly onGood: (jpeg: Buffer) => void;
  readonly onBad: (error: unknown) => void;
}

/** As many as the thread pool may have of one source; the others wait. */
const MAX_IN_FLIGHT = 3;

/**
 * Decodes each JPEG once before anybody gets it. Cameras give damaged ones now and then (a webcam at a long cable, every few minutes), which
 * a browser shows with a gray stripe, and which end the receiver of a real NetGear client for good.
 */
export class JpegChecker {
  readonly #options: JpegCheckerOptions;
  #inFlight = 0;
  #waiting: Buffer[] = [];
  #last: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: JpegCheckerOptions) {
    this.#options = options;
  }

  offer(jpeg: Buffer): void {
    if (this.#options.isLive) this.#waiting = [];
    this.#waiting.push(jpeg);
    this.#start();
  }

  /** When the next picture may be offered; null: at once. */
  ready(): Promise<void> | null {
    return this.#options.isLive || this.#waiting.length === 0 ? null : this.#noneWaiting();
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
    this.#waiting = [];
  }

  async #noneWaiting(): Promise<void> {
    while (this.#waiting.length > 0) await this.#last;
  }

  #start(): void {
    while (this.#inFlight < MAX_IN_FLIGHT) {
      const jpeg = this.#waiting.shift();
      if (jpeg === undefined) return;
      this.#inFlight += 1;
      this.#last = containFailure(this.#finish(jpeg, this.#last), (error) => this.#options.onBad(error));
    }
  }

  /** @param before those that came before it. */
  async #finish(jpeg: Buffer, before: Promise<void>): Promise<void> {
    const bad = await checkJpeg(jpeg).then(() => null, (error: unknown) => ({ error }));
    await before;
    this.#inFlight -= 1;
    if (this.#isClosed) return;
    this.#start();
    if (bad === null) this.#options.onGood(jpeg);
    else this.#options.onBad(bad.error);
  }
}
