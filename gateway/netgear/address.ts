import { isIP } from 'node:net';
import { GearwayError } from '../../shared/errors.ts';
import { parseSecureMode, resolveKeysFolder, type Security } from './curve-keys.ts';
import { type Pattern, parsePattern } from './pattern.ts';

/** A parsed address of a NetGear peer, such as `tcp://HOST:PORT?pattern=1`. */
export interface NetGearAddress {
  /** The ports as typed, at least one: a port is a peer's identity. */
  readonly ports: readonly string[];
  /**
   * ZeroMQ endpoints, one per port: `tcp://HOST:PORT`, or `ipc://PATH:PORT`, because NetGear appends the port to the
   * path.
   */
  readonly endpoints: readonly string[];
  readonly pattern: Pattern;
  /** NetGear's secure mode; null for none. */
  readonly security: Security | null;
  /** Further `?key=value` options. */
  readonly options: ReadonlyMap<string, string>;
}

const HOST = String.raw`\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.*_-]+`;
const ADDRESS = new RegExp(
  String.raw`^(tcp://(?:${HOST})|ipc:///[^?#\s,\0]{1,96}?):(\d{1,5}(?:,\d{1,5})*)(?:\?(.*))?$`,
);

const COMMON = ['pattern', 'secure', 'keys'] as const;

/**
 * Parses an address: `tcp://127.0.0.1:5567?pattern=1`, several ports as `5567,5577`, `ipc:///tmp/feed:5555`, and
 * NetGear's secure mode as `secure=1&keys=FOLDER`.
 *
 * @param known names of accepted options besides `pattern`, `secure` and `keys`; `allow` lists the accepted IP
 * addresses.
 * @throws {GearwayError} `address-invalid`, `pattern-unknown`, `option-invalid`.
 */
export function parseNetGearAddress(typed: string, known: readonly string[] = []): NetGearAddress {
  const text = lowerCaseScheme(typed);
  const match = ADDRESS.exec(text);
  const [, base = '', list, query = ''] = match ?? [];
  const ports = list?.split(',') ?? [];
  if (match === null || ports.some((port) => Number(port) < 1 || Number(port) > 65_535)) {
    const expected = 'tcp://HOST:PORT?pattern=1 or ipc:///PATH:PORT?pattern=1';
    throw new GearwayError('address-invalid', `address is ${JSON.stringify(text)}, expected ${expected}`);
  }
  checkHost(base);
  if (new Set(ports.map(Number)).size !== ports.length) {
    throw new GearwayError(
      'address-invalid',
      `address ${text} lists a port twice, expected unique ports: a port identifies a peer`,
    );
  }
  const options = new Map(new URLSearchParams(query));
  for (const key of options.keys()) {
    if (![...COMMON, ...known].includes(key)) {
      throw new GearwayError(
        'address-invalid',
        `address ${text} has the option ${JSON.stringify(key)}, expected one of ${[...COMMON, ...known].join(', ')}`,
      );
    }
  }
  const pattern = parsePattern(options.get('pattern') ?? '1');
  const security = resolveSecurity(options, text);
  for (const key of [...COMMON, 'allow']) options.delete(key);
  return { ports, endpoints: ports.map((port) => `${base}:${port}`), pattern, security, options };
}

/**
 * Converts a scheme to lower case: schemes are case-insensitive (RFC 3986, 3.1), but libzmq and FFmpeg accept only
 * lower case.
 */
export function lowerCaseScheme(address: string): string {
  return address.replace(/^[a-z][a-z0-9+.-]*:\/\//i, (scheme) => scheme.toLowerCase());
}

/**
 * Checks an address whose host is written as an IP address: `192.168.1.300` would otherwise be looked up as a name.
 *
 * @param address begins with a scheme; a user name and password are skipped.
 * @throws {GearwayError} `address-invalid`.
 */
export function checkHost(address: string): void {
  const host = /^[a-z0-9+.-]+:\/\/(?:[^/?#]*@)?(\[[^\]]*\]|[^/?#:]*)/i.exec(address)?.[1] ?? '';
  const isBracketed = host.startsWith('[');
  if (!isBracketed && !/^\d[\d.]*\.\d+$/.test(host)) return;
  if (isIP(host.replace(/^\[|\]$/g, '')) === (isBracketed ? 6 : 4)) return;
  const expected = isBracketed ? 'an IPv6 address such as [::1]' : 'four numbers from 0 to 255, such as 192.168.1.30';
  throw new GearwayError('address-invalid', `${host} is not an IP address, expected ${expected}`);
}

function resolveSecurity(options: ReadonlyMap<string, string>, text: string): Security | null {
  const mode = parseSecureMode(options.get('secure') ?? '0');
  if (mode === null) {
    for (const key of ['keys', 'allow']) {
      if (options.has(key)) {
        throw new GearwayError('option-invalid', `address ${text} has ${key}=, which requires secure=1 or secure=2`);
      }
    }
    return null;
  }
  const allow = options.get('allow');
  return {
    mode,
    folder: resolveKeysFolder(options.get('keys')),
    allowedAddresses: allow === undefined ? null : allow.split(','),
  };
}

/**
 * Parses a boolean option.
 *
 * @returns false if it is absent.
 * @throws {GearwayError} `option-invalid`.
 */
export function parseFlag(options: ReadonlyMap<string, string>, name: string): boolean {
  const text = options.get(name) ?? 'false';
  if (text !== 'true' && text !== 'false')
    throw new GearwayError('option-invalid', `${name} is ${JSON.stringify(text)}, expected true or false`);
  return text === 'true';
}
