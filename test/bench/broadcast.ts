import { AckDriver } from './ack-driver.ts';

/** Maximum number of frames in flight per viewer: the gateway's window for viewers on the same machine. */
export const FRAMES_IN_FLIGHT = 2;

/** A receiver of every frame, if it is fast enough. */
export class BroadcastViewer {
  readonly #write: () => void;
  #inFlight = 0;
  #waits = false;

  /** @param write sends the frame. */
  constructor(write: () => void) {
    this.#write = write;
  }

  offer(): void {
    if (this.#inFlight >= FRAMES_IN_FLIGHT) {
      this.#waits = true;
      return;
    }
    this.#inFlight += 1;
    this.#write();
  }

  acknowledged(): void {
    this.#inFlight -= 1;
    if (!this.#waits) return;
    this.#waits = false;
    this.offer();
  }
}

/**
 * The minimum work of a server for many viewers: it sends each frame to all of them, with two in flight and one
 * waiting, like the gateway.
 */
export class Broadcast {
  readonly #viewers = new Set<BroadcastViewer>();
  readonly #driver = new AckDriver(() => {
    for (const viewer of this.#viewers) viewer.offer();
  });

  join(viewer: BroadcastViewer): void {
    this.#viewers.add(viewer);
    this.#driver.joined();
    viewer.offer();
  }

  leave(viewer: BroadcastViewer): void {
    if (this.#viewers.delete(viewer)) this.#driver.left();
  }

  acknowledged(viewer: BroadcastViewer): void {
    viewer.acknowledged();
    this.#driver.acknowledged(1);
  }
}
