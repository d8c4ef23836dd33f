/** A client with a frame that its connection has not accepted yet. */
export interface FrameHolder {
  /** The client's address, as returned by `addressKey`. */
  readonly addressKey: string;
  /** Closes the connection immediately and discards unsent data. Must release its frame. */
  cutOff(reason: string): void;
}

/** Maximum size of all unsent frames of viewers and MJPEG clients in user space. */
const MAX_UNSENT_BYTES = 256 << 20;

/** The unsent frames of one address. */
interface AddressFrames {
  /** Oldest frame first. */
  readonly holders: Map<Uint8Array, Set<FrameHolder>>;
  bytes: number;
}

/**
 * Limits the memory of unsent frames. Clients with the same unsent frame share its memory, so it counts once; memory is
 * used up by clients that stopped reading at different frames. Beyond the limit, clients of the address with the most
 * bytes are cut off, those with the oldest frame first.
 */
export class UnsentFrames {
  readonly #maxBytes: number;
  readonly #addresses = new Map<string, AddressFrames>();
  readonly #held = new Map<FrameHolder, Uint8Array>();
  /** Number of clients per frame. */
  readonly #counts = new Map<Uint8Array, number>();
  #bytes = 0;

  constructor(maxBytes = MAX_UNSENT_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Total size of unsent frames; shared frames count once. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Records that the connection of `holder` has not accepted `payload` yet. A client has at most one unsent frame. */
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
      for (const slow of this.#slowest())
        slow.cutOff('this client is not reading, and the memory for unsent frames is used up');
    }
  }

  /** Records that the client's connection has accepted the frame, or has closed. Idempotent. */
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

  /** The clients with the oldest unsent frame of the address with the most bytes. */
  #slowest(): readonly FrameHolder[] {
    let largest: AddressFrames | null = null;
    for (const address of this.#addresses.values())
      if (largest === null || address.bytes > largest.bytes) largest = address;
    const [oldest] = largest?.holders.values() ?? [];
    return [...(oldest ?? [])];
  }
}
