import type { Value } from '../../shared/protocol.ts';
import type { OpenInput } from './capture/open-input.ts';
import { PictureGrabber } from './capture/picture-grabber.ts';
import { openPublisher, type PublisherHandle } from './publisher-host.ts';
import type { PictureSettings, PublisherCommand, PublisherEvent, PublisherOptions } from './publisher-messages.ts';
import { framesOf } from './capture/track-frames.ts';

/** What a session says that its link does not answer itself. */
export type PublisherLinkEvent = Exclude<PublisherEvent, { kind: 'ask' | 'track-refused' }>;

/** The element's end of one session: what it is told before it is open waits, and a camera's pictures are brought to it in the best way that this browser has. */
export class PublisherLink {
  readonly #emit: (event: PublisherLinkEvent) => void;
  readonly #video: HTMLVideoElement;
  #handle: PublisherHandle | null = null;
  #waiting: PublisherCommand[] = [];
  #input: OpenInput | null = null;
  #grabber: PictureGrabber | null = null;
  #closed = false;

  /** @param video plays the input that is fed. */
  constructor(options: PublisherOptions, video: HTMLVideoElement, place: 'worker' | 'main', emit: (event: PublisherLinkEvent) => void) {
    this.#emit = emit;
    this.#video = video;
    openPublisher(options, (event) => this.#heard(event), place).then(
      (handle) => this.#opened(handle),
      // Only the main thread's code is loaded late.
      () => this.#heard({ kind: 'state', state: 'refused', reason: 'the publisher\'s code could not be loaded: reload the page' }),
    );
  }

  /** Where encoding happens; null while that is being found out. */
  get place(): 'worker' | 'main' | null {
    return this.#handle?.place ?? null;
  }

  /** Its pictures from now on; null for none. The caller keeps it, and closes it. */
  feed(input: OpenInput | null): void {
    this.#input = input;
    if (this.#handle !== null) this.#feed(this.#handle, input);
  }

  settings(settings: PictureSettings): void {
    this.#command({ kind: 'settings', settings });
  }

  message(message: Value): void {
    this.#command({ kind: 'message', message });
  }

  /** Makes a pending attempt to connect at once. */
  retry(): void {
    this.#command({ kind: 'retry' });
  }

  /** Ends the session; nothing is emitted afterwards. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#grabber?.close();
    this.#handle?.command({ kind: 'close' });
  }

  #opened(handle: PublisherHandle): void {
    if (this.#closed) {
      handle.command({ kind: 'close' });
      return;
    }
    this.#handle = handle;
    for (const command of this.#waiting.splice(0)) handle.command(command);
    this.#feed(handle, this.#input);
  }

  #command(command: PublisherCommand): void {
    if (this.#handle !== null) this.#handle.command(command);
    else this.#waiting.push(command);
  }

  #feed(handle: PublisherHandle, input: OpenInput | null): void {
    this.#grabber?.close();
    this.#grabber = null;
    if (input === null) {
      handle.command({ kind: 'feed', feed: null, isScreen: false });
      return;
    }
    const { track, isScreen } = input;
    const readable = framesOf(track);
    if (readable !== null) handle.command({ kind: 'feed', feed: { kind: 'frames', readable }, isScreen }, [readable]);
    else if (handle.place === 'main' || !handOver(handle, track, isScreen)) this.#grab(handle, isScreen);
  }

  #grab(handle: PublisherHandle, isScreen: boolean): void {
    this.#grabber = new PictureGrabber(this.#video, (bitmap, takenAtMs) => handle.command({ kind: 'picture', bitmap, takenAtMs }, [bitmap]));
    handle.command({ kind: 'feed', feed: { kind: 'asked' }, isScreen });
  }

  #heard(event: PublisherEvent): void {
    if (this.#closed) return;
    if (event.kind === 'ask') this.#grabber?.ask();
    else if (event.kind === 'track-refused') {
      if (this.#handle !== null && this.#input !== null) this.#grab(this.#handle, this.#input.isScreen);
    } else this.#emit(event);
  }
}

/** Gives a worker a track of its own, from which Safari's read frames. @returns whether this browser lets tracks go there at all. */
function handOver(handle: PublisherHandle, track: MediaStreamTrack, isScreen: boolean): boolean {
  const own = track.clone();
  try {
    handle.command({ kind: 'feed', feed: { kind: 'track', track: own }, isScreen }, [own as unknown as Transferable]);
    return true;
  } catch {
    own.stop();
    return false;
  }
}
