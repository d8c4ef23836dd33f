import type { ReturnBody, Value } from '../shared/protocol.ts';

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

/** What the element asks of its session. Sent by `postMessage` when the session lives in the worker. */
export type SessionCommand =
  | { readonly kind: 'paused'; readonly paused: boolean }
  | { readonly kind: 'return-data'; readonly body: ReturnBody | null }
  | { readonly kind: 'send'; readonly id: number; readonly body: ReturnBody; readonly ttlMs: number | null }
  | { readonly kind: 'snapshot'; readonly id: number }
  | { readonly kind: 'online' }
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
  readonly framesPerSecond: number;
  readonly bitsPerSecond: number;
  /** From the frame's arrival at the gateway to its drawing here, by the gateway's clock; null before it is known. */
  readonly delayMs: number | null;
  readonly roundTripMs: number | null;
  readonly decodeMs: number;
  readonly width: number;
  readonly height: number;
  readonly encoding: string;
}

export type SessionEvent =
  | { readonly kind: 'state'; readonly state: Exclude<ViewerState, 'paused'>; readonly reason: string }
  | { readonly kind: 'open'; readonly port: number | null; readonly leaseKey: string | null; readonly stream: string }
  | { readonly kind: 'frame'; readonly sequence: number; readonly width: number; readonly height: number; readonly message: Value; readonly receivedAgoMs: number | null }
  | { readonly kind: 'stats'; readonly stats: ViewerStats }
  | { readonly kind: 'sent'; readonly id: number; readonly accepted: boolean; readonly code: string; readonly reason: string }
  | { readonly kind: 'refused'; readonly code: number; readonly reason: string }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }
  | { readonly kind: 'snapshot'; readonly id: number; readonly snapshot: Snapshot | null };

/** The picture as it was drawn, with what came with it. */
export interface Snapshot {
  readonly sequence: number;
  readonly width: number;
  readonly height: number;
  readonly message: Value;
  /** A PNG. */
  readonly blob: Blob;
}

export const NO_STATS: ViewerStats = {
  sequence: 0, received: 0, painted: 0, dropped: 0, skipped: 0, failed: 0, framesPerSecond: 0, bitsPerSecond: 0,
  delayMs: null, roundTripMs: null, decodeMs: 0, width: 0, height: 0, encoding: '',
};
