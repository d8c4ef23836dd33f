import type { JpegVerification, JpegVerifier } from '../../codecs/jpeg-verifier.ts';
import type { Frame } from '../../hub/frame.ts';
import type { Stream } from '../../hub/stream.ts';

interface Pending {
  readonly verification: JpegVerification;
  /** Null if a newer frame replaced it. */
  readonly result: Promise<boolean | null>;
}

/**
 * Decides which frames of a stream are sent to NetGear clients: raw frames and JPEGs from trusted encoders immediately,
 * other JPEGs after they have been decoded once. Shared by the native clients of a stream; without clients, nothing is
 * decoded.
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

  /**
   * Starts a decoder in advance. Otherwise the first JPEG would wait for its start, and the frames after it would be
   * dropped.
   */
  prepare(): void {
    this.#verifier.prepare();
  }

  /** The newest checked frame that a NetGear client can decode; null if there is none. */
  get lastGood(): Frame | null {
    return this.#lastGood;
  }

  /** Discards the last valid frame: after a restart of the source, it must not be sent as a new one. */
  forget(): void {
    this.#lastGood = null;
  }

  /**
   * Whether NetGear clients can decode the frame. A frame that is waiting for a decoder is replaced by a newer one.
   *
   * @returns a promise only if the frame has to be decoded; null if the frame was replaced. Never rejects.
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

  /** Whether decoding the frame has started, or is done. */
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
