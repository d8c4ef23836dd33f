import { randomBytes } from 'node:crypto';
import { GearwayError } from '../../shared/errors.ts';
import type { PortRange, PortsStatus } from '../../shared/status.ts';

export type { PortRange } from '../../shared/status.ts';

/** As people write them: `6000-6063,7000`. */
export function formatPortRanges(ranges: readonly PortRange[]): string {
  return ranges.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(',');
}

/** Who sits on a virtual port. `evict` is called at most once, when the lease's owner takes the port over from another socket. */
export interface Seated {
  evict(): void;
}

interface Lease {
  key: string;
  owner: Seated | null;
  /** Without an owner: when the hold for the owner of the key ends. */
  heldUntilMs: number;
  /** Whose share it counts for; null for none. */
  readonly address: string | null;
  /** When its first owner came: a lease that was taken over with its key goes on. */
  readonly sinceMs: number;
  /** Whether it lasted long enough for its hold to be kept when ports are short. */
  hasLasted: boolean;
}

/** What a viewer asks for. */
export interface SeatRequest {
  /** The port wanted; any free one when absent. */
  readonly wanted?: number | undefined;
  /** The key of a former lease. */
  readonly key?: string | undefined;
  /** The port whose token the viewer presented: the only one that it may have. */
  readonly owned?: number | null;
  /** The viewer's address, as `addressKey` gives it: its share of the ports is limited. Absent: it counts for no address. */
  readonly address?: string | undefined;
}

/** How long a port is kept for who has its key after the socket has ended. */
export const LEASE_HOLD_MS = 30_000;

/** A lease that lasted less is held as well, but gives way to a viewer for whom no port is free: coming and going cannot hold all ports. */
const LASTING_LEASE_MS = 5000;

/** One address may have half of the virtual ports, held ones included, and always this many. */
const MIN_PORTS_PER_ADDRESS = 8;

/** Most viewers that may hold ports is the range itself; keys are 128 bits. */
const KEY_BYTES = 16;

/**
 * Who is which port of a stream. Ports are compared as numbers, and unique over native and web clients.
 * A native client's port is reserved for as long as the client is listed; a virtual port is leased.
 */
export class PortRegistry {
  readonly #ranges: readonly PortRange[];
  readonly #nowMs: () => number;
  readonly #native = new Set<number>();
  /** Virtual ports that only the owner of their token gets. */
  readonly #reserved: ReadonlySet<number>;
  readonly #leases = new Map<number, Lease>();
  readonly #portsPerAddress: number;

  /** @param ranges the virtual ports; they don't overlap. */
  constructor(ranges: readonly PortRange[], options: { reserved?: Iterable<number>; nowMs?: () => number } = {}) {
    this.#ranges = ranges;
    this.#reserved = new Set(options.reserved);
    this.#nowMs = options.nowMs ?? (() => performance.now());
    const count = ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    this.#portsPerAddress = Math.max(MIN_PORTS_PER_ADDRESS, Math.ceil(count / 2));
  }

  /** @throws {GearwayError} `port-taken`. */
  reserve(port: number): void {
    const another = 'give this client another identity with ?id=';
    if (this.#native.has(port)) throw new GearwayError('port-taken', `port ${port} is listed twice; ${another}`);
    if (this.#reserved.has(port)) throw new GearwayError('port-taken', `port ${port} is reserved for the owner of its token; ${another}`);
    if (this.#leases.has(port) && !this.#isFree(port)) throw new GearwayError('port-taken', `port ${port} is a viewer's, or held for one that has just left; ${another}`);
    this.#native.add(port);
  }

  free(port: number): void {
    this.#native.delete(port);
  }

  /** The virtual ports; those in the range that native clients have count as taken. */
  status(): PortsStatus {
    const held: number[] = [];
    let free = 0;
    let taken = 0;
    for (const port of this.#all()) {
      if (!this.#isFree(port)) taken += 1;
      else if (!this.#reserved.has(port)) free += 1;
      if (this.#isHeld(port)) held.push(port);
    }
    return { ranges: this.#ranges, free, taken, held, reserved: [...this.#reserved].sort((a, b) => a - b) };
  }

  /**
   * Seats a viewer. With the right key it gets its port back, and the owner of a reserved port gets that one: both take it
   * over from whoever sits there.
   *
   * @returns the port and a new key: the old one is worth nothing any more.
   * @throws {GearwayError} `port-taken`, `port-out-of-range`, `address-limit`, `port-reserved` (also when the owner of one port asks for another); `no-free-port` when
   * any would have done, or when this stream does not reserve the owner's port.
   */
  seat(owner: Seated, request: SeatRequest = {}): { port: number; leaseKey: string } {
    const port = this.#find(request);
    const previous = this.#leases.get(port);
    const goesOn = previous !== undefined && request.key === previous.key;
    const leaseKey = randomBytes(KEY_BYTES).toString('hex');
    this.#leases.set(port, {
      key: leaseKey,
      owner,
      heldUntilMs: Infinity,
      address: this.#reserved.has(port) ? null : (request.address ?? null),
      sinceMs: goesOn ? previous.sinceMs : this.#nowMs(),
      hasLasted: false,
    });
    previous?.owner?.evict();
    return { port, leaseKey };
  }

  /** The viewer's socket has ended: the port is held for a while. Does nothing when another sits there by now. */
  leave(port: number, owner: Seated): void {
    const lease = this.#leases.get(port);
    if (lease?.owner !== owner) return;
    const now = this.#nowMs();
    lease.owner = null;
    lease.heldUntilMs = now + LEASE_HOLD_MS;
    lease.hasLasted = now - lease.sinceMs >= LASTING_LEASE_MS;
  }

  /** The viewer was sent away: its port is free at once, and its key is worth nothing. */
  revoke(port: number, owner: Seated): void {
    if (this.#leases.get(port)?.owner === owner) this.#leases.delete(port);
  }

  #find({ wanted, key, owned = null, address }: SeatRequest): number {
    if (owned !== null) {
      if (wanted !== undefined && wanted !== owned) throw new GearwayError('port-reserved', `this token is for port ${owned}, and not for port ${wanted}`);
      // A reserved port may belong to the ranges of another stream.
      if (!this.#reserved.has(owned)) throw new GearwayError('no-free-port', `this token is for port ${owned}, which this stream does not have`);
      return owned;
    }
    if (key !== undefined) {
      for (const [port, lease] of this.#leases) {
        const mine = lease.key === key && (wanted === undefined || wanted === port);
        if (mine && (lease.owner !== null || lease.heldUntilMs > this.#nowMs())) return port;
      }
    }
    if (wanted !== undefined) {
      if (this.#native.has(wanted)) throw new GearwayError('port-taken', `port ${wanted} is a native client's`);
      if (!this.#ranges.some(({ from, to }) => wanted >= from && wanted <= to)) throw new GearwayError('port-out-of-range', `port ${wanted} is none of this stream's virtual ports, ${formatPortRanges(this.#ranges)}`);
      if (this.#reserved.has(wanted)) throw new GearwayError('port-reserved', `port ${wanted} is reserved for the owner of its token; show that token, or ask for another port`);
      if (!this.#isFree(wanted)) throw new GearwayError('port-taken', `port ${wanted} is taken by another viewer; ask for another, or for none`);
      if (this.#hasItsShare(address)) throw this.#shareTaken();
      return wanted;
    }
    if (this.#hasItsShare(address)) {
      // Its own earlier ports, if any: nobody else loses one.
      const own = this.#oldestHeld((lease) => lease.address === address);
      if (own === null) throw this.#shareTaken();
      return own;
    }
    for (const port of this.#all()) if (this.#isFree(port) && !this.#reserved.has(port)) return port;
    const yielded = this.#oldestHeld((lease) => !lease.hasLasted);
    if (yielded !== null) return yielded;
    throw new GearwayError('no-free-port', `all virtual ports, ${formatPortRanges(this.#ranges)}, are taken; list more of them, or wait for one and connect again`);
  }

  #hasItsShare(address: string | undefined): boolean {
    if (address === undefined) return false;
    let count = 0;
    for (const [port, lease] of this.#leases) if (lease.address === address && (lease.owner !== null || this.#isHeld(port))) count += 1;
    return count >= this.#portsPerAddress;
  }

  #shareTaken(): GearwayError {
    return new GearwayError('address-limit', `your address has ${this.#portsPerAddress} of this stream's virtual ports already, which is its share; close a viewer, or list more ports`);
  }

  /** The held port that will be free first, of those that no token reserves. */
  #oldestHeld(matches: (lease: Lease) => boolean): number | null {
    let oldest: { readonly port: number; readonly heldUntilMs: number } | null = null;
    for (const [port, lease] of this.#leases) {
      if (!this.#isHeld(port) || this.#native.has(port) || this.#reserved.has(port) || !matches(lease)) continue;
      if (oldest === null || lease.heldUntilMs < oldest.heldUntilMs) oldest = { port, heldUntilMs: lease.heldUntilMs };
    }
    return oldest?.port ?? null;
  }

  *#all(): Generator<number> {
    for (const { from, to } of this.#ranges) for (let port = from; port <= to; port += 1) yield port;
  }

  #isHeld(port: number): boolean {
    const lease = this.#leases.get(port);
    return lease !== undefined && lease.owner === null && lease.heldUntilMs > this.#nowMs();
  }

  #isFree(port: number): boolean {
    if (this.#native.has(port)) return false;
    const lease = this.#leases.get(port);
    return lease === undefined || (lease.owner === null && !this.#isHeld(port));
  }
}
