import { errorText } from '../../shared/errors.ts';
import { type CaptureFeed, openFeed, PullFeed } from '../capture/capture-feed.ts';
import type { CapturedPicture } from '../capture/capture-types.ts';
import type { FeedSource } from '../capture/feed-messages.ts';
import { type EncodedPicture, JpegEncoder } from '../capture/jpeg-encoder.ts';
import { PictureFlow } from '../capture/picture-flow.ts';
import { RateLimit } from '../capture/rate-limit.ts';
import type { Session } from '../connection/session-host.ts';
import type { CameraCommand, CameraEvent, CameraOptions } from './camera-messages.ts';

/** Opens a session, in the worker or on the main thread. */
export function openCameraSession(options: CameraOptions, emit: (event: CameraEvent) => void): CameraSession {
  return new CameraSession(options, emit);
}

/**
 * Encodes the newest picture of a camera as soon as the previous one is acknowledged, at most at the requested rate.
 */
class CameraSession implements Session<CameraCommand> {
  readonly #emit: (event: CameraEvent) => void;
  readonly #encoder = new JpegEncoder();
  readonly #limit: RateLimit;
  readonly #flow: PictureFlow<CapturedPicture, EncodedPicture<Blob>>;
  #feed: CaptureFeed | null = null;

  constructor({ encoding }: CameraOptions, emit: (event: CameraEvent) => void) {
    this.#emit = emit;
    this.#limit = new RateLimit(encoding.fps);
    this.#flow = new PictureFlow<CapturedPicture, EncodedPicture<Blob>>({
      encode: (picture) => this.#encoder.encodeBlob(picture, encoding),
      send: (sequence, { jpeg }) => emit({ kind: 'jpeg', sequence, jpeg }),
      failed: (error) => emit({ kind: 'failed', reason: errorText(error) }),
    });
    this.#flow.connected();
  }

  command(command: CameraCommand): void {
    switch (command.kind) {
      case 'feed':
        this.#feed?.close();
        this.#feed = command.source === null ? null : this.#openFeed(command.source);
        return;
      case 'picture':
        if (this.#feed instanceof PullFeed) this.#feed.picture(command.bitmap, command.capturedAtMs);
        else command.bitmap.close();
        return;
      case 'taken':
        this.#flow.taken(command.sequence);
        return;
      case 'retry':
        // The session has no connection that could be retried.
        return;
      case 'close':
        this.#feed?.close();
        this.#flow.disconnected();
        return;
      default:
        command satisfies never;
    }
  }

  #openFeed(source: FeedSource): CaptureFeed | null {
    return openFeed(
      source,
      {
        limit: this.#limit,
        isReady: () => this.#flow.isReady,
        offer: (picture) => this.#flow.offer(picture),
        skip: () => undefined,
      },
      this.#emit,
    );
  }
}
