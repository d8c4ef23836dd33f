import { X509Certificate } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';

export interface TrustedNamesOptions {
  /** Address that the gateway listens on. */
  readonly host: string;
  /** Further names that the gateway answers to; each with a port for that port alone. */
  readonly allowHosts: readonly string[];
  /** Origins of other sites whose pages may embed the viewer. */
  readonly allowOrigins: readonly string[];
  /** Address of the gateway behind a proxy; null where there is none. */
  readonly publicUrl: URL | null;
  /** The gateway's own certificate. The names in it are accepted too. */
  readonly tls: { readonly cert: string } | null;
}

/** A host name or IP address, lower case and without a trailing dot, and the port; null where the default port of the scheme is meant. */
export interface HostAndPort {
  readonly name: string;
  readonly port: number | null;
}

/** @returns null unless the text is `NAME`, `IPV4` or `[IPV6]`, optionally with `:PORT`. Names consist of letters, digits, `-`, `_` and dots. */
export function parseHost(text: string | undefined): HostAndPort | null {
  const match = /^(?:\[([\da-f:.]+(?:%[\w.~-]+)?)\]|(\w[\w.-]{0,254}?)\.?)(?::(\d{1,5}))?$/i.exec(text ?? '');
  const name = (match?.[1] ?? match?.[2])?.toLowerCase();
  if (name === undefined || name === '' || (match?.[1] !== undefined && isIP(name) !== 6)) return null;
  return { name, port: match?.[3] === undefined ? null : Number(match[3]) };
}

/** Names by which a machine called `name` is reached in its own network: all of it, its first label, and that label in mDNS. */
function namesOfMachine(name: string): readonly string[] {
  const full = parseHost(name)?.name;
  if (full === undefined || isIP(full) !== 0) return full === undefined ? [] : [full];
  const [label = full] = full.split('.');
  return [full, label, `${label}.local`];
}

/**
 * The host names that the gateway answers to, and the origins whose pages may use it.
 *
 * Only names that a stranger cannot own are accepted unasked: DNS rebinding points the attacker's own name at our address,
 * and the browser then sends that name as Host. It cannot be made to send an IP address, `localhost`, or this machine's name.
 */
export class TrustedNames {
  readonly #names: ReadonlySet<string>;
  readonly #allowed: readonly HostAndPort[];
  readonly #origins: ReadonlySet<string>;
  readonly #publicUrl: URL | null;
  readonly #certificate: X509Certificate | null;

  constructor({ host, allowHosts, allowOrigins, publicUrl, tls }: TrustedNamesOptions) {
    this.#names = new Set(['localhost', parseHost(host)?.name ?? host, ...namesOfMachine(hostname())]);
    this.#allowed = [...allowHosts.map(parseHost).filter((allowed) => allowed !== null), ...(publicUrl === null ? [] : [{ name: publicUrl.hostname.replace(/\.$/, ''), port: null }])];
    this.#origins = new Set(allowOrigins);
    this.#publicUrl = publicUrl;
    this.#certificate = tls === null ? null : new X509Certificate(tls.cert);
  }

  /** Origins that may show our pages in a frame, as the `frame-ancestors` directive of Content-Security-Policy lists them. */
  get frameAncestors(): string {
    return ["'self'", ...this.#origins].join(' ');
  }

  /** Whether a Host header, or the host that a proxy reports, names this gateway. */
  isOurHost(header: string | undefined): boolean {
    const host = parseHost(header);
    if (host === null) return false;
    const { name, port } = host;
    if (isIP(name) !== 0 || this.#names.has(name)) return true;
    if (this.#allowed.some((allowed) => allowed.name === name && (allowed.port === null || (port === null ? [80, 443].includes(allowed.port) : port === allowed.port)))) return true;
    return this.#certificate?.checkHost(name, { subject: 'never' }) !== undefined;
  }

  /**
   * Whether a page of this origin may use the gateway. Without an Origin, the request is a navigation, a same-origin GET, or not from a browser.
   *
   * @param hosts under which the request reached the gateway: its Host, and what a trusted proxy reports.
   */
  isAllowedOrigin(origin: string | undefined, hosts: readonly string[]): boolean {
    if (origin === undefined || this.#origins.has(origin) || origin === this.#publicUrl?.origin) return true;
    return hosts.some((host) => this.#isOriginOf(origin, host));
  }

  /**
   * Whether a page of another origin embeds the response without revealing that origin, as `<img src>` does: the origin
   * cannot be checked then. Browsers report this to loopback addresses and over TLS (https://www.w3.org/TR/fetch-metadata/);
   * elsewhere `Cross-Origin-Resource-Policy` makes them discard the response.
   */
  isAnonymousEmbedding(headers: IncomingHttpHeaders): boolean {
    const site = headers['sec-fetch-site'];
    return headers.origin === undefined && headers['sec-fetch-mode'] === 'no-cors' && site !== undefined && site !== 'same-origin' && site !== 'none';
  }

  /**
   * The origin of the page that shows the response in a frame although `frame-ancestors` forbids it; null where that is allowed or not known.
   * Browsers would show an empty box: a page that names the reason is shown there instead.
   */
  forbiddenFrame(headers: IncomingHttpHeaders, hosts: readonly string[]): string | null {
    const { 'sec-fetch-dest': destination, 'sec-fetch-site': site, referer } = headers;
    if (typeof destination !== 'string' || !FRAMES.has(destination) || (site !== 'cross-site' && site !== 'same-site')) return null;
    const origin = originOf(referer);
    return origin === null || this.isAllowedOrigin(origin, hosts) ? null : origin;
  }

  /** Whether another origin is listed by name, so that its pages may read responses. */
  isListedOrigin(origin: string | undefined): origin is string {
    return origin !== undefined && this.#origins.has(origin);
  }

  #isOriginOf(origin: string, host: string): boolean {
    const bare = withoutDot(host);
    // Of the two origins at the public address only the one with its scheme is ours: http://example.org may be somebody between.
    if (this.#publicUrl !== null && originOf(`${this.#publicUrl.protocol}//${bare}`) === this.#publicUrl.origin) return false;
    return ['http:', 'https:'].some((scheme) => originOf(`${scheme}//${bare}`) === withoutDot(origin));
  }
}

const FRAMES: ReadonlySet<string> = new Set(['iframe', 'frame', 'embed', 'object']);

/** The origin of an address over HTTP; null where there is none. */
export function originOf(url: string | undefined): string | null {
  if (url === undefined || !URL.canParse(url)) return null;
  const { origin, protocol } = new URL(url);
  return protocol === 'http:' || protocol === 'https:' ? origin : null;
}

/** `localhost.:8080` as `localhost:8080`. */
function withoutDot(host: string): string {
  return host.replace(/\.(?=:\d+$|$)/, '');
}
