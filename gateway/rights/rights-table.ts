import { createHash, timingSafeEqual } from 'node:crypto';
import type { Logger } from '../../shared/logger.ts';
import { HashVerifier } from './hash-verifier.ts';
import { isJwt, type JwtSettings, JwtVerifier } from './jwt-verifier.ts';
import { type Grant, Principal } from './principal.ts';
import { isTokenHash, saltOfHash, saltOfToken, type ScryptHash } from './scrypt-hash.ts';

/** Proof that a request comes from the identity of a row. */
export type Proof =
  /** A secret of the command line. */
  | { readonly kind: 'secret'; readonly secret: string }
  /** Hash of a token or password that is not known itself. */
  | { readonly kind: 'hash'; readonly hash: ScryptHash }
  /** The request comes from a program or page on this machine. */
  | { readonly kind: 'this machine' }
  /** No proof is required. */
  | { readonly kind: 'none' };

/** One row of the table: an identity with its rights, and the proof that it requires. */
export interface Row {
  readonly grant: Grant;
  readonly proof: Proof;
}

/** The credential of a request. */
export interface Credential {
  /** A token or a password. */
  readonly secret: string;
  /** The user name that was sent with it; null for a token alone. */
  readonly user: string | null;
}

interface LiveRow extends Row {
  /** All fields as text, for comparison with other rows. */
  readonly text: string;
  readonly principal: Principal;
}

/**
 * The table of user × action × stream. Every route and socket uses it. It also has rows for requests without a
 * credential. Compares secrets in constant time.
 */
export class RightsTable {
  readonly #verifier = new HashVerifier();
  #rows: readonly LiveRow[] = [];
  #secrets: readonly { readonly digest: Buffer; readonly row: LiveRow }[] = [];
  #hashes = new Map<string, LiveRow>();
  #users = new Map<string, LiveRow>();

  #jwt: { readonly text: string; readonly verifier: JwtVerifier } | null = null;
  readonly #log: Logger;

  /** @param jwt null: JSON Web Tokens are not accepted. */
  constructor(rows: readonly Row[], jwt: JwtSettings | null, log: Logger) {
    this.#log = log;
    this.update(rows, jwt);
  }

  /**
   * Replaces the rows, and the settings of JSON Web Tokens. Equal rows are kept. The rights of all others end, and
   * their connections and requests are closed.
   *
   * @returns the names of the identities that were added, changed or removed.
   */
  update(rows: readonly Row[], jwt: JwtSettings | null): readonly string[] {
    const hasOtherJwt = this.#updateJwt(jwt);
    const before = new Map(this.#rows.map((row) => [row.text, row]));
    const after = rows.map((row): LiveRow => {
      const text = JSON.stringify(row);
      return before.get(text) ?? { ...row, text, principal: new Principal(row.grant) };
    });
    const texts = new Set(after.map(({ text }) => text));
    const removed = this.#rows.filter(({ text }) => !texts.has(text));
    this.#rows = after;
    this.#secrets = after.flatMap((row) =>
      row.proof.kind === 'secret' ? [{ digest: digest(row.proof.secret), row }] : [],
    );
    this.#hashes = new Map();
    this.#users = new Map();
    for (const row of after) {
      if (row.proof.kind !== 'hash') continue;
      this.#hashes.set(saltOfHash(row.proof.hash), row);
      this.#users.set(row.grant.name, row);
    }
    for (const { grant, principal } of removed) {
      const mayRetry = after.some((row) => row.grant.name === grant.name);
      principal.end({
        reason: `the rights of ${grant.name} were ${mayRetry ? 'changed' : 'removed'}`,
        mayRetry,
      });
    }
    const added = after.filter(({ text }) => !before.has(text));
    return [...new Set([...removed, ...added].map(({ grant }) => grant.name)), ...(hasOtherJwt ? ['jwt'] : [])];
  }

  /** @returns whether the verification of tokens has changed. */
  #updateJwt(jwt: JwtSettings | null): boolean {
    const text = JSON.stringify(jwt);
    if (text === (this.#jwt?.text ?? 'null')) return false;
    this.#jwt?.verifier.end({ reason: 'the configuration of JSON Web Tokens was changed', mayRetry: jwt !== null });
    this.#jwt = jwt === null ? null : { text, verifier: new JwtVerifier(jwt, this.#log) };
    return true;
  }

  /**
   * Finds the identity that a credential proves.
   *
   * @param address of the sender, as returned by `addressKey`. Addresses take turns in expensive checks.
   * @returns null if there is none; a promise if it has to be computed.
   * @throws {GearwayError} `busy` if too many credentials are being checked.
   */
  find(credential: Credential, address: string): Principal | null | Promise<Principal | null> {
    const { secret, user } = credential;
    const known = this.#findSecret(secret);
    if (known !== null) return known;
    if (this.#jwt !== null && isJwt(secret)) return this.#jwt.verifier.find(secret);
    const salt = saltOfToken(secret);
    const row = (salt === null ? undefined : this.#hashes.get(salt)) ?? this.#users.get(user ?? '');
    if (row?.proof.kind === 'hash') return this.#verify(secret, row, row.proof.hash, address);
    // Takes as long as for an existing user, even for a secret that was tried before, so that names cannot be
    // guessed.
    const [decoy] = this.#users.values();
    if (user === null || salt !== null || decoy?.proof.kind !== 'hash') return null;
    return this.#verify(`\0${user}\0${secret}`, null, decoy.proof.hash, address);
  }

  /**
   * All fields of a row as text, including its proof; null if the identity is not in the table, such as that of a JSON
   * Web Token. Contains secrets.
   */
  describe(principal: Principal): string | null {
    return this.#rows.find((row) => row.principal === principal)?.text ?? null;
  }

  /** The rows of a name, with their descriptions. */
  named(name: string): readonly { readonly text: string; readonly principal: Principal }[] {
    return this.#rows.filter(({ grant }) => grant.name === name);
  }

  /**
   * Credentials for which a log-in form should ask: `password` for a name and a password, `token` for a token or key.
   */
  get accepts(): readonly ('password' | 'token')[] {
    const hasPasswords = this.#rows.some(({ proof }) => proof.kind === 'hash' && !isTokenHash(proof.hash));
    const hasTokens =
      this.#jwt !== null ||
      this.#rows.some(({ proof }) => proof.kind === 'secret' || (proof.kind === 'hash' && isTokenHash(proof.hash)));
    return [...(hasPasswords ? (['password'] as const) : []), ...(hasTokens ? (['token'] as const) : [])];
  }

  /** The identity of requests that present nothing valid; null if there is none. */
  implicit(isThisMachine: () => boolean): Principal | null {
    const row = this.#rows.find(
      ({ proof: { kind } }) => kind === 'none' || (kind === 'this machine' && isThisMachine()),
    );
    return row?.principal ?? null;
  }

  #findSecret(secret: string): Principal | null {
    const given = digest(secret);
    let found: Principal | null = null;
    // Compares all secrets, so that the time does not depend on which one matches.
    for (const { digest: expected, row } of this.#secrets)
      if (timingSafeEqual(given, expected)) found ??= row.principal;
    return found;
  }

  #verify(
    secret: string,
    row: LiveRow | null,
    hash: ScryptHash,
    address: string,
  ): Principal | null | Promise<Principal | null> {
    const settle = (isRight: boolean): Principal | null => (isRight ? (row?.principal ?? null) : null);
    const result = this.#verifier.verify(secret, hash, address);
    return typeof result === 'boolean' ? settle(result) : result.then(settle);
  }
}

function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
