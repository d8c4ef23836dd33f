import type { Value } from '../../shared/protocol.ts';
import { SessionHost, type SessionThread } from '../connection/session-host.ts';
import { SessionLink } from '../connection/session-link.ts';
import type { FeedEvent } from '../capture/feed-messages.ts';
import { InputFeeder } from '../capture/input-feeder.ts';
import type { OpenInput } from '../capture/open-input.ts';
import type { EncodingLimits, PublisherCommand, PublisherEvent, PublisherOptions } from './publisher-messages.ts';

/** Events of a session that the link does not handle itself. */
export type PublisherLinkEvent = Exclude<PublisherEvent, FeedEvent>;

const host = new SessionHost<PublisherOptions, PublisherCommand, PublisherEvent>({
  workerScript: new URL(/* @vite-ignore */ './gearway-publisher-worker.js', import.meta.url),
  workerName: 'gearway-publisher',
  canUseWorker: () => true,
  toWorker: (opening) => ({ opening, transfer: [] }),
  loadSession: async () => (await import('./publisher-session.ts')).openPublisherSession,
});

/** A publisher's connection to its session. */
export class PublisherLink {
  readonly #link: SessionLink<PublisherOptions, PublisherCommand, PublisherEvent>;
  readonly #emit: (event: PublisherLinkEvent) => void;
  readonly #feeder: InputFeeder;
  #input: OpenInput | null = null;

  /** @param video element that plays the input. */
  constructor(
    options: PublisherOptions,
    video: HTMLVideoElement,
    thread: SessionThread,
    emit: (event: PublisherLinkEvent) => void,
  ) {
    this.#emit = emit;
    this.#link = new SessionLink(host, options, thread, {
      opened: () => this.feed(this.#input),
      event: (event) => this.#onEvent(event),
    });
    this.#feeder = new InputFeeder(video, (command, transfer) => this.#link.command(command, transfer));
  }

  /** Thread on which pictures are encoded; null before it is known. */
  get thread(): SessionThread | null {
    return this.#link.thread;
  }

  /** Sends the pictures of this input from now on; null for none. The caller owns the input. */
  feed(input: OpenInput | null): void {
    this.#input = input;
    if (this.#link.thread !== null) this.#feeder.feed(input, this.#link.thread === 'worker');
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
    this.#feeder.close();
    this.#link.close();
  }

  #onEvent(event: PublisherEvent): void {
    switch (event.kind) {
      case 'pull':
      case 'track-unsupported':
        this.#feeder.event(event);
        return;
      default:
        this.#emit(event);
    }
  }
}
