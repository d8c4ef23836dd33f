import { runInBackground } from '../background.ts';

/** Maximum number of frames sent and not yet acknowledged (docs/protocol.md). */
const MAX_IN_FLIGHT = 2;

/** How pictures are processed. The owner of a picture closes it. */
interface FlowSteps<P, E> {
  /** Encodes a picture. Rejects if it cannot be encoded. */
  encode(picture: P): Promise<E>;
  /** Sends an encoded frame. `sequence` increases by one with each frame. */
  send(sequence: number, encoded: E): void;
  /** Called when a picture could not be encoded. */
  failed(error: unknown): void;
}

/**
 * Back-pressure between camera and gateway, newest picture first: at most two frames are sent and not acknowledged, one
 * picture is being encoded, and one picture waits until it is encoded or a newer one replaces it. The rate therefore
 * adapts to the connection, and pictures do not queue up.
 */
export class PictureFlow<P extends { close(): void }, E> {
  readonly #steps: FlowSteps<P, E>;
  #isConnected = false;
  /** Changes with each connection. Encodings that were started in an earlier generation are discarded. */
  #generation = 0;
  #isEncoding = false;
  #waiting: P | null = null;
  #sequence = 0;
  #inFlight: number[] = [];
  /** Number of pictures that newer ones replaced, or that were due while the flow was not ready. */
  skipped = 0;

  constructor(steps: FlowSteps<P, E>) {
    this.#steps = steps;
  }

  /** Whether a picture would be encoded immediately. */
  get isReady(): boolean {
    const isIdle = !this.#isEncoding && this.#waiting === null;
    return this.#isConnected && isIdle && this.#inFlight.length < MAX_IN_FLIGHT;
  }

  get inFlight(): number {
    return this.#inFlight.length;
  }

  /** Called for a new connection, without frames in flight. Resets the counters. */
  connected(): void {
    this.disconnected();
    this.#isConnected = true;
    this.skipped = 0;
  }

  /** Called when the connection has ended: frames in flight are lost, and pictures are discarded. */
  disconnected(): void {
    this.#isConnected = false;
    this.#generation += 1;
    this.#inFlight = [];
    this.#discard();
  }

  offer(picture: P): void {
    if (!this.#isConnected) {
      picture.close();
      return;
    }
    if (this.#waiting !== null) this.skip();
    this.#discard();
    this.#waiting = picture;
    this.#pump();
  }

  /** Counts a picture that was due while the flow was not ready. */
  skip(): void {
    if (this.#isConnected) this.skipped += 1;
  }

  /** Called when the gateway has acknowledged all frames up to this one. */
  taken(sequence: number): void {
    this.#inFlight = this.#inFlight.filter((sent) => sent > sequence);
    this.#pump();
  }

  /** Sends an encoded picture again, if the flow is ready. */
  repeat(encoded: E): void {
    if (this.isReady) this.#send(encoded);
  }

  #pump(): void {
    const picture = this.#waiting;
    if (picture === null || !this.#isConnected || this.#isEncoding || this.#inFlight.length >= MAX_IN_FLIGHT) return;
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

  #discard(): void {
    this.#waiting?.close();
    this.#waiting = null;
  }
}
