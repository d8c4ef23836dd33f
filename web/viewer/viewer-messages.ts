import type { ArrayStyleTexts } from '../../shared/arrays/array-style.ts';
import type { ControlAction, Controller, ReturnBody, Value, Welcome } from '../../shared/protocol.ts';
import type { Quality } from '../../shared/quality.ts';
import type { CommonCommand } from '../connection/session-host.ts';
import type { Inspection, InspectionQuery } from './arrays/inspection-query.ts';
import type { ShownArray } from './arrays/shown-array.ts';
import type { OverlayCommand, OverlayEvent } from './overlays/overlay-commands.ts';

/**
 * State of a viewer. `unsupported`: frames arrive, but the viewer can show none of them. `refused`: the gateway refused
 * the viewer and gave a reason.
 */
export type ViewerState = 'connecting' | 'waiting' | 'live' | 'unsupported' | 'paused' | 'stale' | 'ended' | 'refused';

/** A viewer that requests control. */
export interface ControlRequest {
  readonly port: number;
  /** Name that the viewer chose; may be empty. */
  readonly name: string;
  /** Remaining time to answer the request when the gateway reported it. */
  readonly remainingMs: number;
}

/** State of control of a stream in which only the holder's return data is accepted. */
export interface ViewerControl {
  /** `free`: nobody has control; `mine`: this viewer; `taken`: another one. */
  readonly state: 'free' | 'mine' | 'taken';
  /** The holder's port; null while control is free. */
  readonly port: number | null;
  /** Name that the holder chose; may be empty. */
  readonly name: string;
  /** Requests of other viewers, oldest first; only while the state is `mine`. */
  readonly requests: readonly ControlRequest[];
  /** Whether this viewer's request waits for an answer. */
  readonly isRequested: boolean;
}

/** Options of a session. `url` is the stream's WebSocket address. */
export interface ViewerOptions {
  readonly url: string;
  readonly port: number | null;
  readonly spectate: boolean;
  readonly token: string | null;
  readonly leaseKey: string | null;
  readonly name: string;
  readonly paused: boolean;
  /** Address of the code for arrays, loaded when the first one arrives. */
  readonly arraysScript: string;
  readonly delivery: DeliveryOptions;
}

/** Limits that a viewer sets. `maxBitsPerSecond`: 0 for no limit; `maxFramesPerSecond`: up to 1000. */
export interface DeliveryOptions {
  readonly quality: Quality;
  readonly maxBitsPerSecond: number;
  readonly maxFramesPerSecond: number;
}

/** Box in which the picture is shown, in device pixels. `covers`: the picture fills it; otherwise it fits inside. */
export interface Box {
  readonly width: number;
  readonly height: number;
  readonly covers: boolean;
}

/** `png`: the picture as drawn. `received`: the bytes as received, a JPEG or raw samples. */
export type SnapshotFormat = 'png' | 'received';

/** Commands from the element to its session, sent by `postMessage` when the session runs in the worker. */
export type ViewerCommand =
  | CommonCommand
  | { readonly kind: 'paused'; readonly paused: boolean }
  /** Sticky return data; a null body clears it. The answer carries the same `id`. */
  | {
      readonly kind: 'return-data';
      readonly id: number;
      readonly body: ReturnBody | null;
      readonly ttlMs: number | null;
      /** Whether the value overtakes and discards all pending values. */
      readonly urgent: boolean;
    }
  /** `port` is null if the action needs none. */
  | {
      readonly kind: 'control';
      readonly id: number;
      readonly action: ControlAction;
      readonly port: number | null;
    }
  | { readonly kind: 'send'; readonly id: number; readonly body: ReturnBody; readonly ttlMs: number | null }
  | { readonly kind: 'snapshot'; readonly id: number; readonly format: SnapshotFormat }
  | { readonly kind: 'box'; readonly box: Box }
  | { readonly kind: 'delivery'; readonly delivery: DeliveryOptions }
  /** `script`: address of the code for overlays, which the first such command loads. */
  | { readonly kind: 'overlay'; readonly script: string; readonly command: OverlayCommand }
  | { readonly kind: 'inspect'; readonly id: number; readonly query: InspectionQuery }
  /** The canvas that the event `canvas` requested. */
  | { readonly kind: 'canvas'; readonly canvas: OffscreenCanvas }
  | { readonly kind: 'array-style'; readonly style: ArrayStyleTexts }
  /** Whether 8-bit samples are requested unmodified instead of as JPEG. */
  | { readonly kind: 'raw'; readonly raw: boolean };

/** Statistics of a session, refreshed twice per second. Counters start at the last `welcome`. */
export interface ViewerStats {
  readonly sequence: number;
  readonly received: number;
  readonly painted: number;
  /** Number of frames that the gateway did not send to this viewer because newer ones replaced them. */
  readonly dropped: number;
  /** Number of frames that were received, and replaced by newer ones before they were decoded. */
  readonly skipped: number;
  readonly failed: number;
  readonly receivedPerSecond: number;
  /** Rate of drawn frames. */
  readonly framesPerSecond: number;
  readonly bitsPerSecond: number;
  /** Latency from the frame's arrival at the gateway until it is drawn, by the gateway's clock; null if unknown. */
  readonly delayMs: number | null;
  /**
   * Latency from the frame's capture until it is drawn, if the camera's clock agrees with the gateway's; null if the
   * time of capture is unknown.
   */
  readonly latencyMs: number | null;
  readonly roundTripMs: number | null;
  readonly decodeMs: number;
  /** Maximum number of frames in flight to this viewer, set by the gateway; null before it is known. */
  readonly window: number | null;
  /** Size of the picture on screen, which may be a rendition smaller than the frame; 0 before the first picture. */
  readonly width: number;
  readonly height: number;
  /** Encoding of the picture on screen: `jpeg`, `h264` or a NumPy dtype; empty before the first one. */
  readonly encoding: string;
  /**
   * Pictures that the gateway sends instead of the source's frames, and why, such as `JPEG 640×360 q50, 1.1 Mbit/s:
   * link 1.4 Mbit/s`; empty while it sends unmodified frames.
   */
  readonly delivery: string;
  /** Whether the link to the gateway is too slow for the stream. */
  readonly isLinkLimited: boolean;
  /** Throughput of the link as the gateway last measured it; null while unknown. */
  readonly linkBitsPerSecond: number | null;
}

export type ViewerEvent =
  | { readonly kind: 'state'; readonly state: Exclude<ViewerState, 'paused'>; readonly reason: string }
  | {
      readonly kind: 'open';
      readonly port: number | null;
      readonly spectatorReason: string | null;
      readonly rights: readonly string[];
      readonly leaseKey: string | null;
      /** null if control of the stream is shared. */
      readonly control: NonNullable<Welcome['control']> | null;
    }
  | {
      readonly kind: 'frame';
      readonly sequence: number;
      readonly width: number;
      readonly height: number;
      readonly message: Value;
      /** A large message as JSON, instead of `message`. */
      readonly messageText?: string;
      readonly ageMs: number | null;
      readonly capturedAtMs: number | null;
      readonly latencyMs: number | null;
    }
  /**
   * Requests another canvas, because the proportions of the frames have changed. The next `frame` is the first one on
   * it.
   */
  | { readonly kind: 'canvas' }
  | { readonly kind: 'stats'; readonly stats: ViewerStats }
  | { readonly kind: 'overlay'; readonly event: OverlayEvent }
  /**
   * An array is shown with a range, type, unit or style that differs from the previous one; null: another picture follows.
   */
  | { readonly kind: 'array'; readonly shown: ShownArray | null }
  /** Result of a return. `id` is null for a sticky value that was set again after a reconnect. */
  | {
      readonly kind: 'returned';
      readonly id: number | null;
      readonly accepted: boolean;
      readonly code: string;
      readonly reason: string;
    }
  | { readonly kind: 'control'; readonly controller: Controller }
  | { readonly kind: 'refused'; readonly code: number; readonly reason: string }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }
  | { readonly kind: 'snapshot'; readonly id: number; readonly snapshot: Snapshot | null }
  | { readonly kind: 'inspection'; readonly id: number; readonly inspection: Inspection };

/**
 * A picture with its message. Its size is that of the picture received, which may be a rendition smaller than the
 * frame.
 */
export interface Snapshot {
  readonly sequence: number;
  readonly width: number;
  readonly height: number;
  readonly message: Value;
  /**
   * `png`, `jpeg`, or the dtype of raw samples (C-contiguous, `[height, width]` or `[height, width, channels]`).
   */
  readonly encoding: string;
  readonly blob: Blob;
}

export const NO_STATS: ViewerStats = {
  sequence: 0,
  received: 0,
  painted: 0,
  dropped: 0,
  skipped: 0,
  failed: 0,
  receivedPerSecond: 0,
  framesPerSecond: 0,
  bitsPerSecond: 0,
  delayMs: null,
  latencyMs: null,
  roundTripMs: null,
  decodeMs: 0,
  window: null,
  width: 0,
  height: 0,
  encoding: '',
  delivery: '',
  isLinkLimited: false,
  linkBitsPerSecond: null,
};
