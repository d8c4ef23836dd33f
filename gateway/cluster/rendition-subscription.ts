import type { NatsConnection } from '@nats-io/transport-node';
import { runInBackground } from '../../shared/background.ts';
import { errorText } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import { FrameImporter } from './frame-importer.ts';
import { renditionFrames, type RemoteRendition } from './frame-wire.ts';
import { RareWarnings } from './rare-warnings.ts';
import { decodeRenditionAnswer, type RenditionRequest } from './rendition-wire.ts';

/** Interval between requests that only keep the rendition alive. */
const KEEP_ALIVE_MS = 400;

const ANSWER_TIMEOUT_MS = 500;
const RETRY_MS = 100;

/** How this gateway reaches the owner of a stream. */
export interface RenditionLink {
  readonly control: NatsConnection;
  readonly frames: NatsConnection;
  readonly stream: string;
  /** Id of this gateway. */
  readonly self: string;
  /** Id of the living owner; null if there is none, or it is this gateway. */
  readonly owner: () => string | null;
  readonly requestSubject: (owner: string) => string;
  /** The subject of the rendition, without its last token. */
  readonly frameSubject: (owner: string, step: string) => string;
  readonly log: Logger;
}

interface RenditionSubscriptionOptions {
  readonly link: RenditionLink;
  /** Name of the step. */
  readonly step: string;
  readonly onFrame: (frame: RemoteRendition) => void;
  /** Called when frames may be missing, or come from another owner from now on. */
  readonly onInterrupted: () => void;
  /** Called when the owner cannot make the rendition. */
  readonly onUnavailable: () => void;
}

/** Receives a rendition from the current owner of its stream, and requests it until closed. */
export class RenditionSubscription {
  readonly #options: RenditionSubscriptionOptions;
  readonly #warnings: RareWarnings;
  #owner: string | null = null;
  #importer: FrameImporter<RemoteRendition> | null = null;
  #keys = 0;
  /** Number of key frames in the last request that was sent. */
  #sentKeys = 0;
  #isRequesting = false;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(options: RenditionSubscriptionOptions) {
    this.#options = options;
    this.#warnings = new RareWarnings(options.link.log);
    this.ownerChanged();
  }

  /** Requests a key frame. Several requests while another one is in transit are sent as one. */
  requestKey(): void {
    this.#keys += 1;
    this.#request();
  }

  /** Call whenever members or owners may have changed. */
  ownerChanged(): void {
    const { link, step, onFrame, onInterrupted } = this.#options;
    const owner = link.owner();
    if (this.#isClosed || owner === this.#owner) return;
    if (this.#owner !== null) onInterrupted();
    this.#owner = owner;
    this.#importer?.close();
    this.#importer =
      owner === null
        ? null
        : new FrameImporter({
            kind: renditionFrames(step),
            connection: link.frames,
            subject: link.frameSubject(owner, step),
            onFrame,
            onError: (error) => this.#warnings.warn(errorText(error), { stream: link.stream }),
          });
    this.#request();
  }

  /** Called when the connection for frames was lost and restored. */
  reconnected(): void {
    this.#importer?.subscribe();
  }

  /** Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#importer?.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
    const { link } = this.#options;
    if (this.#owner !== null && !link.control.isClosed())
      link.control.publish(link.requestSubject(this.#owner), this.#encode(true));
  }

  #encode(isLast: boolean): string {
    const { link, step } = this.#options;
    const request: RenditionRequest = { stream: link.stream, step, from: link.self, keys: this.#keys, isLast };
    return JSON.stringify(request);
  }

  /** Sends the request, one at a time, and again at intervals. */
  #request(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const owner = this.#owner;
    if (this.#isClosed || this.#isRequesting || owner === null) return;
    const { link, onUnavailable } = this.#options;
    this.#isRequesting = true;
    this.#sentKeys = this.#keys;
    const answered = link.control
      .request(link.requestSubject(owner), this.#encode(false), { timeout: ANSWER_TIMEOUT_MS })
      .then((message) => decodeRenditionAnswer(message.json()))
      // There is no answer, or it is not JSON.
      .catch(() => null);
    const handled = answered.then((answer) => {
      this.#isRequesting = false;
      if (this.#isClosed) return;
      if (answer?.ok === false && answer.reason === 'unavailable') onUnavailable();
      const hasNews = this.#keys !== this.#sentKeys || this.#owner !== owner;
      if (hasNews && answer !== null) this.#request();
      else this.#schedule(answer?.ok === true ? KEEP_ALIVE_MS : RETRY_MS);
    });
    runInBackground(handled, (error) => link.log.warn({ stream: link.stream }, errorText(error)));
  }

  #schedule(ms: number): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => this.#request(), ms);
    this.#timer.unref();
  }
}
