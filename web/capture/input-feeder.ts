import type { FeedCommand, FeedEvent } from './feed-messages.ts';
import type { OpenInput } from './open-input.ts';
import { PictureGrabber } from './picture-grabber.ts';
import { framesOf } from './track-frames.ts';

/** Passes the pictures of a camera or screen to a session, in the best way that the browser supports. */
export class InputFeeder {
  readonly #video: HTMLVideoElement;
  readonly #command: (command: FeedCommand, transfer?: Transferable[]) => void;
  #input: OpenInput | null = null;
  #grabber: PictureGrabber | null = null;

  /**
   * @param video plays the input.
   * @param command sends a command to the session. Throws DataCloneError if an object cannot be transferred.
   */
  constructor(video: HTMLVideoElement, command: (command: FeedCommand, transfer?: Transferable[]) => void) {
    this.#video = video;
    this.#command = command;
  }

  /**
   * Passes the pictures of this input from now on; null for none. The caller owns the input.
   *
   * @param isWorker whether the session runs in a worker.
   */
  feed(input: OpenInput | null, isWorker: boolean): void {
    this.close();
    this.#input = input;
    if (input === null) {
      this.#command({ kind: 'feed', source: null, isScreen: false });
      return;
    }
    const { track, isScreen } = input;
    const readable = framesOf(track);
    if (readable !== null) {
      this.#command({ kind: 'feed', source: { kind: 'frames', readable }, isScreen }, [readable]);
    } else if (!isWorker || !this.#transferTrack(track, isScreen)) {
      this.#grab(isScreen);
    }
  }

  event(event: FeedEvent): void {
    if (event.kind === 'pull') this.#grabber?.grabNext();
    else if (this.#input !== null) this.#grab(this.#input.isScreen);
  }

  /** Idempotent. The session is closed or fed by the caller. */
  close(): void {
    this.#grabber?.close();
    this.#grabber = null;
    this.#input = null;
  }

  /** Transfers a clone of the track to the worker, where Safari can read frames. @returns whether that is supported. */
  #transferTrack(original: MediaStreamTrack, isScreen: boolean): boolean {
    const track = original.clone();
    try {
      const transfer = [track as unknown as Transferable];
      this.#command({ kind: 'feed', source: { kind: 'track', track }, isScreen }, transfer);
      return true;
    } catch {
      track.stop();
      return false;
    }
  }

  #grab(isScreen: boolean): void {
    this.#grabber = new PictureGrabber(this.#video, (bitmap, capturedAtMs) =>
      this.#command({ kind: 'picture', bitmap, capturedAtMs }, [bitmap]),
    );
    this.#command({ kind: 'feed', source: { kind: 'pulled' }, isScreen });
  }
}
