import type { IncomingMessage } from 'node:http';
import { GearwayError, errorText } from '../../shared/errors.ts';
import { TokenBucket } from '../../shared/token-bucket.ts';
import type { EventKind } from '../../shared/status.ts';
import type { Stream } from '../hub/stream.ts';
import { MultipartReader, type Part } from '../codecs/multipart-reader.ts';
import type { PublisherSeat, Publishing } from '../sources/push/publishing.ts';
import { exemptFromTimeout } from '../connection/request-timeout.ts';
import { MAX_PICTURE_BYTES, mediaType, readInfo, toSendable } from './published-frame.ts';
import { announcedBytes, readChunks } from './request-body.ts';

/** A peer that vanished without a word is noticed within so long and the ten probes of a second each that follow. */
const KEEP_ALIVE_MS = 5000;

export interface RunningPostOptions {
  readonly request: IncomingMessage;
  readonly boundary: string;
  readonly stream: Stream;
  readonly publishing: Publishing;
  readonly label: string;
  readonly takeOver: boolean;
}

/** What became of a running request that has ended as it should. */
export interface RunningResult {
  /** Of the last frame. */
  readonly sequence: number;
  readonly frames: number;
  readonly rejected: number;
}

/** Maximum number of parts per second of a running request, with bursts of one second's worth. Tiny parts would keep the event loop from its other work. */
const MAX_PARTS_PER_SECOND = 500;

/** What is wrong with a part, and would be with all that follow. Any other fault is that part's own. */
const ENDS_THE_REQUEST: ReadonlySet<string> = new Set(['type-unknown', 'taken-over']);

/**
 * Publishes the parts of a `multipart/x-mixed-replace` body, each as soon as it is complete, for as long as the request lasts. A part
 * whose picture or message is malformed is counted as rejected; what breaks the body itself ends the request.
 *
 * @throws {GearwayError} `publisher-present`, `taken-over`, `closed`, `length-required`, `multipart-invalid`, `type-unknown`, `too-large`, `too-many`,
 * `body-incomplete`, and where no frame was good, what was wrong with the first.
 */
export async function receiveRunningPost({ request, boundary, stream, publishing, label, takeOver }: RunningPostOptions): Promise<RunningResult> {
  announcedBytes(request, Infinity);
  const lost = new AbortController();
  const seat = publishing.enter(
    { label, end: (end) => lost.abort(end.kind === 'closed' ? new GearwayError('closed', 'the gateway stops') : new GearwayError('taken-over', `${end.by} has taken this stream over`)) },
    { takeOver },
  );
  stream.report({ kind: 'connect', client: null, port: null, address: label, reason: 'publishes' });
  const endExemption = exemptFromTimeout(request.socket);
  request.socket.setKeepAlive(true, KEEP_ALIVE_MS);
  const parts = new Parts(seat);
  const reader = new MultipartReader({ boundary, maxBodyBytes: MAX_PICTURE_BYTES, onPart: (part) => parts.publish(part) });
  let kind: EventKind = 'disconnect';
  let why = 'has left';
  try {
    await readChunks(request, (chunk) => reader.read(chunk), lost.signal);
  } catch (error) {
    const code = error instanceof GearwayError ? error.code : '';
    if (code === 'taken-over') kind = 'take-over';
    if (code !== 'body-incomplete') why = `was cut off: ${errorText(error)}`;
    throw error;
  } finally {
    endExemption();
    stream.report({ kind, client: null, port: null, address: label, reason: why });
    seat.leave(`${label} ${why}`);
  }
  return parts.result();
}

/** Publishes parts, and counts them. */
class Parts {
  readonly #seat: PublisherSeat;
  readonly #budget = new TokenBucket(MAX_PARTS_PER_SECOND);
  #sequence = 0;
  #frames = 0;
  #rejected = 0;
  #firstError: GearwayError | null = null;

  constructor(seat: PublisherSeat) {
    this.#seat = seat;
  }

  /** @throws {GearwayError} for what ends the request. */
  publish({ headers, body }: Part): void {
    if (!this.#budget.take(performance.now())) throw new GearwayError('too-many', `more than ${MAX_PARTS_PER_SECOND} parts per second; send fewer`);
    try {
      const picture = toSendable(mediaType(headers.get('content-type')), body);
      const info = readInfo(headers.get('gearway-message'), headers.get('gearway-captured-at'));
      this.#sequence = this.#seat.publish(picture, info).sequence;
      this.#frames += 1;
    } catch (error) {
      if (!(error instanceof GearwayError) || ENDS_THE_REQUEST.has(error.code)) throw error;
      this.#seat.reject(error);
      this.#firstError ??= error;
      this.#rejected += 1;
    }
  }

  /** @throws {GearwayError} where there is no good frame. */
  result(): RunningResult {
    if (this.#frames > 0) return { sequence: this.#sequence, frames: this.#frames, rejected: this.#rejected };
    throw this.#firstError ?? new GearwayError('multipart-invalid', 'the body has no complete part; a part is complete with the last byte of its Content-Length, or with the boundary behind it');
  }
}
