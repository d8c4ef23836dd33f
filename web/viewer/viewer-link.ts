import type { ArrayStyleTexts } from '../../shared/arrays/array-style.ts';
import type { ControlAction, ReturnBody } from '../../shared/protocol.ts';
import { ReturnRefusedError } from '../connection/return-body.ts';
import { SessionHost, type SessionThread } from '../connection/session-host.ts';
import { SessionLink } from '../connection/session-link.ts';
import type { Inspection, InspectionQuery, Inspections } from './arrays/inspection-query.ts';
import type { OverlayCommand } from './overlays/overlay-commands.ts';
import type {
  Box,
  DeliveryOptions,
  Snapshot,
  SnapshotFormat,
  ViewerCommand,
  ViewerEvent,
  ViewerOptions,
} from './viewer-messages.ts';
import type { ViewerOpening } from './viewer-session.ts';

/** Events of a session other than the answers to requests. */
export type ViewerLinkEvent = Exclude<ViewerEvent, { kind: 'snapshot' | 'inspection' }>;

const host = new SessionHost<ViewerOpening, ViewerCommand, ViewerEvent>({
  workerScript: new URL(/* @vite-ignore */ './gearway-worker.js', import.meta.url),
  workerName: 'gearway',
  canUseWorker: () => 'transferControlToOffscreen' in HTMLCanvasElement.prototype,
  toWorker: ({ options, canvas }) => {
    const offscreen = canvas instanceof HTMLCanvasElement ? canvas.transferControlToOffscreen() : canvas;
    return { opening: { options, canvas: offscreen }, transfer: [offscreen] };
  },
  loadSession: async () => (await import('./viewer-session.ts')).openViewerSession,
});

/** The code for overlays, which element and session load when they are needed. */
export const OVERLAYS_SCRIPT = new URL(/* @vite-ignore */ './gearway-overlays.js', import.meta.url).href;

/** The code for arrays, which sessions load when the first one arrives. */
const ARRAYS_SCRIPT = new URL(/* @vite-ignore */ './gearway-arrays.js', import.meta.url).href;

/** A viewer's connection to its session. Each request gets exactly one answer. */
export class ViewerLink {
  readonly #link: SessionLink<ViewerOpening, ViewerCommand, ViewerEvent>;
  readonly #emit: (event: ViewerLinkEvent) => void;
  #nextId = 1;
  readonly #returns = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  readonly #snapshots = new Map<number, (snapshot: Snapshot | null) => void>();
  readonly #inspections = new Map<number, (inspection: Inspection) => void>();

  /** @param canvas a new canvas, without a context and not yet transferred. */
  constructor(
    options: Omit<ViewerOptions, 'arraysScript'>,
    canvas: HTMLCanvasElement,
    thread: SessionThread,
    emit: (event: ViewerLinkEvent) => void,
  ) {
    this.#emit = emit;
    this.#link = new SessionLink(host, { options: { ...options, arraysScript: ARRAYS_SCRIPT }, canvas }, thread, {
      opened: () => undefined,
      event: (event) => this.#onEvent(event),
    });
  }

  /** Thread on which frames are decoded and drawn; null before it is known. */
  get thread(): SessionThread | null {
    return this.#link.thread;
  }

  pause(paused: boolean): void {
    this.#link.command({ kind: 'paused', paused });
  }

  /** Sets the size at which the picture is shown. */
  setBox(box: Box): void {
    this.#link.command({ kind: 'box', box });
  }

  setDelivery(delivery: DeliveryOptions): void {
    this.#link.command({ kind: 'delivery', delivery });
  }

  commandOverlays(command: OverlayCommand): void {
    this.#link.command({ kind: 'overlay', script: OVERLAYS_SCRIPT, command });
  }

  /** Sets how arrays are shown. */
  setArrayStyle(style: ArrayStyleTexts): void {
    this.#link.command({ kind: 'array-style', style });
  }

  /** Passes the canvas that the event `canvas` requested: a new one, as for the constructor. */
  setCanvas(canvas: HTMLCanvasElement): void {
    const offscreen = canvas.transferControlToOffscreen();
    this.#link.command({ kind: 'canvas', canvas: offscreen }, [offscreen]);
  }

  /** Sets whether 8-bit samples are requested unmodified instead of as JPEG. */
  setRaw(raw: boolean): void {
    this.#link.command({ kind: 'raw', raw });
  }

  /** Makes a pending attempt to connect immediately. */
  retry(): void {
    this.#link.retry();
  }

  /** @throws {ReturnRefusedError} */
  send(body: ReturnBody, ttlMs: number | null): Promise<void> {
    return this.#return((id) => ({ kind: 'send', id, body, ttlMs }));
  }

  /** @throws {ReturnRefusedError} */
  setReturnData(body: ReturnBody | null, ttlMs: number | null, urgent = false): Promise<void> {
    return this.#return((id) => ({ kind: 'return-data', id, body, ttlMs, urgent }));
  }

  /** @throws {ReturnRefusedError} */
  control(action: ControlAction, port: number | null): Promise<void> {
    return this.#return((id) => ({ kind: 'control', id, action, port }));
  }

  snapshot(format: SnapshotFormat): Promise<Snapshot | null> {
    const id = this.#takeId();
    return new Promise((resolve) => {
      this.#snapshots.set(id, resolve);
      this.#link.command({ kind: 'snapshot', id, format });
    });
  }

  /** Resolves with the result of this kind; null if there is none. */
  inspect<Query extends InspectionQuery>(query: Query): Promise<Inspections[Query['kind']] | null> {
    const id = this.#takeId();
    return new Promise((resolve) => {
      this.#inspections.set(id, resolve as (inspection: Inspection) => void);
      this.#link.command({ kind: 'inspect', id, query });
    });
  }

  /** Ends the session. Pending requests are answered with `closed`; nothing is emitted afterwards. Idempotent. */
  close(): void {
    if (this.#link.isClosed) return;
    this.#link.close();
    const error = new ReturnRefusedError('closed', 'the viewer was closed');
    for (const { reject } of this.#returns.values()) reject(error);
    for (const resolve of this.#snapshots.values()) resolve(null);
    for (const resolve of this.#inspections.values()) resolve(null);
  }

  #return(command: (id: number) => ViewerCommand): Promise<void> {
    const id = this.#takeId();
    return new Promise((resolve, reject) => {
      this.#returns.set(id, { resolve, reject });
      this.#link.command(command(id));
    });
  }

  #takeId(): number {
    const id = this.#nextId;
    this.#nextId += 1;
    return id;
  }

  #onEvent(event: ViewerEvent): void {
    if (event.kind === 'snapshot') {
      this.#snapshots.get(event.id)?.(event.snapshot);
      this.#snapshots.delete(event.id);
    } else if (event.kind === 'inspection') {
      this.#inspections.get(event.id)?.(event.inspection);
      this.#inspections.delete(event.id);
    } else if (event.kind === 'returned' && event.id !== null) {
      const request = this.#returns.get(event.id);
      this.#returns.delete(event.id);
      if (event.accepted) request?.resolve();
      else request?.reject(new ReturnRefusedError(event.code, event.reason));
    } else {
      this.#emit(event);
    }
  }
}
