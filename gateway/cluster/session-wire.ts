import { errorText, GearwayError } from '../../shared/errors.ts';
import type { StreamState } from '../../shared/status.ts';
import type { ControlAnswer } from './control-wire.ts';

/** A session without a batch for this long has ended, and with it the return data and the control of its clients. */
export const SESSION_TIMEOUT_MS = 1500;

/** Precedes each part of a batch. */
export interface PartHead {
  readonly stream: string;
  /** Random id of the session. */
  readonly session: string;
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
  /** `restart`: the session is unknown, or a batch was missed; `not-owner`: the stream is not here. */
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

/** @throws {GearwayError} `batch-invalid`. The bytes are a view. */
export function decodePart(message: Uint8Array): { readonly head: PartHead; readonly bytes: Uint8Array } {
  const buffer = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  try {
    const end = LENGTH_BYTES + buffer.readUInt16BE();
    const head = JSON.parse(buffer.toString('utf8', LENGTH_BYTES, end)) as PartHead;
    const { stream, session, batch, part, parts } = head;
    if (typeof stream !== 'string' || typeof session !== 'string' || ![batch, part, parts].every(Number.isSafeInteger))
      throw new TypeError('the head of a part is incomplete');
    if (batch < 1 || part < 0 || part >= parts || parts > MAX_PARTS)
      throw new RangeError(`part ${part} of ${parts} in batch ${batch}`);
    return { head, bytes: buffer.subarray(end) };
  } catch (error) {
    throw new GearwayError('batch-invalid', `a message from another gateway is malformed: ${errorText(error)}`, {
      cause: error,
    });
  }
}
