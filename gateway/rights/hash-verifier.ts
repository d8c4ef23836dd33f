import { createHmac, randomBytes } from 'node:crypto';
import { BoundedMap } from '../../shared/bounded-map.ts';
import { FairQueue } from './fair-queue.ts';
import { matchesHash, type ScryptHash } from './scrypt-hash.ts';

/** Maximum number of waiting checks. One runs at a time, so that the other threads of the pool stay free. */
const MAX_WAITING = 32;

/** Maximum number of remembered results, of each kind. */
const MAX_RESULTS = 1024;

/**
 * Checks secrets against hashes, once for each secret. Results are remembered under a key of this process, so that
 * neither secrets nor their plain hashes stay in memory. Wrong secrets cannot displace correct ones.
 */
export class HashVerifier {
  readonly #key = randomBytes(32);
  readonly #queue = new FairQueue(MAX_WAITING);
  readonly #right = new BoundedMap<string, true>(MAX_RESULTS);
  readonly #wrong = new BoundedMap<string, true>(MAX_RESULTS);
  readonly #pending = new Map<string, Promise<boolean>>();

  /**
   * @param address of the sender, as returned by `addressKey`; see {@link FairQueue}.
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
        (isRight ? this.#right : this.#wrong).set(key, true);
        return isRight;
      })
      .finally(() => this.#pending.delete(key));
    this.#pending.set(key, checking);
    return checking;
  }
}
