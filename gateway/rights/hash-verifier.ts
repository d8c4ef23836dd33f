import { createHmac, randomBytes } from 'node:crypto';
import { FairQueue } from './fair-queue.ts';
import { matchesHash, type ScryptHash } from './scrypt-hash.ts';

/** Maximum number of checks that wait. One runs at a time, so that the pool's other threads stay free. */
const MAX_WAITING = 32;

/** Maximum number of remembered results, of each kind. */
const MAX_RESULTS = 1024;

/**
 * Checks secrets against hashes, once for each secret. Results are remembered under a key of this process, so that
 * neither secrets nor their plain hashes stay in memory. Wrong secrets cannot displace right ones.
 */
export class HashVerifier {
  readonly #key = randomBytes(32);
  readonly #queue = new FairQueue(MAX_WAITING);
  readonly #right = new Set<string>();
  readonly #wrong = new Set<string>();
  readonly #pending = new Map<string, Promise<boolean>>();

  /**
   * @param address of the sender, as returned by `addressKey`. Addresses take turns.
   * @returns the result if it is known, otherwise a promise of it, which rejects with the {@link GearwayError} `busy` if
   * too many checks are waiting.
   */
  verify(secret: string, hash: ScryptHash, address: string): boolean | Promise<boolean> {
    const key = createHmac('sha256', this.#key).update(hash.text).update('\0').update(secret).digest('base64');
    if (this.#right.has(key)) return true;
    if (this.#wrong.has(key)) return false;
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    const checking = this.#queue
      .run(address, () => matchesHash(secret, hash))
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
