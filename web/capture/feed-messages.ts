/**
 * How a session obtains pictures. `frames` and `track` are transferred to it; with `pulled` it requests each picture by
 * the event `pull`.
 */
export type FeedSource =
  | { readonly kind: 'frames'; readonly readable: ReadableStream<VideoFrame> }
  | { readonly kind: 'track'; readonly track: MediaStreamTrack }
  | { readonly kind: 'pulled' };

/** Commands that provide the pictures of a session, sent by `postMessage` when the session runs in the worker. */
export type FeedCommand =
  /** Changes the source; null for none. An unchanged screen delivers no frames, but is still live. */
  | { readonly kind: 'feed'; readonly source: FeedSource | null; readonly isScreen: boolean }
  /** Answer to `pull`. */
  | { readonly kind: 'picture'; readonly bitmap: ImageBitmap; readonly capturedAtMs: number | null };

export type FeedEvent =
  /** Requests the next picture. */
  | { readonly kind: 'pull' }
  /** The thread of the session cannot read frames from a track. */
  | { readonly kind: 'track-unsupported' };
