import { closeCode } from '../../shared/close-code.ts';
import { errorText } from '../../shared/errors.ts';
import {
  type Data,
  decodePublisherAnswer,
  encodePublishedHead,
  type Hello,
  MAX_HEADER_BYTES,
  PRELUDE_BYTES,
  type PublisherAnswer,
  type ReturnBody,
  type Taken,
  type Value,
  type Welcome,
} from '../../shared/protocol.ts';
import { type ConnectionEnd, GatewayConnection, type Retry } from '../connection/gateway-connection.ts';
import { type CaptureFeed, type FeedSink, openFeed, PullFeed } from '../capture/capture-feed.ts';
import type { FeedSource } from '../capture/feed-messages.ts';
import { type EncodedPicture, JpegEncoder } from '../capture/jpeg-encoder.ts';
import { PictureFlow } from '../capture/picture-flow.ts';
import { RateLimit } from '../capture/rate-limit.ts';
import { Uplink } from './capture/uplink.ts';
import type { CapturedPicture } from '../capture/capture-types.ts';
import type { PublisherCommand, PublisherEvent, PublisherOptions, ReturnedValue } from './publisher-messages.ts';
import { PublisherStatsMeter } from './publisher-stats.ts';

/** Interval at which the last picture of a screen is repeated, because a screen without changes delivers no frames. */
const REPEAT_MS = 1000;

/** A camera counts as silent after this time, or this number of frame intervals, whichever is longer. */
const SILENT_MS = 3000;
const SILENT_FRAMES = 3;

/**
 * Time after a lost connection during which "publisher present" most likely refers to this publisher's own stale
 * connection: the gateway needs up to 15 s to detect a lost connection.
 */
const STALE_CONNECTION_MS = 20_000;

/** Opens a session, in the worker or on the main thread. */
export function openPublisherSession(
  options: PublisherOptions,
  emit: (event: PublisherEvent) => void,
): PublisherSession {
  return new PublisherSession(options, emit);
}

/** Session of one publisher: encodes the newest picture and sends it, as fast as encoder and connection allow. */
class PublisherSession {
  readonly #options: PublisherOptions;
  readonly #emit: (event: PublisherEvent) => void;
  readonly #connection: GatewayConnection<PublisherAnswer>;
  readonly #encoder = new JpegEncoder();
  readonly #flow: PictureFlow<CapturedPicture, EncodedPicture>;
  readonly #limit: RateLimit;
  readonly #uplink: Uplink;
  #stats = new PublisherStatsMeter();
  #message: Value;
  #takesOver: boolean;
  #feed: CaptureFeed | null = null;
  #isScreen = false;
  /** Last picture of a screen, and when it was sent. */
  #last: { readonly encoded: EncodedPicture; readonly atMs: number } | null = null;
  /** Code of the last refused frame. Reported once, not with each frame. */
  #refusedFor: string | null = null;
  /** Ports with sticky data. */
  readonly #sticky = new Set<number>();
  #staleUntilMs = 0;
  #helloAtMs = 0;

  constructor(options: PublisherOptions, emit: (event: PublisherEvent) => void) {
    this.#options = options;
    this.#emit = emit;
    this.#message = options.message;
    this.#takesOver = options.takeOver;
    this.#limit = new RateLimit(options.encoding.fps);
    this.#uplink = new Uplink(options.encoding, (fps) => this.#setRate(fps));
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
      report: emit,
      tick: () => this.#tick(),
    });
  }

  command(command: PublisherCommand): void {
    switch (command.kind) {
      case 'feed':
        this.#feed?.close();
        this.#isScreen = command.isScreen;
        this.#uplink.isScreen = command.isScreen;
        this.#last = null;
        this.#feed = command.source === null ? null : this.#openFeed(command.source);
        return;
      case 'picture':
        if (this.#feed instanceof PullFeed) this.#feed.picture(command.bitmap, command.capturedAtMs);
        else command.bitmap.close();
        return;
      case 'encoding':
        this.#uplink.configure(command.encoding);
        return;
      case 'message':
        this.#message = command.message;
        this.#refusedFor = null;
        return;
      case 'retry':
        this.#connection.retryNow();
        return;
      case 'close':
        this.#feed?.close();
        this.#flow.disconnected();
        this.#connection.close();
        return;
      default:
        command satisfies never;
    }
  }

  #openFeed(source: FeedSource): CaptureFeed | null {
    const sink: FeedSink = {
      limit: this.#limit,
      isReady: () => this.#flow.isReady,
      offer: (picture) => this.#flow.offer(picture),
      skip: () => this.#flow.skip(),
    };
    return openFeed(source, sink, this.#emit);
  }

  #setRate(fps: number): void {
    this.#limit.fps = fps;
    this.#feed?.limitRestarted();
  }

  #hello(): Omit<Hello, 'type'> {
    this.#helloAtMs = performance.now();
    const { name, token } = this.#options;
    return { name, ...(token === null ? {} : { token }), ...(this.#takesOver ? { takeOver: true } : {}) };
  }

  #welcomed({ stream }: Welcome): void {
    // Reset, so that a publisher that takes over later is not replaced in turn.
    this.#takesOver = false;
    this.#stats = new PublisherStatsMeter();
    this.#refusedFor = null;
    this.#last = null;
    const nowMs = performance.now();
    this.#uplink.connected(nowMs - this.#helloAtMs, nowMs);
    this.#flow.connected();
    // Pictures from before this connection were discarded.
    this.#limit.restart();
    this.#feed?.limitRestarted();
    this.#emit({ kind: 'state', state: 'live', reason: `publishing to ${stream}` });
  }

  #received(message: Taken | Data): void {
    if (message.type === 'taken') {
      const { sequence, code, reason = '' } = message;
      this.#stats.taken(message);
      this.#uplink.taken(sequence, performance.now());
      if (code === undefined) this.#refusedFor = null;
      else this.#refuseFrame(code, reason);
      this.#flow.taken(sequence);
      return;
    }
    const { port, mode, body } = message;
    const value = toReturnedValue(body);
    if (mode === 'sticky' && value === null) this.#sticky.delete(port);
    else if (mode === 'sticky') this.#sticky.add(port);
    this.#emit({ kind: 'data', port, mode, value });
  }

  #ended({ code, wasOpen, isRefused }: ConnectionEnd): Retry | null {
    this.#flow.disconnected();
    // Without a connection, it is unknown whether sticky data is still in effect.
    for (const port of this.#sticky) this.#emit({ kind: 'data', port, mode: 'sticky', value: null });
    this.#sticky.clear();
    if (code === closeCode.publisherPresent && performance.now() < this.#staleUntilMs) {
      return { delay: 'back-off', reason: 'waiting for the gateway to release the lost connection' };
    }
    if (wasOpen && !isRefused) this.#staleUntilMs = performance.now() + STALE_CONNECTION_MS;
    return null;
  }

  async #encode(picture: CapturedPicture): Promise<EncodedPicture> {
    const startMs = performance.now();
    const encoded = await this.#uplink.encode(startMs, (settings) => this.#encoder.encode(picture, settings));
    this.#stats.encoded(performance.now() - startMs);
    return encoded;
  }

  #send(sequence: number, encoded: EncodedPicture): void {
    const { jpeg, capturedAtMs } = encoded;
    const capturedAtUs = capturedAtMs === null ? null : Math.round(capturedAtMs * 1000);
    const head = this.#head(sequence, capturedAtUs);
    const message = new Uint8Array(head.byteLength + jpeg.byteLength);
    message.set(head);
    message.set(jpeg, head.byteLength);
    this.#connection.send(message);
    this.#stats.sent(sequence, encoded, message.byteLength);
    this.#uplink.sent(sequence, message.byteLength, performance.now());
    if (this.#isScreen) this.#last = { encoded, atMs: performance.now() };
  }

  #head(sequence: number, capturedAtUs: number | null): Uint8Array<ArrayBuffer> {
    const encoding = { kind: 'jpeg' } as const;
    const head = encodePublishedHead({ sequence, capturedAtUs, encoding, message: this.#message });
    const bytes = head.byteLength - PRELUDE_BYTES;
    if (bytes <= MAX_HEADER_BYTES) return head;
    // Otherwise, the gateway would close this connection, and every further one.
    this.#message = null;
    const reason = `the message takes ${bytes} bytes, expected at most ${MAX_HEADER_BYTES}; frames are sent without it`;
    this.#emit({ kind: 'frame-refused', code: 'too-large', reason });
    return encodePublishedHead({ sequence, capturedAtUs, encoding, message: null });
  }

  #refuseFrame(code: string, reason: string): void {
    if (this.#refusedFor === code) return;
    this.#refusedFor = code;
    this.#emit({ kind: 'frame-refused', code, reason });
  }

  #tick(): void {
    const nowMs = performance.now();
    if (this.#last !== null && nowMs - this.#last.atMs >= REPEAT_MS) {
      this.#flow.repeat({ ...this.#last.encoded, capturedAtMs: Date.now() });
    }
    const { roundTripMs } = this.#connection.clock;
    if (roundTripMs !== null) this.#uplink.roundTrip(roundTripMs, nowMs);
    this.#uplink.update(nowMs);
    const stats = this.#stats.read({
      skipped: this.#flow.skipped,
      inFlight: this.#flow.inFlight,
      ...this.#uplink.stats(nowMs),
    });
    this.#emit({ kind: 'stats', stats, isSilent: this.#isSilent(nowMs) });
  }

  #isSilent(nowMs: number): boolean {
    const silentSinceMs = this.#feed?.silentSinceMs ?? null;
    if (silentSinceMs === null || this.#isScreen) return false;
    return nowMs - silentSinceMs > Math.max(SILENT_MS, (SILENT_FRAMES * 1000) / this.#uplink.settings.fps);
  }
}

function toReturnedValue(body: ReturnBody): ReturnedValue {
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
