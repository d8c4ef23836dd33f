import type { VideoStep } from '../../renditions/ladder.ts';
import type { SharedEncoding, VideoChunk, VideoSubscriber } from '../../renditions/rendition.ts';

interface ViewerVideoOptions {
  /** @returns the one encoding of this step; null if H.264 cannot be encoded. */
  readonly encoding: (step: VideoStep) => SharedEncoding | null;
  /** Address of the viewer, as returned by `addressKey`. */
  readonly address: string;
  readonly send: (chunk: VideoChunk) => void;
  /** Whether the link has a queue that one more chunk would lengthen. */
  readonly isCongested: () => boolean;
}

/** One viewer's subscription to an H.264 encoding. */
interface Subscription extends VideoSubscriber {
  readonly encoding: SharedEncoding;
  /** Whether the viewer has the chunks that the next one refers to. */
  isInStep: boolean;
  requestedAtMs: number;
}

/** Maximum time for a requested key frame to arrive, even on a busy machine. */
const REQUEST_MS = 1000;

/** Chunks that are interrupted usually continue within this time. */
const RESUME_MS = 500;

/**
 * H.264 for one viewer. A chunk refers to those before it, so none can be left out: a viewer whose link is congested
 * skips to the next key frame, which is requested when the link is free again. After a switch to another step, the
 * previous one continues until the key frame of the new one has arrived.
 */
export class ViewerVideo {
  readonly #options: ViewerVideoOptions;
  #current: Subscription | null = null;
  #next: Subscription | null = null;
  #sentAtMs = -Infinity;

  constructor(options: ViewerVideoOptions) {
    this.#options = options;
  }

  /** Whether the viewer receives chunks and needs no other frames. */
  get isFlowing(): boolean {
    return this.#current?.isInStep === true;
  }

  /** Whether the encoder is too slow for most frames, as far as is known. */
  get isSlow(): boolean {
    return this.#current?.encoding.isSlow === true;
  }

  /** Whether chunks arrive, or are expected to continue soon. */
  continues(nowMs: number): boolean {
    return this.isFlowing || nowMs - this.#sentAtMs < RESUME_MS;
  }

  /** Selects the step; null for none. @returns whether H.264 is available. */
  use(step: VideoStep | null): boolean {
    if (step === null) {
      this.close();
      return false;
    }
    const encoding = this.#options.encoding(step);
    if (encoding === null) {
      this.close();
      return false;
    }
    if (encoding === this.#current?.encoding) {
      this.#end(this.#next);
      this.#next = null;
    } else if (encoding !== this.#next?.encoding) {
      this.#end(this.#next);
      this.#next = this.#subscribe(encoding);
    }
    return true;
  }

  /** Call when the link may have become free. */
  released(): void {
    const waiting = this.#next ?? this.#current;
    const now = performance.now();
    if (waiting === null || waiting.isInStep || now - waiting.requestedAtMs < REQUEST_MS || this.#options.isCongested())
      return;
    waiting.requestedAtMs = now;
    waiting.encoding.requestKey();
  }

  /** Ends the subscriptions. Idempotent. */
  close(): void {
    this.#end(this.#current);
    this.#end(this.#next);
    this.#current = null;
    this.#next = null;
  }

  #subscribe(encoding: SharedEncoding): Subscription {
    const subscription: Subscription = {
      encoding,
      address: this.#options.address,
      isInStep: false,
      requestedAtMs: performance.now(),
      chunk: (chunk) => this.#received(subscription, chunk),
      interrupted: () => (subscription.isInStep = false),
    };
    encoding.subscribe(subscription);
    return subscription;
  }

  #received(subscription: Subscription, chunk: VideoChunk): void {
    if (!subscription.isInStep && !chunk.encoding.isKey) return;
    if (this.#options.isCongested()) {
      subscription.isInStep = false;
      subscription.requestedAtMs = -Infinity;
      return;
    }
    if (subscription === this.#next) {
      this.#end(this.#current);
      this.#current = subscription;
      this.#next = null;
    }
    subscription.isInStep = true;
    this.#sentAtMs = performance.now();
    this.#options.send(chunk);
  }

  #end(subscription: Subscription | null): void {
    if (subscription !== null) subscription.encoding.unsubscribe(subscription);
  }
}
