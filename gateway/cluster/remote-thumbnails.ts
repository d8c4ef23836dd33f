import type { NatsConnection } from '@nats-io/transport-node';
import { BoundedMap } from '../../shared/bounded-map.ts';
import type { Thumbnail } from '../renditions/thumbnail.ts';
import { decodeThumbnail, encodeThumbnailRequest } from './thumbnail-wire.ts';

/** How long a thumbnail is used for all requests of this gateway. */
const FRESH_MS = 500;

/** Maximum time to wait for another gateway. */
const TIMEOUT_MS = 1000;

/** Maximum number of thumbnails that are kept. */
const MAX_KEPT = 64;

interface RemoteThumbnailsOptions {
  readonly connection: NatsConnection;
  /** Id of the living owner of a stream; null if there is none, or it is this gateway. */
  readonly ownerOf: (stream: string) => string | null;
  readonly subject: (owner: string) => string;
}

/**
 * Small pictures of streams that other gateways own. Each is fetched by one request, for which the frames of the stream
 * do not cross the network.
 */
export class RemoteThumbnails {
  readonly #options: RemoteThumbnailsOptions;
  readonly #kept = new BoundedMap<string, { readonly thumbnail: Promise<Thumbnail | null>; readonly atMs: number }>(
    MAX_KEPT,
  );

  constructor(options: RemoteThumbnailsOptions) {
    this.#options = options;
  }

  /** @returns null if the owner has no picture, or does not answer. Never rejects. */
  get(stream: string, width: number): Promise<Thumbnail | null> {
    const owner = this.#options.ownerOf(stream);
    if (owner === null) return Promise.resolve(null);
    const key = `${owner} ${stream} ${width}`;
    const kept = this.#kept.get(key);
    const now = performance.now();
    if (kept !== undefined && now - kept.atMs < FRESH_MS) return kept.thumbnail;
    const { connection, subject } = this.#options;
    const thumbnail = connection
      .request(subject(owner), encodeThumbnailRequest({ stream, width }), { timeout: TIMEOUT_MS })
      .then((message) => decodeThumbnail(message.data))
      // The owner has ended, or its version has no thumbnails.
      .catch(() => null);
    this.#kept.set(key, { thumbnail, atMs: now });
    return thumbnail;
  }
}
