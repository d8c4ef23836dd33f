import { runInBackground } from '../../background.ts';

/** Where a video shows nothing new for so long, what it shows is taken; also where it is not painted at all. */
const WAIT_MS = 250;

/** Makes pictures of a playing video, each when it is asked for, on the way to a session that can read no frames itself. */
export class PictureGrabber {
  readonly #video: HTMLVideoElement;
  readonly #give: (bitmap: ImageBitmap, takenAtMs: number | null) => void;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #callback: number | null = null;
  #closed = false;

  /** @param give the picture is the receiver's. */
  constructor(video: HTMLVideoElement, give: (bitmap: ImageBitmap, takenAtMs: number | null) => void) {
    this.#video = video;
    this.#give = give;
  }

  /** Gives the next picture that there is. In a page that nobody sees, videos go on and tell nobody: there it is what there is now. */
  ask(): void {
    if (this.#closed) return;
    this.#cancel();
    if (document.hidden || !('requestVideoFrameCallback' in this.#video)) {
      this.#startGrabbing(null);
      return;
    }
    this.#callback = this.#video.requestVideoFrameCallback((_now, { captureTime }) => this.#startGrabbing(captureTime === undefined ? null : Date.now() - (performance.now() - captureTime)));
    this.#timer = setTimeout(() => this.#startGrabbing(null), WAIT_MS);
  }

  /** Idempotent. */
  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  #cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#callback !== null) this.#video.cancelVideoFrameCallback(this.#callback);
    this.#timer = null;
    this.#callback = null;
  }

  #startGrabbing(takenAtMs: number | null): void {
    runInBackground(this.#grab(takenAtMs));
  }

  async #grab(takenAtMs: number | null): Promise<void> {
    this.#cancel();
    let bitmap: ImageBitmap;
    try {
      bitmap = await createImageBitmap(this.#video);
    } catch {
      // The video has no picture yet.
      if (!this.#closed) this.#timer = setTimeout(() => this.ask(), WAIT_MS);
      return;
    }
    if (this.#closed) bitmap.close();
    else this.#give(bitmap, takenAtMs);
  }
}
