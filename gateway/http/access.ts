import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { hostname } from 'node:os';
import { isIP } from 'node:net';

/** `view`: watch, and read the API; `return`: hold a port and return data; `administer`: list native clients, and send any away; `publish`: give a stream its frames. */
export type Right = 'view' | 'return' | 'administer' | 'publish';

/** Who a client is and what it may do. */
export interface Principal {
  readonly name: 'anyone' | 'token' | 'view token' | 'publish token' | 'port token';
  readonly rights: readonly Right[];
  /** The reserved port that is this client's own. */
  readonly port: number | null;
}

export interface AccessOptions {
  /** The address that we listen on. */
  readonly host: string;
  readonly token: string | null;
  /** Who shows this one may watch, and no more. */
  readonly viewToken: string | null;
  /** Who shows this one may publish, and no more. */
  readonly publishToken: string | null;
  /** The tokens of reserved ports. */
  readonly reservedPorts: ReadonlyMap<number, string>;
  /** Origins of other sites whose pages may embed the viewer. */
  readonly allowOrigins: readonly string[];
}

const ALL_RIGHTS: readonly Right[] = ['view', 'return', 'administer', 'publish'];

/** Decides who may do what. Names are checked against DNS rebinding, origins against foreign pages, tokens in constant time. */
export class Access {
  readonly #names: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #tokens: readonly { readonly hash: Buffer; readonly principal: Principal }[];
  /** Who shows no token; null when that is not enough. */
  readonly #anyone: Principal | null;

  constructor({ host, token, viewToken, publishToken, reservedPorts, allowOrigins }: AccessOptions) {
    this.#names = new Set(['localhost', host.toLowerCase(), hostname().toLowerCase()]);
    this.#origins = new Set(allowOrigins);
    const tokens: [string | null, Principal][] = [
      [token, { name: 'token', rights: ALL_RIGHTS, port: null }],
      [viewToken, { name: 'view token', rights: ['view'], port: null }],
      [publishToken, { name: 'publish token', rights: ['publish'], port: null }],
      ...[...reservedPorts].map(([port, secret]): [string, Principal] => [secret, { name: 'port token', rights: ['view', 'return'], port }]),
    ];
    this.#tokens = tokens.flatMap(([secret, principal]) => (secret === null ? [] : [{ hash: hash(secret), principal }]));
    this.#anyone = token === null ? { name: 'anyone', rights: rightsOfAnyone(host, publishToken), port: null } : null;
  }

  /** Who may show our pages in a frame, as Content-Security-Policy says it. */
  get frameAncestors(): string {
    return ["'self'", ...this.#origins].join(' ');
  }

  /**
   * Whether a Host header names us. An attacker's page can point its own name at our address, but cannot send our
   * address or name as Host: so IP addresses are fine, and names must be ours.
   */
  isOurHost(header: string | undefined): boolean {
    const name = hostName(header);
    return name !== null && (isIP(name) !== 0 || this.#names.has(name));
  }

  /** Whether a page of this origin may talk to us. No Origin: not a browser, or a plain navigation. */
  isAllowedOrigin(origin: string | undefined, host: string | undefined): boolean {
    if (origin === undefined) return true;
    return this.#origins.has(origin) || origin === `http://${host}` || origin === `https://${host}`;
  }

  /**
   * Whether a page of another origin puts our answer into itself without saying which origin that is, as `<img src>` does:
   * then the origin cannot be checked. Browsers say so to loopback and over TLS (https://www.w3.org/TR/fetch-metadata/);
   * elsewhere `Cross-Origin-Resource-Policy` makes them throw the answer away.
   */
  isAnonymousEmbedding(headers: IncomingHttpHeaders): boolean {
    const site = headers['sec-fetch-site'];
    return headers.origin === undefined && headers['sec-fetch-mode'] === 'no-cors' && site !== undefined && site !== 'same-origin' && site !== 'none';
  }

  /** Whether a page of another origin was allowed by name, so that it may read the answer. */
  isListedOrigin(origin: string | undefined): origin is string {
    return origin !== undefined && this.#origins.has(origin);
  }

  /** @returns null when the token is missing or wrong. Where none is asked for, an unknown one is ignored. */
  authorize(token: string | undefined): Principal | null {
    if (token === undefined) return this.#anyone;
    const given = hash(token);
    let found: Principal | null = null;
    // All are compared, so that the time tells nothing.
    for (const { hash: expected, principal } of this.#tokens) if (timingSafeEqual(given, expected)) found ??= principal;
    return found ?? this.#anyone;
  }
}

/** The token of an `Authorization: Bearer …` header (RFC 6750). */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer ([\x21-\x7e]+)$/i.exec(header ?? '')?.[1];
}

/** The password of an `Authorization: Basic …` header (RFC 7617), whatever the user's name: where a program or a browser can send nothing else, it is the token. */
export function basicPassword(header: string | undefined): string | undefined {
  const encoded = /^Basic ([\w+/]+={0,2})$/i.exec(header ?? '')?.[1];
  return encoded === undefined ? undefined : /^[^:]*:(.*)$/s.exec(Buffer.from(encoded, 'base64').toString())?.[1];
}

/** What those may do who show no token, where none is asked for. */
function rightsOfAnyone(host: string, publishToken: string | null): readonly Right[] {
  // Who reaches us from elsewhere (--insecure) may do what --insecure says, and not rule over others.
  if (!isLoopback(host)) return ['view', 'return'];
  return publishToken === null ? ALL_RIGHTS : ALL_RIGHTS.filter((right) => right !== 'publish');
}

/** Whether an address is this machine alone. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function hostName(header: string | undefined): string | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s/]+))(?::\d{1,5})?$/.exec(header ?? '');
  return (match?.[1] ?? match?.[2])?.toLowerCase() ?? null;
}

function hash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
