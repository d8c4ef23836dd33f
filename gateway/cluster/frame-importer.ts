import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import { runInBackground } from '../../shared/background.ts';
import { type CommonHead, FrameAssembler, type FrameKind, HEAD, PART } from './frame-wire.ts';

/**
 * Minimum number of messages that the NATS server may send before this gateway requests more. The server drops the
 * others, so that a gateway that falls behind misses frames, and is never disconnected as a slow consumer (64 MiB).
 */
const WINDOW = 24;

/** Maximum number of large frames in a window, and maximum size of all of them. */
const WINDOW_FRAMES = 4;
const WINDOW_BYTES = 48 << 20;

/**
 * Maximum number of frames by which a message may be late. An older frame is accepted, because the newest number must
 * have been forged: a forged number far ahead of the owner's must not end the stream.
 */
export const MAX_LATE_FRAMES = 4096;

interface FrameImporterOptions<T> {
  readonly kind: FrameKind<T>;
  readonly connection: NatsConnection;
  /** Subject without its last token. */
  readonly subject: string;
  /** Called with each frame once, in order. */
  readonly onFrame: (frame: T) => void;
  /** Called instead with the head of each frame, while pictures are not needed. */
  readonly onHead?: (head: CommonHead) => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Receives the frames, or the frames of a rendition, that another gateway publishes, on a subscription with a window of
 * messages: `UNSUB sid max`, sent repeatedly with a larger maximum. When the server has reached the maximum, it ends the
 * subscription, and a new one begins with the next frame.
 */
export class FrameImporter<T extends { readonly origin: string; readonly sequence: number }> {
  readonly #options: FrameImporterOptions<T>;
  readonly #assembler: FrameAssembler<T>;
  #subscription: Subscription | null = null;
  #received = 0;
  /** Number of messages up to which the server has confirmed that it sends them. */
  #limit = 0;
  #isExtending = false;
  #origin = '';
  #lastSequence = 0;
  #needsPictures: boolean;
  #isClosed = false;

  constructor(options: FrameImporterOptions<T>, needsPictures = true) {
    this.#options = options;
    this.#needsPictures = needsPictures;
    this.#assembler = new FrameAssembler(options.kind, (frame) => this.#frame(frame), options.onError);
    this.subscribe();
  }

  /** Sequence of the newest frame, or of its head if pictures are not needed; 0 for none. */
  get lastSequence(): number {
    return this.#lastSequence;
  }

  get needsPictures(): boolean {
    return this.#needsPictures;
  }

  /** Receives whole frames, or only their heads, from now on. */
  set needsPictures(needed: boolean) {
    if (needed === this.#needsPictures) return;
    this.#needsPictures = needed;
    // The picture of a frame whose head has arrived may still be needed.
    if (needed) this.#lastSequence = 0;
    this.subscribe();
  }

  /** Begins a new subscription, which replaces the current one if there is one. */
  subscribe(): void {
    this.#subscription?.unsubscribe();
    if (this.#isClosed || this.#options.connection.isClosed()) return;
    this.#received = 0;
    this.#limit = WINDOW;
    this.#isExtending = false;
    const { connection, subject } = this.#options;
    const subscription = connection.subscribe(`${subject}.${this.#needsPictures ? '*' : HEAD}`, {
      callback: (error, message) => {
        // The NATS user of this gateway lacks the right to subscribe. There is no message in this case.
        if (error !== null) this.#options.onError(error);
        if (error !== null || this.#subscription !== subscription) return;
        this.#received += 1;
        if (message.subject.endsWith(`.${HEAD}`)) this.#head(message.data);
        else if (message.subject.endsWith(`.${PART}`)) this.#assembler.part(message.data, message.reply ?? '');
        // A new subscription may have begun with this message, because the need for pictures has changed.
        if (this.#subscription === subscription) this.#extend(subscription);
      },
    });
    subscription.unsubscribe(WINDOW);
    this.#subscription = subscription;
  }

  close(): void {
    this.#isClosed = true;
    this.#subscription?.unsubscribe();
    this.#subscription = null;
  }

  #extend(subscription: Subscription): void {
    const window = windowOf(this.#assembler.size);
    if (this.#isExtending || this.#received < this.#limit - window / 2) return;
    this.#isExtending = true;
    const next = this.#received + window;
    subscription.unsubscribe(next);
    // The server handles the request and the UNSUB in order. If the old limit was reached before the answer, the
    // subscription may have ended.
    const extended = (): void => {
      if (this.#subscription !== subscription) return;
      this.#isExtending = false;
      if (this.#received >= this.#limit) this.subscribe();
      else this.#limit = next;
    };
    // Fails when the connection is lost: the caller subscribes again after the reconnection.
    runInBackground(this.#options.connection.flush().then(extended), () => undefined);
  }

  #head(bytes: Uint8Array): void {
    const head = this.#assembler.head(bytes);
    if (head !== null && !this.#needsPictures && this.#isNew(head)) this.#options.onHead?.(head);
  }

  #frame(frame: T): void {
    if (this.#isNew(frame)) this.#options.onFrame(frame);
  }

  /** Whether the frame was neither repeated for another gateway nor overtaken by a newer one. */
  #isNew({ origin, sequence }: { readonly origin: string; readonly sequence: number }): boolean {
    const isLate = sequence <= this.#lastSequence && this.#lastSequence - sequence <= MAX_LATE_FRAMES;
    if (origin === this.#origin && isLate) return false;
    this.#origin = origin;
    this.#lastSequence = sequence;
    return true;
  }
}

/** @param size size of the current frame. */
function windowOf({ messages, bytes }: { readonly messages: number; readonly bytes: number }): number {
  const frames = Math.min(WINDOW_FRAMES, Math.max(1, Math.floor(WINDOW_BYTES / Math.max(1, bytes))));
  return Math.max(WINDOW, frames * messages);
}
