import { BoundedMap } from '../../../shared/bounded-map.ts';
import type { Logger } from '../../../shared/logger.ts';
import { TokenBucket } from '../../../shared/token-bucket.ts';
import type { Frame } from '../../hub/frame.ts';
import { stepName, type VideoStep } from '../../renditions/ladder.ts';
import type { RemoteRenditions, SharedEncoding } from '../../renditions/rendition.ts';
import { VideoEncoding, type VideoStream } from './video-encoding.ts';

/** Maximum number of encoders of the whole gateway. Each takes up to half a processor at 1280×720 and 30 fps. */
const MAX_ENCODERS = 8;

/**
 * Maximum rate at which one address may end other encodings to get its own, because each start is a process: a viewer
 * can select another step with every message.
 */
const REPLACEMENTS = { perSecond: 1, burst: 2 * MAX_ENCODERS } as const;

/** Maximum number of addresses whose replacements are counted. */
const MAX_ADDRESSES = 256;

/** Interval before H.264 is retried after a failure. */
const UNAVAILABLE_MS = 60_000;

/**
 * The encoders of the whole gateway. Their number is limited, and when all are in use, each address gets an equal
 * share: an address without an encoder is not refused because another address uses several.
 */
export class Encoders {
  /** Running encodings, oldest first, with the function that ends each. */
  readonly #running = new Map<VideoEncoding, () => void>();
  readonly #replacements = new BoundedMap<string, TokenBucket>(MAX_ADDRESSES);

  /** Number of running encodings. */
  get size(): number {
    return this.#running.size;
  }

  /** @param end ends the encoding, and removes it here. */
  add(encoding: VideoEncoding, end: () => void): void {
    this.#running.set(encoding, end);
  }

  remove(encoding: VideoEncoding): void {
    this.#running.delete(encoding);
  }

  /**
   * Makes room for one more encoding: if necessary, ends one without viewers, or otherwise the newest one of the
   * address that uses the most. The newest one is ended only if its address then still has at least as many encodings
   * as the requesting address. Ends none if the requesting address has replaced too many recently.
   * @returns whether there is room.
   */
  makeRoom(address: string): boolean {
    if (this.#running.size < MAX_ENCODERS) return true;
    const replaceable = this.#findReplaceable(address);
    if (replaceable === null || !this.#mayReplace(address)) return false;
    replaceable();
    return true;
  }

  /** @returns the function that ends the encoding; null if there is none. */
  #findReplaceable(address: string): (() => void) | null {
    const byAddress = new Map<string | null, (() => void)[]>();
    for (const [encoding, end] of this.#running) {
      const own = byAddress.get(encoding.address) ?? [];
      byAddress.set(encoding.address, [...own, end]);
    }
    const unused = byAddress.get(null)?.[0];
    if (unused !== undefined) return unused;
    const largest = [...byAddress.values()].reduce((most, own) => (own.length > most.length ? own : most));
    return largest.length < (byAddress.get(address)?.length ?? 0) + 2 ? null : (largest.at(-1) ?? null);
  }

  #mayReplace(address: string): boolean {
    const { perSecond, burst } = REPLACEMENTS;
    const bucket = this.#replacements.get(address) ?? new TokenBucket(perSecond, burst);
    // Also makes its entry the newest.
    this.#replacements.set(address, bucket);
    return bucket.take(performance.now());
  }

  /** Ends all encoders. Idempotent. */
  close(): void {
    for (const end of this.#running.values()) end();
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

  /**
   * @param address of the viewer, as returned by `addressKey`.
   * @returns null if H.264 is not available, or the address uses its share of the encoders. Subscribe immediately.
   */
  get(step: VideoStep, address: string): SharedEncoding | null {
    return this.#remote?.video(step) ?? this.local(step, address);
  }

  /** The encoding by this gateway; as {@link VideoEncodings.get}. */
  local(step: VideoStep, address: string): VideoEncoding | null {
    const name = stepName(step);
    const known = this.#encodings.get(name);
    if (known !== undefined) return known;
    if (!this.#isAvailableHere || !this.#encoders.makeRoom(address)) return null;
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
    this.#encoders.add(encoding, () => this.#remove(name, encoding));
    return encoding;
  }

  #remove(name: string, encoding: VideoEncoding): void {
    encoding.close();
    this.#encodings.delete(name);
    this.#encoders.remove(encoding);
  }
}
