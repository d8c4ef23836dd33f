import { isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { GearwayError } from '../../../shared/errors.ts';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** The parts of an `http:` or `https:` URL that a request needs. */
export interface HttpAddress {
  readonly isSecure: boolean;
  /** Host name or address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** Path with its query, encoded. */
  readonly path: string;
  /** User name and password; null if the URL has none. */
  readonly credentials: Credentials | null;
}

const HOST = /^(?:\[([^\]]*)\]|([^\s:[\]\\<>"]*))(?::(\d{0,5}))?$/;

/**
 * Parses a URL as people write it. Unlike `new URL()`, it accepts a password with characters that should be encoded,
 * and an IPv6 address with a zone.
 * @throws {GearwayError} `source-invalid`.
 */
export function parseHttpAddress(url: string): HttpAddress {
  const [, scheme = '', rest = ''] = /^(https?):\/\/(.*)$/is.exec(url) ?? [];
  if (scheme === '' || /[\0\r\n]/.test(url))
    throw new GearwayError(
      'source-invalid',
      'the address is not a URL, expected http://HOST/PATH or https://HOST/PATH',
    );
  const at = endOfCredentials(rest);
  const [, authority = '', path = ''] = /^([^/?#]*)([^#]*)/.exec(rest.slice(at + 1)) ?? [];
  const [, bracketed, name = '', port = ''] = HOST.exec(authority) ?? [];
  const isSecure = scheme.toLowerCase() === 'https';
  const number = port === '' ? defaultPort(isSecure) : Number(port);
  const host = bracketed === undefined ? domainToASCII(decode(name)) : bracketed.replace('%25', '%');
  const isValid = bracketed === undefined ? host !== '' : isIPv6(host.replace(/%[\w.-]+$/, ''));
  if (!isValid || number < 1 || number > 65_535)
    throw new GearwayError('source-invalid', 'the address has no valid host and port, expected http://HOST:PORT/PATH');
  return {
    isSecure,
    host,
    port: number,
    path: encodePath(path.startsWith('/') ? path : `/${path}`),
    credentials: at < 0 ? null : parseCredentials(rest.slice(0, at)),
  };
}

/**
 * The host as in a URL and in the header `Host`: an IPv6 address in brackets and without its zone, the port if it is
 * not the default.
 */
export function formatHost({ isSecure, host, port }: HttpAddress): string {
  const name = isIPv6(host) || host.includes('%') ? `[${host.replace(/%.*/, '')}]` : host;
  return port === defaultPort(isSecure) ? name : `${name}:${port}`;
}

export function formatOrigin(address: HttpAddress): string {
  return `${address.isSecure ? 'https' : 'http'}://${formatHost(address)}`;
}

/**
 * The address to which a response redirects. Credentials are kept only for the same origin, or for the same host if it
 * redirects to HTTPS.
 *
 * @throws {GearwayError} `source-failed`.
 */
export function redirectedAddress(from: HttpAddress, location: string): HttpAddress {
  let to: HttpAddress;
  try {
    to = parseHttpAddress(
      new URL(Buffer.from(location, 'latin1').toString(), `${formatOrigin(from)}${from.path}`).href,
    );
  } catch (error) {
    throw new GearwayError(
      'source-failed',
      'the server redirects to an address that is not a valid http: or https: URL',
      { cause: error },
    );
  }
  const isSameOrigin = formatOrigin(to) === formatOrigin(from);
  const isUpgrade = to.host === from.host && to.isSecure && !from.isSecure;
  return { ...to, credentials: isSameOrigin || isUpgrade ? from.credentials : null };
}

/** @returns the offset of the @ after user and password; -1 if there are none. */
function endOfCredentials(rest: string): number {
  const [authority = ''] = /^[^/?#]*/.exec(rest) ?? [];
  const at = authority.lastIndexOf('@');
  // An unencoded password may contain `/`, `?` or `#`. The text before that character is then not a valid host and
  // port.
  return at >= 0 || HOST.test(authority) ? at : rest.lastIndexOf('@');
}

function parseCredentials(text: string): Credentials {
  const colon = text.indexOf(':');
  return {
    user: decode(colon < 0 ? text : text.slice(0, colon)),
    password: colon < 0 ? '' : decode(text.slice(colon + 1)),
  };
}

/** Decodes percent-encoding; invalid sequences are kept. */
function decode(text: string): string {
  return text.replaceAll(/(?:%[0-9a-f]{2})+/gi, (codes) => Buffer.from(codes.replaceAll('%', ''), 'hex').toString());
}

/** Encodes characters that are not allowed in a request line. */
function encodePath(path: string): string {
  return path.replaceAll(/[^\x21-\x7e]+/g, (text) =>
    Buffer.from(text).toString('hex').toUpperCase().replaceAll(/../g, '%$&'),
  );
}

function defaultPort(isSecure: boolean): number {
  return isSecure ? 443 : 80;
}
