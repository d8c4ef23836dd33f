import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** Secret of the tokens of {@link hs256}. */
export const JWT_SECRET = 'a secret that both sides have, 32 characters and more';

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Seconds since 1970, as in `exp`. */
export const inSeconds = (seconds: number): number => Date.now() / 1000 + seconds;

/** A JSON Web Token, signed without the library under test. */
export function hs256(claims: object, secret = JWT_SECRET, header: object = { alg: 'HS256', typ: 'JWT' }): string {
  const content = `${part(header)}.${part(claims)}`;
  return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
}

/** A pair of keys, with the public one as a JWK. */
export class SigningKey {
  readonly jwk: object;
  readonly #alg: 'RS256' | 'ES256';
  readonly #kid: string;
  readonly #key: KeyObject;

  constructor(alg: 'RS256' | 'ES256', kid: string) {
    const { privateKey, publicKey } =
      alg === 'RS256'
        ? generateKeyPairSync('rsa', { modulusLength: 2048 })
        : generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.#alg = alg;
    this.#kid = kid;
    this.#key = privateKey;
    this.jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
  }

  /** @param names the fields of the header that name the key. */
  sign(claims: object, names: object = { kid: this.#kid }): string {
    const content = `${part({ alg: this.#alg, ...names })}.${part(claims)}`;
    const signature = sign('sha256', Buffer.from(content), { key: this.#key, dsaEncoding: 'ieee-p1363' });
    return `${content}.${signature.toString('base64url')}`;
  }
}
