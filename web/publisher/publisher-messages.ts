import type { EncodingSettings } from '../capture/capture-types.ts';
import type { FeedCommand, FeedEvent } from '../capture/feed-messages.ts';
import type { NDArray } from '../../shared/ndarray.ts';
import type { Value } from '../../shared/protocol.ts';
import type { CommonCommand } from '../connection/session-host.ts';

/**
 * State of a publisher. `idle`: not started; `asking`: the camera is being opened, or the user is asked for permission;
 * `connecting`: not connected to the gateway yet; `live`: frames are being sent; `paused`: the camera currently sends
 * no frames; `failed`: no camera is available; `refused`: the gateway refused this publisher.
 */
export type PublisherState = 'idle' | 'asking' | 'connecting' | 'live' | 'paused' | 'failed' | 'refused';

/** The requested settings, which may be lowered to the throughput of the link unless they are fixed. */
export interface EncodingLimits extends EncodingSettings {
  /** Maximum bit rate in bits per second; null for no limit except that of the link. */
  readonly maxBitsPerSecond: number | null;
  /** Whether to keep size, quality and rate, and only skip frames. */
  readonly isFixed: boolean;
}

/** Initial options of a session. `url` is the stream's WebSocket address for publishers. */
export interface PublisherOptions {
  readonly url: string;
  readonly token: string | null;
  readonly name: string;
  /** Whether the first connection replaces an active publisher. */
  readonly takeOver: boolean;
  readonly encoding: EncodingLimits;
  readonly message: Value;
}

/** Commands from the element to its session, sent by `postMessage` when the session runs in the worker. */
export type PublisherCommand =
  | CommonCommand
  | FeedCommand
  | { readonly kind: 'encoding'; readonly encoding: EncodingLimits }
  | { readonly kind: 'message'; readonly message: Value };

/** Return data of a client: a value, an array, or a Blob with a JPEG. */
export type ReturnedValue = Value | NDArray | Blob;

/** Statistics of a session, refreshed twice per second. Counters start at the last `welcome`. */
export interface PublisherStats {
  readonly sent: number;
  /** Number of frames refused by the gateway. */
  readonly refused: number;
  /**
   * Number of pictures that were due, but not sent because newer ones replaced them or the connection was not ready.
   */
  readonly skipped: number;
  readonly framesPerSecond: number;
  readonly bitsPerSecond: number;
  /** Time from sending a frame until the gateway acknowledges it; null before it is known. */
  readonly roundTripMs: number | null;
  readonly encodeMs: number;
  /** Number of frames that were sent and not yet acknowledged. */
  readonly inFlight: number;
  /** Number of clients of the stream; null before it is known. */
  readonly clients: number | null;
  /** Width and height of the sent frames, in pixels. */
  readonly width: number;
  readonly height: number;
  /** JPEG quality of the sent frames. */
  readonly quality: number;
  /** Bit rate that the link carries, in bits per second, estimated from acknowledgements; null before it is known. */
  readonly linkBitsPerSecond: number | null;
  /** Why size, quality or rate are below the attributes; null if they are not. */
  readonly loweredBy: 'link' | 'max-bitrate' | null;
}

export type PublisherEvent =
  | { readonly kind: 'state'; readonly state: 'connecting' | 'live' | 'refused'; readonly reason: string }
  | { readonly kind: 'refused'; readonly code: number; readonly reason: string }
  | { readonly kind: 'data'; readonly port: number; readonly mode: 'sticky' | 'once'; readonly value: ReturnedValue }
  | { readonly kind: 'frame-refused'; readonly code: string; readonly reason: string }
  /** `isSilent`: the camera has delivered no frames for a while. */
  | { readonly kind: 'stats'; readonly stats: PublisherStats; readonly isSilent: boolean }
  | FeedEvent;

export const NO_PUBLISHER_STATS: PublisherStats = {
  sent: 0,
  refused: 0,
  skipped: 0,
  framesPerSecond: 0,
  bitsPerSecond: 0,
  roundTripMs: null,
  encodeMs: 0,
  inFlight: 0,
  clients: null,
  width: 0,
  height: 0,
  quality: 0,
  linkBitsPerSecond: null,
  loweredBy: null,
};
