import { createHash, randomBytes } from 'node:crypto';
import type { Credentials } from './http-address.ts';

/** A challenge of a `WWW-Authenticate` header. */
interface Challenge {
  /** Scheme in lower case. */
  readonly scheme: string;
  /** Parameters, by their names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Node's names of the hashes of digest authentication (RFC 7616), strongest first. */
const HASHES: readonly (readonly [algorithm: string, hash: string])[] = [
  ['SHA-512-256', 'sha512-256'],
  ['SHA-256', 'sha256'],
  ['MD5', 'md5'],
];

/**
 * Matches separators, and after them a token, alone or as the name of a parameter. Also matches separators alone, which
 * would otherwise be searched again from each of them: 60,000 commas of a server would take seconds.
 */
const TOKEN = /[\s,]*(?:([!#$%&'*+.^_`|~\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?)?/y;

/**
 * Authenticates requests to one server: digest (RFC 7616, RFC 2617, RFC 2069) or basic. Sends no credentials before the
 * server requests them.
 */
export class HttpAuthentication {
  readonly #credentials: Credentials;
  #challenge: Challenge | null = null;
  /** Number of requests with the challenge's nonce. */
  #count = 0;

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  /** The value of the header `Authorization` for a GET request; null until the server has requested authentication. */
  header(path: string): string | null {
    if (this.#challenge === null) return null;
    const { user, password } = this.#credentials;
    if (this.#challenge.scheme === 'basic') return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
    this.#count += 1;
    return formatDigest(this.#challenge.parameters, this.#credentials, {
      path,
      count: this.#count,
      cnonce: randomBytes(16).toString('hex'),
    });
  }

  /**
   * Processes the challenges of a response with status 401.
   *
   * @param challenges values of `WWW-Authenticate`.
   * @returns whether a new request may succeed although the previous one did not: `fresh` if its nonce was too
   * old.
   */
  accept(challenges: readonly string[]): 'supported' | 'fresh' | null {
    const all = parseChallenges(challenges.join(', '));
    const digests = HASHES.map(([algorithm]) =>
      all.find(
        ({ scheme, parameters }) =>
          scheme === 'digest' && parameters.has('nonce') && algorithmOf(parameters) === algorithm,
      ),
    );
    const chosen = [...digests, all.find(({ scheme }) => scheme === 'basic')].find(
      (challenge) => challenge !== undefined,
    );
    if (chosen === undefined) return null;
    this.#challenge = chosen;
    this.#count = 0;
    return chosen.parameters.get('stale')?.toLowerCase() === 'true' ? 'fresh' : 'supported';
  }
}

/** Parses the challenges of a header, or of several joined by commas. */
export function parseChallenges(text: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  for (let at = 0; at < text.length;) {
    TOKEN.lastIndex = at;
    const [match = '', token = '', quoted, plain] = TOKEN.exec(text) ?? [];
    at += Math.max(1, match.length);
    if (token === '') continue;
    const value = quoted?.replaceAll(/\\(.)/g, '$1') ?? plain;
    if (value === undefined) challenges.push({ scheme: token.toLowerCase(), parameters: new Map() });
    else challenges.at(-1)?.parameters.set(token.toLowerCase(), value);
  }
  return challenges;
}

function algorithmOf(parameters: ReadonlyMap<string, string>): string {
  return (parameters.get('algorithm') ?? 'MD5').toUpperCase().replace(/-SESS$/, '');
}

/** An authenticated request: its number among those with this nonce, and the client's own nonce. */
interface DigestRequest {
  readonly path: string;
  readonly count: number;
  readonly cnonce: string;
}

/** The value of the header `Authorization` for a GET request (RFC 7616, 3.4). */
export function formatDigest(
  parameters: ReadonlyMap<string, string>,
  { user, password }: Credentials,
  { path, count, cnonce }: DigestRequest,
): string {
  const [, hashName = 'md5'] = HASHES.find(([algorithm]) => algorithm === algorithmOf(parameters)) ?? [];
  const hash = (...texts: readonly string[]): string => createHash(hashName).update(texts.join(':')).digest('hex');
  const get = (name: string): string => parameters.get(name) ?? '';
  const nc = count.toString(16).padStart(8, '0');
  const offered = get('qop')
    .toLowerCase()
    .split(/[\s,]+/);
  const qop = ['auth', 'auth-int'].find((each) => offered.includes(each));
  const isSession = /-sess$/i.test(get('algorithm'));
  const secret = hash(user, get('realm'), password);
  const key = isSession ? hash(secret, get('nonce'), cnonce) : secret;
  // With auth-int, the hash covers the request's body, which is empty.
  const target = qop === 'auth-int' ? hash('GET', path, hash('')) : hash('GET', path);
  const response =
    qop === undefined ? hash(key, get('nonce'), target) : hash(key, get('nonce'), nc, cnonce, qop, target);
  const fields = [
    `username=${quote(user)}`,
    `realm=${quote(get('realm'))}`,
    `nonce=${quote(get('nonce'))}`,
    `uri=${quote(path)}`,
    `response="${response}"`,
    ...(parameters.has('algorithm') ? [`algorithm=${get('algorithm')}`] : []),
    ...(parameters.has('opaque') ? [`opaque=${quote(get('opaque'))}`] : []),
    ...(qop === undefined ? [] : [`qop=${qop}`, `nc=${nc}`]),
    ...(qop === undefined && !isSession ? [] : [`cnonce="${cnonce}"`]),
  ];
  return `Digest ${fields.join(', ')}`;
}

function quote(text: string): string {
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}
