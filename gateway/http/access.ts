import { createHash, timingSafeEqual } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import type { IncomingHttpHeaders } from 'node:http';
import { parseHost } from './trusted-names.ts';

/**
 * `view`: watch, and read the API; `return`: lease a port and return data; `administer`: add and remove clients;
 * `publish`: send frames to a `push:` stream.
 */
export type Right = 'view' | 'return' | 'administer' | 'publish';

/** A known identity and its rights. */
export interface Principal {
  /** Used in messages, the log and audit events. */
  readonly name:
    | 'administrator key'
    | 'token'
    | 'view token'
    | 'publish token'
    | 'port token'
    | 'this machine'
    | 'anyone';
  readonly rights: readonly Right[];
  /** The only port that this principal may lease; null for any free one. */
  readonly port: number | null;
}

/** Origin of a request, apart from its token. */
export interface Sender {
  /** Address of the TCP peer, which may be a proxy. undefined if the connection has closed. */
  readonly peer: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/**
 * Result of an authorization. `token-wrong` counts as a failed log-in; the message fits into the reason of a WebSocket
 * close.
 */
export type Authorization =
  | { readonly allowed: true; readonly principal: Principal }
  | {
      readonly allowed: false;
      readonly cause: 'token-missing' | 'token-wrong' | 'right-missing';
      readonly message: string;
    };

export interface AccessOptions {
  /** Address on which the gateway listens. */
  readonly host: string;
  /** Let anyone watch and return data without a token. */
  readonly insecure: boolean;
  /** Token with all rights. null: requests from this machine need no token, except to administer. */
  readonly token: string | null;
  /** Secret with all rights, used if there is no `token`. */
  readonly administratorKey: string | null;
  /** Token that grants viewing only. */
  readonly viewToken: string | null;
  /** Token that grants publishing only. */
  readonly publishToken: string | null;
  /** The tokens of reserved ports. */
  readonly reservedPorts: ReadonlyMap<number, string>;
}

const ALL_RIGHTS: readonly Right[] = ['view', 'return', 'administer', 'publish'];

/** Maps tokens and senders to rights. Compares tokens in constant time. */
export class Access {
  readonly #options: AccessOptions;
  readonly #tokens: readonly { readonly hash: Buffer; readonly principal: Principal }[];

  constructor(options: AccessOptions) {
    const { token, administratorKey, viewToken, publishToken, reservedPorts } = options;
    this.#options = options;
    const tokens: [string | null, Principal][] = [
      [token, { name: 'token', rights: ALL_RIGHTS, port: null }],
      [administratorKey, { name: 'administrator key', rights: ALL_RIGHTS, port: null }],
      [viewToken, { name: 'view token', rights: ['view'], port: null }],
      [publishToken, { name: 'publish token', rights: ['publish'], port: null }],
      ...[...reservedPorts].map(([port, secret]): [string, Principal] => [
        secret,
        { name: 'port token', rights: ['view', 'return'], port },
      ]),
    ];
    this.#tokens = tokens.flatMap(([secret, principal]) =>
      secret === null ? [] : [{ hash: hash(secret), principal }],
    );
  }

  /**
   * Decides whether a request may use a right. An unknown token is ignored if the request would be allowed without one,
   * so that programs and pages with an outdated token keep working.
   */
  authorize(token: string | undefined, right: Right, sender: Sender): Authorization {
    const known = token === undefined ? null : this.#find(token);
    const principal = known ?? this.#withoutToken(sender);
    if (principal?.rights.includes(right) === true) return { allowed: true, principal };
    if (known !== null)
      return {
        allowed: false,
        cause: 'right-missing',
        message: `the ${known.name} does not give the right to ${right}`,
      };
    if (token !== undefined) return { allowed: false, cause: 'token-wrong', message: 'invalid token' };
    return { allowed: false, cause: 'token-missing', message: this.#explain(right, sender) };
  }

  #find(token: string): Principal | null {
    const given = hash(token);
    let found: Principal | null = null;
    // Compares all tokens, so that the time does not depend on which one matches.
    for (const { hash: expected, principal } of this.#tokens) if (timingSafeEqual(given, expected)) found ??= principal;
    return found;
  }

  #withoutToken(sender: Sender): Principal | null {
    const { host, token, publishToken, insecure } = this.#options;
    if (token !== null) return null;
    if (isLoopback(host) && whyNotLocal(sender) === null)
      return publishToken === null ? THIS_MACHINE : { ...THIS_MACHINE, rights: ['view', 'return'] };
    return insecure ? ANYONE : null;
  }

  #explain(right: Right, sender: Sender): string {
    const { host, token, publishToken } = this.#options;
    if (token !== null) return 'this gateway requires a token';
    if (right === 'administer')
      return 'this requires the administrator key, which the gateway prints when it starts, or a token (--token)';
    if (right === 'publish' && (publishToken !== null || !isLoopback(host)))
      return 'publishing requires a token (--publish-token, or --token)';
    return `${whyNotLocal(sender) ?? 'this request'} needs a token: start the gateway with --token`;
  }
}

/** A sender on the gateway's machine. Never an administrator, because it may be a proxy that adds no header. */
const THIS_MACHINE: Principal = { name: 'this machine', rights: ['view', 'return', 'publish'], port: null };

/** Any sender, with `--insecure`. */
const ANYONE: Principal = { name: 'anyone', rights: ['view', 'return'], port: null };

/**
 * Headers with which proxies, CDNs and load balancers report where a request came from, in Node's lower-case spelling.
 * A program on this machine has no reason to send one, and a browser cannot.
 */
const FORWARDING_HEADER =
  /^(?:forwarded|forwarded-.*|via|cdn-loop|(?:cf|fly|fastly)-.*|x-(?:forwarded|original|real|remote|rewrite|proxy|envoy|azure|amz|amzn|appengine|cloud).*|(?:.*-)?(?:client|connecting|remote|user)-?(?:ip|addr(?:ess)?))$/;

/** Why a request may not come directly from this machine, as the subject of a sentence; null if it does. */
function whyNotLocal({ peer, headers }: Sender): string | null {
  if (peer === undefined || !isThisMachine(peer)) return 'a request from another machine';
  const forwarding = Object.keys(headers).find((name) => FORWARDING_HEADER.test(name));
  if (forwarding !== undefined) return `a request that came through a proxy (${forwarding.slice(0, 24)})`;
  const { host, origin } = headers;
  if (!isThisMachine(parseHost(host)?.name ?? '')) return 'a request for a name other than localhost';
  if (origin !== undefined && !isThisMachine(originHost(origin) ?? ''))
    return 'a request from a page of another machine';
  return null;
}

function originHost(origin: string): string | null {
  return parseHost(/^https?:\/\/([^/]+)$/.exec(origin)?.[1])?.name ?? null;
}

/** The token of an `Authorization: Bearer …` header (RFC 6750). */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer ([\x21-\x7e]+)$/i.exec(header ?? '')?.[1];
}

/**
 * The password of an `Authorization: Basic …` header (RFC 7617): the token, for clients that can send nothing else.
 * Ignores the user name.
 */
export function basicPassword(header: string | undefined): string | undefined {
  const encoded = /^Basic ([\w+/]+={0,2})$/i.exec(header ?? '')?.[1];
  return encoded === undefined ? undefined : /^[^:]*:(.*)$/s.exec(Buffer.from(encoded, 'base64').toString())?.[1];
}

/** Whether a listening address is reachable only from this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8);
LOOPBACK.addAddress('::1', 'ipv6');

/**
 * Whether a host name or address means this machine: `localhost`, or a loopback address in any notation, including
 * IPv4-mapped.
 */
export function isThisMachine(name: string): boolean {
  const address = name.toLowerCase().replace(/%.*$/, '');
  return (
    address === 'localhost' || (isIP(address) !== 0 && LOOPBACK.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'))
  );
}

function hash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
