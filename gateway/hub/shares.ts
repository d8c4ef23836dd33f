import { isIPv6 } from 'node:net';
import { GearwayError } from '../../shared/errors.ts';

/** Maximum number of concurrent uses of a resource. */
export interface ShareLimits {
  readonly inAll: number;
  /** Per address, as defined by {@link addressKey}. */
  readonly perAddress: number;
  /**
   * Number of additional uses for administrators, from any address, so that other clients cannot lock them out. Default
   * 0.
   */
  readonly forAdministrators?: number;
}

/** Resources shared by all peers of the gateway, and the quota per address. */
export interface SharedLimits {
  /** Viewers' WebSockets. */
  readonly viewers: ShareLimits;
  /** WebSockets of viewers and publishers that have not been admitted yet. */
  readonly greetings: ShareLimits;
  /** Publishers' WebSockets. */
  readonly publishers: ShareLimits;
  /** Pictures being uploaded over HTTP: memory is allocated for each from its first byte on. */
  readonly bodies: ShareLimits;
  /** Total bytes of those pictures. */
  readonly bodyBytes: number;
  readonly mjpegClients: ShareLimits;
  /** Open responses of `GET /api/events`. */
  readonly eventFollowers: ShareLimits;
  /** Requests for a single picture, of a stream or of return data, until the response has been read. */
  readonly snapshots: ShareLimits;
}

/**
 * The quota of an address is large enough for a video wall, an office behind one NAT, or a proxy whose forwarded
 * addresses are not trusted, and small enough to leave most of the capacity to others.
 */
export const DEFAULT_SHARED_LIMITS: SharedLimits = {
  viewers: { inAll: 4096, perAddress: 1024 },
  greetings: { inAll: 1024, perAddress: 256 },
  publishers: { inAll: 256, perAddress: 64 },
  bodies: { inAll: 16, perAddress: 8 },
  bodyBytes: 512 << 20,
  mjpegClients: { inAll: 256, perAddress: 64, forAdministrators: 16 },
  eventFollowers: { inAll: 64, perAddress: 16, forAdministrators: 16 },
  snapshots: { inAll: 64, perAddress: 16, forAdministrators: 16 },
};

/** One acquired use of a resource. */
export interface Share {
  /** Idempotent. */
  release(): void;
}

/** Limits the concurrent uses of a resource, in total and per address. Addresses without a use take no memory. */
export class Shares {
  readonly #name: string;
  readonly #limits: ShareLimits;
  readonly #counts = new Map<string, number>();
  #count = 0;

  /** @param name plural noun for the resource, used in error messages. */
  constructor(name: string, limits: ShareLimits) {
    this.#name = name;
    this.#limits = limits;
  }

  /** Number of shares in use. */
  get count(): number {
    return this.#count;
  }

  /** Number of addresses that have a share. */
  get addresses(): number {
    return this.#counts.size;
  }

  /**
   * Acquires a share, which the caller must release on every path.
   *
   * @param address as returned by {@link addressKey}; null counts for no address.
   * @param isAdministrator allows the additional shares for administrators, and lifts the limit per address if there
   * are any.
   * @throws {GearwayError} `too-many` if no shares are left, `address-limit` if this address has reached its quota.
   */
  acquire(address: string | null, isAdministrator = false): Share {
    const { inAll, perAddress, forAdministrators = 0 } = this.#limits;
    if (this.#count >= inAll + (isAdministrator ? forAdministrators : 0)) {
      throw new GearwayError('too-many', `the gateway already has ${inAll} ${this.#name}, its maximum; retry later`);
    }
    const count = address === null ? 0 : (this.#counts.get(address) ?? 0);
    if (count >= perAddress && !(isAdministrator && forAdministrators > 0)) {
      throw new GearwayError(
        'address-limit',
        `your address already has ${perAddress} ${this.#name}, its maximum; end one of them first`,
      );
    }
    this.#count += 1;
    if (address !== null) this.#counts.set(address, count + 1);
    let isHeld = true;
    return {
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#release(address);
      },
    };
  }

  #release(address: string | null): void {
    this.#count -= 1;
    if (address === null) return;
    const count = (this.#counts.get(address) ?? 0) - 1;
    if (count > 0) this.#counts.set(address, count);
    else this.#counts.delete(address);
  }
}

/**
 * HTTP status of a refused share: 429 if the address or the user is over its quota, 503 if the gateway is; null for
 * other errors.
 */
export function shareRefusalStatus(error: unknown): 429 | 503 | null {
  if (!(error instanceof GearwayError)) return null;
  if (error.code === 'address-limit' || error.code === 'user-limit') return 429;
  return error.code === 'too-many' ? 503 : null;
}

/** Used in place of an address: all other gateways of a cluster together have the share of one address. */
export const OTHER_GATEWAYS = 'other gateways';

const LOOPBACK = '127.0.0.1';

/**
 * The key under which an address is counted: an IPv4 address, or the first 64 bits of an IPv6 address, because a
 * subscriber usually owns a whole /64. IPv4-mapped addresses count as IPv4. All loopback addresses count as 127.0.0.1,
 * because every local user can use all 16 million. Connections that have already closed have no address and share one
 * key.
 */
export function addressKey(ip: string | undefined): string {
  const [address = ''] = (ip ?? '').split('%');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return addressKey(mapped);
  if (address === '::1' || /^127(?:\.\d+){3}$/.test(address)) return LOOPBACK;
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const trailing = tail === '' ? [] : tail.split(':');
    // A trailing dotted IPv4 address counts as two groups.
    const length = trailing.length + (trailing.at(-1)?.includes('.') === true ? 1 : 0);
    groups.push(...Array.from({ length: 8 - groups.length - length }, () => '0'), ...trailing);
  }
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
