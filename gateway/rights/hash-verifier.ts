import { createHmac, randomBytes } from 'node:crypto';
import { ConcurrencyLimit } from '../../shared/concurrency-limit.ts';
import { GearwayError } from '../../shared/errors.ts';
import { matchesHash, type ScryptHash } from './scrypt-hash.ts';

/** Maximum number of checks that run and wait. One runs at a time, so that the pool's other threads stay free. */
const MAX_PENDING = 32;

/** Maximum number of remembered results, of each kind. */
const MAX_RESULTS = 1024;

/**
 * Checks secrets against hashes, once for each secret. Results are remembered under a key of this process, so that
 * neither secrets nor their plain hashes stay in memory. Wrong secrets cannot displace right ones.
 */
export class HashVerifier {
  readonly #key = randomBytes(32);
  readonly #limit = new ConcurrencyLimit(1);
  readonly #right = new Set<string>();
  readonly #wrong = new Set<string>();
  readonly #pending = new Map<string, Promise<boolean>>();

  /**
   * @returns the result if it is known, otherwise a promise of it.
   * @throws {GearwayError} `busy` if too many checks are pending.
   */
  verify(secret: string, hash: ScryptHash): boolean | Promise<boolean> {
    const key = createHmac('sha256', this.#key).update(hash.text).update('\0').update(secret).digest('base64');
    if (this.#right.has(key)) return true;
    if (this.#wrong.has(key)) return false;
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    if (this.#limit.pending >= MAX_PENDING)
      throw new GearwayError('busy', `${MAX_PENDING} log-ins are already being checked; retry later`);
    const checking = this.#limit
      .run(async () => matchesHash(secret, hash))
      .then((isRight) => {
        remember(isRight ? this.#right : this.#wrong, key);
        return isRight;
      })
      .finally(() => this.#pending.delete(key));
    this.#pending.set(key, checking);
    return checking;
  }
}

function remember(results: Set<string>, key: string): void {
  results.add(key);
  const [oldest] = results;
  if (results.size > MAX_RESULTS && oldest !== undefined) results.delete(oldest);
}
