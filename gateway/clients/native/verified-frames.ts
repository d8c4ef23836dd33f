import type { JpegVerification, JpegVerifier } from '../../codecs/jpeg-verifier.ts';
import type { Frame } from '../../hub/frame.ts';
import type { Stream } from '../../hub/stream.ts';

interface Pending {
  readonly verification: JpegVerification;
  /** Null: a newer frame took its turn. */
  readonly result: Promise<boolean | null>;
}

/**
 * Decides which frames of a stream its NetGear clients get: raw frames and JPEGs of trusted encoders at once, every other JPEG after it was
 * decoded once for all of them. Shared by the native clients of a stream; without any, nothing is decoded.
 */
export class VerifiedFrames {
  readonly #verifier: JpegVerifier;
  readonly #stream: Pick<Stream, 'reject'>;
  readonly #results = new WeakMap<Frame, boolean>();
  readonly #pending = new Map<Frame, Pending>();
  #lastGood: Frame | null = null;

  constructor(verifier: JpegVerifier, stream: Pick<Stream, 'reject'>) {
    this.#verifier = verifier;
    this.#stream = stream;
  }

  /** Makes sure that the first JPEG is not held up by the start of a decoder: it would cost the frames behind it. */
  prepare(): void {
    this.#verifier.prepare();
  }

  /** The newest frame that a NetGear client can decode, of those that were checked; null before there is one. */
  get lastGood(): Frame | null {
    return this.#lastGood;
  }

  /** Forgets the last good frame: the stream's source starts again, and an old frame must not be shown as a new one. */
  forget(): void {
    this.#lastGood = null;
  }

  /**
   * Whether NetGear clients can decode the frame. A frame that waits for a decoder gives way to a newer one.
   *
   * @returns a promise only while the frame is unknown; it resolves with null when the frame gave way. Never rejects.
   */
  check(frame: Frame): boolean | Promise<boolean | null> {
    if (frame.encoding.kind !== 'jpeg' || frame.isTrusted === true) return this.#isGood(frame);
    const known = this.#results.get(frame);
    if (known !== undefined) return known;
    const pending = this.#pending.get(frame);
    if (pending !== undefined) return pending.result;
    for (const [older, { verification }] of this.#pending) if (older.sequence < frame.sequence) verification.cancel();
    const verification = this.#verifier.verify(frame.payload, { lane: 'frames', key: this, colorspace: 'BGR' });
    const result = this.#await(frame, verification);
    this.#pending.set(frame, { verification, result });
    return result;
  }

  /** Whether a decoder works on the frame, or has. */
  isStarted(frame: Frame): boolean {
    return this.#pending.get(frame)?.verification.isStarted ?? true;
  }

  async #await(frame: Frame, { verdict }: JpegVerification): Promise<boolean | null> {
    const found = await verdict;
    this.#pending.delete(frame);
    if (found === null) return null;
    this.#results.set(frame, found.isGood);
    frame.onVerified?.(found.isGood);
    if (found.isGood) return this.#isGood(frame);
    this.#stream.reject(found.error);
    return false;
  }

  #isGood(frame: Frame): true {
    if (this.#lastGood === null || frame.sequence > this.#lastGood.sequence) this.#lastGood = frame;
    return true;
  }
}
