import { randomBytes } from 'node:crypto';
import { GearwayError } from '../../shared/errors.ts';
import type { PortRange, PortsStatus } from '../../shared/status.ts';

export type { PortRange } from '../../shared/status.ts';

/** Formats ranges as in the options: `6000-6063,7000`. */
export function formatPortRanges(ranges: readonly PortRange[]): string {
  return ranges.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`)).join(',');
}

/** Whether a port is in one of the ranges. */
export function isInRanges(port: number, ranges: readonly PortRange[]): boolean {
  return ranges.some(({ from, to }) => port >= from && port <= to);
}

/**
 * Holder of a virtual port. `revoke` is called at most once, when the owner of the lease takes over from another
 * socket.
 */
export interface LeaseHolder {
  revoke(): void;
  /** Called at most once, when the port may be assigned to another viewer because the cluster cannot be reached. */
  lose(reason: string): void;
}

/** The part of a lease that {@link choosePort} needs. */
export interface LeaseState {
  /** The lease's key, or the hash of it; the key of a request is compared with it. */
  readonly key: string;
  readonly isOwned: boolean;
  /** If the lease is not in use: the time until which the port is reserved for the owner of the key. */
  readonly heldUntilMs: number;
  /** The address whose quota the lease counts towards; null for none. */
  readonly address: string | null;
  /** Whether the lease lasted long enough for its port to stay reserved when no other port is free. */
  readonly hasLasted: boolean;
  /**
   * Whether its holder is known to have left. Otherwise, the holder may still be using the port until the reservation
   * ends. Default true.
   */
  readonly isReleased?: boolean;
}

interface Lease extends LeaseState {
  readonly owner: LeaseHolder | null;
  /** When the first owner got the port; unchanged when a new socket takes over with the key. */
  readonly sinceMs: number;
}

/** The ports of a stream at one moment. */
export interface PortTable {
  readonly ranges: readonly PortRange[];
  /** Virtual ports that only the owner of the port's token can lease. */
  readonly reserved: ReadonlySet<number>;
  /** Ports of native clients. */
  readonly native: { has(port: number): boolean };
  readonly leases: ReadonlyMap<number, LeaseState>;
}

/** A viewer's request for a port. */
export interface LeaseRequest {
  /** Requested port; any free one if absent. */
  readonly wanted?: number | undefined;
  /** Key of an earlier lease. */
  readonly key?: string | undefined;
  /** The port whose token the viewer presented: the only one that it may have. */
  readonly owned?: number | null;
  /** Whether a reservation of that port is for this token; default true. */
  readonly isReservation?: boolean;
  /** The viewer's address as returned by `addressKey`, for its quota of ports; no quota applies if absent. */
  readonly address?: string | undefined;
}

/** How long a port stays reserved for the owner of its key after the socket has closed. */
export const LEASE_HOLD_MS = 30_000;

/**
 * A port whose lease was shorter stays reserved, too, but goes to a new viewer if no other port is free. Otherwise,
 * reconnecting in a loop could reserve all ports.
 */
export const LASTING_LEASE_MS = 5000;

/**
 * Minimum quota of ports per address, including reserved ones; the quota is half of the virtual ports if that is more.
 */
const MIN_PORTS_PER_ADDRESS = 8;

const KEY_BYTES = 16;

/** A leased port, and the key with which its viewer gets it again. The key invalidates earlier ones. */
export interface GrantedLease {
  readonly port: number;
  readonly leaseKey: string;
}

/**
 * Assigns ports to the clients of a stream. Ports are unique across native and web clients.
 * A native client's port is reserved for as long as the client is listed; a virtual port is leased.
 */
export interface Ports {
  /**
   * @param onLost called if it turns out later that another client has the port, only in a cluster.
   * @throws {GearwayError} `port-taken`.
   */
  reserve(port: number, onLost?: (reason: string) => void): void;
  free(port: number): void;
  /** State of the virtual ports; ports in the ranges that belong to native clients count as taken. */
  status(): PortsStatus;
  /**
   * Leases a port to a viewer. A viewer with the key of an earlier lease gets that port again, and the owner of a
   * reserved port gets its own: both take over from the current holder.
   *
   * @returns the port and a new key; a promise of them in a cluster.
   * @throws {GearwayError} the errors of {@link choosePort}.
   */
  lease(owner: LeaseHolder, request?: LeaseRequest): GrantedLease | Promise<GrantedLease>;
  /**
   * Called when the viewer's socket has closed: reserves the port for a while. Does nothing if the lease has another
   * owner by now.
   */
  leave(port: number, owner: LeaseHolder): void;
  /** Called when the administrator has disconnected the viewer: frees its port immediately and invalidates the key. */
  revoke(port: number, owner: LeaseHolder): void;
}

/** The {@link Ports} of a gateway without a cluster. */
export class PortRegistry implements Ports {
  readonly #ranges: readonly PortRange[];
  readonly #nowMs: () => number;
  readonly #native = new Set<number>();
  readonly #reserved: ReadonlySet<number>;
  readonly #leases = new Map<number, Lease>();

  /** @param ranges the virtual ports; they must not overlap. */
  constructor(ranges: readonly PortRange[], options: { reserved?: Iterable<number>; nowMs?: () => number } = {}) {
    this.#ranges = ranges;
    this.#reserved = new Set(options.reserved);
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  reserve(port: number): void {
    checkReservable(this.#table(), port, this.#nowMs());
    this.#native.add(port);
  }

  free(port: number): void {
    this.#native.delete(port);
  }

  status(): PortsStatus {
    return portsStatus(this.#table(), this.#nowMs());
  }

  lease(owner: LeaseHolder, request: LeaseRequest = {}): GrantedLease {
    const port = choosePort(this.#table(), request, this.#nowMs());
    const previous = this.#leases.get(port);
    const goesOn = previous !== undefined && request.key === previous.key;
    const leaseKey = createLeaseKey();
    this.#leases.set(port, {
      key: leaseKey,
      owner,
      isOwned: true,
      heldUntilMs: Infinity,
      address: this.#reserved.has(port) ? null : (request.address ?? null),
      sinceMs: goesOn ? previous.sinceMs : this.#nowMs(),
      hasLasted: false,
    });
    previous?.owner?.revoke();
    return { port, leaseKey };
  }

  leave(port: number, owner: LeaseHolder): void {
    const lease = this.#leases.get(port);
    if (lease?.owner !== owner) return;
    const now = this.#nowMs();
    this.#leases.set(port, {
      ...lease,
      owner: null,
      isOwned: false,
      heldUntilMs: now + LEASE_HOLD_MS,
      hasLasted: now - lease.sinceMs >= LASTING_LEASE_MS,
    });
  }

  revoke(port: number, owner: LeaseHolder): void {
    if (this.#leases.get(port)?.owner === owner) this.#leases.delete(port);
  }

  #table(): PortTable {
    return { ranges: this.#ranges, reserved: this.#reserved, native: this.#native, leases: this.#leases };
  }
}

/** A new key of 128 random bits. */
function createLeaseKey(): string {
  return randomBytes(KEY_BYTES).toString('hex');
}

/** @throws {GearwayError} `port-taken` if a native client cannot have this port. */
export function checkReservable(table: PortTable, port: number, nowMs: number): void {
  const another = 'give this client another identity with ?id=';
  if (table.native.has(port)) throw new GearwayError('port-taken', `port ${port} is listed twice; ${another}`);
  if (table.reserved.has(port))
    throw new GearwayError('port-taken', `port ${port} is reserved for the owner of its token; ${another}`);
  if (!isFree(table, port, nowMs)) {
    throw new GearwayError(
      'port-taken',
      `port ${port} is leased to a viewer, or held for one that has just left; ${another}`,
    );
  }
}

export function portsStatus(table: PortTable, nowMs: number): PortsStatus {
  const held: number[] = [];
  let free = 0;
  let taken = 0;
  for (const port of virtualPorts(table)) {
    if (!isFree(table, port, nowMs)) taken += 1;
    else if (!table.reserved.has(port)) free += 1;
    if (isHeld(table, port, nowMs)) held.push(port);
  }
  return { ranges: table.ranges, free, taken, held, reserved: [...table.reserved].sort((a, b) => a - b) };
}

/**
 * Chooses the port for a viewer's request. A pure function: the caller makes the lease.
 *
 * @throws {GearwayError} `port-taken`, `port-out-of-range`, `address-limit`, `port-reserved` (also when the owner of
 * one port requests another); `no-free-port` when no specific port was requested, or when this stream does not have the
 * owner's port.
 */
export function choosePort(
  table: PortTable,
  { wanted, key, owned = null, isReservation = true, address }: LeaseRequest,
  nowMs: number,
): number {
  if (owned !== null) {
    if (wanted !== undefined && wanted !== owned) {
      throw new GearwayError('port-reserved', `port ${wanted} was requested, but this token is for port ${owned}`);
    }
    if (table.reserved.has(owned)) {
      if (isReservation) return owned;
      throw new GearwayError('port-reserved', `port ${owned} is reserved for another token`);
    }
    // The port may be a virtual port of another stream.
    if (!isInRanges(owned, table.ranges)) {
      throw new GearwayError('no-free-port', `this token is for port ${owned}, which this stream does not have`);
    }
    return choosePort(
      table,
      { wanted: owned, ...(key === undefined ? {} : { key }), ...(address === undefined ? {} : { address }) },
      nowMs,
    );
  }
  if (key !== undefined) {
    for (const [port, lease] of table.leases) {
      const mine = lease.key === key && (wanted === undefined || wanted === port);
      if (mine && (lease.isOwned || lease.heldUntilMs > nowMs)) return port;
    }
  }
  if (wanted !== undefined) {
    checkWanted(table, wanted, nowMs);
    if (hasItsShare(table, address, nowMs)) throw shareTaken(table);
    return wanted;
  }
  if (hasItsShare(table, address, nowMs)) {
    // The address may reuse a port reserved for its own earlier viewers: that leaves as many ports for other addresses.
    const own = oldestHeld(table, nowMs, (lease) => lease.address === address);
    if (own === null) throw shareTaken(table);
    return own;
  }
  for (const port of virtualPorts(table)) if (isFree(table, port, nowMs) && !table.reserved.has(port)) return port;
  const yielded = oldestHeld(table, nowMs, (lease) => !lease.hasLasted);
  if (yielded !== null) return yielded;
  const ranges = formatPortRanges(table.ranges);
  throw new GearwayError('no-free-port', `all virtual ports, ${ranges}, are taken; configure more, or reconnect later`);
}

function checkWanted(table: PortTable, wanted: number, nowMs: number): void {
  const another = 'request another port, or none';
  if (table.native.has(wanted))
    throw new GearwayError('port-taken', `port ${wanted} belongs to a native client; ${another}`);
  if (!isInRanges(wanted, table.ranges)) {
    const ranges = formatPortRanges(table.ranges);
    throw new GearwayError(
      'port-out-of-range',
      `port is ${wanted}, expected one of this stream's virtual ports, ${ranges}`,
    );
  }
  if (table.reserved.has(wanted)) {
    const text = `port ${wanted} is reserved for the owner of its token; present that token, or request another port`;
    throw new GearwayError('port-reserved', text);
  }
  if (!isFree(table, wanted, nowMs))
    throw new GearwayError('port-taken', `port ${wanted} is taken by another viewer; ${another}`);
}

/** The quota of an address. */
function portsPerAddress({ ranges }: PortTable): number {
  const count = ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  return Math.max(MIN_PORTS_PER_ADDRESS, Math.ceil(count / 2));
}

function hasItsShare(table: PortTable, address: string | undefined, nowMs: number): boolean {
  if (address === undefined) return false;
  let count = 0;
  for (const [port, lease] of table.leases)
    if (lease.address === address && (lease.isOwned || isHeld(table, port, nowMs))) count += 1;
  return count >= portsPerAddress(table);
}

function shareTaken(table: PortTable): GearwayError {
  const text = `your address already has ${portsPerAddress(table)} of this stream's virtual ports, its maximum`;
  return new GearwayError('address-limit', `${text}; close a viewer, or configure more ports`);
}

/**
 * Of the ports that are reserved for viewers that have left, and not for a token, the one whose reservation expires
 * first.
 */
function oldestHeld(table: PortTable, nowMs: number, matches: (lease: LeaseState) => boolean): number | null {
  let oldest: { readonly port: number; readonly heldUntilMs: number } | null = null;
  for (const [port, lease] of table.leases) {
    if (
      lease.isReleased === false ||
      !isHeld(table, port, nowMs) ||
      table.native.has(port) ||
      table.reserved.has(port) ||
      !matches(lease)
    )
      continue;
    if (oldest === null || lease.heldUntilMs < oldest.heldUntilMs) oldest = { port, heldUntilMs: lease.heldUntilMs };
  }
  return oldest?.port ?? null;
}

function* virtualPorts({ ranges }: PortTable): Generator<number> {
  for (const { from, to } of ranges) for (let port = from; port <= to; port += 1) yield port;
}

function isHeld({ leases }: PortTable, port: number, nowMs: number): boolean {
  const lease = leases.get(port);
  return lease !== undefined && !lease.isOwned && lease.heldUntilMs > nowMs;
}

function isFree(table: PortTable, port: number, nowMs: number): boolean {
  if (table.native.has(port)) return false;
  const lease = table.leases.get(port);
  return lease === undefined || (!lease.isOwned && !isHeld(table, port, nowMs));
}
