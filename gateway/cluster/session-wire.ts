import { cleanText } from '../../shared/clean-text.ts';
import { errorText, GearwayError } from '../../shared/errors.ts';
import { STREAM_STATES, type StreamState } from '../../shared/status.ts';
import { type ControlAnswer, isControlAnswer } from './control-wire.ts';

/** A session ends after this time without a batch, and with it the return data and the control of its clients. */
export const SESSION_TIMEOUT_MS = 1500;

/** Precedes each part of a batch. */
export interface PartHead {
  readonly stream: string;
  /** Random id of the session. */
  readonly session: string;
  /** Greater than the epochs of all earlier sessions of this gateway, whose messages can arrive late. */
  readonly epoch: number;
  /** Id of the gateway that sends it. */
  readonly from: string;
  /** Number of the batch in its session, from 1. */
  readonly batch: number;
  readonly part: number;
  readonly parts: number;
}

/** The owner's answer to the last part of a batch. */
export type SessionAnswer =
  | {
      readonly ok: true;
      readonly state: StreamState;
      readonly reason: string;
      /** Sequence of its newest frame; 0 for none. */
      readonly newestFrame: number;
      /** Why values of this batch were refused; empty if none were. */
      readonly refused: readonly string[];
      /** null if all viewers may return data. */
      readonly control: ControlAnswer | null;
    }
  /**
   * `restart`: the session is unknown, or a batch was missed; `not-owner`: the answering gateway does not own the
   * stream.
   */
  | { readonly ok: false; readonly code: 'restart' | 'not-owner' };

const LENGTH_BYTES = 2;

export function encodePart(head: PartHead, bytes: Uint8Array): Uint8Array {
  const json = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(json.byteLength);
  return Buffer.concat([length, json, bytes]);
}

/** Maximum number of bytes that {@link encodePart} adds. */
export const MAX_PART_HEAD_BYTES = 512;

/** Maximum number of parts of a batch. */
const MAX_PARTS = 4096;

/** Maximum length of an id. */
const MAX_ID = 64;

/** Maximum number of reasons in an answer; further ones are left out. */
export const MAX_REFUSED = 16;

/** @throws {GearwayError} `batch-invalid`. The bytes are a view. */
export function decodePart(message: Uint8Array): { readonly head: PartHead; readonly bytes: Uint8Array } {
  const buffer = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  try {
    const end = LENGTH_BYTES + buffer.readUInt16BE();
    const head = JSON.parse(buffer.toString('utf8', LENGTH_BYTES, end)) as PartHead;
    const { stream, session, epoch, from, batch, part, parts } = head;
    if (typeof stream !== 'string' || ![epoch, batch, part, parts].every(Number.isSafeInteger))
      throw new TypeError('the head of a part is incomplete');
    if (![session, from].every((id) => typeof id === 'string' && id.length <= MAX_ID))
      throw new TypeError(`an id is missing, or longer than ${MAX_ID} characters`);
    if (batch < 1 || part < 0 || part >= parts || parts > MAX_PARTS)
      throw new RangeError(`part ${part} of ${parts} in batch ${batch}`);
    return { head, bytes: buffer.subarray(end) };
  } catch (error) {
    throw new GearwayError('batch-invalid', `a message from another gateway is malformed: ${errorText(error)}`, {
      cause: error,
    });
  }
}

/** @throws {GearwayError} `answer-invalid`. Texts are cleaned. */
export function decodeSessionAnswer(answer: unknown): SessionAnswer {
  const { ok, code, state, reason, newestFrame, refused, control } = (
    typeof answer === 'object' && answer !== null ? answer : {}
  ) as Partial<Record<string, unknown>>;
  if (ok === false && (code === 'restart' || code === 'not-owner')) return { ok, code };
  const known = STREAM_STATES.find((each) => each === state);
  if (
    ok !== true ||
    known === undefined ||
    typeof reason !== 'string' ||
    !Number.isSafeInteger(newestFrame) ||
    !Array.isArray(refused) ||
    refused.length > MAX_REFUSED ||
    !refused.every((each) => typeof each === 'string') ||
    !(control === null || isControlAnswer(control))
  )
    throw new GearwayError('answer-invalid', 'the answer of the gateway of the source is malformed');
  return {
    ok,
    state: known,
    reason: cleanText(reason),
    newestFrame: Number(newestFrame),
    refused: refused.map((each) => cleanText(each)),
    control,
  };
}
