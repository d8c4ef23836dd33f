import { errorText, GearwayError } from '../../../shared/errors.ts';
import { FRAME_LIMITS } from '../../../shared/frame.ts';
import { TokenBucket } from '../../../shared/token-bucket.ts';
import { beginsAsJpeg } from '../../codecs/jpeg-end.ts';
import { mediaType, readBoundary } from '../../codecs/media-type.ts';
import { MultipartReader, type Part } from '../../codecs/multipart-reader.ts';
import { isImage, readImage } from '../directory/image-file.ts';
import type { PicturePublisher } from '../picture-publisher.ts';
import { sleep } from '../sleep.ts';
import { SOONER_MS, stallTimeMs } from '../stall-time.ts';
import type { HttpAnswer } from './http-answer.ts';
import type { HttpAddress } from './http-address.ts';
import { HttpClient } from './http-client.ts';
import { explainConnectionError } from './http-failure.ts';

interface HttpCameraOptions {
  readonly address: HttpAddress;
  readonly acceptsAnyCertificate: boolean;
  /** Rate at which a still picture is requested, and maximum rate of a stream; null for the defaults. */
  readonly framesPerSecond: number | null;
  /** Whether streams, and content other than MJPEG and JPEG, are accepted. If not, such a response is `unsuitable`. */
  readonly accepts: { readonly streams: boolean; readonly others: boolean };
  /** Default: 60 s. */
  readonly stillTimeoutMs?: number;
}

/** Result of a response. `unsuitable`: nothing was published. */
type Shown = 'stream' | 'still' | 'unsuitable';

/** Default rate at which a still picture is requested. */
const DEFAULT_STILL_RATE = 1;

/** Maximum time before the first data: some cameras start slowly. */
const FIRST_SILENT_MS = 10_000;

/** If a server keeps the connection open, its still picture is considered complete after this time without data. */
const STILL_SILENT_MS = 1000;

/** Maximum time for one picture that is not part of a multipart body. */
const STILL_TIMEOUT_MS = 60_000;

/** Maximum rate of parts, with a burst of one second, because tiny parts would block the event loop. */
const MAX_PARTS_PER_SECOND = 500;

/** Number of first bytes by which the format is detected. */
const PEEKED_BYTES = 16;

/** A camera that serves MJPEG, or one picture per request, over HTTP. Tolerates common errors of such cameras. */
export class HttpCamera {
  readonly #options: HttpCameraOptions;
  readonly #client: HttpClient;
  /** Maximum time between two chunks of data. */
  readonly #silentMs: number;
  #isPolled = false;

  constructor(options: HttpCameraOptions) {
    this.#options = options;
    this.#client = new HttpClient(options.address, options);
    this.#silentMs = stallTimeMs(options.framesPerSecond) - SOONER_MS;
  }

  /** Whether the camera serves one picture per request, which may stay the same for any length of time. */
  get isPolled(): boolean {
    return this.#isPolled;
  }

  /**
   * Publishes pictures until the signal aborts.
   *
   * Returns when the response is `unsuitable`, or the signal has aborted.
   * @throws {GearwayError} `source-failed`, `source-stalled`, and the errors of {@link readImage} for still pictures.
   */
  async run(pictures: PicturePublisher, signal: AbortSignal): Promise<'unsuitable' | 'aborted'> {
    this.#isPolled = false;
    const intervalMs = 1000 / (this.#options.framesPerSecond ?? DEFAULT_STILL_RATE);
    let condition: Readonly<Record<string, string>> = {};
    try {
      for (let dueMs = performance.now(); ;) {
        const answer = await this.#client.get(condition, signal);
        try {
          if (answer.status !== 304) {
            const shown = await this.#show(answer, pictures, signal);
            if (shown === 'unsuitable') return shown;
            this.#isPolled = shown === 'still';
            if (!this.#isPolled) throw new GearwayError('source-failed', 'the stream has ended; it may start again');
            condition = conditionOf(answer);
          }
        } finally {
          answer.close();
        }
        // There is never more than one request at a time, and missed requests are not made up for.
        dueMs = Math.max(dueMs + intervalMs, performance.now());
        await sleep(dueMs - performance.now(), signal);
        signal.throwIfAborted();
      }
    } catch (error) {
      if (signal.aborted) return 'aborted';
      throw error;
    }
  }

  async #show(answer: HttpAnswer, pictures: PicturePublisher, signal: AbortSignal): Promise<Shown> {
    const { accepts } = this.#options;
    const contentType = answer.header('content-type');
    const type = mediaType(contentType) ?? '';
    if (type.startsWith('multipart/'))
      return accepts.streams
        ? await this.#readJpegs(answer, readBoundary(contentType), true, pictures, signal)
        : 'unsuitable';
    const begin = await answer.peek(PEEKED_BYTES, {
      silentMs: FIRST_SILENT_MS,
      untilMs: performance.now() + FIRST_SILENT_MS,
    });
    const text = begin.toString('latin1').trimStart();
    if (beginsAsJpeg(Buffer.from(text, 'latin1'))) return await this.#readJpegs(answer, null, false, pictures, signal);
    // The body is multipart, regardless of its type.
    if (text.startsWith('--'))
      return accepts.streams ? await this.#readJpegs(answer, null, true, pictures, signal) : 'unsuitable';
    if (!accepts.others) return 'unsuitable';
    if (isImage(begin)) return await this.#readStill(answer, pictures, signal);
    if (/^(?:text\/html|application\/(?:xhtml\+xml|json))$/.test(type)) {
      throw new GearwayError(
        'source-failed',
        `the server responds with a page (${type}), expected MJPEG or a picture; use the address of the stream itself`,
      );
    }
    return await this.#readJpegs(answer, null, false, pictures, signal);
  }

  /** Reads JPEGs until the body ends. One JPEG that is not in a multipart body is a still picture. */
  async #readJpegs(
    answer: HttpAnswer,
    boundary: string | null,
    isMultipart: boolean,
    pictures: PicturePublisher,
    signal: AbortSignal,
  ): Promise<Shown> {
    // The supervisor detects when frames stop arriving, but not while still pictures are polled.
    if (isMultipart) this.#isPolled = false;
    const stillUntilMs = this.#stillUntilMs();
    const rate = new RateLimit(this.#options.framesPerSecond);
    const budget = new TokenBucket(MAX_PARTS_PER_SECOND);
    let count = 0;
    const onPart = ({ headers, body }: Part): void => {
      if (!budget.take(performance.now()))
        throw new GearwayError('source-failed', `the camera sends more than ${MAX_PARTS_PER_SECOND} parts per second`);
      // Other parts are ignored: cameras also send text and sound.
      if (!beginsAsJpeg(body) && mediaType(headers.get('content-type'))?.startsWith('image/') !== true) return;
      count += 1;
      // JPEGs after a still picture are its previews.
      if (isStill && count > 1) return;
      if (rate.admits(performance.now())) pictures.offer(body);
    };
    // Whether the length can be that of one picture: cameras also announce huge ones for a stream.
    const isStill = !isMultipart && answer.length !== null && answer.length <= FRAME_LIMITS.payloadBytes;
    const reader = new MultipartReader({ boundary, maxBodyBytes: FRAME_LIMITS.payloadBytes, onPart });
    let hasBegun = false;
    const mayBeStill = (): boolean => !isMultipart && count === 1 && !reader.isInsidePart;
    const take = (piece: Buffer): boolean => {
      reader.read(piece);
      // Another timeout applies after the first data, and after a possible still picture.
      const mustReconsider = !hasBegun || mayBeStill();
      hasBegun = true;
      return mustReconsider;
    };
    // A picture is complete by its own end, because lengths are often wrong.
    while (!(isStill && count > 0)) {
      const silentMs = mayBeStill() ? STILL_SILENT_MS : hasBegun ? this.#silentMs : FIRST_SILENT_MS;
      const untilMs = isMultipart || count > 1 ? Infinity : stillUntilMs;
      const stop = await answer.read(take, { silentMs, untilMs }).catch((error: unknown) => {
        throw error instanceof GearwayError && error.code === 'multipart-invalid'
          ? new GearwayError('source-failed', `the response is not MJPEG: ${errorText(error)}`, { cause: error })
          : error;
      });
      signal.throwIfAborted();
      if (stop === 'ended' || (stop !== 'enough' && mayBeStill())) break;
      if (stop === 'silent')
        throw new GearwayError('source-stalled', `the camera has sent nothing for ${silentMs / 1000} s`);
      if (stop === 'late') throw this.#tooSlow();
    }
    if (count > 0 && !isMultipart) return isStill || count === 1 ? 'still' : 'stream';
    if (answer.failure !== null) throw explainConnectionError(answer.failure, this.#client.origin);
    if (count === 0)
      throw new GearwayError('source-failed', `the response has ended without a picture: ${reader.describe()}`);
    return 'stream';
  }

  /** Reads a picture of a format other than JPEG. */
  async #readStill(answer: HttpAnswer, pictures: PicturePublisher, signal: AbortSignal): Promise<Shown> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    const take = (piece: Buffer): boolean => {
      pieces.push(Buffer.from(piece));
      bytes += piece.byteLength;
      if (bytes > FRAME_LIMITS.payloadBytes)
        throw new GearwayError('too-large', `the picture has more than ${FRAME_LIMITS.payloadBytes} bytes`);
      return bytes >= (answer.length ?? Infinity);
    };
    const stop = await answer.read(take, { silentMs: this.#silentMs, untilMs: this.#stillUntilMs() });
    signal.throwIfAborted();
    if (stop === 'late') throw this.#tooSlow();
    pictures.offer(await readImage(Buffer.concat(pieces)));
    return 'still';
  }

  #stillUntilMs(): number {
    return performance.now() + (this.#options.stillTimeoutMs ?? STILL_TIMEOUT_MS);
  }

  #tooSlow(): GearwayError {
    const seconds = (this.#options.stillTimeoutMs ?? STILL_TIMEOUT_MS) / 1000;
    return new GearwayError('source-stalled', `the camera has not sent a whole picture within ${seconds} s`);
  }
}

/** Request headers with which a server sends the picture only if it has changed. */
function conditionOf(answer: HttpAnswer): Readonly<Record<string, string>> {
  const tag = answer.header('etag');
  const modified = answer.header('last-modified');
  return {
    ...(tag === undefined ? {} : { 'If-None-Match': tag }),
    ...(modified === undefined ? {} : { 'If-Modified-Since': modified }),
  };
}

/** Limits a rate by skipping pictures evenly. */
class RateLimit {
  readonly #intervalMs: number;
  #dueMs = 0;

  /** @param framesPerSecond null for no limit. */
  constructor(framesPerSecond: number | null) {
    this.#intervalMs = framesPerSecond === null ? 0 : 1000 / framesPerSecond;
  }

  admits(nowMs: number): boolean {
    // A picture may be slightly early, because the network delays pictures unevenly.
    if (nowMs < this.#dueMs - this.#intervalMs / 4) return false;
    this.#dueMs = Math.max(this.#dueMs, nowMs - this.#intervalMs / 2) + this.#intervalMs;
    return true;
  }
}
