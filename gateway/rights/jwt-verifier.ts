import { createHash } from 'node:crypto';
import type { JWTPayload, JWTVerifyGetKey, JWTVerifyResult } from 'jose';
import { cleanText } from '../../shared/clean-text.ts';
import { ConcurrencyLimit } from '../../shared/concurrency-limit.ts';
import { GearwayError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import { Principal, type Right, RIGHTS, type RightsEnd } from './principal.ts';

/** How JSON Web Tokens are verified. */
export interface JwtSettings {
  /** Shared secret of HS256; null for none. */
  readonly secret: string | null;
  /** Public keys of RS256 and ES256: a JWK set as JSON, or its URL; null for none. */
  readonly keys: string | null;
  /** Required `iss` claim; null for any. */
  readonly issuer: string | null;
  /** Required `aud` claim; null for any. */
  readonly audience: string | null;
}

/** Maximum number of tokens that are being verified or waiting. */
const MAX_PENDING = 64;
const MAX_AT_ONCE = 4;

/** Maximum number of cached tokens, in addition to those with open connections or requests. */
const MAX_REMEMBERED = 1024;

/** How long tokens are accepted before the keys at a URL are checked again, because a key may have been withdrawn. */
const KEYS_VALID_MS = 60_000;

const MAX_NAME = 64;

/** Latest time that a date can have. */
const MAX_DATE_MS = 8.64e15;

/** Timeout of a request for keys, and maximum size of its response. */
const KEYS_TIMEOUT_MS = 3000;
const MAX_KEYS_BYTES = 256 << 10;

/**
 * How long after a timeout the keys are not requested again. In the meantime, tokens are refused immediately, instead of
 * waiting for one another.
 */
const KEYS_RETRY_MS = 5000;

/** Maximum number of keys of a set that are tried for a token that does not name its key. */
const MAX_KEYS_TRIED = 16;

/** Error codes of jose for a failed key lookup: the server is unreachable, or its response is not a JWK set. */
const KEYS_UNREACHABLE: ReadonlySet<string> = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID']);

/** Whether a string has the format of a JSON Web Token. */
export function isJwt(text: string): boolean {
  return /^ey[\w-]+\.[\w-]+\.[\w-]+$/.test(text);
}

interface KnownToken {
  readonly principal: Principal;
  readonly verifiedAtMs: number;
}

/**
 * Verifies JSON Web Tokens (RFC 7519): each once, or with keys at a URL once per minute. `sub` is the name, `rights`,
 * `streams` and `port` are as in the configuration, `exp` is required.
 */
export class JwtVerifier {
  readonly #settings: JwtSettings;
  readonly #log: Logger;
  /** Separate, so that a slow server of keys does not delay tokens that need no keys. */
  readonly #limits = { shared: new ConcurrencyLimit(MAX_AT_ONCE), keys: new ConcurrencyLimit(MAX_AT_ONCE) };
  /** Cached tokens by digest, in the order of their verification. */
  readonly #known = new Map<string, KnownToken>();
  #keys: JWTVerifyGetKey | null = null;
  #end: RightsEnd | null = null;
  /** Whether the failure of the keys was logged, until they can be used again. */
  #hasReported = false;
  #keysTimedOutAtMs = -Infinity;

  constructor(settings: JwtSettings, log: Logger) {
    this.#settings = settings;
    this.#log = log;
  }

  /**
   * Finds the identity of a token. An expired token is found as well.
   *
   * @returns null if the token is invalid.
   * @throws {GearwayError} `busy` if too many tokens are being verified, or the keys cannot be fetched.
   */
  find(token: string): Principal | Promise<Principal | null> {
    const digest = createHash('sha256').update(token).digest('base64');
    const known = this.#known.get(digest);
    if (known !== undefined && this.#isFresh(known)) return known.principal;
    const limit = algorithmOf(token) === 'HS256' ? this.#limits.shared : this.#limits.keys;
    const isBusy = limit.pending >= MAX_PENDING;
    if (isBusy && known !== undefined) return known.principal;
    if (isBusy) throw new GearwayError('busy', `${MAX_PENDING} tokens are already being verified; retry later`);
    return limit.run(async () => {
      const before = this.#known.get(digest);
      if (before !== undefined && this.#isFresh(before)) return before.principal;
      const verified = await this.#verify(token).catch((error: unknown) => {
        // While the keys cannot be fetched, the token is accepted as before.
        if (before === undefined || !(error instanceof GearwayError)) throw error;
        return before.principal;
      });
      if (verified === null) {
        before?.principal.end({ reason: 'the token is no longer valid', mayRetry: false });
        this.#known.delete(digest);
      }
      if (verified === null || this.#end !== null) return null;
      // The same object is kept, because all connections and requests of this token are registered with it.
      const principal = before?.principal ?? verified;
      this.#known.set(digest, { principal, verifiedAtMs: performance.now() });
      this.#forgetOldest();
      return principal;
    });
  }

  #isFresh({ verifiedAtMs }: KnownToken): boolean {
    const { keys } = this.#settings;
    return keys === null || !isUrl(keys) || performance.now() - verifiedAtMs < KEYS_VALID_MS;
  }

  /** Ends the rights of all tokens. */
  end(end: RightsEnd): void {
    this.#end = end;
    for (const { principal } of this.#known.values()) principal.end(end);
    this.#known.clear();
  }

  async #verify(token: string): Promise<Principal | null> {
    // Loaded with the first token, because most gateways do not use JSON Web Tokens.
    const jose = await import('jose');
    const { issuer, audience } = this.#settings;
    const alg = algorithmOf(token);
    try {
      const options = {
        // The algorithm must belong to the kind of key: a public key is not a shared secret.
        algorithms: alg === 'HS256' ? ['HS256'] : ['RS256', 'ES256'],
        requiredClaims: ['sub', 'exp'],
        ...(issuer === null ? {} : { issuer }),
        ...(audience === null ? {} : { audience }),
      };
      const result = await this.#verifyWith(jose, token, alg === 'HS256', options);
      return result === null ? null : principalOf(result.payload);
    } catch (error) {
      // An expired token has a valid signature.
      if (error instanceof jose.errors.JWTExpired) return principalOf(error.payload);
      if (!(error instanceof jose.errors.JOSEError) || KEYS_UNREACHABLE.has(error.code)) throw this.#unreachable(error);
      return null;
    }
  }

  async #verifyWith(
    jose: typeof import('jose'),
    token: string,
    isShared: boolean,
    options: import('jose').JWTVerifyOptions,
  ): Promise<JWTVerifyResult | null> {
    const { secret, keys } = this.#settings;
    if (isShared) return secret === null ? null : jose.jwtVerify(token, new TextEncoder().encode(secret), options);
    if (keys === null) return null;
    if (performance.now() - this.#keysTimedOutAtMs < KEYS_RETRY_MS) throw new jose.errors.JWKSTimeout();
    this.#keys ??= isUrl(keys)
      ? jose.createRemoteJWKSet(new URL(keys), {
          timeoutDuration: KEYS_TIMEOUT_MS,
          cacheMaxAge: KEYS_VALID_MS,
          [jose.customFetch]: fetchKeys,
        })
      : jose.createLocalJWKSet(JSON.parse(keys) as import('jose').JSONWebKeySet);
    let result: JWTVerifyResult | null;
    try {
      result = await jose.jwtVerify(token, this.#keys, options);
    } catch (error) {
      if (error instanceof jose.errors.JWKSTimeout) this.#keysTimedOutAtMs = performance.now();
      if (!(error instanceof jose.errors.JWKSMultipleMatchingKeys)) throw error;
      result = await verifyWithEach(jose, token, error, options);
    }
    this.#hasReported = false;
    return result;
  }

  #unreachable(error: unknown): GearwayError {
    if (!this.#hasReported) this.#log.warn({}, `the keys of jwt cannot be used: ${String(error)}`);
    this.#hasReported = true;
    return new GearwayError('busy', 'the keys for this token cannot be fetched; retry later', { cause: error });
  }

  /** Tokens with open connections or requests are kept, so that these can be ended. */
  #forgetOldest(): void {
    if (this.#known.size <= MAX_REMEMBERED) return;
    for (const [digest, { principal }] of this.#known) {
      if (principal.isWatched) continue;
      this.#known.delete(digest);
      return;
    }
  }
}

/**
 * Verifies a token for which the set has several candidate keys, because the token has no `kid`, which is optional (RFC
 * 7515, 4.1.4), or because several keys have the same `kid`.
 * @param keys the candidate keys.
 * @returns null if none of the first {@link MAX_KEYS_TRIED} keys has signed the token. Rejects like `jwtVerify` for any
 * other fault.
 */
async function verifyWithEach(
  jose: typeof import('jose'),
  token: string,
  keys: import('jose').errors.JWKSMultipleMatchingKeys,
  options: import('jose').JWTVerifyOptions,
): Promise<JWTVerifyResult | null> {
  let tried = 0;
  for await (const key of keys) {
    tried += 1;
    if (tried > MAX_KEYS_TRIED) break;
    try {
      return await jose.jwtVerify(token, key, options);
    } catch (error) {
      if (!(error instanceof jose.errors.JWSSignatureVerificationFailed)) throw error;
    }
  }
  return null;
}

/** `fetch()` that reads at most {@link MAX_KEYS_BYTES}: jose would read a response of any size. */
async function fetchKeys(url: string, options: RequestInit): Promise<Response> {
  const response = await fetch(url, options);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop closes the connection.
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk as Uint8Array);
    bytes += (chunk as Uint8Array).byteLength;
    if (bytes > MAX_KEYS_BYTES)
      throw new GearwayError('busy', `the response with the keys has more than ${MAX_KEYS_BYTES} bytes`);
  }
  const { status, headers } = response;
  return new Response(status === 200 ? Buffer.concat(chunks) : null, { status, headers });
}

/** The algorithm in the header of a token; undefined if it is malformed. */
function algorithmOf(token: string): unknown {
  try {
    const header = JSON.parse(Buffer.from(token.split('.', 1)[0] ?? '', 'base64url').toString()) as unknown;
    return typeof header === 'object' && header !== null && 'alg' in header ? header.alg : undefined;
  } catch {
    return undefined;
  }
}

/** Whether keys are at a URL, and not the JWK set itself. */
export function isUrl(keys: string): boolean {
  return /^https?:\/\//i.test(keys);
}

/** @returns null if the claims grant nothing, or are malformed. */
function principalOf({ sub, exp, rights, streams = null, port = null }: JWTPayload): Principal | null {
  if (typeof sub !== 'string' || typeof exp !== 'number' || !isTexts(rights)) return null;
  if (streams !== null && !isTexts(streams)) return null;
  if (port !== null && !(typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65_535))
    return null;
  const known = RIGHTS.filter((right: Right) => rights.includes(right));
  // Only a viewer can return data.
  const granted = known.includes('view') ? known : known.filter((right) => right !== 'return');
  const name = cleanText(sub, MAX_NAME);
  if (granted.length === 0 || name === '') return null;
  const expiresAtMs = Math.min(exp * 1000, MAX_DATE_MS);
  return new Principal({ name, rights: granted, streams, port, reservesPort: false, expiresAtMs });
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}
