import type { Facing, PictureSize } from './capture-types.ts';
import { type CaptureSettings, SIZES, toConstraints } from './camera.ts';

/** Events of an open camera or shared screen. */
interface InputEvents {
  /**
   * Called once when the input has ended: the camera was unplugged, its permission was revoked, or sharing was stopped.
   */
  ended(): void;
  /** Called when the input has stopped delivering frames, or has resumed. */
  muteChanged(): void;
}

/** An open camera or shared screen. */
export class OpenInput {
  readonly stream: MediaStream;
  readonly track: MediaStreamTrack;
  readonly isScreen: boolean;
  readonly #aborting = new AbortController();

  /** @param stream with one video track. Owned by this object from now on. */
  constructor(stream: MediaStream, settings: CaptureSettings, events: InputEvents) {
    const [track] = stream.getVideoTracks();
    if (track === undefined) throw new TypeError('the stream has no video track, expected one');
    this.stream = stream;
    this.track = track;
    this.isScreen = settings.input === 'screen';
    // A hint for encoders; browsers that do not support it ignore it.
    if (this.isScreen) track.contentHint = 'detail';
    const { signal } = this.#aborting;
    track.addEventListener('ended', () => events.ended(), { signal });
    for (const type of ['mute', 'unmute']) track.addEventListener(type, () => events.muteChanged(), { signal });
  }

  /** Direction of the camera, if the browser reports it. */
  get facing(): Facing | null {
    const { facingMode } = this.track.getSettings();
    return facingMode === 'user' || facingMode === 'environment' ? facingMode : null;
  }

  /** Id of the camera. */
  get device(): string | null {
    return this.track.getSettings().deviceId ?? null;
  }

  /** Supported sizes; all sizes if the browser does not report them. */
  get sizes(): readonly PictureSize[] {
    const all = Object.keys(SIZES) as PictureSize[];
    const { width, height } = this.track.getCapabilities?.() ?? {};
    if (this.isScreen || width?.max === undefined || height?.max === undefined) return all;
    const shortSide = Math.min(width.max, height.max);
    const supported = all.filter((size) => SIZES[size].height <= shortSide);
    return supported.length === 0 ? all.slice(0, 1) : supported;
  }

  /**
   * Requests another size or rate. Unsupported values change nothing, because the session also scales and decimates.
   */
  async apply(settings: CaptureSettings): Promise<void> {
    if (this.isScreen) return;
    const { width = {}, height = {}, frameRate = {} } = toConstraints(settings);
    await this.track.applyConstraints({ width, height, frameRate }).catch(() => undefined);
  }

  /** Stops the camera. Idempotent; no event is reported afterwards. */
  close(): void {
    this.#aborting.abort();
    for (const track of this.stream.getTracks()) track.stop();
  }
}
