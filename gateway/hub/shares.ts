import { isIPv6 } from 'node:net';
import { GearwayError } from '../../shared/errors.ts';

/** How many of something there may be at one time. */
export interface ShareLimits {
  readonly inAll: number;
  /** From one address, as {@link addressKey} tells addresses apart. */
  readonly perAddress: number;
  /** How many more, from any address, there may be of those who may administer: holders of other tokens cannot lock them out. Default 0. */
  readonly forAdministrators?: number;
}

/** What is shared among all peers of the gateway, and how much of it one address may have. */
export interface SharedLimits {
  /** Viewers' WebSockets. */
  readonly viewers: ShareLimits;
  /** WebSockets of viewers and publishers that have not been admitted yet. */
  readonly greetings: ShareLimits;
  /** Publishers' WebSockets. */
  readonly publishers: ShareLimits;
  /** Pictures being received by HTTP: each has its memory from the first byte on. */
  readonly bodies: ShareLimits;
  /** Bytes of those pictures together. */
  readonly bodyBytes: number;
  readonly mjpegClients: ShareLimits;
  /** Followers of `GET /api/events`. */
  readonly eventFollowers: ShareLimits;
  /** Requests for a single picture, of a stream or of return data, until it has been read. */
  readonly snapshots: ShareLimits;
}

/**
 * The share of an address is large enough for a wall of screens, an office behind one NAT, or a proxy whose forwarded addresses are not
 * trusted, and small enough to leave most for the others.
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

/** One of what {@link Shares} counts. */
export interface Share {
  /** Gives it back. Idempotent. */
  release(): void;
}

/** Counts something that all peers share, in all and per address. An address that has none takes no memory. */
export class Shares {
  readonly #name: string;
  readonly #limits: ShareLimits;
  readonly #counts = new Map<string, number>();
  #count = 0;

  /** @param name what is counted, in the plural: it stands in the refusals. */
  constructor(name: string, limits: ShareLimits) {
    this.#name = name;
    this.#limits = limits;
  }

  /** Number of shares given out. */
  get count(): number {
    return this.#count;
  }

  /** Number of addresses that have a share. */
  get addresses(): number {
    return this.#counts.size;
  }

  /**
   * Takes a share, which must be released when its use ends, however it ends.
   *
   * @param address as {@link addressKey} gives it; null counts for no address.
   * @param isAdministrator whether those that are kept for administrators may be given as well, whatever the address has.
   * @throws {GearwayError} `too-many` when there are none left, `address-limit` when this address has its share.
   */
  acquire(address: string | null, isAdministrator = false): Share {
    const { inAll, perAddress, forAdministrators = 0 } = this.#limits;
    if (this.#count >= inAll + (isAdministrator ? forAdministrators : 0)) throw new GearwayError('too-many', `the gateway has ${inAll} ${this.#name} already; try again later`);
    const count = address === null ? 0 : (this.#counts.get(address) ?? 0);
    if (count >= perAddress && !(isAdministrator && forAdministrators > 0)) throw new GearwayError('address-limit', `your address has ${perAddress} ${this.#name} already; end one of them first`);
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

/** HTTP status of a refused share: the client is to end something of its own, or everybody has to wait. */
export function shareRefusalStatus(error: unknown): 429 | 503 | null {
  if (!(error instanceof GearwayError)) return null;
  if (error.code === 'address-limit') return 429;
  return error.code === 'too-many' ? 503 : null;
}

const LOOPBACK = '127.0.0.1';

/**
 * What counts as one address: an IPv4 address, or the first 64 bits of an IPv6 address, of which one subscriber usually has all.
 * An IPv4-mapped IPv6 address is the IPv4 address. All loopback addresses, of which every local user has 16 million, are 127.0.0.1. A connection that has ended already has no address: all of them count as one.
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
    const behind = tail === '' ? [] : tail.split(':');
    // An IPv4 address at the end stands for two groups.
    const length = behind.length + (behind.at(-1)?.includes('.') === true ? 1 : 0);
    groups.push(...Array.from({ length: 8 - groups.length - length }, () => '0'), ...behind);
  }
  return `${groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}
