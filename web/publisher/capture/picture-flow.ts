import { runInBackground } from '../../background.ts';

/** Frames that are sent and not taken yet: the gateway's protocol says how many (docs/protocol.md). */
const MAX_IN_FLIGHT = 2;

/** What the flow does with pictures. Whoever holds one closes it. */
export interface FlowSteps<P, E> {
  /** Rejects for a picture that cannot be encoded. */
  encode(picture: P): Promise<E>;
  /** `sequence` rises by one with each frame. */
  send(sequence: number, encoded: E): void;
  /** One could not be encoded. */
  failed(error: unknown): void;
}

/**
 * Pictures on their way to the gateway, the newest first: at most two are sent and not taken, one is encoded, and one waits, which a newer one
 * replaces. So the rate follows the link, and no picture grows old here.
 */
export class PictureFlow<P extends { close(): void }, E> {
  readonly #steps: FlowSteps<P, E>;
  #isOpen = false;
  /** Changes with each connection, of which an encoding outlives none. */
  #generation = 0;
  #isEncoding = false;
  #waiting: P | null = null;
  #sequence = 0;
  #inFlight: number[] = [];
  /** Pictures that newer ones replaced, or that nobody was ready for. */
  skipped = 0;

  constructor(steps: FlowSteps<P, E>) {
    this.#steps = steps;
  }

  /** Whether a picture would be encoded at once. */
  get isReady(): boolean {
    return this.#isOpen && !this.#isEncoding && this.#waiting === null && this.#inFlight.length < MAX_IN_FLIGHT;
  }

  get inFlight(): number {
    return this.#inFlight.length;
  }

  /** There is a connection, with nothing on it. Counts from 0. */
  open(): void {
    this.lost();
    this.#isOpen = true;
    this.skipped = 0;
  }

  /** There is none any more: what was on its way is lost, and what comes is thrown away. */
  lost(): void {
    this.#isOpen = false;
    this.#generation += 1;
    this.#inFlight = [];
    this.#forget();
  }

  offer(picture: P): void {
    if (!this.#isOpen) {
      picture.close();
      return;
    }
    if (this.#waiting !== null) this.skip();
    this.#forget();
    this.#waiting = picture;
    this.#pump();
  }

  /** A picture that there was, and that nobody was ready for. */
  skip(): void {
    if (this.#isOpen) this.skipped += 1;
  }

  /** The gateway has read all frames up to this one. */
  taken(sequence: number): void {
    this.#inFlight = this.#inFlight.filter((sent) => sent > sequence);
    this.#pump();
  }

  /** Sends what is encoded already, if a frame may be sent now. */
  repeat(encoded: E): void {
    if (this.isReady) this.#send(encoded);
  }

  #pump(): void {
    const picture = this.#waiting;
    if (picture === null || !this.#isOpen || this.#isEncoding || this.#inFlight.length >= MAX_IN_FLIGHT) return;
    this.#waiting = null;
    runInBackground(this.#encode(picture));
  }

  async #encode(picture: P): Promise<void> {
    const generation = this.#generation;
    this.#isEncoding = true;
    try {
      const encoded = await this.#steps.encode(picture);
      if (generation === this.#generation) this.#send(encoded);
    } catch (error) {
      this.#steps.failed(error);
    } finally {
      picture.close();
      this.#isEncoding = false;
    }
    this.#pump();
  }

  #send(encoded: E): void {
    this.#sequence += 1;
    this.#inFlight.push(this.#sequence);
    this.#steps.send(this.#sequence, encoded);
  }

  #forget(): void {
    this.#waiting?.close();
    this.#waiting = null;
  }
}
