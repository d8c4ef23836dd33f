import { createHash, timingSafeEqual } from 'node:crypto';

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
}

const ALL_RIGHTS: readonly Right[] = ['view', 'return', 'administer', 'publish'];

/** Decides who may do what. Tokens are compared in constant time. */
export class Access {
  readonly #tokens: readonly { readonly hash: Buffer; readonly principal: Principal }[];
  /** Who shows no token; null when that is not enough. */
  readonly #anyone: Principal | null;

  constructor({ host, token, viewToken, publishToken, reservedPorts }: AccessOptions) {
    const tokens: [string | null, Principal][] = [
      [token, { name: 'token', rights: ALL_RIGHTS, port: null }],
      [viewToken, { name: 'view token', rights: ['view'], port: null }],
      [publishToken, { name: 'publish token', rights: ['publish'], port: null }],
      ...[...reservedPorts].map(([port, secret]): [string, Principal] => [secret, { name: 'port token', rights: ['view', 'return'], port }]),
    ];
    this.#tokens = tokens.flatMap(([secret, principal]) => (secret === null ? [] : [{ hash: hash(secret), principal }]));
    this.#anyone = token === null ? { name: 'anyone', rights: rightsOfAnyone(host, publishToken), port: null } : null;
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

function hash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
