import { type FrameOutline, hasPicture } from '../hub/frame.ts';
import { type JpegStep, stepName, type VideoStep } from '../renditions/ladder.ts';
import type { RemoteRenditions, RenditionFrame, SharedEncoding } from '../renditions/rendition.ts';
import { MirroredJpegs } from './mirrored-jpegs.ts';
import { MirroredVideo } from './mirrored-video.ts';
import type { RemoteNumbers } from './remote-numbers.ts';
import type { RenditionLink } from './rendition-subscription.ts';

/** How long this gateway makes a step itself after the owner could not make it. */
const UNAVAILABLE_MS = 60_000;

/**
 * If a viewer needs a step for a shorter time, such as until its H.264 begins, this gateway scales its frames, if it has
 * their pictures.
 */
const SUSTAINED_MS = 400;

/** A step that was not requested for this long starts over. */
const PAUSE_MS = 1000;

interface MirroredRenditionsOptions {
  readonly link: RenditionLink;
  readonly numbers: RemoteNumbers;
  /** Whether this gateway owns the stream, and makes its renditions. */
  readonly isHere: () => boolean;
}

/** The renditions of a stream that another gateway owns: its owner makes them, once for the whole cluster. */
export class MirroredRenditions implements RemoteRenditions {
  readonly #options: MirroredRenditionsOptions;
  readonly #videos = new Map<string, MirroredVideo>();
  readonly #jpegs = new Map<string, MirroredJpegs>();
  /** When a JPEG step was first and last requested. */
  readonly #requested = new Map<string, { sinceMs: number; atMs: number }>();
  readonly #unavailableUntilMs = new Map<string, number>();
  #noVideoUntilMs = -Infinity;

  constructor(options: MirroredRenditionsOptions) {
    this.#options = options;
  }

  get hasVideo(): boolean {
    return !this.#options.isHere() && performance.now() >= this.#noVideoUntilMs;
  }

  video(step: VideoStep): SharedEncoding | null {
    const name = stepName(step);
    if (!this.#isRemote(name)) return null;
    const known = this.#videos.get(name);
    if (known !== undefined) return known;
    const { link, numbers } = this.#options;
    const video = new MirroredVideo({
      link,
      step: name,
      numbers,
      onUnavailable: () => {
        this.#noVideoUntilMs = performance.now() + UNAVAILABLE_MS;
        this.#unavailable(name);
      },
      onUnused: () => this.#close(name),
    });
    this.#videos.set(name, video);
    return video;
  }

  hasJpegs(step: JpegStep): boolean {
    return this.#jpegs.get(stepName(step))?.continues === true;
  }

  jpeg(frame: FrameOutline, step: JpegStep): Promise<RenditionFrame | 'skipped' | 'missing'> | null {
    const name = stepName(step);
    const isSustained = this.#isSustained(name);
    // Without the picture, this gateway cannot scale it in the meantime.
    if (!this.#isRemote(name) || (hasPicture(frame) && !isSustained)) return null;
    const { link, numbers } = this.#options;
    const jpegs =
      this.#jpegs.get(name) ??
      new MirroredJpegs({
        link,
        step: name,
        numbers,
        onUnavailable: () => this.#unavailable(name),
        onUnused: () => this.#close(name),
      });
    this.#jpegs.set(name, jpegs);
    return jpegs.get(frame.sequence);
  }

  /** Call whenever members or owners may have changed. */
  ownerChanged(): void {
    if (this.#options.isHere()) {
      this.close();
      return;
    }
    for (const video of this.#videos.values()) video.ownerChanged();
    for (const jpegs of this.#jpegs.values()) jpegs.ownerChanged();
  }

  /** Called when the connection for frames was lost and restored. */
  reconnected(): void {
    for (const video of this.#videos.values()) video.reconnected();
    for (const jpegs of this.#jpegs.values()) jpegs.reconnected();
  }

  /** Ends all renditions that are being received. */
  close(): void {
    for (const name of [...this.#videos.keys(), ...this.#jpegs.keys()]) this.#close(name);
  }

  #isRemote(name: string): boolean {
    return !this.#options.isHere() && performance.now() >= (this.#unavailableUntilMs.get(name) ?? -Infinity);
  }

  #isSustained(name: string): boolean {
    const now = performance.now();
    const requested = this.#requested.get(name);
    if (requested === undefined || now - requested.atMs > PAUSE_MS) {
      this.#requested.set(name, { sinceMs: now, atMs: now });
      return false;
    }
    requested.atMs = now;
    return now - requested.sinceMs >= SUSTAINED_MS;
  }

  #unavailable(name: string): void {
    this.#unavailableUntilMs.set(name, performance.now() + UNAVAILABLE_MS);
    this.#close(name);
  }

  #close(name: string): void {
    this.#videos.get(name)?.close();
    this.#videos.delete(name);
    this.#jpegs.get(name)?.close();
    this.#jpegs.delete(name);
  }
}
