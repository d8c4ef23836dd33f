/** A client whose connection does not take a frame that was written to it. */
export interface FrameHolder {
  /** Ends the connection immediately, with what is unsent. Must release what it holds. */
  cutOff(reason: string): void;
}

/** Maximum number of bytes of all frames that wait in user space for the connections of viewers and MJPEG clients. */
export const MAX_UNSENT_BYTES = 256 << 20;

/**
 * Bounds the memory of frames that connections have not taken yet. Clients that wait for the same frame share its memory, so it counts once:
 * what costs memory are clients that stopped reading at different frames. Beyond the limit those with the oldest frame are cut off.
 */
export class UnsentFrames {
  readonly #maxBytes: number;
  /** In the order in which the frames were first held, so that the oldest is the first. */
  readonly #holders = new Map<Uint8Array, Set<FrameHolder>>();
  readonly #held = new Map<FrameHolder, Uint8Array>();
  #bytes = 0;

  constructor(maxBytes = MAX_UNSENT_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of all frames that are held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The connection of `holder` has not taken `payload` yet. A client holds one frame at a time. */
  hold(holder: FrameHolder, payload: Uint8Array): void {
    this.release(holder);
    let holders = this.#holders.get(payload);
    if (holders === undefined) {
      holders = new Set();
      this.#holders.set(payload, holders);
      this.#bytes += payload.byteLength;
    }
    holders.add(holder);
    this.#held.set(holder, payload);
    for (const [oldest, slowest] of this.#holders) {
      if (this.#bytes <= this.#maxBytes || oldest === payload) return;
      for (const slow of slowest) slow.cutOff('this client does not read, and too many frames wait for such clients');
    }
  }

  /** The connection has taken its frame, or has ended. Idempotent. */
  release(holder: FrameHolder): void {
    const payload = this.#held.get(holder);
    if (payload === undefined) return;
    this.#held.delete(holder);
    const holders = this.#holders.get(payload);
    holders?.delete(holder);
    if (holders?.size !== 0) return;
    this.#holders.delete(payload);
    this.#bytes -= payload.byteLength;
  }
}
