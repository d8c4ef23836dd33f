import type { Value } from '../../shared/protocol.ts';
import { SessionHost, type SessionThread } from '../connection/session-host.ts';
import { SessionLink } from '../connection/session-link.ts';
import type { OpenInput } from '../capture/open-input.ts';
import { PictureGrabber } from '../capture/picture-grabber.ts';
import { framesOf } from '../capture/track-frames.ts';
import type { EncodingLimits, PublisherCommand, PublisherEvent, PublisherOptions } from './publisher-messages.ts';

/** Events of a session that the link does not handle itself. */
export type PublisherLinkEvent = Exclude<PublisherEvent, { kind: 'pull' | 'track-unsupported' }>;

const host = new SessionHost<PublisherOptions, PublisherCommand, PublisherEvent>({
  workerScript: new URL(/* @vite-ignore */ './gearway-publisher-worker.js', import.meta.url),
  workerName: 'gearway-publisher',
  canUseWorker: () => true,
  toWorker: (opening) => ({ opening, transfer: [] }),
  loadSession: async () => (await import('./publisher-session.ts')).openPublisherSession,
});

/** A publisher's connection to its session. Passes the pictures on in the best way that the browser supports. */
export class PublisherLink {
  readonly #link: SessionLink<PublisherOptions, PublisherCommand, PublisherEvent>;
  readonly #emit: (event: PublisherLinkEvent) => void;
  readonly #video: HTMLVideoElement;
  #input: OpenInput | null = null;
  #grabber: PictureGrabber | null = null;

  /** @param video plays the input. */
  constructor(
    options: PublisherOptions,
    video: HTMLVideoElement,
    thread: SessionThread,
    emit: (event: PublisherLinkEvent) => void,
  ) {
    this.#emit = emit;
    this.#video = video;
    this.#link = new SessionLink(host, options, thread, {
      opened: () => this.#feed(),
      event: (event) => this.#onEvent(event),
    });
  }

  /** Thread that encodes; null before it is known. */
  get thread(): SessionThread | null {
    return this.#link.thread;
  }

  /** Sends the pictures of this input from now on; null for none. The caller owns the input. */
  feed(input: OpenInput | null): void {
    this.#input = input;
    if (this.#link.thread !== null) this.#feed();
  }

  setEncoding(encoding: EncodingLimits): void {
    this.#link.command({ kind: 'encoding', encoding });
  }

  setMessage(message: Value): void {
    this.#link.command({ kind: 'message', message });
  }

  /** Makes a pending attempt to connect immediately. */
  retry(): void {
    this.#link.retry();
  }

  /** Ends the session. Idempotent; nothing is emitted afterwards. */
  close(): void {
    this.#grabber?.close();
    this.#link.close();
  }

  #feed(): void {
    this.#grabber?.close();
    this.#grabber = null;
    if (this.#input === null) {
      this.#link.command({ kind: 'feed', source: null, isScreen: false });
      return;
    }
    const { track, isScreen } = this.#input;
    const readable = framesOf(track);
    if (readable !== null) {
      this.#link.command({ kind: 'feed', source: { kind: 'frames', readable }, isScreen }, [readable]);
    } else if (this.#link.thread === 'main' || !this.#transferTrack(track, isScreen)) {
      this.#grab(isScreen);
    }
  }

  /** Transfers a clone of the track to the worker, where Safari can read frames. @returns whether that is supported. */
  #transferTrack(original: MediaStreamTrack, isScreen: boolean): boolean {
    const track = original.clone();
    try {
      const transfer = [track as unknown as Transferable];
      this.#link.command({ kind: 'feed', source: { kind: 'track', track }, isScreen }, transfer);
      return true;
    } catch {
      track.stop();
      return false;
    }
  }

  #grab(isScreen: boolean): void {
    this.#grabber = new PictureGrabber(this.#video, (bitmap, capturedAtMs) =>
      this.#link.command({ kind: 'picture', bitmap, capturedAtMs }, [bitmap]),
    );
    this.#link.command({ kind: 'feed', source: { kind: 'pulled' }, isScreen });
  }

  #onEvent(event: PublisherEvent): void {
    switch (event.kind) {
      case 'pull':
        this.#grabber?.grabNext();
        return;
      case 'track-unsupported':
        if (this.#input !== null) this.#grab(this.#input.isScreen);
        return;
      default:
        this.#emit(event);
    }
  }
}
