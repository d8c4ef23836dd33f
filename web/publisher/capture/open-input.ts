import { type InputWish, SIZES, toConstraints } from './camera.ts';
import type { Facing, PictureSize } from '../publisher-messages.ts';

/** What an open camera, or a shared screen, tells. */
export interface InputEvents {
  /** It is gone: unplugged, taken away, or its sharing was stopped. Once. */
  ended(): void;
  /** It has stopped giving pictures, or gives them again. */
  muted(): void;
}

/** An open camera or shared screen. */
export class OpenInput {
  readonly stream: MediaStream;
  readonly track: MediaStreamTrack;
  readonly isScreen: boolean;
  readonly #aborting = new AbortController();

  /** @param stream with one video track; from now on ours to stop. */
  constructor(stream: MediaStream, wish: InputWish, events: InputEvents) {
    const [track] = stream.getVideoTracks();
    if (track === undefined) throw new TypeError('the stream has no video track, expected one');
    this.stream = stream;
    this.track = track;
    this.isScreen = wish.input === 'screen';
    // A hint for encoders; those that know none of it take no notice.
    if (this.isScreen) track.contentHint = 'detail';
    const { signal } = this.#aborting;
    track.addEventListener('ended', () => events.ended(), { signal });
    for (const type of ['mute', 'unmute']) track.addEventListener(type, () => events.muted(), { signal });
  }

  /** Which way it looks, where the browser says so. */
  get facing(): Facing | null {
    const { facingMode } = this.track.getSettings();
    return facingMode === 'user' || facingMode === 'environment' ? facingMode : null;
  }

  /** The id of the camera. */
  get device(): string | null {
    return this.track.getSettings().deviceId ?? null;
  }

  /** The sizes that it has; all of them where the browser does not say. */
  get sizes(): readonly PictureSize[] {
    const all = Object.keys(SIZES) as PictureSize[];
    const { width, height } = this.track.getCapabilities?.() ?? {};
    if (this.isScreen || width?.max === undefined || height?.max === undefined) return all;
    const shortSide = Math.min(width.max, height.max);
    const offered = all.filter((size) => SIZES[size].height <= shortSide);
    return offered.length === 0 ? all.slice(0, 1) : offered;
  }

  /** Asks the open camera for another size or rate. What it does not have leaves it as it is: the session makes pictures smaller and fewer itself. */
  async apply(wish: InputWish): Promise<void> {
    if (this.isScreen) return;
    const { width, height, frameRate } = toConstraints(wish);
    await this.track.applyConstraints({ ...(width === undefined ? {} : { width }), ...(height === undefined ? {} : { height }), ...(frameRate === undefined ? {} : { frameRate }) }).catch(() => undefined);
  }

  /** Switches it off. Idempotent; nothing is told afterwards. */
  close(): void {
    this.#aborting.abort();
    for (const track of this.stream.getTracks()) track.stop();
  }
}
