import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { invalid } from './problem.ts';

/** Minimum size of an RSA key for RS256 (RFC 7518, 3.3). */
const MIN_RSA_BITS = 2048;

/** Maximum number of keys that an error describes. */
const MAX_DESCRIBED = 3;

/** Algorithms of tokens by type of key (RFC 7518, 6.1). */
const ALGORITHMS: ReadonlyMap<unknown, string> = new Map([
  ['RSA', 'RS256'],
  ['EC', 'ES256'],
]);

/**
 * Checks that at least one key of a JWK set (RFC 7517) can verify tokens. Keys for other purposes may be in the set, too,
 * except private ones.
 *
 * @throws {GearwayError} `option-invalid`.
 */
export function checkJwkSet(text: string): void {
  const keys = parseKeys(text);
  if (keys === null) throw invalid('the keys are neither a URL nor a JWK set, {"keys": [{"kty": …}]}');
  if (keys.length === 0) throw invalid('the JWK set has no keys, expected at least one of RS256 or ES256');
  const faults = keys.map((key, index) => {
    if (!isObject(key)) throw invalid(`key ${index + 1} of the JWK set is not an object, expected {"kty": …}`);
    if ('d' in key)
      throw invalid(
        `key ${index + 1} of the JWK set is a private key, with which tokens can be issued; list only its public part, without "d"`,
      );
    return faultOf(key);
  });
  if (faults.includes(null)) return;
  const described = faults.slice(0, MAX_DESCRIBED).map((fault, index) => `key ${index + 1} ${fault}`);
  if (faults.length > MAX_DESCRIBED) described.push('…');
  throw invalid(`no key of the JWK set can verify tokens of RS256 or ES256: ${described.join('; ')}`);
}

/** @returns null if the text is not a JWK set. */
function parseKeys(text: string): readonly unknown[] | null {
  try {
    const set = JSON.parse(text) as { readonly keys?: unknown } | null;
    return Array.isArray(set?.keys) ? set.keys : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Why a key cannot verify tokens, as the end of a sentence; null if it can. The rules are those of jose. */
function faultOf(key: Readonly<Record<string, unknown>>): string | null {
  const { kty, use, alg, key_ops: operations, crv } = key;
  const algorithm = ALGORITHMS.get(kty);
  if (algorithm === undefined) return `has the "kty" ${quote(kty)}, expected "RSA" or "EC"`;
  if (use !== undefined && use !== 'sig') return `has the "use" ${quote(use)}, expected "sig"`;
  if (alg !== undefined && alg !== algorithm) return `has the "alg" ${quote(alg)}, expected "${algorithm}"`;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify')))
    return `has the "key_ops" ${quote(operations)}, expected ["verify"]`;
  if (kty === 'EC' && crv !== 'P-256') return `has the "crv" ${quote(crv)}, expected "P-256"`;
  try {
    const { asymmetricKeyDetails } = createPublicKey({ key: key as JsonWebKey, format: 'jwk' });
    const bits = asymmetricKeyDetails?.modulusLength ?? MIN_RSA_BITS;
    return bits < MIN_RSA_BITS ? `has ${bits} bits, expected at least ${MIN_RSA_BITS}` : null;
  } catch {
    return `is malformed, expected the public key as ${kty === 'RSA' ? '"n" and "e"' : '"x" and "y"'}`;
  }
}

function quote(value: unknown): string {
  return value === undefined ? '(none)' : JSON.stringify(value).slice(0, 40);
}
