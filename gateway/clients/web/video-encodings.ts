import type { Logger } from '../../../shared/logger.ts';
import type { Frame } from '../../hub/frame.ts';
import { stepName, type VideoStep } from '../../renditions/ladder.ts';
import type { RemoteRenditions, SharedEncoding } from '../../renditions/rendition.ts';
import { VideoEncoding, type VideoStream } from './video-encoding.ts';

/** Maximum number of encoders of the whole gateway. Each takes up to half a processor at 1280×720 and 30 fps. */
const MAX_ENCODERS = 8;

/** Interval before H.264 is retried after a failure. */
const UNAVAILABLE_MS = 60_000;

/** The encoders of the whole gateway, whose number is limited. */
export class Encoders {
  readonly running = new Set<VideoEncoding>();

  /** Ends all encoders. Idempotent. */
  close(): void {
    for (const encoding of this.running) encoding.close();
    this.running.clear();
  }
}

/** The H.264 encodings of a stream, by step. */
export class VideoEncodings {
  readonly #stream: VideoStream;
  readonly #jpeg: (frame: Frame) => Uint8Array | Promise<Uint8Array>;
  readonly #encoders: Encoders;
  readonly #log: Logger;
  readonly #remote: Pick<RemoteRenditions, 'hasVideo' | 'video'> | null;
  readonly #encodings = new Map<string, VideoEncoding>();
  #unavailableUntilMs = -Infinity;

  /**
   * @param encoders shared by all streams of the gateway.
   * @param remote encodings by another gateway, which are preferred.
   */
  constructor(
    stream: VideoStream,
    jpeg: (frame: Frame) => Uint8Array | Promise<Uint8Array>,
    encoders: Encoders,
    log: Logger,
    remote: Pick<RemoteRenditions, 'hasVideo' | 'video'> | null = null,
  ) {
    this.#stream = stream;
    this.#jpeg = jpeg;
    this.#encoders = encoders;
    this.#log = log;
    this.#remote = remote;
  }

  /** Whether H.264 can be encoded, here or by another gateway, as far as is known. */
  get isAvailable(): boolean {
    return this.#remote?.hasVideo === true || this.#isAvailableHere;
  }

  get #isAvailableHere(): boolean {
    return performance.now() >= this.#unavailableUntilMs;
  }

  /** @returns null if H.264 is not available, or too many encoders run. */
  get(step: VideoStep): SharedEncoding | null {
    return this.#remote?.video(step) ?? this.local(step);
  }

  /** The encoding by this gateway. @returns null if H.264 is not available, or too many encoders run. */
  local(step: VideoStep): VideoEncoding | null {
    const name = stepName(step);
    const known = this.#encodings.get(name);
    if (known !== undefined) return known;
    if (!this.#isAvailableHere || this.#encoders.running.size >= MAX_ENCODERS) return null;
    const encoding: VideoEncoding = new VideoEncoding({
      stream: this.#stream,
      step,
      jpeg: this.#jpeg,
      onUnavailable: (reason) => {
        this.#unavailableUntilMs = performance.now() + UNAVAILABLE_MS;
        this.#log.warn(
          {},
          `viewers with slow links get JPEG instead of H.264, because FFmpeg does not work: ${reason}`,
        );
        this.#remove(name, encoding);
      },
      onUnused: () => this.#remove(name, encoding),
      log: this.#log,
    });
    this.#encodings.set(name, encoding);
    this.#encoders.running.add(encoding);
    return encoding;
  }

  #remove(name: string, encoding: VideoEncoding): void {
    encoding.close();
    this.#encodings.delete(name);
    this.#encoders.running.delete(encoding);
  }
}
