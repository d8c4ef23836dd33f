import { createHash, randomBytes } from 'node:crypto';
import { runInBackground } from '../../shared/background.ts';
import { errorText, GearwayError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import type { PortRange, PortsStatus } from '../../shared/status.ts';
import {
  checkReservable,
  choosePort,
  type GrantedLease,
  isInRanges,
  LASTING_LEASE_MS,
  LEASE_HOLD_MS,
  type LeaseHolder,
  type LeaseRequest,
  type LeaseState,
  type Ports,
  portsStatus,
  type PortTable,
} from '../hub/port-registry.ts';
import { sleep } from '../sources/sleep.ts';
import type { Membership } from './membership.ts';
import { RareWarnings } from './rare-warnings.ts';
import type { Replica, ReplicaEntry } from './store.ts';

/** A port in the store. Each write has a new `nonce`. */
type PortRecord =
  /** `member` is null after the viewer has left, while the port is reserved. `hash` is that of the lease key. */
  | {
      readonly kind: 'lease';
      readonly nonce: string;
      readonly member: string | null;
      readonly hash: string;
      readonly address: string | null;
      readonly hasLasted: boolean;
    }
  | { readonly kind: 'native'; readonly nonce: string; readonly member: string }
  | { readonly kind: 'free'; readonly nonce: string };

type LeaseRecord = Extract<PortRecord, { kind: 'lease' }>;

/** A viewer of this gateway. */
interface Holder {
  readonly owner: LeaseHolder;
  readonly record: LeaseRecord;
  readonly sinceMs: number;
}

/**
 * Time without an acknowledged heartbeat after which a gateway disconnects its viewers with ports, because another
 * gateway may assign these ports soon. The others declare a silent gateway dead after at least 3 intervals between
 * heartbeats, and then reserve its ports for this time.
 */
const LEASES_FOR_MS = LEASE_HOLD_MS;

/**
 * Time without an acknowledged heartbeat after which a gateway gives up the ports of its native clients, if other
 * gateways may have the same clients. It is shorter than for viewers, because clients end after 12 s without a frame,
 * and another gateway has to connect to them before that. Without failover, the time is the same as for viewers, so
 * that clients survive an outage of NATS: until then, no other gateway assigns their ports to viewers.
 */
const NATIVE_FOR_MS = 5000;

/** Maximum number of attempts to lease a port while other gateways take the same port. */
const MAX_ATTEMPTS = 16;

/**
 * Maximum time for which a viewer waits for a port while the connection to a NATS server is being restored. If the last
 * acknowledged heartbeat is older than this, viewers do not wait, and watch without a port.
 */
const PATIENCE_MS = 3000;

/** Interval between attempts. */
const RETRY_MS = 100;

const MAX_PORT = 65_535;

/** Interval between searches for records of this gateway without a client, and for its clients without a record. */
const TIDY_MS = 5000;

/** Interval between rewrites of this gateway's records, because keys expire after an hour without a write. */
const REFRESH_MS = 1_200_000;

interface ClusterPortsOptions {
  readonly stream: string;
  readonly ranges: readonly PortRange[];
  readonly reserved: Iterable<number>;
  /** Whether the stream and its native clients may also be configured at other gateways. */
  readonly hasFailover: () => boolean;
  readonly replica: Replica;
  readonly membership: Membership;
  readonly log: Logger;
  readonly nowMs?: () => number;
  /** Default {@link PATIENCE_MS}. */
  readonly patienceMs?: number;
}

/**
 * The {@link Ports} of a stream in a cluster. Each port is a key of the store, which is only written if no other
 * gateway has written it in the meantime. Therefore, a port has one holder in the whole cluster, and its key has one
 * valid value, regardless of the gateway to which a viewer connects.
 */
export class ClusterPorts implements Ports {
  readonly #options: ClusterPortsOptions;
  readonly #nowMs: () => number;
  readonly #warnings: RareWarnings;
  readonly #reserved: ReadonlySet<number>;
  readonly #prefix: string;
  readonly #entries = new Map<number, ReplicaEntry & { readonly value: PortRecord }>();
  readonly #holders = new Map<number, Holder>();
  /** Native clients of this gateway, by port. */
  readonly #natives = new Map<number, { readonly nonce: string; readonly onLost: (reason: string) => void }>();
  /** Nonces of pending writes. */
  readonly #pending = new Set<string>();
  /**
   * Ports that are being assigned to viewers of this gateway: unavailable to others, and counted in the share of their
   * address.
   */
  readonly #claims = new Map<number, LeaseState>();
  readonly #stopListening: () => void;
  #tidiedAtMs: number;
  #refreshedAtMs: number;
  #isClosed = false;

  constructor(options: ClusterPortsOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#warnings = new RareWarnings(options.log);
    this.#reserved = new Set(options.reserved);
    this.#prefix = `port.${options.stream}.`;
    this.#tidiedAtMs = this.#refreshedAtMs = this.#nowMs();
    for (const [key, entry] of options.replica.entries()) this.#received(key, entry);
    const stopListening = options.replica.listen((key, entry) => this.#received(key, entry));
    const stopLapses = options.membership.onLapse((lapseMs) => this.#giveUp(lapseMs));
    this.#stopListening = () => {
      stopListening();
      stopLapses();
    };
  }

  reserve(port: number, onLost: (reason: string) => void = () => undefined): void {
    const table = this.#table(NATIVE_FOR_MS);
    if (table.native.has(port) && !this.#natives.has(port))
      throw new GearwayError(
        'port-taken',
        `port ${port} belongs to a client of another gateway, which may have just stopped; give this client another identity with ?id=, or try again later`,
      );
    checkReservable(table, port, this.#nowMs());
    const record: PortRecord = { kind: 'native', nonce: createNonce(), member: this.#options.membership.id };
    this.#natives.set(port, { nonce: record.nonce, onLost });
    this.#write(port, record, (isWritten) => {
      if (!isWritten && this.#natives.get(port)?.nonce === record.nonce)
        this.#loseNative(port, `port ${port} belongs to a client of another gateway`);
    });
  }

  free(port: number): void {
    const native = this.#natives.get(port);
    if (native === undefined) return;
    this.#natives.delete(port);
    if (this.#entries.get(port)?.value.nonce === native.nonce)
      this.#write(port, { kind: 'free', nonce: createNonce() });
  }

  status(): PortsStatus {
    return portsStatus(this.#table(), this.#nowMs());
  }

  async lease(owner: LeaseHolder, { key, ...request }: LeaseRequest = {}): Promise<GrantedLease> {
    const { membership, replica, patienceMs = PATIENCE_MS } = this.#options;
    const untilMs = performance.now() + patienceMs;
    const hashed: LeaseRequest = { ...request, key: key === undefined ? undefined : hashKey(key) };
    if (key !== undefined) await this.#retryUntil(untilMs, () => this.#catchUp(key));
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      const now = this.#nowMs();
      const port = choosePort(this.#table(), hashed, now);
      const isRenewal = hashed.key !== undefined && this.#lease(port)?.hash === hashed.key;
      const sinceMs = isRenewal ? (this.#holders.get(port)?.sinceMs ?? now - LASTING_LEASE_MS) : now;
      const leaseKey = createLeaseKey(port);
      const record: LeaseRecord = {
        kind: 'lease',
        nonce: createNonce(),
        member: membership.id,
        hash: hashKey(leaseKey),
        address: this.#reserved.has(port) ? null : (request.address ?? null),
        hasLasted: isRenewal,
      };
      const claim: LeaseState = {
        key: record.hash,
        isOwned: true,
        heldUntilMs: 0,
        address: record.address,
        hasLasted: false,
        isReleased: false,
      };
      this.#pending.add(record.nonce);
      // A viewer that renews its own lease can compete only with its own tabs.
      if (!isRenewal) this.#claims.set(port, claim);
      try {
        const isWritten = await this.#retryUntil(untilMs, async () => {
          if ((await replica.update(this.#key(port), record)) !== null) return true;
          // An earlier attempt may have been stored although its answer was lost.
          return this.#entries.get(port)?.value.nonce === record.nonce;
        });
        if (!isWritten) continue;
      } finally {
        this.#pending.delete(record.nonce);
        if (this.#claims.get(port) === claim) this.#claims.delete(port);
      }
      if (this.#isClosed) throw new GearwayError('closed', 'the gateway is stopping');
      this.#holders.set(port, { owner, record, sinceMs });
      // Another client has taken over the port in the meantime.
      if (this.#entries.get(port)?.value.nonce !== record.nonce) this.#revokeSuperseded(port);
      return { port, leaseKey };
    }
    throw new GearwayError('no-free-port', 'the ports are being taken by other viewers; reload the page to try again');
  }

  /**
   * Repeats an action until it succeeds.
   *
   * @param untilMs deadline, which also ends failures without an outage: for example, if the NATS user may write
   * heartbeats, but not ports.
   * @throws {GearwayError} `cluster-unreachable` if it fails for too long.
   */
  async #retryUntil<T>(untilMs: number, action: () => Promise<T>): Promise<T> {
    const { membership, patienceMs = PATIENCE_MS } = this.#options;
    for (;;) {
      try {
        return await action();
      } catch (error) {
        if (this.#isClosed || membership.silenceMs >= patienceMs || performance.now() >= untilMs)
          throw new GearwayError(
            'cluster-unreachable',
            `no port can be assigned, because the cluster cannot be reached (${errorText(error)}); reload the page later`,
            { cause: error },
          );
        await sleep(RETRY_MS);
      }
    }
  }

  /**
   * Reads the record of a lease key that is unknown here: the viewer may have come from another gateway before this
   * gateway's copy of the store was updated.
   */
  async #catchUp(key: string): Promise<void> {
    const hash = hashKey(key);
    for (const { value } of this.#entries.values()) if (value.kind === 'lease' && value.hash === hash) return;
    const port = portOf(key);
    if (port !== null && isInRanges(port, this.#options.ranges)) await this.#options.replica.refresh(this.#key(port));
  }

  leave(port: number, owner: LeaseHolder): void {
    const holder = this.#holders.get(port);
    if (holder?.owner !== owner) return;
    this.#holders.delete(port);
    const hasLasted = this.#nowMs() - holder.sinceMs >= LASTING_LEASE_MS;
    this.#write(port, { ...holder.record, nonce: createNonce(), member: null, hasLasted });
  }

  revoke(port: number, owner: LeaseHolder): void {
    if (this.#holders.get(port)?.owner !== owner) return;
    this.#holders.delete(port);
    this.#write(port, { kind: 'free', nonce: createNonce() });
  }

  /** Called at least every second: gives up ports that other gateways may soon take, and retries failed writes. */
  tick(): void {
    const { membership } = this.#options;
    this.#giveUp(membership.silenceMs);
    const now = this.#nowMs();
    if (now - this.#tidiedAtMs < TIDY_MS || !membership.isCertain) return;
    this.#tidiedAtMs = now;
    this.#tidy(now);
  }

  /** @param silenceMs time for which the others may have received no heartbeat of this gateway. */
  #giveUp(silenceMs: number): void {
    if (silenceMs > (this.#options.hasFailover() ? NATIVE_FOR_MS : LEASES_FOR_MS)) {
      for (const port of this.#natives.keys())
        this.#loseNative(port, 'the cluster cannot be reached, so another gateway may serve this client');
    }
    if (silenceMs > LEASES_FOR_MS) {
      for (const [port, { owner }] of this.#holders) {
        this.#holders.delete(port);
        owner.lose('the cluster cannot be reached, so the port may be assigned to another viewer');
      }
    }
  }

  /** Reserves the ports of the viewers that are still connected, and frees those of native clients. */
  close(): void {
    for (const port of this.#natives.keys()) this.free(port);
    for (const [port, { owner }] of this.#holders) this.leave(port, owner);
    this.#isClosed = true;
    this.#stopListening();
  }

  #tidy(now: number): void {
    const { membership } = this.#options;
    const isRefresh = now - this.#refreshedAtMs > REFRESH_MS;
    if (isRefresh) this.#refreshedAtMs = now;
    for (const [port, { value }] of this.#entries) {
      if (value.kind === 'free' || value.member !== membership.id || this.#pending.has(value.nonce)) continue;
      const isMine =
        value.nonce === this.#holders.get(port)?.record.nonce || value.nonce === this.#natives.get(port)?.nonce;
      if (isMine && isRefresh) this.#write(port, value);
      else if (!isMine && value.kind === 'native') this.#write(port, { kind: 'free', nonce: createNonce() });
      else if (!isMine) this.#write(port, { ...value, nonce: createNonce(), member: null } as PortRecord);
    }
    // Rewrite records that the store has lost.
    for (const [port, { record }] of this.#holders) if (!this.#isStored(port)) this.#write(port, record);
    for (const [port, { nonce }] of this.#natives)
      if (!this.#isStored(port)) this.#write(port, { kind: 'native', nonce, member: membership.id });
  }

  #isStored(port: number): boolean {
    return this.#options.replica.get(this.#key(port)) !== undefined;
  }

  /** @param nativeHoldMs how long the ports of native clients stay taken after their gateway has died. */
  #table(nativeHoldMs = LEASE_HOLD_MS): PortTable {
    const { membership } = this.#options;
    const leases = new Map<number, LeaseState>();
    const native = new Set<number>(this.#natives.keys());
    for (const [port, { value, atMs }] of this.#entries) {
      if (value.kind === 'free') continue;
      const isAlive = value.member !== null && membership.isAlive(value.member);
      const diedAtMs = value.member === null ? atMs : membership.diedAtMs(value.member);
      if (value.kind === 'native') {
        if (isAlive || this.#nowMs() < diedAtMs + nativeHoldMs) native.add(port);
        continue;
      }
      leases.set(port, {
        key: value.hash,
        isOwned: isAlive,
        heldUntilMs: Math.max(diedAtMs, atMs) + LEASE_HOLD_MS,
        address: value.address,
        hasLasted: value.hasLasted || value.member !== null,
        isReleased: value.member === null,
      });
    }
    for (const [port, claim] of this.#claims) leases.set(port, claim);
    return { ranges: this.#options.ranges, reserved: this.#reserved, native, leases };
  }

  #lease(port: number): LeaseRecord | null {
    const value = this.#entries.get(port)?.value;
    return value?.kind === 'lease' ? value : null;
  }

  #received(key: string, entry: ReplicaEntry): void {
    if (!key.startsWith(this.#prefix)) return;
    const text = key.slice(this.#prefix.length);
    const port = Number(text);
    // Ignore keys that no gateway writes: 0x1770 and 6e3 are not keys of port 6000.
    if (!Number.isInteger(port) || port < 1 || port > MAX_PORT || String(port) !== text) return;
    const { value } = entry;
    if (isPortRecord(value)) this.#entries.set(port, { ...entry, value });
    else this.#entries.delete(port);
    this.#revokeSuperseded(port);
  }

  #revokeSuperseded(port: number): void {
    const nonce = this.#entries.get(port)?.value.nonce;
    if (nonce === undefined) return;
    const holder = this.#holders.get(port);
    if (holder !== undefined && holder.record.nonce !== nonce) {
      this.#holders.delete(port);
      holder.owner.revoke();
    }
    const native = this.#natives.get(port);
    if (native !== undefined && native.nonce !== nonce && !this.#pending.has(native.nonce))
      this.#loseNative(port, `port ${port} has been taken by a client of another gateway`);
  }

  #loseNative(port: number, reason: string): void {
    const native = this.#natives.get(port);
    this.#natives.delete(port);
    native?.onLost(reason);
  }

  /** Writes a port unless another gateway has written it. A failed write is retried by {@link tick}. */
  #write(port: number, record: PortRecord, done: (isWritten: boolean) => void = () => undefined): void {
    this.#pending.add(record.nonce);
    const written = this.#options.replica
      .update(this.#key(port), record)
      .finally(() => this.#pending.delete(record.nonce));
    runInBackground(
      written.then((revision) => done(revision !== null)),
      (error) => {
        if (!this.#isClosed)
          this.#warnings.warn(`port ${port} could not be written: ${errorText(error)}`, {
            stream: this.#options.stream,
            port,
          });
        done(false);
      },
    );
  }

  #key(port: number): string {
    return `${this.#prefix}${port}`;
  }
}

/**
 * Whether a value from the store is a valid record of a port. Otherwise the port is free, and the record can be
 * overwritten.
 */
function isPortRecord(value: unknown): value is PortRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, nonce, member, hash, address, hasLasted } = value as Partial<Record<keyof LeaseRecord, unknown>>;
  if (typeof nonce !== 'string') return false;
  if (kind === 'free') return true;
  if (kind === 'native') return typeof member === 'string';
  return (
    kind === 'lease' &&
    (member === null || typeof member === 'string') &&
    typeof hash === 'string' &&
    (address === null || typeof address === 'string') &&
    typeof hasLasted === 'boolean'
  );
}

/**
 * A lease key with 112 random bits, which begins with its port. It is as long as that of a gateway without a cluster.
 */
function createLeaseKey(port: number): string {
  return port.toString(16).padStart(PORT_DIGITS, '0') + randomBytes(14).toString('hex');
}

const PORT_DIGITS = 4;

/**
 * @returns null if the key does not have the format of a lease key. The port is meaningless for a key of a gateway
 * without a cluster.
 */
function portOf(key: string): number | null {
  return /^[0-9a-f]{32}$/.test(key) ? Number.parseInt(key.slice(0, PORT_DIGITS), 16) : null;
}

/** The store contains only hashes of lease keys, because all gateways and their administrators can read it. */
function hashKey(key: string): string {
  return createHash('sha256').update(key).digest('base64url');
}

function createNonce(): string {
  return randomBytes(9).toString('base64url');
}
