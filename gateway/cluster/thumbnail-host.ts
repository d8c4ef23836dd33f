import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node';
import { runInBackground } from '../../shared/background.ts';
import { errorText } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import type { Thumbnail } from '../renditions/thumbnail.ts';
import { RareWarnings } from './rare-warnings.ts';
import { decodeThumbnailRequest, encodeThumbnail, NO_THUMBNAIL, type ThumbnailRequest } from './thumbnail-wire.ts';

interface ThumbnailHostOptions {
  readonly connection: NatsConnection;
  readonly maxPayload: () => number;
  readonly subject: string;
  /** @returns null if there is no picture, or this gateway does not own the stream. */
  readonly create: (request: ThumbnailRequest) => Promise<Thumbnail | null>;
  readonly log: Logger;
}

/** Answers the other gateways' requests for single small pictures of the streams of this one. */
export class ThumbnailHost {
  readonly #options: ThumbnailHostOptions;
  readonly #warnings: RareWarnings;
  readonly #subscription: Subscription;

  constructor(options: ThumbnailHostOptions) {
    this.#options = options;
    this.#warnings = new RareWarnings(options.log);
    this.#subscription = options.connection.subscribe(options.subject, {
      callback: (error, message) => {
        // The NATS user of this gateway lacks the right to subscribe. There is no message in this case.
        if (error === null) runInBackground(this.#received(message), (failure) => this.#warn(failure));
        else options.log.error({}, `this gateway cannot send thumbnails to the others: ${errorText(error)}`);
      },
    });
  }

  /** Idempotent. */
  close(): void {
    this.#subscription.unsubscribe();
  }

  async #received(message: Msg): Promise<void> {
    const { create, maxPayload } = this.#options;
    let bytes: Buffer = NO_THUMBNAIL;
    try {
      const thumbnail = await create(decodeThumbnailRequest(message.data));
      if (thumbnail !== null) bytes = encodeThumbnail(thumbnail);
      if (bytes.byteLength > maxPayload()) bytes = NO_THUMBNAIL;
    } catch (error) {
      this.#warn(error);
    }
    if (message.reply !== undefined && message.reply !== '') message.respond(bytes);
  }

  #warn(error: unknown): void {
    this.#warnings.warn(errorText(error));
  }
}
