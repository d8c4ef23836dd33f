import { randomBytes } from 'node:crypto';
import { GearwayError } from '../../shared/errors.ts';

/** A range of virtual ports, both ends included. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Who sits on a virtual port. `evict` is called at most once, when the lease's owner takes the port over from another socket. */
export interface Seated {
  evict(): void;
}

interface Lease {
  key: string;
  owner: Seated | null;
  /** When nobody sits here: until when the port is kept for who has the key. */
  heldUntilMs: number;
}

/** How long a port is kept for who has its key after the socket has ended. */
export const LEASE_HOLD_MS = 30_000;

/** Most viewers that may hold ports is the range itself; keys are 128 bits. */
const KEY_BYTES = 16;

/**
 * Who is which port of a stream. Ports are compared as numbers, and unique over native and web clients.
 * A native client's port is reserved for as long as the client is listed; a virtual port is leased.
 */
export class PortRegistry {
  readonly #range: PortRange;
  readonly #nowMs: () => number;
  readonly #native = new Set<number>();
  readonly #leases = new Map<number, Lease>();

  constructor(range: PortRange, nowMs: () => number = () => performance.now()) {
    this.#range = range;
    this.#nowMs = nowMs;
  }

  /** @throws {GearwayError} `port-taken`. */
  reserve(port: number): void {
    if (this.#native.has(port)) throw new GearwayError('port-taken', `port ${port} is listed twice; give one of them another identity with ?id=`);
    this.#native.add(port);
  }

  free(port: number): void {
    this.#native.delete(port);
  }

  /** Virtual ports, not counting those that native clients have. A held port counts as taken. */
  count(): { free: number; taken: number } {
    let free = 0;
    for (let port = this.#range.from; port <= this.#range.to; port += 1) if (this.#isFree(port)) free += 1;
    return { free, taken: this.#range.to - this.#range.from + 1 - free };
  }

  /**
   * Seats a viewer. With the right key it gets its port back, taking it over from whoever sits there.
   *
   * @param wanted any free port when undefined.
   * @returns the port and a new key: the old one is worth nothing any more.
   * @throws {GearwayError} `port-taken`, `port-out-of-range`.
   */
  seat(owner: Seated, wanted: number | undefined, key: string | undefined): { port: number; leaseKey: string } {
    const port = this.#find(wanted, key);
    const previous = this.#leases.get(port)?.owner;
    const leaseKey = randomBytes(KEY_BYTES).toString('hex');
    this.#leases.set(port, { key: leaseKey, owner, heldUntilMs: Infinity });
    previous?.evict();
    return { port, leaseKey };
  }

  /** The viewer's socket has ended: the port is held for a while. Does nothing when another sits there by now. */
  leave(port: number, owner: Seated): void {
    const lease = this.#leases.get(port);
    if (lease?.owner !== owner) return;
    lease.owner = null;
    lease.heldUntilMs = this.#nowMs() + LEASE_HOLD_MS;
  }

  #find(wanted: number | undefined, key: string | undefined): number {
    const { from, to } = this.#range;
    if (key !== undefined) {
      for (const [port, lease] of this.#leases) {
        const mine = lease.key === key && (wanted === undefined || wanted === port);
        if (mine && (lease.owner !== null || lease.heldUntilMs > this.#nowMs())) return port;
      }
    }
    if (wanted !== undefined) {
      if (this.#native.has(wanted)) throw new GearwayError('port-taken', `port ${wanted} is a native client's`);
      if (wanted < from || wanted > to) throw new GearwayError('port-out-of-range', `port ${wanted} is none of this stream's virtual ports, ${from} to ${to}`);
      if (!this.#isFree(wanted)) throw new GearwayError('port-taken', `port ${wanted} is taken by another viewer; ask for another, or for none`);
      return wanted;
    }
    for (let port = from; port <= to; port += 1) if (this.#isFree(port)) return port;
    throw new GearwayError('port-taken', `all virtual ports from ${from} to ${to} are taken; watch as a spectator, or widen --virtual-ports`);
  }

  #isFree(port: number): boolean {
    if (this.#native.has(port)) return false;
    const lease = this.#leases.get(port);
    return lease === undefined || (lease.owner === null && lease.heldUntilMs <= this.#nowMs());
  }
}
