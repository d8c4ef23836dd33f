import { runInBackground } from '../background.ts';

/** Maximum time to wait for a new frame of the video. After that the current picture is used. */
const WAIT_MS = 250;

/** Captures pictures from a playing video on request, for sessions that cannot read frames themselves. */
export class PictureGrabber {
  readonly #video: HTMLVideoElement;
  readonly #onPicture: (bitmap: ImageBitmap, capturedAtMs: number | null) => void;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #callback: number | null = null;
  #closed = false;

  /** @param onPicture receives each picture, and owns it. */
  constructor(video: HTMLVideoElement, onPicture: (bitmap: ImageBitmap, capturedAtMs: number | null) => void) {
    this.#video = video;
    this.#onPicture = onPicture;
  }

  /** Captures the next picture. In a hidden page, where videos report no frames, this is the current one. */
  grabNext(): void {
    if (this.#closed) return;
    this.#cancel();
    if (document.hidden || !('requestVideoFrameCallback' in this.#video)) {
      this.#startGrabbing(null);
      return;
    }
    this.#callback = this.#video.requestVideoFrameCallback((_now, { captureTime }) =>
      this.#startGrabbing(captureTime === undefined ? null : Date.now() - (performance.now() - captureTime)),
    );
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

  #startGrabbing(capturedAtMs: number | null): void {
    runInBackground(this.#grab(capturedAtMs));
  }

  async #grab(capturedAtMs: number | null): Promise<void> {
    this.#cancel();
    let bitmap: ImageBitmap;
    try {
      bitmap = await createImageBitmap(this.#video);
    } catch {
      // The video has no picture yet.
      if (!this.#closed) this.#timer = setTimeout(() => this.grabNext(), WAIT_MS);
      return;
    }
    if (this.#closed) bitmap.close();
    else this.#onPicture(bitmap, capturedAtMs);
  }
}
