import { runInBackground } from '../../../shared/background.ts';
import type { GearwayError } from '../../../shared/errors.ts';
import type { JpegVerdict, JpegVerification } from '../../codecs/jpeg-verifier.ts';
import { isSameReturnData, type ReturnData } from '../../hub/returns/return-data.ts';

type ReturnedJpeg = Extract<ReturnData, { kind: 'jpeg' }>;

interface VerifiedReturnsOptions {
  /** @param colorspace channel order to which a NetGear server decodes the JPEG. */
  readonly verify: (jpeg: Uint8Array, colorspace: string) => JpegVerification;
  /** Called with data that a NetGear server can decode. */
  readonly accept: (data: ReturnData) => void;
  readonly reject: (error: unknown) => void;
}

/** Errors that do not depend on the JPEG alone, after which the same bytes are verified again. */
const TRANSIENT: ReadonlySet<string> = new Set(['decoder-failed', 'too-many']);

/**
 * Accepts a native client's return data after verifying that a NetGear server can decode it; until then the previous
 * data stays valid. A JPEG that is waiting for verification is replaced by newer data. The verdict of the last JPEG is
 * cached, because a NetGear client repeats its data with every reply.
 */
export class VerifiedReturns {
  readonly #options: VerifiedReturnsOptions;
  #pending: { readonly data: ReturnedJpeg; readonly verification: JpegVerification } | null = null;
  #next: ReturnedJpeg | null = null;
  #known: { readonly data: ReturnedJpeg; readonly error: GearwayError | null } | null = null;

  constructor(options: VerifiedReturnsOptions) {
    this.#options = options;
  }

  /** @param data the caller must not change its bytes. */
  give(data: ReturnData): void {
    const known =
      data.kind === 'jpeg' && this.#known !== null && isSameReturnData(this.#known.data, data) ? this.#known : null;
    if (data.kind !== 'jpeg' || known !== null) {
      this.#drop();
      if (known === null || known.error === null) this.#options.accept(data);
      else this.#options.reject(known.error);
    } else if (this.#pending === null) this.#verify(data);
    else this.#next = isSameReturnData(this.#pending.data, data) ? null : data;
  }

  /** Discards everything after the client has disconnected. */
  forget(): void {
    this.#drop();
    this.#known = null;
  }

  #drop(): void {
    this.#pending?.verification.cancel();
    this.#pending = this.#next = null;
  }

  #verify(data: ReturnedJpeg): void {
    const verification = this.#options.verify(data.data, data.colorspace);
    const pending = (this.#pending = { data, verification });
    const settle = (verdict: JpegVerdict | null): void => {
      if (this.#pending !== pending) return;
      const next = this.#next;
      this.#pending = this.#next = null;
      if (verdict !== null) this.#decide(data, verdict);
      if (next !== null) this.#verify(next);
    };
    runInBackground(verification.verdict.then(settle), this.#options.reject);
  }

  #decide(data: ReturnedJpeg, verdict: JpegVerdict): void {
    const error = verdict.isGood ? null : verdict.error;
    if (error === null || !TRANSIENT.has(error.code)) this.#known = { data, error };
    if (error === null) this.#options.accept(data);
    else this.#options.reject(error);
  }
}
