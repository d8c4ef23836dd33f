import type { RenditionFrame, SharedEncoding, VideoChunk, VideoSubscriber } from '../renditions/rendition.ts';
import type { RemoteRendition } from './frame-wire.ts';
import type { RemoteNumbers } from './remote-numbers.ts';
import { type RenditionLink, RenditionSubscription } from './rendition-subscription.ts';

/** How long an encoding is received without viewers: a viewer that returns, or switches back, gets H.264 sooner. */
const UNUSED_MS = 3000;

interface MirroredVideoOptions {
  readonly link: RenditionLink;
  /** Name of the step. */
  readonly step: string;
  readonly numbers: RemoteNumbers;
  /** Called when the owner cannot encode it. */
  readonly onUnavailable: () => void;
  /** Called when there have been no viewers for a while. */
  readonly onUnused: () => void;
}

/** H.264 of a stream and step that its owner encodes. */
export class MirroredVideo implements SharedEncoding {
  readonly #options: MirroredVideoOptions;
  readonly #subscribers = new Set<VideoSubscriber>();
  readonly #subscription: RenditionSubscription;
  /** Index of the last chunk; null if chunks are missing. */
  #index: number | null = null;
  #unused: NodeJS.Timeout | null = null;

  constructor(options: MirroredVideoOptions) {
    this.#options = options;
    const { link, step } = options;
    this.#subscription = new RenditionSubscription({
      link,
      step,
      onFrame: (frame) => this.#received(frame),
      onInterrupted: () => this.#interrupted(),
      onUnavailable: () => {
        this.#interrupted();
        options.onUnavailable();
      },
    });
  }

  subscribe(subscriber: VideoSubscriber): void {
    this.#subscribers.add(subscriber);
    if (this.#unused !== null) clearTimeout(this.#unused);
    this.#unused = null;
    this.requestKey();
  }

  unsubscribe(subscriber: VideoSubscriber): void {
    if (!this.#subscribers.delete(subscriber) || this.#subscribers.size > 0) return;
    this.#unused = setTimeout(() => this.#options.onUnused(), UNUSED_MS);
    this.#unused.unref();
  }

  requestKey(): void {
    this.#subscription.requestKey();
  }

  ownerChanged(): void {
    this.#subscription.ownerChanged();
  }

  reconnected(): void {
    this.#subscription.reconnected();
  }

  /** Idempotent. */
  close(): void {
    this.#subscription.close();
    this.#interrupted();
    if (this.#unused !== null) clearTimeout(this.#unused);
  }

  #received(remote: RemoteRendition): void {
    const chunk = this.#options.numbers.rendition(remote);
    if (chunk === null || !isVideo(chunk)) return;
    const isNext = remote.index === (this.#index ?? NaN) + 1;
    if (!chunk.encoding.isKey && !isNext) {
      // The server or the owner has skipped chunks, to which this one refers.
      if (this.#index === null) return;
      this.#interrupted();
      this.requestKey();
      return;
    }
    this.#index = remote.index;
    for (const subscriber of this.#subscribers) subscriber.chunk(chunk);
  }

  #interrupted(): void {
    this.#index = null;
    for (const subscriber of this.#subscribers) subscriber.interrupted();
  }
}

function isVideo(frame: RenditionFrame): frame is VideoChunk {
  return frame.encoding.kind === 'h264';
}
