import { randomBytes } from 'node:crypto';
import { GearwayError } from '../../shared/errors.ts';
import type { PortRange, PortsStatus } from '../../shared/status.ts';

export type { PortRange } from '../../shared/status.ts';

/** Formats ranges as in the options: `6000-6063,7000`. */
export function formatPortRanges(ranges: readonly PortRange[]): string {
  return ranges.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(',');
}

/**
 * Holder of a virtual port. `revoke` is called at most once, when the owner of the lease takes over from another
 * socket.
 */
export interface LeaseHolder {
  revoke(): void;
}

interface Lease {
  key: string;
  owner: LeaseHolder | null;
  /** If there is no owner: until when the port is held for whoever has the key. */
  heldUntilMs: number;
  /** The address whose quota it counts towards; null for none. */
  readonly address: string | null;
  /** When the first owner got the port; unchanged when a new socket takes over with the key. */
  readonly sinceMs: number;
  /** Whether it lasted long enough to stay held when no other port is free. */
  hasLasted: boolean;
}

/** A viewer's request for a port. */
interface LeaseRequest {
  /** Requested port; any free one if absent. */
  readonly wanted?: number | undefined;
  /** Key of an earlier lease. */
  readonly key?: string | undefined;
  /** The port whose token the viewer presented: the only one that it may have. */
  readonly owned?: number | null;
  /** The viewer's address as returned by `addressKey`, for its quota of ports; no quota applies if absent. */
  readonly address?: string | undefined;
}

/** How long a port is held for the owner of its key after the socket has closed. */
export const LEASE_HOLD_MS = 30_000;

/**
 * A port whose lease was shorter is held too, but goes to a new viewer if no other port is free. Otherwise reconnecting
 * in a loop could hold all ports.
 */
const LASTING_LEASE_MS = 5000;

/** Minimum quota of ports per address, held ports included; the quota is half of the virtual ports if that is more. */
const MIN_PORTS_PER_ADDRESS = 8;

const KEY_BYTES = 16;

/**
 * Assigns ports to the clients of a stream. Ports are unique across native and web clients.
 * A native client's port is reserved for as long as the client is listed; a virtual port is leased.
 */
export class PortRegistry {
  readonly #ranges: readonly PortRange[];
  readonly #nowMs: () => number;
  readonly #native = new Set<number>();
  /** Virtual ports that only the owner of the port's token can lease. */
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
    if (this.#leases.has(port) && !this.#isFree(port)) {
      throw new GearwayError('port-taken', `port ${port} is leased to a viewer, or held for one that has just left; ${another}`);
    }
    this.#native.add(port);
  }

  free(port: number): void {
    this.#native.delete(port);
  }

  /** State of the virtual ports; ports in the ranges that belong to native clients count as taken. */
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
   * Leases a port to a viewer. A viewer with the key of an earlier lease gets that port again, and the owner of a
   * reserved port gets its own: both take over from the current holder.
   *
   * @returns the port and a new key, which invalidates the old one.
   * @throws {GearwayError} `port-taken`, `port-out-of-range`, `address-limit`, `port-reserved` (also when the owner of
   * one port requests another); `no-free-port` when no specific port was requested, or when this stream does not have
   * the owner's port.
   */
  lease(owner: LeaseHolder, request: LeaseRequest = {}): { port: number; leaseKey: string } {
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
    previous?.owner?.revoke();
    return { port, leaseKey };
  }

  /** The viewer's socket has closed: holds the port for a while. Does nothing if the lease has another owner by now. */
  leave(port: number, owner: LeaseHolder): void {
    const lease = this.#leases.get(port);
    if (lease?.owner !== owner) return;
    const now = this.#nowMs();
    lease.owner = null;
    lease.heldUntilMs = now + LEASE_HOLD_MS;
    lease.hasLasted = now - lease.sinceMs >= LASTING_LEASE_MS;
  }

  /** The viewer was disconnected by the administrator: frees its port immediately and invalidates the key. */
  revoke(port: number, owner: LeaseHolder): void {
    if (this.#leases.get(port)?.owner === owner) this.#leases.delete(port);
  }

  #find({ wanted, key, owned = null, address }: LeaseRequest): number {
    if (owned !== null) {
      if (wanted !== undefined && wanted !== owned) {
        throw new GearwayError('port-reserved', `port ${wanted} was requested, but this token is for port ${owned}`);
      }
      // A reserved port may be in the ranges of another stream.
      if (!this.#reserved.has(owned)) {
        throw new GearwayError('no-free-port', `this token is for port ${owned}, which this stream does not have`);
      }
      return owned;
    }
    if (key !== undefined) {
      for (const [port, lease] of this.#leases) {
        const mine = lease.key === key && (wanted === undefined || wanted === port);
        if (mine && (lease.owner !== null || lease.heldUntilMs > this.#nowMs())) return port;
      }
    }
    if (wanted !== undefined) {
      const another = 'request another port, or none';
      if (this.#native.has(wanted)) throw new GearwayError('port-taken', `port ${wanted} belongs to a native client; ${another}`);
      if (!this.#ranges.some(({ from, to }) => wanted >= from && wanted <= to)) {
        const ranges = formatPortRanges(this.#ranges);
        throw new GearwayError('port-out-of-range', `port is ${wanted}, expected one of this stream's virtual ports, ${ranges}`);
      }
      if (this.#reserved.has(wanted)) {
        const text = `port ${wanted} is reserved for the owner of its token; present that token, or request another port`;
        throw new GearwayError('port-reserved', text);
      }
      if (!this.#isFree(wanted)) throw new GearwayError('port-taken', `port ${wanted} is taken by another viewer; ${another}`);
      if (this.#hasItsShare(address)) throw this.#shareTaken();
      return wanted;
    }
    if (this.#hasItsShare(address)) {
      // It may reuse a port held for its own earlier viewers: that takes nothing from other addresses.
      const own = this.#oldestHeld((lease) => lease.address === address);
      if (own === null) throw this.#shareTaken();
      return own;
    }
    for (const port of this.#all()) if (this.#isFree(port) && !this.#reserved.has(port)) return port;
    const yielded = this.#oldestHeld((lease) => !lease.hasLasted);
    if (yielded !== null) return yielded;
    const ranges = formatPortRanges(this.#ranges);
    throw new GearwayError('no-free-port', `all virtual ports, ${ranges}, are taken; configure more, or reconnect later`);
  }

  #hasItsShare(address: string | undefined): boolean {
    if (address === undefined) return false;
    let count = 0;
    for (const [port, lease] of this.#leases) if (lease.address === address && (lease.owner !== null || this.#isHeld(port))) count += 1;
    return count >= this.#portsPerAddress;
  }

  #shareTaken(): GearwayError {
    const text = `your address already has ${this.#portsPerAddress} of this stream's virtual ports, its maximum`;
    return new GearwayError('address-limit', `${text}; close a viewer, or configure more ports`);
  }

  /** The unreserved held port whose hold expires first. */
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
