import { GearwayError } from '../../shared/errors.ts';
import { TokenBucket } from '../../shared/token-bucket.ts';

/** Limits of one token or user, over all its connections. */
export interface UserLimits {
  /** Maximum number of web viewers and MJPEG clients; Infinity for no limit. */
  readonly viewers: number;
  /** Maximum total bit rate of the pictures that are sent to these clients; Infinity for no limit. */
  readonly bitsPerSecond: number;
  /** Maximum number of returned values per second from all of these viewers together; Infinity for no limit. */
  readonly returnsPerSecond: number;
}

const UNLIMITED: UserLimits = { viewers: Infinity, bitsPerSecond: Infinity, returnsPerSecond: Infinity };

/** Counts the use of one token or user. */
export class UserBudget {
  readonly #name: string;
  readonly #limits: UserLimits;
  readonly #returns: TokenBucket | null;
  #viewers = 0;
  /** Time until which earlier pictures use up the bit rate. */
  #freeAtMs = 0;

  /** @param name of the token or user, for messages. */
  constructor(name: string, limits: UserLimits | null = null) {
    this.#name = name;
    this.#limits = limits ?? UNLIMITED;
    const { returnsPerSecond } = this.#limits;
    this.#returns = returnsPerSecond === Infinity ? null : new TokenBucket(returnsPerSecond);
  }

  get bitsPerSecond(): number {
    return this.#limits.bitsPerSecond;
  }

  /**
   * Counts a viewer.
   *
   * @returns a function that stops counting this viewer; idempotent.
   * @throws {GearwayError} `user-limit`.
   */
  enter(): () => void {
    const { viewers } = this.#limits;
    if (this.#viewers >= viewers)
      throw new GearwayError(
        'user-limit',
        `${this.#name} already has ${viewers} viewers, its maximum; close one first`,
      );
    this.#viewers += 1;
    let isInside = true;
    return () => {
      if (isInside) this.#viewers -= 1;
      isInside = false;
    };
  }

  /** Counts a returned value. @returns false if the rate is exceeded. */
  takeReturn(nowMs: number): boolean {
    return this.#returns?.take(nowMs) ?? true;
  }

  /** Whether the bit rate allows another picture. */
  maySend(nowMs: number): boolean {
    return nowMs >= this.#freeAtMs;
  }

  /** Counts a picture that was sent. */
  sent(bytes: number, nowMs: number): void {
    const { bitsPerSecond } = this.#limits;
    if (bitsPerSecond !== Infinity)
      this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + (bytes * 8 * 1000) / bitsPerSecond;
  }
}
