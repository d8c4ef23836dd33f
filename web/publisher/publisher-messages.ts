import type { NDArray } from '../../shared/ndarray.ts';
import type { Value } from '../../shared/protocol.ts';

/**
 * What a publisher does. `idle`: nothing; `asking`: the camera is being opened, or the user asked for it; `connecting`: the gateway is being
 * reached; `live`: pictures are sent; `paused`: the camera gives none now; `failed`: there is no camera; `refused`: the gateway does not want
 * this publisher.
 */
export type PublisherState = 'idle' | 'asking' | 'connecting' | 'live' | 'paused' | 'failed' | 'refused';

/** Where the pictures come from. */
export type PublisherInput = 'camera' | 'screen';

/** Which way a phone's camera looks: at its user, or away. */
export type Facing = 'user' | 'environment';

/** At most so many pixels on the shorter side: 640×480, 1280×720 and 1920×1080 where the camera has that. */
export type PictureSize = '480p' | '720p' | '1080p';

/** Why there is no camera. `insecure`: the page came over plain http; `ended`: unplugged, or taken away. */
export type CameraFailure = 'insecure' | 'unsupported' | 'denied' | 'no-camera' | 'busy' | 'ended';

/** How pictures become frames. */
export interface PictureSettings {
  /** Frames a second, at most. */
  readonly fps: number;
  /** JPEG's, 1 to 100. */
  readonly quality: number;
  /** Pixels of the shorter side, at most. */
  readonly shortSide: number;
}

/** Where a session connects to, and how it begins. `url` is the stream's WebSocket address for publishers. */
export interface PublisherOptions {
  readonly url: string;
  readonly token: string | null;
  readonly name: string;
  /** End another publisher that is there, once. */
  readonly takeOver: boolean;
  readonly settings: PictureSettings;
  readonly message: Value;
}

/** A picture that waits to be encoded; whoever holds it closes it. */
export interface CapturedPicture {
  readonly source: VideoFrame | ImageBitmap;
  /** As it is to be looked at, whichever way the phone is held. */
  readonly width: number;
  readonly height: number;
  /** Unix time; null while that is not known. */
  readonly takenAtMs: number | null;
  close(): void;
}

/** How pictures get to a session. `frames` and `track` are handed over; `asked`: it asks for each with the event `ask`. */
export type FeedKind =
  | { readonly kind: 'frames'; readonly readable: ReadableStream<VideoFrame> }
  | { readonly kind: 'track'; readonly track: MediaStreamTrack }
  | { readonly kind: 'asked' };

/** What the element asks of its session. Sent by `postMessage` when the session lives in the worker. */
export type PublisherCommand =
  /** Pictures of another camera, or of none. `isScreen`: what does not change may still be looked at. */
  | { readonly kind: 'feed'; readonly feed: FeedKind | null; readonly isScreen: boolean }
  /** The answer to `ask`. */
  | { readonly kind: 'picture'; readonly bitmap: ImageBitmap; readonly takenAtMs: number | null }
  | { readonly kind: 'settings'; readonly settings: PictureSettings }
  | { readonly kind: 'message'; readonly message: Value }
  /** The network is back, or somebody looks again: a pending attempt is made at once. */
  | { readonly kind: 'retry' }
  | { readonly kind: 'close' };

/** What a client of the stream returns: a value, an array, or a Blob of a JPEG. */
export type ReturnedValue = Value | NDArray | Blob;

/** Figures of a session, refreshed twice a second. Counters count from the last `welcome`. */
export interface PublisherStats {
  readonly sent: number;
  /** Frames that the gateway refused. */
  readonly refused: number;
  /** Pictures that were due and not sent, as newer ones replaced them or the link was not ready. */
  readonly skipped: number;
  readonly framesPerSecond: number;
  readonly bitsPerSecond: number;
  /** From sending a frame to hearing that the gateway has read it; null before that is known. */
  readonly roundTripMs: number | null;
  readonly encodeMs: number;
  /** Frames that are sent and not read yet. */
  readonly inFlight: number;
  /** How many clients the stream has; null before that is known. */
  readonly clients: number | null;
  /** Of what is sent. */
  readonly width: number;
  readonly height: number;
}

export type PublisherEvent =
  | { readonly kind: 'state'; readonly state: 'connecting' | 'live' | 'refused'; readonly reason: string }
  | { readonly kind: 'refused'; readonly code: number; readonly reason: string }
  | { readonly kind: 'data'; readonly port: number; readonly mode: 'sticky' | 'once'; readonly value: ReturnedValue }
  | { readonly kind: 'frame-refused'; readonly code: string; readonly reason: string }
  /** `isSilent`: the camera has given nothing for a while. */
  | { readonly kind: 'stats'; readonly stats: PublisherStats; readonly isSilent: boolean }
  /** A picture is wanted: the next one that there is. */
  | { readonly kind: 'ask' }
  /** It cannot read pictures from a track here. */
  | { readonly kind: 'track-refused' };

export const NO_PUBLISHER_STATS: PublisherStats = {
  sent: 0, refused: 0, skipped: 0, framesPerSecond: 0, bitsPerSecond: 0, roundTripMs: null, encodeMs: 0, inFlight: 0, clients: null, width: 0, height: 0,
};
