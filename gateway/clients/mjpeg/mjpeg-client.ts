import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { errorText } from '../../../shared/errors.ts';
import type { ClientStatus, EventKind, StreamState } from '../../../shared/status.ts';
import type { Frame } from '../../hub/frame.ts';
import { Mailbox } from '../../hub/mailbox.ts';
import { RateMeter } from '../../hub/rate-meter.ts';
import { addressKey } from '../../hub/shares.ts';
import { type Client, type Stream, round } from '../../hub/stream.ts';
import type { Renditions } from '../renditions.ts';
import type { FrameHolder, UnsentFrames } from '../unsent-frames.ts';

/** What an MJPEG client is made of. */
export interface MjpegClientOptions {
  /** Unique in the gateway. */
  readonly id: string;
  readonly stream: Stream;
  readonly renditions: Renditions;
  /** The picture that stands for frames which are not there: one for a sentence, shared by all clients. */
  readonly createCard: (sentence: string) => Promise<Frame>;
  /** Where the client is, for people. */
  readonly address: string;
  /** null: every frame. */
  readonly maxFramesPerSecond: number | null;
  /** The frames that wait for all clients' connections. */
  readonly unsent?: UnsentFrames;
}

const TICK_MS = 1000;

/** A picture that has not left for so long means that the peer does not read. */
const STUCK_AFTER_MS = 2000;
const CUT_OFF_AFTER_MS = 10_000;

/** Silence after which the picture is sent again: a host that vanished shows only by what is sent. */
const REPEAT_AFTER_MS = 5000;
const KEEP_ALIVE_AFTER_MS = 10_000;

type Phase =
  | { readonly kind: 'ready' }
  | { readonly kind: 'encoding' }
  | { readonly kind: 'sending'; readonly sinceMs: number }
  | { readonly kind: 'closed' };

/**
 * One `<img>`, or a program that reads MJPEG: an endless `multipart/x-mixed-replace` response (RFC 2046 with the replacing
 * that browsers know), a spectator of its stream. It returns nothing and acknowledges nothing; its pace is that of the socket.
 */
export class MjpegClient implements Client, FrameHolder {
  readonly id: string;
  readonly isActive = true;
  readonly addressKey: string;
  /** Settles when the connection has ended. */
  readonly closed: Promise<void>;
  readonly #response: ServerResponse;
  readonly #options: MjpegClientOptions;
  readonly #mailbox = new Mailbox<Frame>();
  readonly #rate = new RateMeter();
  readonly #separator: Buffer;
  readonly #minIntervalMs: number;
  readonly #timer: NodeJS.Timeout;
  #phase: Phase = { kind: 'ready' };
  #last: Frame | null = null;
  #lastSentAtMs = performance.now();
  #nextSendAtMs = 0;
  #wakeup: NodeJS.Timeout | null = null;
  #delivered = 0;
  #repeated = 0;

  /** @param response nothing of it has been sent yet; headers that it has already stay. */
  constructor(response: ServerResponse, options: MjpegClientOptions) {
    this.id = options.id;
    this.addressKey = addressKey(options.address);
    this.#response = response;
    this.#options = options;
    this.#minIntervalMs = options.maxFramesPerSecond === null ? 0 : 1000 / options.maxFramesPerSecond;
    // A boundary must not occur in the pictures, and nobody can guess this one.
    const boundary = `gearway-${randomBytes(16).toString('hex')}`;
    this.#separator = Buffer.from(`\r\n--${boundary}\r\nContent-Type: image/jpeg\r\n\r\n`);
    this.closed = new Promise((resolve) => {
      response.on('close', () => {
        this.#ended('it left');
        resolve();
      });
    });
    // A transport error is followed by 'close'; an unhandled 'error' event would end the process.
    response.on('error', () => undefined);
    response.socket?.setKeepAlive(true, KEEP_ALIVE_AFTER_MS);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    // Pictures until the connection ends, not in chunks: simple readers of MJPEG take what follows the header as it is.
    response.removeHeader('transfer-encoding');
    response.writeHead(200, { ...mjpegHeaders(boundary), connection: 'close' });
    response.write(this.#separator.subarray(2));

    const { stream } = options;
    stream.attach(this);
    this.#report('connect', 'watches as MJPEG');
    if (stream.latest === null) this.#showCard(stream.reason);
    else this.offer(stream.latest);
  }

  offer(frame: Frame): void {
    if (this.#phase.kind === 'closed') return;
    this.#mailbox.put(frame);
    this.#pump();
  }

  /** The picture stays, whatever becomes of the stream. */
  streamChanged(_state: StreamState, reason: string): void {
    if (this.#options.stream.latest === null) this.#showCard(reason);
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
      dropped: this.#mailbox.dropped,
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

  /** Ends the connection: what waits in it is thrown away. Idempotent. */
  close(reason = 'the gateway stops'): void {
    if (this.#phase.kind === 'closed') return;
    this.#ended(reason);
    this.#response.destroy();
  }

  /** Sends what waits, when the picture before it has left and the rate allows. */
  #pump(): void {
    if (this.#phase.kind !== 'ready' || this.#mailbox.isEmpty || !this.#isDue()) return;
    const frame = this.#mailbox.take();
    if (frame === undefined) return;
    const jpeg = this.#options.renditions.jpeg(frame);
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
          this.#showCard(errorText(error));
        },
      )
      // Both only write to the response, which reports its failures by 'close'.
      .catch(() => undefined);
  }

  #isDue(): boolean {
    if (this.#minIntervalMs === 0) return true;
    const now = performance.now();
    // Half a frame time of tolerance: 30 frames/s asked of a 30 frames/s source is every frame.
    const toleranceMs = (this.#options.stream.frameTimeMs() ?? 0) / 2;
    if (now < this.#nextSendAtMs - toleranceMs) {
      // The last frame before a pause is shown as well. A regular source's next one comes before this.
      this.#wakeup ??= setTimeout(() => {
        this.#wakeup = null;
        this.#pump();
      }, this.#nextSendAtMs + toleranceMs - now);
      return false;
    }
    this.#nextSendAtMs = Math.max(this.#nextSendAtMs, now - toleranceMs) + this.#minIntervalMs;
    return true;
  }

  /**
   * A browser shows a part when the next one begins. So the next one's header follows at once, and no part tells its
   * length, which nobody knows then.
   */
  #send(frame: Frame, jpeg: Uint8Array): void {
    if (this.#phase.kind === 'closed') return;
    const now = performance.now();
    this.#phase = { kind: 'sending', sinceMs: now };
    this.#count(frame, now);
    this.#response.cork();
    this.#response.write(jpeg);
    // Settles when the kernel has taken all of it, not when it merely fits some buffer of ours.
    this.#response.write(this.#separator, () => this.#becomeReady());
    this.#response.uncork();
    if (this.#response.writableLength > 0) this.#options.unsent?.hold(this, jpeg);
  }

  cutOff(reason: string): void {
    this.close(reason);
  }

  #count(frame: Frame, nowMs: number): void {
    this.#lastSentAtMs = nowMs;
    if (frame === this.#last) {
      this.#repeated += 1;
      return;
    }
    this.#last = frame;
    // A card, before every frame, is none.
    if (frame.sequence === 0) return;
    this.#delivered += 1;
    this.#rate.mark(nowMs);
  }

  #becomeReady(): void {
    this.#options.unsent?.release(this);
    if (this.#phase.kind === 'closed') return;
    this.#phase = { kind: 'ready' };
    this.#pump();
  }

  #showCard(sentence: string): void {
    const last = this.#last;
    this.#options
      .createCard(sentence)
      .then((card) => {
        const isOvertaken = this.#last !== last || !this.#mailbox.isEmpty || this.#phase.kind === 'encoding';
        if (card !== last && !isOvertaken) this.offer(card);
      })
      // Without the card there is no picture, as before.
      .catch(() => undefined);
  }

  #tick(): void {
    const now = performance.now();
    if (this.#phase.kind === 'sending' && now - this.#phase.sinceMs > CUT_OFF_AFTER_MS && !this.#mailbox.isEmpty) {
      this.close(`nothing was read for ${CUT_OFF_AFTER_MS / 1000} s`);
      return;
    }
    if (this.#last !== null && this.#mailbox.isEmpty && now - this.#lastSentAtMs >= REPEAT_AFTER_MS) this.offer(this.#last);
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

/** What an MJPEG response says of itself; without a boundary, in answer to HEAD. */
export function mjpegHeaders(boundary?: string): Readonly<Record<string, string>> {
  return {
    'content-type': `multipart/x-mixed-replace${boundary === undefined ? '' : `; boundary=${boundary}`}`,
    'cache-control': 'no-store',
    // nginx would collect pictures before it passes them on.
    'x-accel-buffering': 'no',
  };
}
