import { errorText } from '../../shared/errors.ts';
import { isThisMachine } from '../http/access.ts';
import { formatPortRanges, isInRanges, type PortRange } from '../hub/port-registry.ts';
import { RIGHTS } from '../rights/principal.ts';
import { isUrl, type JwtSettings } from '../rights/jwt-verifier.ts';
import { BUILT_IN_NAMES, type NamedToken } from '../rights/rows.ts';
import type { UserLimits } from '../rights/user-budget.ts';
import { parseScryptHash, type ScryptHash } from '../rights/scrypt-hash.ts';
import type { JwtOptions, TokenSettings } from './gateway-options.ts';
import { MIN_BITRATE, parseBitrate } from './bit-rate.ts';
import { checkJwkSet } from './jwk-set.ts';
import { invalid, OptionError } from './problem.ts';

/**
 * Validates the tokens and users of the configuration.
 *
 * @param ranges the virtual ports of all streams.
 * @param reservedPorts the ports of `--reserve`.
 * @throws {GearwayError} `option-invalid`. Messages contain neither tokens nor hashes.
 */
export function resolveNamedTokens(
  settings: Readonly<Record<string, TokenSettings>>,
  ranges: readonly PortRange[],
  reservedPorts: ReadonlyMap<number, string>,
): readonly NamedToken[] {
  const ports = new Set(reservedPorts.keys());
  const names = new Map<string, string>();
  return Object.entries(settings).map(([name, { hash, rights, streams, port, expires, limits }]) => {
    const refuse = (key: string, message: string): OptionError =>
      invalid(`tokens.${name}: ${message}`, 'tokens', name, key);
    if (BUILT_IN_NAMES.includes(name)) throw refuse('hash', `the name ${name} has another meaning; choose another one`);
    const equal = names.get(hash);
    if (equal !== undefined)
      throw refuse('hash', `the hash is that of tokens.${equal}; make another token or password for each`);
    names.set(hash, name);
    if (rights.length === 0) throw refuse('rights', `rights is empty, expected some of ${RIGHTS.join(', ')}`);
    const unknown = rights.find((right) => !RIGHTS.includes(right));
    if (unknown !== undefined)
      throw refuse('rights', `rights has ${JSON.stringify(unknown)}, expected some of ${RIGHTS.join(', ')}`);
    if (rights.includes('return') && !rights.includes('view'))
      throw refuse('rights', 'the right return requires view, because a viewer returns data; add view');
    if (streams?.length === 0)
      throw refuse('streams', 'streams is empty, expected names; leave it out for all streams');
    if (port !== undefined) {
      if (!rights.includes('return')) throw refuse('port', 'a port is for return data; add the right return');
      if (!isInRanges(port, ranges))
        throw refuse('port', `port is ${port}, expected one of the virtual ports, ${formatPortRanges(ranges)}`);
      if (ports.has(port)) throw refuse('port', `port ${port} is reserved twice, expected one token for it`);
      ports.add(port);
    }
    return {
      name,
      rights: RIGHTS.filter((right) => rights.includes(right)),
      streams: streams ?? null,
      port: port ?? null,
      expiresAtMs: expires === undefined ? null : parseAt(['tokens', name, 'expires'], () => parseExpiry(expires)),
      limits: limits === undefined ? null : resolveLimits(limits, ['tokens', name, 'limits']),
      hash: parseAt(['tokens', name, 'hash'], (): ScryptHash => parseScryptHash(hash)),
    };
  });
}

function resolveLimits(
  { viewers = Infinity, bitrate, returnsPerSecond = Infinity }: NonNullable<TokenSettings['limits']>,
  path: readonly string[],
): UserLimits {
  for (const [key, value] of Object.entries({ viewers, returnsPerSecond }))
    if (value !== Infinity && !(Number.isInteger(value) && value >= 1))
      throw new OptionError([...path, key], `${[...path, key].join('.')} is ${value}, expected a whole number from 1`);
  return {
    viewers,
    bitsPerSecond:
      bitrate === undefined ? Infinity : parseAt([...path, 'bitrate'], () => parsePositiveBitrate(String(bitrate))),
    returnsPerSecond,
  };
}

function parsePositiveBitrate(text: string): number {
  const bitsPerSecond = parseBitrate(text);
  if (!(bitsPerSecond >= MIN_BITRATE))
    throw invalid(`the bit rate is ${bitsPerSecond}, expected at least ${MIN_BITRATE}`);
  return bitsPerSecond;
}

/** @throws {GearwayError} `option-invalid`. */
export function resolveJwt(options: JwtOptions | undefined): JwtSettings | null {
  if (options === undefined) return null;
  const { secret = null, keys = null, issuer = null, audience = null } = options;
  if (secret === null && keys === null) throw invalid('jwt has neither secret nor keys, expected one of them', 'jwt');
  if (secret !== null) parseAt(['jwt', 'secret'], () => checkJwtSecret(secret));
  if (keys !== null) parseAt(['jwt', 'keys'], () => checkJwks(keys));
  return { secret, keys, issuer, audience };
}

/** @throws {GearwayError} `option-invalid`; the message does not contain the secret. */
export function checkJwtSecret(secret: string): void {
  if (secret.length < 32) throw invalid(`the secret has ${secret.length} characters, expected at least 32`);
}

/** @throws {GearwayError} `option-invalid`; the message does not contain the URL. */
export function checkJwks(keys: string): void {
  if (isUrl(keys)) {
    if (!URL.canParse(keys)) throw invalid('the URL of the keys is malformed');
    const { protocol, hostname, username, password } = new URL(keys);
    // fetch() would refuse it, with an error that contains the password.
    if (username !== '' || password !== '')
      throw invalid('the URL of the keys contains a user name or password, which are not sent; use a URL without them');
    if (protocol !== 'https:' && !isThisMachine(hostname.replaceAll(/[[\]]/g, '')))
      throw invalid('the URL of the keys is not HTTPS, so anyone on the path could replace the keys');
    return;
  }
  checkJwkSet(keys);
}

/**
 * Parses the end of rights: `2027-01-31` for the end of that day in UTC, or RFC 3339 with a zone.
 *
 * @returns milliseconds since 1970.
 * @throws {GearwayError} `option-invalid`.
 */
export function parseExpiry(text: string): number {
  const isDate = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const isTime = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d{2}:\d{2})$/.test(text);
  const atMs = Date.parse(isDate ? `${text}T24:00:00Z` : text.replace(' ', 'T'));
  // Date.parse accepts February 30.
  const isReal = isRealDate(text.slice(0, 10));
  if ((!isDate && !isTime) || Number.isNaN(atMs) || !isReal)
    throw invalid(
      `expires is ${JSON.stringify(text)}, expected a date such as 2027-01-31, or a time with a zone such as 2027-01-31T18:00:00Z`,
    );
  return atMs;
}

function isRealDate(date: string): boolean {
  const parsed = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(date);
}

/** @throws {GearwayError} `option-invalid`. */
export function checkStreamName(text: string): void {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(text))
    throw invalid(`the stream is ${JSON.stringify(text)}, expected a name of 1 to 64 letters, digits, - and _`);
}

/** Parses a value; the path of the option is added to its error. */
function parseAt<T>(path: readonly string[], parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new OptionError(path, `${path.join('.')}: ${errorText(error)}`, { cause: error });
  }
}
