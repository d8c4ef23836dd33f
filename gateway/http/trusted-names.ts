import { X509Certificate } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';

export interface TrustedNamesOptions {
  /** Address on which the gateway listens. */
  readonly host: string;
  /** Additional accepted host names; one with a port is accepted only with that port. */
  readonly allowHosts: readonly string[];
  /** Origins of other sites whose pages may embed the viewer. */
  readonly allowOrigins: readonly string[];
  /** Public address of the gateway behind a proxy; null if there is none. */
  readonly publicUrl: URL | null;
  /** The gateway's certificate, whose names are accepted too. */
  readonly tls: { readonly cert: string } | null;
}

/**
 * A host name or IP address, in lower case and without a trailing dot, and a port; null for the scheme's default port.
 */
interface HostAndPort {
  readonly name: string;
  readonly port: number | null;
}

/**
 * @returns null unless the text is `NAME`, `IPV4` or `[IPV6]`, optionally with `:PORT`. Names have letters, digits,
 * `-`, `_` and dots.
 */
export function parseHost(text: string | undefined): HostAndPort | null {
  const match = /^(?:\[([\da-f:.]+(?:%[\w.~-]+)?)\]|(\w[\w.-]{0,254}?)\.?)(?::(\d{1,5}))?$/i.exec(text ?? '');
  const name = (match?.[1] ?? match?.[2])?.toLowerCase();
  if (name === undefined || name === '' || (match?.[1] !== undefined && isIP(name) !== 6)) return null;
  return { name, port: match?.[3] === undefined ? null : Number(match[3]) };
}

/** Names of this machine in its own network: the full name, its first label, and that label in mDNS. */
function namesOfMachine(name: string): readonly string[] {
  const full = parseHost(name)?.name;
  if (full === undefined || isIP(full) !== 0) return full === undefined ? [] : [full];
  const [label = full] = full.split('.');
  return [full, label, `${label}.local`];
}

/**
 * The accepted host names of the gateway, and the origins whose pages may use it.
 *
 * By default only names that an attacker cannot own are accepted. DNS rebinding points the attacker's name at the
 * gateway's address, and the browser then sends that name as Host. The browser cannot be made to send an IP address,
 * `localhost`, or this machine's name.
 */
export class TrustedNames {
  readonly #names: ReadonlySet<string>;
  readonly #allowed: readonly HostAndPort[];
  readonly #origins: ReadonlySet<string>;
  readonly #publicUrl: URL | null;
  #certificate: X509Certificate | null = null;

  constructor({ host, allowHosts, allowOrigins, publicUrl, tls }: TrustedNamesOptions) {
    this.#names = new Set(['localhost', parseHost(host)?.name ?? host, ...namesOfMachine(hostname())]);
    this.#allowed = [
      ...allowHosts.map(parseHost).filter((allowed) => allowed !== null),
      ...(publicUrl === null ? [] : [{ name: publicUrl.hostname.replace(/\.$/, ''), port: null }]),
    ];
    this.#origins = new Set(allowOrigins);
    this.#publicUrl = publicUrl;
    this.useCertificate(tls?.cert ?? null);
  }

  /** Accepts the names in a certificate instead of those in the previous one. @param cert in PEM; null for none. */
  useCertificate(cert: string | null): void {
    this.#certificate = cert === null ? null : new X509Certificate(cert);
  }

  /**
   * Origins that may show the gateway's pages in a frame, as the `frame-ancestors` directive of Content-Security-Policy
   * lists them.
   */
  get frameAncestors(): string {
    return ["'self'", ...this.#origins].join(' ');
  }

  /** Whether a Host header, or the host reported by a proxy, is a name of this gateway. */
  isOurHost(header: string | undefined): boolean {
    const host = parseHost(header);
    if (host === null) return false;
    const { name, port } = host;
    if (isIP(name) !== 0 || this.#names.has(name)) return true;
    if (
      this.#allowed.some(
        (allowed) =>
          allowed.name === name &&
          (allowed.port === null || (port === null ? [80, 443].includes(allowed.port) : port === allowed.port)),
      )
    )
      return true;
    return this.#certificate?.checkHost(name, { subject: 'never' }) !== undefined;
  }

  /**
   * Whether a page of this origin may use the gateway. A request without Origin is a navigation, a same-origin GET, or
   * not from a browser.
   *
   * @param hosts the request's Host, and the one reported by a trusted proxy.
   */
  isAllowedOrigin(origin: string | undefined, hosts: readonly string[]): boolean {
    return origin === undefined || this.#origins.has(origin) || this.isOwnOrigin(origin, hosts);
  }

  /**
   * Whether an origin is that of the gateway's own pages.
   *
   * @param hosts as above.
   */
  isOwnOrigin(origin: string, hosts: readonly string[]): boolean {
    return origin === this.#publicUrl?.origin || hosts.some((host) => this.#isOriginOf(origin, host));
  }

  /**
   * Whether a page of another origin embeds the response without sending that origin, as `<img src>` does, so that it
   * cannot be checked. Browsers report this to loopback addresses and over TLS (https://www.w3.org/TR/fetch-metadata/);
   * otherwise, `Cross-Origin-Resource-Policy` makes them discard the response.
   */
  isAnonymousEmbedding(headers: IncomingHttpHeaders): boolean {
    const site = headers['sec-fetch-site'];
    return (
      headers.origin === undefined &&
      headers['sec-fetch-mode'] === 'no-cors' &&
      site !== undefined &&
      site !== 'same-origin' &&
      site !== 'none'
    );
  }

  /**
   * The origin of a page that shows the response in a frame although `frame-ancestors` forbids it; null if it is
   * allowed or unknown. Browsers would show an empty box, so a page with the reason is sent instead.
   */
  forbiddenFrame(headers: IncomingHttpHeaders, hosts: readonly string[]): string | null {
    const { 'sec-fetch-dest': destination, 'sec-fetch-site': site, referer } = headers;
    if (typeof destination !== 'string' || !FRAMES.has(destination) || (site !== 'cross-site' && site !== 'same-site'))
      return null;
    const origin = originOf(referer);
    return origin === null || this.isAllowedOrigin(origin, hosts) ? null : origin;
  }

  /** Whether an origin is explicitly allowed, so that its pages may read responses. */
  isListedOrigin(origin: string | undefined): origin is string {
    return origin !== undefined && this.#origins.has(origin);
  }

  #isOriginOf(origin: string, host: string): boolean {
    const bare = withoutDot(host);
    // The public address counts only with its own scheme: http://example.org may come from a man in the middle.
    if (this.#publicUrl !== null && originOf(`${this.#publicUrl.protocol}//${bare}`) === this.#publicUrl.origin)
      return false;
    return ['http:', 'https:'].some((scheme) => originOf(`${scheme}//${bare}`) === withoutDot(origin));
  }
}

const FRAMES: ReadonlySet<string> = new Set(['iframe', 'frame', 'embed', 'object']);

/** The origin of an HTTP URL; null for other text. */
export function originOf(url: string | undefined): string | null {
  if (url === undefined || !URL.canParse(url)) return null;
  const { origin, protocol } = new URL(url);
  return protocol === 'http:' || protocol === 'https:' ? origin : null;
}

/** Removes the trailing dot of a host name, alone or in an origin: `localhost.:8080` becomes `localhost:8080`. */
function withoutDot(host: string): string {
  // A dot after the port remains: no browser sends one.
  return host.replace(/^((?:https?:\/\/)?[^:/]+)\.(?=:\d+$|$)/, '$1');
}
