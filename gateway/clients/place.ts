import type { Hello, Return } from '../../shared/protocol.ts';
import type { ClientStatus, EventKind, StreamState } from '../../shared/status.ts';
import type { Frame } from '../hub/frame.ts';
import type { ReturnData } from '../hub/returns.ts';
import type { Rendition } from './renditions.ts';

/** What the gateway grants a viewer that has said hello. */
export type Admission =
  | {
      readonly admitted: true;
      /** null for a spectator. */
      readonly port: number | null;
      readonly leaseKey: string | null;
      /** Why a viewer that wanted a port watches without one. */
      readonly spectatorReason: string | null;
      readonly rights: readonly string[];
      readonly mayReturn: boolean;
    }
  | { readonly admitted: false; readonly closeCode: number; readonly reason: string };

/** What a viewer wants now. */
export interface Wants {
  readonly paused: boolean;
  /** 8-bit raw frames as they are, rather than as JPEG. */
  readonly raw: boolean;
}

/** What a viewer's socket tells of a viewer. */
export type ViewerFigures = Pick<ClientStatus, 'state' | 'delivered' | 'dropped' | 'rejected' | 'framesPerSecond' | 'roundTripMs' | 'delayMs'>;

/** Anything that is offered as a frame: a {@link Frame}, or what another process has made of one. */
export interface Numbered {
  readonly sequence: number;
}

/** A viewer's end of a place: its socket, in this process or in another. None of these calls may wait or throw. */
export interface ViewerEnd<F extends Numbered = Frame> {
  /** A new frame: the newest replaces one that still waits. */
  offer(frame: F): void;
  streamChanged(state: StreamState, reason: string): void;
  figures(): ViewerFigures;
  /** Ends the connection with a code of the protocol. Idempotent. */
  close(code: number, reason: string): void;
  /** Settles when the socket has ended. */
  readonly closed: Promise<void>;
}

/**
 * A viewer's place in its stream: all that its socket learns of the stream, and all that it says to it. The stream may be
 * one of this process (`LocalPlace`) or of the main process (`RemotePlace`).
 */
export interface Place<F extends Numbered = Frame> {
  /** The stream's name, and what it is doing. */
  readonly stream: string;
  readonly state: StreamState;
  readonly reason: string;
  /** The newest frame's number; null before the first. */
  readonly latestSequence: number | null;
  /** The newest frame; null when there is none, or it is still to be fetched for this viewer and will be offered. */
  latest(wantsRaw: boolean): F | null;
  /** Mean time between the source's frames; undefined while unknown. */
  frameTimeMs(): number | undefined;
  /** @returns a promise only while the frame is being encoded. */
  rendition(frame: F, wantsRaw: boolean): Rendition | Promise<Rendition>;
  /** Counts a frame that could not be encoded. */
  reject(error: unknown): void;
  /** Asks for admission. Once it is granted, `end` is offered frames from the next one on; the latest is up to itself. */
  enter(end: ViewerEnd<F>, hello: Hello): Admission | Promise<Admission>;
  wants(wants: Wants): void;
  /**
   * Gives return data that has been checked to the stream, in order.
   *
   * @returns a promise where the stream is another process's.
   * @throws or rejects with a {@link GearwayError} when the stream refuses it.
   */
  give(data: ReturnData, mode: Return['mode'], ttlMs: number | undefined): void | Promise<void>;
  /** Counts return data, or a message, that was refused before it came to the stream. */
  countRejected(): void;
  /** The viewer has gone: its return data ends, and the hold of its port begins. Idempotent. */
  leave(kind: EventKind, reason: string): void;
}
