import type { ReturnBody, Value } from '../../shared/protocol.ts';

/** What a viewer shows. `refused`: the gateway does not want this viewer, and says why. */
export type ViewerState = 'connecting' | 'waiting' | 'live' | 'paused' | 'stale' | 'ended' | 'refused';

/** Where a session connects to. `url` is the stream's WebSocket address. */
export interface SessionOptions {
  readonly url: string;
  readonly port: number | null;
  readonly spectate: boolean;
  readonly token: string | null;
  readonly leaseKey: string | null;
  readonly name: string;
  readonly paused: boolean;
}

/** Where a picture is shown. `covers`: it fills the box, and else lies in it. */
export interface Box {
  readonly width: number;
  readonly height: number;
  readonly covers: boolean;
}

/** `png`: the picture as it is drawn. `received`: the bytes that came, a JPEG or raw samples. */
export type SnapshotForm = 'png' | 'received';

/** What the element asks of its session. Sent by `postMessage` when the session lives in the worker. */
export type SessionCommand =
  | { readonly kind: 'paused'; readonly paused: boolean }
  /** Sticky; a body of null clears it. `id` is the element's, for the answer. */
  | { readonly kind: 'return-data'; readonly id: number; readonly body: ReturnBody | null; readonly ttlMs: number | null }
  | { readonly kind: 'send'; readonly id: number; readonly body: ReturnBody; readonly ttlMs: number | null }
  | { readonly kind: 'snapshot'; readonly id: number; readonly form: SnapshotForm }
  /** How large the picture is shown: the box that it fills or lies in, in pixels of the screen. */
  | { readonly kind: 'box'; readonly box: Box }
  /** The network is back, or somebody looks again: a pending attempt is made at once. */
  | { readonly kind: 'retry' }
  | { readonly kind: 'close' };

/** Figures of a session, refreshed twice a second. Counters count from the last `welcome`. */
export interface ViewerStats {
  readonly sequence: number;
  readonly received: number;
  readonly painted: number;
  /** Frames that were never sent to this viewer, since newer ones replaced them in the gateway. */
  readonly dropped: number;
  /** Frames that came, and were replaced by newer ones before they were decoded. */
  readonly skipped: number;
  readonly failed: number;
  readonly receivedPerSecond: number;
  /** Painted. */
  readonly framesPerSecond: number;
  readonly bitsPerSecond: number;
  /** From the frame's arrival at the gateway to its drawing here, by the gateway's clock; null before it is known. */
  readonly delayMs: number | null;
  readonly roundTripMs: number | null;
  readonly decodeMs: number;
  /** How many frames the gateway lets be on their way to this viewer; null before it has said so. */
  readonly window: number | null;
  readonly width: number;
  readonly height: number;
  /** `jpeg`, a NumPy dtype, or nothing before the first frame. */
  readonly encoding: string;
}

export type SessionEvent =
  | { readonly kind: 'state'; readonly state: Exclude<ViewerState, 'paused'>; readonly reason: string }
  | { readonly kind: 'open'; readonly port: number | null; readonly spectatorReason: string | null; readonly rights: readonly string[]; readonly leaseKey: string | null }
  | { readonly kind: 'frame'; readonly sequence: number; readonly width: number; readonly height: number; readonly message: Value; readonly ageMs: number | null; readonly capturedAtMs: number | null }
  | { readonly kind: 'stats'; readonly stats: ViewerStats }
  /** The answer to a return; `id` is null for a sticky value that was set again by itself after a reconnection. */
  | { readonly kind: 'returned'; readonly id: number | null; readonly accepted: boolean; readonly code: string; readonly reason: string }
  | { readonly kind: 'refused'; readonly code: number; readonly reason: string }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }
  | { readonly kind: 'snapshot'; readonly id: number; readonly snapshot: Snapshot | null };

/** A picture, with what came with it. */
export interface Snapshot {
  readonly sequence: number;
  readonly width: number;
  readonly height: number;
  readonly message: Value;
  /** `png`, `jpeg`, or the dtype of raw samples (C-contiguous, `[height, width]` or `[height, width, channels]`). */
  readonly encoding: string;
  readonly blob: Blob;
}

export const NO_STATS: ViewerStats = {
  sequence: 0, received: 0, painted: 0, dropped: 0, skipped: 0, failed: 0, receivedPerSecond: 0, framesPerSecond: 0, bitsPerSecond: 0,
  delayMs: null, roundTripMs: null, decodeMs: 0, window: null, width: 0, height: 0, encoding: '',
};
