/** A link between two places, for TCP: it takes its time, and carries so many bits a second each way. */
import { connect, createServer, type Socket } from 'node:net';
import { answerParent, listen } from './processes.ts';

export interface Link {
  readonly roundTripMs: number;
  /** null for as many as there are. */
  readonly bitsPerSecond: number | null;
}

/** Of a router before the narrow link, for each direction: what does not fit is held back at its sender, as a window that is full does. */
const BUFFER_BYTES = 64 << 10;

/** Chunks of a narrow link: what a packet or a few take. */
const CHUNK_BYTES = 4096;

/** One direction of one connection. */
class Direction {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #link: Link;
  /** When the link has carried all that was given to it. */
  #freeAtMs = 0;
  #queuedBytes = 0;
  readonly #underWay: { readonly dueMs: number; readonly action: () => void }[] = [];

  constructor(from: Socket, to: Socket, link: Link) {
    this.#from = from;
    this.#to = to;
    this.#link = link;
    from.on('data', (bytes) => this.#carry(bytes));
    from.on('end', () => this.#after(0, () => to.end()));
    // Viewers leave with frames under way.
    from.on('error', () => to.destroy());
    from.on('close', () => this.#after(0, () => to.destroy()));
  }

  #carry(bytes: Buffer): void {
    if (this.#link.bitsPerSecond === null) {
      this.#after(0, () => this.#to.write(bytes));
      return;
    }
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      const chunk = bytes.subarray(at, at + CHUNK_BYTES);
      this.#queuedBytes += chunk.length;
      this.#after((chunk.length * 8000) / this.#link.bitsPerSecond, () => {
        this.#queuedBytes -= chunk.length;
        this.#to.write(chunk);
        if (this.#queuedBytes < BUFFER_BYTES && this.#from.isPaused()) this.#from.resume();
      });
    }
    if (this.#queuedBytes >= BUFFER_BYTES) this.#from.pause();
  }

  /** Does something behind all before it, as long as the link needs for it, and the way. */
  #after(carryMs: number, action: () => void): void {
    this.#freeAtMs = Math.max(performance.now(), this.#freeAtMs) + carryMs;
    this.#underWay.push({ dueMs: this.#freeAtMs + this.#link.roundTripMs / 2, action });
    if (this.#underWay.length === 1) this.#deliver();
  }

  /** One timer for all, since two that end at once may fire in either order. */
  #deliver(): void {
    for (;;) {
      const [next] = this.#underWay;
      if (next === undefined) return;
      const waitMs = next.dueMs - performance.now();
      // A timer takes a millisecond at least.
      if (waitMs > 0.5) {
        setTimeout(() => this.#deliver(), Math.floor(waitMs));
        return;
      }
      this.#underWay.shift();
      next.action();
    }
  }
}

const handlers = {
  /** @returns the port of this end of a link to another port of this machine. */
  open(target: number, link: Link): Promise<number> {
    return listen(
      createServer((near) => {
        const far = connect({ port: target, host: '127.0.0.1', noDelay: true });
        near.setNoDelay(true);
        new Direction(near, far, link);
        new Direction(far, near, link);
      }),
    );
  },
};

export type LinkRelay = typeof handlers;

answerParent(handlers);
