import type { NatsConnection } from '@nats-io/transport-node';
import { runInBackground } from '../../shared/background.ts';
import type { Frame } from '../hub/frame.ts';
import { Mailbox } from '../hub/mailbox.ts';
import { OTHER_GATEWAYS } from '../hub/shares.ts';
import type { Follower, Stream } from '../hub/stream.ts';
import type { JpegStep, VideoStep } from '../renditions/ladder.ts';
import type {
  LocalRenditions,
  RenditionFrame,
  SharedEncoding,
  VideoChunk,
  VideoSubscriber,
} from '../renditions/rendition.ts';
import { FramePublisher } from './frame-publisher.ts';
import { encodeRendition } from './frame-wire.ts';

/** Publishes a rendition of a stream for the other gateways, from its creation until it is closed. */
export interface RenditionExporter {
  readonly stream: Stream;
  /** Whether the rendition can still be made. */
  isAvailable(): boolean;
  /** Requests a key frame, if the rendition has such frames. */
  requestKey(): void;
  reconnected(): void;
  close(): void;
}

export interface RenditionExporterOptions {
  readonly stream: Stream;
  readonly origin: string;
  readonly renditions: LocalRenditions;
  readonly connection: NatsConnection;
  readonly maxPayload: () => number;
  /** Subject without its last token. */
  readonly subject: string;
}

/** Maximum number of JPEGs in flight to the NATS server. A newer frame replaces the waiting one. */
const MAX_JPEGS_IN_FLIGHT = 2;

/** Maximum number of chunks in flight to the NATS server: about 0.3 s. Then chunks are skipped to a key frame. */
const MAX_CHUNKS_IN_FLIGHT = 8;

/** Scaled JPEGs: each frame is scaled once, or skipped if the gateway cannot keep up. */
export class JpegExporter implements RenditionExporter, Follower {
  readonly #options: RenditionExporterOptions;
  readonly #step: JpegStep;
  readonly #publisher: FramePublisher;
  readonly #mailbox = new Mailbox<Frame>();
  readonly isActive = true;
  #index = 0;
  #isScaling = false;
  #isClosed = false;

  constructor(step: JpegStep, options: RenditionExporterOptions) {
    this.#options = options;
    this.#step = step;
    this.#publisher = new FramePublisher({ ...options, onFree: () => this.#pump() });
    options.stream.follow(this);
    if (options.stream.latest !== null) this.offer(options.stream.latest);
  }

  get stream(): Stream {
    return this.#options.stream;
  }

  isAvailable(): boolean {
    return true;
  }

  requestKey(): void {
    // Every JPEG can be decoded without the others.
  }

  offer(frame: Frame): void {
    this.#mailbox.put(frame);
    this.#pump();
  }

  streamChanged(): void {
    // Not needed: other gateways learn the state from the answers to their sessions, and from the directory.
  }

  reconnected(): void {
    this.#publisher.reconnected();
  }

  close(): void {
    this.#isClosed = true;
    this.#options.stream.unfollow(this);
    this.#mailbox.clear();
  }

  #pump(): void {
    if (this.#isScaling || this.#isClosed || this.#publisher.inFlight >= MAX_JPEGS_IN_FLIGHT) return;
    const frame = this.#mailbox.take();
    if (frame === undefined) return;
    const { renditions, stream } = this.#options;
    const scaled = renditions.jpeg(frame, this.#step);
    if (scaled === null) return;
    this.#isScaling = true;
    // A frame that cannot be scaled is not sent; the viewers' gateways then send it as it is.
    const sent = scaled.then(
      (rendition) => this.#send(rendition),
      () => undefined,
    );
    const finished = sent.finally(() => {
      this.#isScaling = false;
      this.#pump();
    });
    runInBackground(finished, (error) => stream.reject(error));
  }

  #send(rendition: RenditionFrame): void {
    if (this.#isClosed) return;
    const { origin, maxPayload } = this.#options;
    this.#index += 1;
    this.#publisher.send(encodeRendition(origin, this.#index, rendition, maxPayload()));
  }
}

/**
 * H.264: the chunks of the encoding that this gateway's own viewers use. While the NATS server accepts no chunks, they
 * are skipped; a key frame is requested when it accepts chunks again.
 */
export class VideoExporter implements RenditionExporter, VideoSubscriber, Follower {
  readonly #options: RenditionExporterOptions;
  readonly #step: VideoStep;
  readonly #encoding: SharedEncoding;
  readonly #publisher: FramePublisher;
  readonly isActive = true;
  readonly address = OTHER_GATEWAYS;
  #index = 0;
  /** Whether the chunks since the last key frame have all been published. */
  #isInStep = false;
  #isSkipping = false;

  constructor(step: VideoStep, encoding: SharedEncoding, options: RenditionExporterOptions) {
    this.#options = options;
    this.#step = step;
    this.#encoding = encoding;
    this.#publisher = new FramePublisher({ ...options, onFree: () => this.#freed() });
    // Attached only to keep the source running: the encoding gets the frames itself.
    options.stream.follow(this);
    encoding.subscribe(this);
  }

  get stream(): Stream {
    return this.#options.stream;
  }

  isAvailable(): boolean {
    return this.#options.renditions.video(this.#step) === this.#encoding;
  }

  requestKey(): void {
    this.#encoding.requestKey();
  }

  chunk(chunk: VideoChunk): void {
    this.#index += 1;
    if (!this.#isInStep && !chunk.encoding.isKey) return;
    if (this.#publisher.inFlight >= MAX_CHUNKS_IN_FLIGHT) {
      this.#isInStep = false;
      this.#isSkipping = true;
      return;
    }
    const { origin, maxPayload, stream } = this.#options;
    try {
      this.#publisher.send(encodeRendition(origin, this.#index, chunk, maxPayload()));
      this.#isInStep = true;
    } catch (error) {
      this.#isInStep = false;
      stream.reject(error);
    }
  }

  interrupted(): void {
    this.#isInStep = false;
  }

  offer(): void {
    // See the constructor.
  }

  streamChanged(): void {
    // Not needed: other gateways learn the state from the answers to their sessions, and from the directory.
  }

  reconnected(): void {
    this.#isInStep = false;
    this.#isSkipping = true;
    this.#publisher.reconnected();
  }

  close(): void {
    this.#options.stream.unfollow(this);
    this.#encoding.unsubscribe(this);
  }

  #freed(): void {
    if (!this.#isSkipping) return;
    this.#isSkipping = false;
    this.#encoding.requestKey();
  }
}
