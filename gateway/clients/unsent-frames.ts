/** A client whose connection does not take a frame that was written to it. */
export interface FrameHolder {
  /** The client's address, as `addressKey` gives it. */
  readonly addressKey: string;
  /** Ends the connection immediately, with what is unsent. Must release what it holds. */
  cutOff(reason: string): void;
}

/** Maximum number of bytes of all frames that wait in user space for the connections of viewers and MJPEG clients. */
export const MAX_UNSENT_BYTES = 256 << 20;

/** The frames that the clients of one address have not taken. */
interface AddressFrames {
  /** In the order in which the frames were first held, so that the oldest is the first. */
  readonly holders: Map<Uint8Array, Set<FrameHolder>>;
  bytes: number;
}

/**
 * Bounds the memory of frames that connections have not taken yet. Clients that wait for the same frame share its memory, so it counts once:
 * what costs memory are clients that stopped reading at different frames. Beyond the limit clients of the address that holds the most bytes are
 * cut off, those with its oldest frame first.
 */
export class UnsentFrames {
  readonly #maxBytes: number;
  readonly #addresses = new Map<string, AddressFrames>();
  readonly #held = new Map<FrameHolder, Uint8Array>();
  /** Number of clients that hold each frame. */
  readonly #counts = new Map<Uint8Array, number>();
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
    this.#held.set(holder, payload);
    const count = this.#counts.get(payload) ?? 0;
    this.#counts.set(payload, count + 1);
    if (count === 0) this.#bytes += payload.byteLength;
    let address = this.#addresses.get(holder.addressKey);
    if (address === undefined) this.#addresses.set(holder.addressKey, (address = { holders: new Map(), bytes: 0 }));
    let holders = address.holders.get(payload);
    if (holders === undefined) {
      address.holders.set(payload, (holders = new Set()));
      address.bytes += payload.byteLength;
    }
    holders.add(holder);
    while (this.#bytes > this.#maxBytes && this.#counts.size > 1) {
      for (const slow of this.#slowest()) slow.cutOff('this client does not read, and too many frames wait for such clients');
    }
  }

  /** The connection has taken its frame, or has ended. Idempotent. */
  release(holder: FrameHolder): void {
    const payload = this.#held.get(holder);
    if (payload === undefined) return;
    this.#held.delete(holder);
    const count = (this.#counts.get(payload) ?? 0) - 1;
    if (count > 0) this.#counts.set(payload, count);
    else {
      this.#counts.delete(payload);
      this.#bytes -= payload.byteLength;
    }
    const address = this.#addresses.get(holder.addressKey);
    const holders = address?.holders.get(payload);
    holders?.delete(holder);
    if (address === undefined || holders?.size !== 0) return;
    address.holders.delete(payload);
    address.bytes -= payload.byteLength;
    if (address.holders.size === 0) this.#addresses.delete(holder.addressKey);
  }

  /** The clients with the oldest frame of the address that holds the most bytes. */
  #slowest(): readonly FrameHolder[] {
    let largest: AddressFrames | null = null;
    for (const address of this.#addresses.values()) if (largest === null || address.bytes > largest.bytes) largest = address;
    const [oldest] = largest?.holders.values() ?? [];
    return [...(oldest ?? [])];
  }
}
