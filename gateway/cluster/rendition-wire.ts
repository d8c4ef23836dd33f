import { errorText, GearwayError } from '../../shared/errors.ts';

/**
 * Request of a gateway to the owner of a stream for the frames of a rendition. Repeated to keep the rendition alive.
 */
export interface RenditionRequest {
  readonly stream: string;
  /** Name of the step. */
  readonly step: string;
  /** Id of the requesting gateway. */
  readonly from: string;
  /** Number of key frames that the gateway has requested so far. */
  readonly keys: number;
  /** Whether the gateway no longer needs the frames. */
  readonly isLast: boolean;
}

/** `unavailable`: the owner cannot make the rendition; `not-owner`: the answering gateway does not own the stream. */
export type RenditionAnswer =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: 'unavailable' | 'not-owner' };

/** Maximum length of an id, and of the name of a stream or step. */
const MAX_TEXT = 160;

/** @returns null if the answer is malformed. */
export function decodeRenditionAnswer(value: unknown): RenditionAnswer | null {
  const { ok, reason } = (typeof value === 'object' && value !== null ? value : {}) as Partial<Record<string, unknown>>;
  if (ok === true) return { ok };
  return ok === false && (reason === 'unavailable' || reason === 'not-owner') ? { ok, reason } : null;
}

/** @throws {GearwayError} `request-invalid`. */
export function decodeRenditionRequest(bytes: Uint8Array): RenditionRequest {
  try {
    const request = JSON.parse(Buffer.from(bytes).toString('utf8')) as RenditionRequest;
    const { stream, step, from, keys, isLast } = request;
    if (![stream, step, from].every((text) => typeof text === 'string' && text.length <= MAX_TEXT))
      throw new TypeError(`a string is missing, or longer than ${MAX_TEXT} characters`);
    if (typeof isLast !== 'boolean') throw new TypeError('isLast is not a boolean');
    if (!Number.isSafeInteger(keys)) throw new TypeError('keys is not a whole number');
    return request;
  } catch (error) {
    throw new GearwayError(
      'request-invalid',
      `a request for a rendition from another gateway is malformed: ${errorText(error)}`,
      { cause: error },
    );
  }
}
