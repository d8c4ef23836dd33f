import type { NatsConnection } from '@nats-io/transport-node';
import type { Frame } from '../hub/frame.ts';
import { Mailbox } from '../hub/mailbox.ts';
import type { Follower, Stream } from '../hub/stream.ts';
import { FramePublisher } from './frame-publisher.ts';
import { encodeFrame, encodeOutline } from './frame-wire.ts';

/** Maximum number of frames in flight to the NATS server. A newer frame replaces the waiting one. */
const MAX_IN_FLIGHT = 2;

/** Minimum interval between two repetitions of a frame: other programs can cause one with each small message. */
const REPEAT_INTERVAL_MS = 50;

interface FrameExporterOptions {
  readonly stream: Stream;
  /** See {@link RemoteFrame}. */
  readonly origin: string;
  readonly connection: NatsConnection;
  readonly maxPayload: () => number;
  /** Subject without its last token. */
  readonly subject: string;
}

/**
 * Publishes the frames of a stream for the other gateways while at least one needs them: each frame once, regardless of
 * the number of gateways and viewers. If none of them needs the pictures, only the heads are published.
 */
export class FrameExporter implements Follower {
  readonly #options: FrameExporterOptions;
  readonly #publisher: FramePublisher;
  readonly #mailbox = new Mailbox<Frame>();
  /** The gateways that need frames, and whether they need the pictures too. */
  readonly #wanted = new Map<object, boolean>();
  #needsPictures = false;
  #publishedAtMs = -Infinity;
  #repeatedAtMs = -Infinity;
  /** Timer of a repetition that was postponed. */
  #postponed: NodeJS.Timeout | null = null;

  constructor(options: FrameExporterOptions) {
    this.#options = options;
    this.#publisher = new FramePublisher({ ...options, onFree: () => this.#pump() });
  }

  get isActive(): boolean {
    return this.#wanted.size > 0;
  }

  /** Adds a gateway that needs frames, or updates whether it needs pictures. */
  want(by: object, needsPictures: boolean): void {
    const before = this.#wanted.get(by);
    if (before === needsPictures) return;
    if (this.#wanted.size === 0) this.#options.stream.follow(this);
    this.#wanted.set(by, needsPictures);
    this.#wantedChanged();
    if (before === undefined || needsPictures) this.repeat();
  }

  unwant(by: object): void {
    if (!this.#wanted.delete(by)) return;
    this.#wantedChanged();
    if (this.#wanted.size > 0) return;
    this.#options.stream.unfollow(this);
    this.#mailbox.clear();
    if (this.#postponed !== null) clearTimeout(this.#postponed);
    this.#postponed = null;
  }

  /** Publishes the latest frame again, for a gateway that has missed it. */
  repeat(): void {
    const { latest } = this.#options.stream;
    if (this.#postponed !== null || latest === null || !this.#mailbox.isEmpty || !this.isActive) return;
    const waitMs = this.#repeatedAtMs + REPEAT_INTERVAL_MS - performance.now();
    if (waitMs > 0) {
      this.#postponed = setTimeout(() => {
        this.#postponed = null;
        this.repeat();
      }, waitMs);
      this.#postponed.unref();
      return;
    }
    this.#repeatedAtMs = performance.now();
    this.offer(latest);
  }

  /** Time since the last frame was published. */
  get silenceMs(): number {
    return performance.now() - this.#publishedAtMs;
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

  #wantedChanged(): void {
    this.#needsPictures = [...this.#wanted.values()].includes(true);
  }

  #pump(): void {
    const { maxPayload, stream, origin } = this.#options;
    if (this.#publisher.inFlight >= MAX_IN_FLIGHT || !this.isActive) return;
    const frame = this.#mailbox.take();
    if (frame === undefined) return;
    try {
      this.#publisher.send(
        this.#needsPictures ? encodeFrame(origin, frame, maxPayload()) : encodeOutline(origin, frame),
      );
      this.#publishedAtMs = performance.now();
    } catch (error) {
      stream.reject(error);
    }
  }
}
