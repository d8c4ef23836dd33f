import type { IncomingMessage } from 'node:http';
import { GearwayError, errorText } from '../../shared/errors.ts';
import { TokenBucket } from '../../shared/token-bucket.ts';
import type { EventKind } from '../../shared/status.ts';
import type { Stream } from '../hub/stream.ts';
import { MultipartReader, type Part } from '../codecs/multipart-reader.ts';
import type { PublisherLease, Publishing } from '../sources/push/publishing.ts';
import type { Principal } from '../rights/principal.ts';
import { exemptFromTimeout } from '../connection/request-timeout.ts';
import { mediaType } from '../codecs/media-type.ts';
import { MAX_PICTURE_BYTES, readInfo, toSendable } from './published-frame.ts';
import { announcedBytes, readChunks } from './request-body.ts';

/**
 * Idle time before the first TCP keep-alive probe. An unreachable peer is detected after ten further probes, one per
 * second.
 */
const KEEP_ALIVE_MS = 5000;

interface StreamingPostOptions {
  readonly request: IncomingMessage;
  /** Boundary as announced; null if it is not announced. */
  readonly boundary: string | null;
  readonly stream: Stream;
  readonly publishing: Publishing;
  /** Identity of the publisher; the request ends with its rights. */
  readonly principal: Principal | null;
  readonly label: string;
  readonly takeOver: boolean;
}

/** Response to a streaming request that has ended normally. */
interface StreamingResult {
  /** Sequence of the last frame. */
  readonly sequence: number;
  readonly frames: number;
  readonly rejected: number;
}

/** Maximum number of parts per second, with a burst of one second, because tiny parts would block the event loop. */
const MAX_PARTS_PER_SECOND = 500;

/** Number of parts of other types, without a frame before them, after which no frame is expected. */
const MAX_USELESS_PARTS = 10;

/**
 * Publishes the parts of a `multipart/x-mixed-replace` body, each as soon as it is complete, until the request ends. A
 * part with a malformed picture or message, or of another type, is counted as rejected. The request ends if its first
 * parts are all of other types, or if there are neither parts nor JPEGs in its body.
 *
 * @throws {GearwayError} `publisher-present`, `taken-over`, `closed`, `length-required`, `multipart-invalid`,
 * `type-unknown`, `too-large`, `too-many`, `body-incomplete`, `token-required` if the rights end, and if no frame was
 * valid, the error of the first one.
 */
export async function receiveStreamingPost({
  request,
  boundary,
  stream,
  publishing,
  principal,
  label,
  takeOver,
}: StreamingPostOptions): Promise<StreamingResult> {
  announcedBytes(request, Infinity);
  const lost = new AbortController();
  const lease = publishing.enter(
    {
      label,
      end: (end) => {
        const isClosed = end.kind === 'closed';
        lost.abort(
          isClosed
            ? new GearwayError('closed', 'the gateway is stopping')
            : new GearwayError('taken-over', `${end.by} has taken over this stream`),
        );
      },
    },
    { takeOver },
  );
  stream.report({ kind: 'connect', client: null, port: null, address: label, reason: 'publishes' });
  const unwatch = principal?.whenEnded(({ reason }) => lost.abort(new GearwayError('token-required', reason)));
  const endExemption = exemptFromTimeout(request.socket);
  request.socket.setKeepAlive(true, KEEP_ALIVE_MS);
  const parts = new Parts(lease);
  const reader = new MultipartReader({
    boundary,
    maxBodyBytes: MAX_PICTURE_BYTES,
    onPart: (part) => parts.publish(part),
  });
  let kind: EventKind = 'disconnect';
  let why = 'has left';
  try {
    await readChunks(request, (chunk) => reader.read(chunk), { signal: lost.signal, isPaced: true });
  } catch (error) {
    const code = error instanceof GearwayError ? error.code : '';
    if (code === 'taken-over') kind = 'take-over';
    if (code !== 'body-incomplete') why = `was cut off: ${errorText(error)}`;
    throw error;
  } finally {
    endExemption();
    unwatch?.();
    stream.report({ kind, client: null, port: null, address: label, reason: why });
    lease.leave(`${label} ${why}`);
  }
  return parts.result(() => reader.describe());
}

/** Publishes and counts parts. */
class Parts {
  readonly #lease: PublisherLease;
  readonly #budget = new TokenBucket(MAX_PARTS_PER_SECOND);
  #sequence = 0;
  #frames = 0;
  #rejected = 0;
  /** Number of consecutive parts of other types. */
  #useless = 0;
  #firstError: GearwayError | null = null;

  constructor(lease: PublisherLease) {
    this.#lease = lease;
  }

  /** @throws {GearwayError} if the request must be ended. */
  publish({ headers, body }: Part): void {
    if (!this.#budget.take(performance.now()))
      throw new GearwayError('too-many', `more than ${MAX_PARTS_PER_SECOND} parts per second; send fewer`);
    try {
      // The part lies between two boundaries.
      if (body.byteLength === 0 && !headers.has('content-type')) return;
      const picture = toSendable(mediaType(headers.get('content-type')), body);
      const info = readInfo(headers.get('gearway-message'), headers.get('gearway-captured-at'));
      this.#sequence = this.#lease.publish(picture, info).sequence;
      this.#frames += 1;
    } catch (error) {
      if (!(error instanceof GearwayError) || error.code === 'taken-over') throw error;
      this.#useless = error.code === 'type-unknown' ? this.#useless + 1 : 0;
      if (this.#frames === 0 && this.#useless === MAX_USELESS_PARTS) throw error;
      this.#lease.reject(error);
      this.#firstError ??= error;
      this.#rejected += 1;
    }
  }

  /**
   * @param explain returns the reason why there was no part.
   * @throws {GearwayError} if no frame was published.
   */
  result(explain: () => string): StreamingResult {
    if (this.#frames > 0) return { sequence: this.#sequence, frames: this.#frames, rejected: this.#rejected };
    if (this.#firstError !== null) throw this.#firstError;
    throw new GearwayError('multipart-invalid', `the body has no complete part: ${explain()}`);
  }
}
