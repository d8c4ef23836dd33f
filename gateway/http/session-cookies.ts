import type { FastifyReply, FastifyRequest } from 'fastify';
import { hostsOf } from './request-origin.ts';
import type { TrustedNames } from './trusted-names.ts';

/**
 * `gearway-session`, with the port if there is one in the address: cookies are shared by all ports of a host. The
 * prefixes let only this host set the cookie, over TLS (RFC 6265bis, section 4.1.3).
 */
const NAME = /^(?:__Host-|__Secure-)?gearway-session(?:-\d{1,5})?$/;

/** A session's id: 256 bits in base64url. */
const ID = /^[\w-]{43}$/;

/**
 * The cookies of sessions. Scripts cannot read them (`HttpOnly`), and browsers send them with requests of pages of the
 * same site only (`SameSite=Strict`). Because other ports and subdomains belong to the same site, cookies count only
 * for requests of the gateway's own pages.
 */
export class SessionCookies {
  readonly #names: TrustedNames;
  readonly #publicUrl: URL | null;

  constructor(names: TrustedNames, publicUrl: URL | null) {
    this.#names = names;
    this.#publicUrl = publicUrl;
  }

  /**
   * Whether a request comes from one of the gateway's own pages. Browsers send `Origin` with every WebSocket and every
   * request that may change something. Without it, `Sec-Fetch-Site` decides, if there is one; reading is then allowed,
   * because pages of other origins cannot use the response (`Cross-Origin-Resource-Policy`).
   */
  isOwnPage(request: FastifyRequest): boolean {
    const { origin, upgrade, 'sec-fetch-site': site } = request.headers;
    if (origin !== undefined) return this.#names.isOwnOrigin(origin, hostsOf(request));
    if (upgrade !== undefined || (request.method !== 'GET' && request.method !== 'HEAD')) return false;
    return site === undefined || site === 'same-origin' || site === 'none';
  }

  /**
   * The ids that a request of one of the gateway's own pages presents; none for other requests. Other gateways on this
   * host, and anyone who controls a subdomain, can add cookies of the same name. Any of them may precede that of this
   * gateway, so all are checked. The limit of a request's headers also limits the number of ids.
   */
  read(request: FastifyRequest): readonly string[] {
    const { cookie } = request.headers;
    if (cookie === undefined || !this.isOwnPage(request)) return [];
    return cookie
      .split(';')
      .map((pair) => pair.trim().split('='))
      .filter(([name = '', id = '']) => NAME.test(name) && ID.test(id))
      .map(([, id = '']) => id);
  }

  /** Sets the cookie in the response to a request of one of the gateway's own pages. */
  set(request: FastifyRequest, reply: FastifyReply, id: string, maxAgeMs: number): void {
    reply.header('set-cookie', this.#format(request, id, Math.floor(maxAgeMs / 1000)));
  }

  /** Removes the cookie. */
  clear(request: FastifyRequest, reply: FastifyReply): void {
    reply.header('set-cookie', this.#format(request, '', 0));
  }

  /** The page's origin shows whether the browser uses TLS, even behind a proxy. */
  #format({ headers }: FastifyRequest, id: string, maxAgeS: number): string {
    const { origin, protocol, port } = new URL(headers.origin ?? '');
    const path = origin === this.#publicUrl?.origin ? this.#publicUrl.pathname : '/';
    const isSecure = protocol === 'https:';
    const prefix = isSecure ? (path === '/' ? '__Host-' : '__Secure-') : '';
    const name = `${prefix}gearway-session${port === '' ? '' : `-${port}`}`;
    return `${name}=${id}; Path=${path}; Max-Age=${maxAgeS}; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`;
  }
}
