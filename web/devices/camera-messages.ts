import type { EncodingSettings } from '../capture/capture-types.ts';
import type { FeedCommand, FeedEvent } from '../capture/feed-messages.ts';
import type { CommonCommand } from '../connection/session-host.ts';

/** Initial options of a session. */
export interface CameraOptions {
  readonly encoding: EncodingSettings;
}

/** Commands from the element to its session, sent by `postMessage` when the session runs in the worker. */
export type CameraCommand =
  | CommonCommand
  | FeedCommand
  /** The gateway has received or refused all pictures up to this one. */
  | { readonly kind: 'taken'; readonly sequence: number };

export type CameraEvent =
  | FeedEvent
  /** The next picture. */
  | { readonly kind: 'jpeg'; readonly sequence: number; readonly jpeg: Blob }
  /** A picture could not be encoded. */
  | { readonly kind: 'failed'; readonly reason: string };
