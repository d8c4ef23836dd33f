import { runInBackground } from '../../../shared/background.ts';
import type { Logger } from '../../../shared/logger.ts';
import type { Frame } from '../../hub/frame.ts';
import type { AccessUnit } from '../../renditions/flv-reader.ts';
import { H264Encoder, type VideoConfig } from '../../renditions/h264-encoder.ts';
import { stepName, type VideoStep } from '../../renditions/ladder.ts';
import type { SharedEncoding, VideoChunk, VideoSubscriber } from '../../renditions/rendition.ts';

/** The stream that is encoded. */
export interface VideoStream {
  readonly latest: Frame | null;
  frameTimeMs(): number | undefined;
  /** Whether clients get the frames themselves. */
  sendsPictures(): boolean;
  follow(follower: VideoFollower): void;
  unfollow(follower: VideoFollower): void;
}

interface VideoFollower {
  readonly isActive: boolean;
  offer(frame: Frame): void;
  streamChanged(): void;
}

interface VideoEncodingOptions {
  readonly stream: VideoStream;
  readonly step: VideoStep;
  /** The frame as a JPEG. */
  readonly jpeg: (frame: Frame) => Uint8Array | Promise<Uint8Array>;
  /** Called with the reason when the encoder cannot work on this machine; the encoding then produces nothing. */
  readonly onUnavailable: (reason: string) => void;
  /** Called when the encoding has had no viewers for a while. */
  readonly onUnused: () => void;
  readonly log: Logger;
}

/** Minimum interval between key frames on request, which cost the other viewers quality. */
const KEY_INTERVAL_MS = 500;

/** Interval before an encoder that failed is started again; doubles with each failure. */
const MIN_RESTART_MS = 250;
const MAX_FAILURES = 5;

/**
 * Minimum interval between two starts because of another size: a publisher may change the size with every frame, and
 * each start is a process.
 */
const MIN_RESIZE_MS = 500;

/**
 * Delay of a frame for the encoder while other clients get the frame itself: on a machine with few processors, they
 * receive and decode it first. At most this part of the interval between frames.
 */
const YIELD_MS = 10;
const YIELD_PART = 1 / 3;

/** Time after which the end of an encoder no longer counts as a failed start. */
const STARTED_MS = 5000;

/** How long an encoder continues without viewers: a viewer that returns, or switches back, does not need a new one. */
const UNUSED_MS = 3000;

/**
 * Maximum number of frames that are converted to JPEG for the encoder at the same time. Further frames are skipped, as
 * they are when the encoder is too slow.
 */
const MAX_CONVERSIONS = 2;

/** Weight of a frame in the mean share of frames that the encoder accepts. */
const SHARE_SMOOTHING = 0.05;

/** Share of frames below which the encoder counts as slow. */
const SLOW_SHARE = 0.5;

/** Assumed frame rate for the rate control, before that of the source is known. */
const DEFAULT_FPS = 30;

/**
 * H.264 of one stream and step, encoded once for all viewers that need it, and only while there are any. The encoder
 * is restarted when it fails, when the size of the frames changes, and when it is old.
 */
export class VideoEncoding implements SharedEncoding {
  readonly #options: VideoEncodingOptions;
  readonly #subscribers = new Set<VideoSubscriber>();
  readonly #follower: VideoFollower;
  #encoder: H264Encoder<Frame> | null = null;
  #width = 0;
  #height = 0;
  #lastSequence = 0;
  /** Smoothed share of frames that the encoder accepts. */
  #acceptedShare = 1;
  #conversions = 0;
  /** The frame that waits until other clients have received it. */
  #yielding: { readonly frame: Frame; readonly timer: NodeJS.Timeout } | null = null;
  #needsKey = false;
  #keyAtMs = -Infinity;
  #failures = 0;
  #startedAtMs = 0;
  #restart: NodeJS.Timeout | null = null;
  #unused: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: VideoEncodingOptions) {
    this.#options = options;
    const subscribers = this.#subscribers;
    this.#follower = {
      // Its viewers get chunks, and do not need the frames.
      get isActive() {
        return subscribers.size > 0;
      },
      offer: (frame) => this.#offered(frame),
      streamChanged: () => undefined,
    };
    options.stream.follow(this.#follower);
  }

  /** PID of the encoder, for tests; undefined while no encoder runs. */
  get pid(): number | undefined {
    return this.#encoder?.pid;
  }

  /** Address to which the encoding is attributed: that of its first subscriber; null without subscribers. */
  get address(): string | null {
    const [first] = this.#subscribers;
    return first?.address ?? null;
  }

  get isSlow(): boolean {
    return this.#acceptedShare < SLOW_SHARE;
  }

  subscribe(subscriber: VideoSubscriber): void {
    this.#subscribers.add(subscriber);
    if (this.#unused !== null) clearTimeout(this.#unused);
    this.#unused = null;
    this.requestKey();
    const { latest } = this.#options.stream;
    if (this.#encoder === null && latest !== null) this.#offer(latest);
  }

  unsubscribe(subscriber: VideoSubscriber): void {
    if (!this.#subscribers.delete(subscriber) || this.#subscribers.size > 0) return;
    this.#unused = setTimeout(() => this.#options.onUnused(), UNUSED_MS);
    this.#unused.unref();
  }

  requestKey(): void {
    this.#needsKey = true;
  }

  /** Ends the encoder. Idempotent. */
  close(): void {
    this.#isClosed = true;
    for (const subscriber of this.#subscribers) subscriber.interrupted();
    this.#options.stream.unfollow(this.#follower);
    this.#encoder?.close();
    this.#encoder = null;
    if (this.#restart !== null) clearTimeout(this.#restart);
    if (this.#unused !== null) clearTimeout(this.#unused);
    if (this.#yielding !== null) clearTimeout(this.#yielding.timer);
  }

  #offered(frame: Frame): void {
    // Frames that arrive faster than at their mean interval are not held back.
    const yielding = this.#yielding;
    if (yielding !== null) {
      clearTimeout(yielding.timer);
      this.#yielding = null;
      this.#offer(yielding.frame);
    }
    const delayMs = Math.min(YIELD_MS, (this.#options.stream.frameTimeMs() ?? 0) * YIELD_PART);
    if (delayMs === 0 || !this.#options.stream.sendsPictures()) {
      this.#offer(frame);
      return;
    }
    const timer = setTimeout(() => {
      this.#yielding = null;
      this.#offer(frame);
    }, delayMs);
    this.#yielding = { frame, timer };
  }

  #offer(frame: Frame): void {
    if (
      this.#isClosed ||
      this.#restart !== null ||
      frame.sequence <= this.#lastSequence ||
      this.#conversions >= MAX_CONVERSIONS
    )
      return;
    const jpeg = this.#options.jpeg(frame);
    if (!(jpeg instanceof Promise)) {
      this.#encode(frame, jpeg);
      return;
    }
    this.#conversions += 1;
    const converted = jpeg.finally(() => (this.#conversions -= 1)).then((data) => this.#encode(frame, data));
    // A frame that cannot be encoded as JPEG is missing in the video.
    runInBackground(converted, () => undefined);
  }

  #encode(frame: Frame, jpeg: Uint8Array): void {
    if (this.#isClosed || this.#restart !== null || frame.sequence <= this.#lastSequence) return;
    const now = performance.now();
    const encoder = this.#encoder;
    if (encoder !== null && (frame.width !== this.#width || frame.height !== this.#height || encoder.isOld)) {
      if (now - this.#startedAtMs < MIN_RESIZE_MS) return;
      encoder.close();
      this.#encoder = null;
    }
    if (this.#encoder === null) {
      this.#encoder = this.#start(frame);
      this.#acceptedShare = 1;
      // The output of the new encoder begins with a key frame.
      this.#needsKey = false;
      this.#keyAtMs = now;
    }
    const isKey = this.#needsKey && now - this.#keyAtMs >= KEY_INTERVAL_MS;
    const isAccepted = this.#encoder.encode(frame, jpeg, isKey);
    this.#acceptedShare += (Number(isAccepted) - this.#acceptedShare) * SHARE_SMOOTHING;
    if (!isAccepted) return;
    this.#lastSequence = frame.sequence;
    if (!isKey) return;
    this.#needsKey = false;
    this.#keyAtMs = now;
  }

  #start({ width, height }: Frame): H264Encoder<Frame> {
    const { stream, step } = this.#options;
    this.#width = width;
    this.#height = height;
    this.#startedAtMs = performance.now();
    const frameTimeMs = stream.frameTimeMs();
    const framesPerSecond =
      frameTimeMs === undefined || frameTimeMs <= 0 ? DEFAULT_FPS : Math.min(120, Math.max(1, 1000 / frameTimeMs));
    return new H264Encoder<Frame>({ width, height, framesPerSecond }, step, {
      encoded: (frame, unit, config) => this.#encoded(frame, unit, config),
      ended: (reason, isMissing) => this.#failed(reason, isMissing),
    });
  }

  #encoded(frame: Frame, unit: AccessUnit, config: VideoConfig): void {
    const encoder = this.#encoder;
    if (encoder === null) return;
    const { sequence, receivedAtUs, capturedAtUs = null, width, height, message } = frame;
    const chunk: VideoChunk = {
      sequence,
      receivedAtUs,
      capturedAtUs,
      width,
      height,
      message,
      encoding: unit.isKey ? { kind: 'h264', isKey: true, ...config } : { kind: 'h264', isKey: false },
      rendition: {
        rendition: stepName(this.#options.step),
        pictureWidth: encoder.size.width,
        pictureHeight: encoder.size.height,
      },
      payload: unit.data,
    };
    for (const subscriber of this.#subscribers) subscriber.chunk(chunk);
  }

  #failed(reason: string, isMissing: boolean): void {
    const { onUnavailable, log, step } = this.#options;
    this.#encoder = null;
    this.#failures = performance.now() - this.#startedAtMs > STARTED_MS ? 1 : this.#failures + 1;
    log.warn({}, `the encoder of ${stepName(step)} failed: ${reason}`);
    for (const subscriber of this.#subscribers) subscriber.interrupted();
    if (isMissing || this.#failures >= MAX_FAILURES) {
      onUnavailable(reason);
      return;
    }
    this.#restart = setTimeout(() => (this.#restart = null), MIN_RESTART_MS * 2 ** (this.#failures - 1));
    this.#restart.unref();
  }
}
