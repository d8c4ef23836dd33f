import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { errorText } from '../../../shared/errors.ts';
import type { ClientStatus, EventKind, StreamState } from '../../../shared/status.ts';
import type { Frame } from '../../hub/frame.ts';
import { Mailbox } from '../../hub/mailbox.ts';
import { RateMeter } from '../../hub/rate-meter.ts';
import type { UserBudget } from '../../rights/user-budget.ts';
import { addressKey } from '../../hub/shares.ts';
import { type Client, type Stream, round } from '../../hub/stream.ts';
import type { FrameHolder, UnsentFrames } from '../unsent-frames.ts';

/** JPEGs of a stream's frames, shared by all clients with the same options. */
export interface JpegPictures {
  jpeg(frame: Frame): Uint8Array | Promise<Uint8Array>;
}

interface MjpegClientOptions {
  /** Unique in the gateway. */
  readonly id: string;
  readonly stream: Stream;
  readonly pictures: JpegPictures;
  /** Returns the placeholder frame that shows a sentence. It is shared by all clients. */
  readonly createPlaceholder: (sentence: string) => Promise<Frame>;
  /** The client's address, for display. */
  readonly address: string;
  /** null for no limit. */
  readonly maxFramesPerSecond: number | null;
  /**
   * Whether each part has a Content-Length, which many programs require. Browsers then show each picture one frame
   * late; default false.
   */
  readonly hasLengths?: boolean;
  /** Tracks the unsent frames of all clients. */
  readonly unsent?: UnsentFrames;
  /** Bit rate of the token or user, over all its clients. Default: no limit. */
  readonly budget?: Pick<UserBudget, 'maySend' | 'sent'> | null;
}

const TICK_MS = 1000;

/** A write pending for this long marks the client as stuck. */
const STUCK_AFTER_MS = 2000;
const CUT_OFF_AFTER_MS = 10_000;

/** Silence after which the last picture is sent again: only a write can detect an unreachable host. */
const REPEAT_AFTER_MS = 5000;
const KEEP_ALIVE_AFTER_MS = 10_000;

type Phase =
  | { readonly kind: 'ready' }
  | { readonly kind: 'encoding' }
  | { readonly kind: 'sending'; readonly sinceMs: number }
  | { readonly kind: 'closed' };

/**
 * A spectator that reads MJPEG, such as an `<img>`: an endless `multipart/x-mixed-replace` response (RFC 2046, with the
 * browsers' extension that a part replaces the previous one). There are no acknowledgements, so it is paced by the
 * socket's back-pressure.
 */
export class MjpegClient implements Client, FrameHolder {
  readonly id: string;
  readonly isActive = true;
  readonly addressKey: string;
  /** Resolves when the connection has closed. */
  readonly closed: Promise<void>;
  readonly #response: ServerResponse;
  readonly #options: MjpegClientOptions;
  readonly #mailbox = new Mailbox<Frame>();
  readonly #rate = new RateMeter();
  /** Written after each picture: the boundary, and the next part's header, except its length if it has one. */
  readonly #separator: Buffer;
  readonly #minIntervalMs: number;
  readonly #timer: NodeJS.Timeout;
  #phase: Phase = { kind: 'ready' };
  #last: Frame | null = null;
  #lastSentAtMs = performance.now();
  #nextSendAtMs = 0;
  #wakeup: NodeJS.Timeout | null = null;
  #delivered = 0;
  #deliveredBytes = 0;
  #repeated = 0;

  /** @param response must not have been sent yet; its existing headers are kept. */
  constructor(response: ServerResponse, options: MjpegClientOptions) {
    this.id = options.id;
    this.addressKey = addressKey(options.address);
    this.#response = response;
    this.#options = options;
    this.#minIntervalMs = options.maxFramesPerSecond === null ? 0 : 1000 / options.maxFramesPerSecond;
    // Random, because the boundary must not occur in the pictures, which may come from an attacker.
    const boundary = `gearway-${randomBytes(16).toString('hex')}`;
    const header = `\r\n--${boundary}\r\nContent-Type: image/jpeg\r\n`;
    this.#separator = Buffer.from(options.hasLengths === true ? header : `${header}\r\n`);
    this.closed = new Promise((resolve) => {
      response.on('close', () => {
        this.#ended('the client disconnected');
        resolve();
      });
    });
    // A transport error is followed by 'close'; an unhandled 'error' event would end the process.
    response.on('error', () => undefined);
    response.socket?.setKeepAlive(true, KEEP_ALIVE_AFTER_MS);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    // No chunked encoding: simple MJPEG readers do not decode it.
    response.removeHeader('transfer-encoding');
    response.writeHead(200, { ...mjpegHeaders(boundary), connection: 'close' });
    response.write(this.#separator.subarray(2));

    const { stream } = options;
    stream.attach(this);
    this.#report('connect', 'watches as MJPEG');
    if (stream.latest !== null) this.offer(stream.latest);
    // Otherwise the first picture has been requested from another gateway.
    else if (stream.state !== 'live') this.#showPlaceholder(stream.reason);
  }

  offer(frame: Frame): void {
    if (this.#phase.kind === 'closed') return;
    this.#mailbox.put(frame);
    this.#pump();
  }

  /** Shows the placeholder only if there is no frame; otherwise the last picture stays. */
  streamChanged(_state: StreamState, reason: string): void {
    if (this.#options.stream.latest === null && this.#options.stream.state !== 'live') this.#showPlaceholder(reason);
  }

  status(): ClientStatus {
    const now = performance.now();
    return {
      id: this.id,
      port: null,
      kind: 'spectator',
      address: this.#address,
      state: this.#phase.kind === 'sending' && now - this.#phase.sinceMs > STUCK_AFTER_MS ? 'stuck' : 'live',
      reason: '',
      delivered: this.#delivered,
      deliveredBytes: this.#deliveredBytes,
      dropped: this.#mailbox.dropped,
      withheld: 0,
      repeated: this.#repeated,
      rejected: 0,
      framesPerSecond: round(this.#rate.perSecond(now)),
      roundTripMs: null,
      delayMs: null,
      returnData: null,
    };
  }

  sendAway(reason: string): void {
    this.close(reason);
  }

  /** Closes the connection and discards unsent data. Idempotent. */
  close(reason = 'the gateway is stopping'): void {
    if (this.#phase.kind === 'closed') return;
    this.#ended(reason);
    this.#response.destroy();
  }

  /** Sends the pending frame once the previous one has been written and the rate limit allows. */
  #pump(): void {
    if (this.#phase.kind !== 'ready' || this.#mailbox.isEmpty || !this.#isDue()) return;
    const frame = this.#mailbox.take();
    if (frame === undefined) return;
    const jpeg = this.#options.pictures.jpeg(frame);
    if (!(jpeg instanceof Promise)) {
      this.#send(frame, jpeg);
      return;
    }
    this.#phase = { kind: 'encoding' };
    jpeg
      .then(
        (encoded) => this.#send(frame, encoded),
        (error: unknown) => {
          this.#becomeReady();
          this.#showPlaceholder(errorText(error));
        },
      )
      // Both handlers only write to the response, which reports failures as 'close'.
      .catch(() => undefined);
  }

  #isDue(): boolean {
    // The frame stays pending: sending is retried with the next frame, and every second.
    const now = performance.now();
    if (this.#options.budget?.maySend(now) === false) return false;
    if (this.#minIntervalMs === 0) return true;
    // Half a frame interval of tolerance, so that a limit of 30 fps passes every frame of a 30 fps source.
    const toleranceMs = (this.#options.stream.frameTimeMs() ?? 0) / 2;
    if (now < this.#nextSendAtMs - toleranceMs) {
      // Ensures that the last frame before a pause is sent. A regular source's next frame arrives before the timer
      // fires.
      this.#wakeup ??= setTimeout(
        () => {
          this.#wakeup = null;
          this.#pump();
        },
        this.#nextSendAtMs + toleranceMs - now,
      );
      return false;
    }
    this.#nextSendAtMs = Math.max(this.#nextSendAtMs, now - toleranceMs) + this.#minIntervalMs;
    return true;
  }

  /**
   * Chromium shows a part only when the header of the next part is complete, so this header is sent immediately. It has
   * no Content-Length, because the next picture is not known yet. For programs that need lengths, the header is
   * completed with the next picture; programs that search for the boundary find it immediately, too.
   */
  #send(frame: Frame, jpeg: Uint8Array): void {
    if (this.#phase.kind === 'closed') return;
    const now = performance.now();
    this.#phase = { kind: 'sending', sinceMs: now };
    this.#options.budget?.sent(jpeg.byteLength, now);
    this.#count(frame, jpeg.byteLength, now);
    this.#response.cork();
    if (this.#options.hasLengths === true) this.#response.write(`Content-Length: ${jpeg.byteLength}\r\n\r\n`);
    this.#response.write(jpeg);
    // The callback runs when the kernel has accepted all data, not when it merely fits into the buffer of this process.
    this.#response.write(this.#separator, () => this.#becomeReady());
    this.#response.uncork();
    if (this.#response.writableLength > 0) this.#options.unsent?.hold(this, jpeg);
  }

  cutOff(reason: string): void {
    this.close(reason);
  }

  #count(frame: Frame, bytes: number, nowMs: number): void {
    this.#lastSentAtMs = nowMs;
    if (frame === this.#last) {
      this.#repeated += 1;
      return;
    }
    this.#last = frame;
    // Sequence 0 is the placeholder frame, which is not counted.
    if (frame.sequence === 0) return;
    this.#delivered += 1;
    this.#deliveredBytes += bytes;
    this.#rate.mark(nowMs);
  }

  #becomeReady(): void {
    this.#options.unsent?.release(this);
    if (this.#phase.kind === 'closed') return;
    this.#phase = { kind: 'ready' };
    this.#pump();
  }

  #showPlaceholder(sentence: string): void {
    const last = this.#last;
    this.#options
      .createPlaceholder(sentence)
      .then((placeholder) => {
        const isOvertaken = this.#last !== last || !this.#mailbox.isEmpty || this.#phase.kind === 'encoding';
        if (placeholder !== last && !isOvertaken) this.offer(placeholder);
      })
      // If it cannot be created, the client keeps its last picture.
      .catch(() => undefined);
  }

  #tick(): void {
    const now = performance.now();
    if (this.#phase.kind === 'sending' && now - this.#phase.sinceMs > CUT_OFF_AFTER_MS && !this.#mailbox.isEmpty) {
      this.close(`the client has read nothing for ${CUT_OFF_AFTER_MS / 1000} s`);
      return;
    }
    if (this.#last !== null && this.#mailbox.isEmpty && now - this.#lastSentAtMs >= REPEAT_AFTER_MS)
      this.offer(this.#last);
    else this.#pump();
  }

  get #address(): string {
    return `img (${this.#options.address})`;
  }

  #report(kind: EventKind, reason: string): void {
    this.#options.stream.report({ kind, client: this.id, port: null, address: this.#address, reason });
  }

  #ended(reason: string): void {
    if (this.#phase.kind === 'closed') return;
    this.#phase = { kind: 'closed' };
    clearInterval(this.#timer);
    if (this.#wakeup !== null) clearTimeout(this.#wakeup);
    this.#mailbox.clear();
    this.#options.unsent?.release(this);
    this.#last = null;
    this.#options.stream.detach(this);
    this.#report('disconnect', reason);
  }
}

/** Headers of an MJPEG response. HEAD requests have no boundary. */
export function mjpegHeaders(boundary?: string): Readonly<Record<string, string>> {
  return {
    'content-type': `multipart/x-mixed-replace${boundary === undefined ? '' : `; boundary=${boundary}`}`,
    'cache-control': 'no-store',
    // Otherwise nginx would buffer pictures.
    'x-accel-buffering': 'no',
  };
}
