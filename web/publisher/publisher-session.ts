import { closeCode } from '../../shared/close-code.ts';
import { errorText } from '../../shared/errors.ts';
import { type Data, decodePublisherAnswer, encodePublishedHead, type Hello, MAX_HEADER_BYTES, PRELUDE_BYTES, type PublisherAnswer, type ReturnBody, type Taken, type Value, type Welcome } from '../../shared/protocol.ts';
import { type ConnectionEnd, GatewayConnection, type NextAttempt } from '../connection/gateway-connection.ts';
import { type EncodedPicture, JpegEncoder } from './capture/jpeg-encoder.ts';
import { AskedFeed, type FeedSink, FrameFeed, type PictureFeed } from './capture/picture-feed.ts';
import { PictureFlow } from './capture/picture-flow.ts';
import { PublisherFigures } from './publisher-figures.ts';
import type { CapturedPicture, FeedKind, PictureSettings, PublisherCommand, PublisherEvent, PublisherOptions, ReturnedValue } from './publisher-messages.ts';
import { RateLimit } from './capture/rate-limit.ts';
import { framesOf } from './capture/track-frames.ts';

const STATS_INTERVAL_MS = 500;

/** A screen on which nothing changes gives no pictures. Its last one is sent again so often, so that the stream is live: it is what there is to see. */
const REPEAT_MS = 1000;

/** A camera that gives nothing for so long, or for so many times what lies between two pictures at its rate, is said to be silent. */
const SILENT_MS = 3000;
const SILENT_FRAMES = 3;

/**
 * The gateway needs up to 15 s to notice that a connection was cut, and takes us for another publisher until then. So long it is our own seat
 * that we wait for.
 */
const OWN_SEAT_MS = 20_000;

/** After these the gateway would say the same again: no new attempt until something changes. */
const FINAL_CODES: ReadonlySet<number> = new Set([closeCode.takenOver, closeCode.notAllowed, closeCode.badMessage]);

/** After these another attempt makes sense, but not soon. */
const SLOW_CODES: ReadonlySet<number> = new Set([closeCode.unknownStream, closeCode.tooMuch, closeCode.publisherPresent, closeCode.notForPublishers]);

/** One publisher: the newest picture of its feed goes to the gateway, as fast as both can. Lives in the page's worker, or on the main thread: it does not care. */
export class PublisherSession {
  readonly #options: PublisherOptions;
  readonly #emit: (event: PublisherEvent) => void;
  readonly #connection: GatewayConnection<PublisherAnswer>;
  readonly #encoder = new JpegEncoder();
  readonly #flow: PictureFlow<CapturedPicture, EncodedPicture>;
  readonly #limit: RateLimit;
  readonly #reporting: ReturnType<typeof setInterval>;
  #figures = new PublisherFigures();
  #settings: PictureSettings;
  #message: Value;
  #takesOver: boolean;
  #feed: PictureFeed | null = null;
  #isScreen = false;
  /** The screen's last picture, and when it was sent. */
  #last: { readonly encoded: EncodedPicture; readonly atMs: number } | null = null;
  /** What the gateway refused the last frame for; said once, not with each. */
  #refusedFor: string | null = null;
  /** Ports whose sticky data counts. */
  readonly #sticky = new Set<number>();
  #ownSeatUntilMs = 0;
  #closed = false;

  constructor(options: PublisherOptions, emit: (event: PublisherEvent) => void) {
    this.#options = options;
    this.#emit = emit;
    this.#settings = options.settings;
    this.#message = options.message;
    this.#takesOver = options.takeOver;
    this.#limit = new RateLimit(options.settings.fps);
    this.#flow = new PictureFlow<CapturedPicture, EncodedPicture>({
      encode: (picture) => this.#encode(picture),
      send: (sequence, encoded) => this.#send(sequence, encoded),
      failed: (error) => this.#refuseFrame('encode-failed', errorText(error)),
    });
    this.#connection = new GatewayConnection(options.url, decodePublisherAnswer, {
      hello: () => this.#hello(),
      welcomed: (welcome) => this.#welcomed(welcome),
      received: (message) => this.#received(message),
      ended: (end) => this.#ended(end),
      explained: (reason) => this.#emit({ kind: 'state', state: 'connecting', reason }),
    });
    this.#reporting = setInterval(() => this.#tick(), STATS_INTERVAL_MS);
  }

  command(command: PublisherCommand): void {
    switch (command.kind) {
      case 'feed':
        this.#feed?.close();
        this.#isScreen = command.isScreen;
        this.#last = null;
        this.#feed = command.feed === null ? null : this.#open(command.feed);
        return;
      case 'picture':
        if (this.#feed instanceof AskedFeed) this.#feed.picture(command.bitmap, command.takenAtMs);
        else command.bitmap.close();
        return;
      case 'settings':
        if (command.settings.fps !== this.#settings.fps) {
          this.#limit.fps = command.settings.fps;
          this.#feed?.restarted();
        }
        this.#settings = command.settings;
        return;
      case 'message':
        this.#message = command.message;
        this.#refusedFor = null;
        return;
      case 'retry':
        this.#connection.retryNow();
        return;
      case 'close':
        this.close();
        return;
      default:
        command satisfies never;
    }
  }

  /** Ends connection, feed and all timers. Idempotent; nothing is emitted afterwards. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#reporting);
    this.#feed?.close();
    this.#flow.lost();
    this.#connection.close();
  }

  #open(feed: FeedKind): PictureFeed | null {
    const sink: FeedSink = {
      limit: this.#limit,
      isReady: () => this.#flow.isReady,
      offer: (picture) => this.#flow.offer(picture),
      skip: () => this.#flow.skip(),
    };
    switch (feed.kind) {
      case 'frames':
        return new FrameFeed(feed.readable, sink);
      case 'track': {
        const readable = framesOf(feed.track);
        if (readable !== null) return new FrameFeed(readable, sink, () => feed.track.stop());
        feed.track.stop();
        this.#emit({ kind: 'track-refused' });
        return null;
      }
      case 'asked':
        return new AskedFeed(() => this.#emit({ kind: 'ask' }), sink);
      default:
        return feed satisfies never;
    }
  }

  #hello(): Omit<Hello, 'type'> {
    const { name, token } = this.#options;
    return { name, ...(token === null ? {} : { token }), ...(this.#takesOver ? { takeOver: true } : {}) };
  }

  #welcomed({ stream }: Welcome): void {
    // Who takes our place later on is not ended by us in turn.
    this.#takesOver = false;
    this.#figures = new PublisherFigures();
    this.#refusedFor = null;
    this.#last = null;
    this.#flow.open();
    // What passed before there was a connection went nowhere.
    this.#limit.restart();
    this.#feed?.restarted();
    this.#emit({ kind: 'state', state: 'live', reason: `publishing to ${stream}` });
  }

  #received(message: Taken | Data): void {
    if (message.type === 'taken') {
      const { sequence, code, reason = '' } = message;
      this.#figures.taken(message);
      if (code === undefined) this.#refusedFor = null;
      else this.#refuseFrame(code, reason);
      this.#flow.taken(sequence);
      return;
    }
    const { port, mode, body } = message;
    const value = toValue(body);
    if (mode === 'sticky' && value === null) this.#sticky.delete(port);
    else if (mode === 'sticky') this.#sticky.add(port);
    this.#emit({ kind: 'data', port, mode, value });
  }

  #ended({ code, reason, wasOpen }: ConnectionEnd): NextAttempt {
    this.#flow.lost();
    // Whether it still counts cannot be known any more.
    for (const port of this.#sticky) this.#emit({ kind: 'data', port, mode: 'sticky', value: null });
    this.#sticky.clear();
    const isFinal = FINAL_CODES.has(code);
    if (code === closeCode.publisherPresent && performance.now() < this.#ownSeatUntilMs) {
      this.#emit({ kind: 'state', state: 'connecting', reason: 'the gateway still holds the place of the connection that was lost' });
      return 'soon';
    }
    if (isFinal || SLOW_CODES.has(code)) {
      this.#emit({ kind: 'refused', code, reason });
      this.#emit({ kind: 'state', state: 'refused', reason: reason || `closed with code ${code}` });
      return isFinal ? 'never' : 'later';
    }
    if (wasOpen) this.#ownSeatUntilMs = performance.now() + OWN_SEAT_MS;
    this.#emit({ kind: 'state', state: 'connecting', reason: wasOpen ? 'the connection to the gateway was lost' : this.#connection.explanation });
    return 'soon';
  }

  async #encode(picture: CapturedPicture): Promise<EncodedPicture> {
    const startMs = performance.now();
    const encoded = await this.#encoder.encode(picture, this.#settings);
    this.#figures.encoded(performance.now() - startMs);
    return encoded;
  }

  #send(sequence: number, encoded: EncodedPicture): void {
    const { jpeg, takenAtMs } = encoded;
    const capturedAtUs = takenAtMs === null ? null : Math.round(takenAtMs * 1000);
    const head = this.#head(sequence, capturedAtUs);
    const message = new Uint8Array(head.byteLength + jpeg.byteLength);
    message.set(head);
    message.set(jpeg, head.byteLength);
    this.#connection.send(message);
    this.#figures.sent(sequence, encoded, message.byteLength);
    if (this.#isScreen) this.#last = { encoded, atMs: performance.now() };
  }

  #head(sequence: number, capturedAtUs: number | null): Uint8Array<ArrayBuffer> {
    const encoding = { kind: 'jpeg' } as const;
    const head = encodePublishedHead({ sequence, capturedAtUs, encoding, message: this.#message });
    if (head.byteLength <= PRELUDE_BYTES + MAX_HEADER_BYTES) return head;
    // The gateway would end the connection, and again with the next one.
    this.#message = null;
    this.#emit({ kind: 'frame-refused', code: 'too-large', reason: `the message takes ${head.byteLength - PRELUDE_BYTES} bytes, expected at most ${MAX_HEADER_BYTES}; frames go without one` });
    return encodePublishedHead({ sequence, capturedAtUs, encoding, message: null });
  }

  #refuseFrame(code: string, reason: string): void {
    if (this.#refusedFor === code) return;
    this.#refusedFor = code;
    this.#emit({ kind: 'frame-refused', code, reason });
  }

  #tick(): void {
    const nowMs = performance.now();
    if (this.#last !== null && nowMs - this.#last.atMs >= REPEAT_MS) this.#flow.repeat({ ...this.#last.encoded, takenAtMs: Date.now() });
    const silentSinceMs = this.#feed?.silentSinceMs ?? null;
    const isSilent = silentSinceMs !== null && !this.#isScreen && nowMs - silentSinceMs > Math.max(SILENT_MS, (SILENT_FRAMES * 1000) / this.#settings.fps);
    this.#emit({ kind: 'stats', stats: this.#figures.read(this.#flow.skipped, this.#flow.inFlight), isSilent });
  }
}

function toValue(body: ReturnBody): ReturnedValue {
  switch (body.kind) {
    case 'value':
      return body.value;
    case 'array':
      return body.array;
    case 'jpeg':
      return new Blob([body.data as Uint8Array<ArrayBuffer>], { type: 'image/jpeg' });
    default:
      return body satisfies never;
  }
}
