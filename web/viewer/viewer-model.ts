import type { ArrayStyleTexts } from '../../shared/arrays/array-style.ts';
import { closeCode } from '../../shared/close-code.ts';
import type { ControlAction, Controller } from '../../shared/protocol.ts';
import { type Returnable, ReturnRefusedError, toReturnBody, toTtl } from '../connection/return-body.ts';
import type { SessionThread } from '../connection/session-host.ts';
import { ELEMENT_HISTORY, History } from '../connection/statistics.ts';
import type { InspectionQuery, Inspections } from './arrays/inspection-query.ts';
import type { ShownArray } from './arrays/shown-array.ts';
import { claimLease, type StoredLease } from './lease-store.ts';
import { createSticky, remainingSticky, type StickyReturn } from './sticky-return.ts';
import type { OverlayCommand } from './overlays/overlay-commands.ts';
import { ViewerLink, type ViewerLinkEvent } from './viewer-link.ts';
import {
  type Box,
  type DeliveryOptions,
  NO_STATS,
  type Snapshot,
  type SnapshotFormat,
  type ViewerControl,
  type ViewerOptions,
  type ViewerState,
  type ViewerStats,
} from './viewer-messages.ts';

/** State of the stream, or of the connection to it. */
export interface GatewayState {
  readonly state: Exclude<ViewerState, 'paused'>;
  readonly reason: string;
}

const CONNECTING: GatewayState = { state: 'connecting', reason: '' };

/** State of a viewer across consecutive sessions: port, rights, return data, statistics. Does not draw. */
export class ViewerModel {
  readonly #onEvent: (event: ViewerLinkEvent) => void;
  readonly #history = new History<ViewerStats>(ELEMENT_HISTORY);
  #link: ViewerLink | null = null;
  #lease: StoredLease | null = null;
  #gatewayState = CONNECTING;
  #port: number | null = null;
  #rights: readonly string[] = [];
  #spectatorReason: string | null = null;
  #control: ViewerControl | null = null;
  #stats: ViewerStats = NO_STATS;
  #box: Box | null = null;
  #arrayStyle: ArrayStyleTexts = {};
  #raw = false;
  #shownArray: ShownArray | null = null;
  #returnData: Returnable | undefined;
  /** Sticky return data, which is set again in each new session. */
  #sticky: StickyReturn | null = null;
  /** Queue that keeps the values in the order of the calls, even if a Blob must be read first. */
  #setting: Promise<unknown> = Promise.resolve();
  /** Number of urgent values so far. When it changes, values that are being converted are discarded. */
  #urgentCount = 0;

  /** @param onEvent called after the model has been updated. */
  constructor(onEvent: (event: ViewerLinkEvent) => void) {
    this.#onEvent = onEvent;
  }

  get gatewayState(): GatewayState {
    return this.#gatewayState;
  }

  get isOpen(): boolean {
    return this.#link !== null;
  }

  get port(): number | null {
    return this.#port;
  }

  get rights(): readonly string[] {
    return this.#rights;
  }

  get spectatorReason(): string | null {
    return this.#spectatorReason;
  }

  /** State of control; null if it is shared, and without a connection. */
  get control(): ViewerControl | null {
    return this.#control;
  }

  get stats(): ViewerStats {
    return this.#stats;
  }

  get history(): readonly ViewerStats[] {
    return this.#history.values;
  }

  get thread(): SessionThread | null {
    return this.#link?.thread ?? null;
  }

  /** Type, range and colours of the array on screen; null before the first one. */
  get shownArray(): ShownArray | null {
    return this.#shownArray;
  }

  get returnData(): Returnable | undefined {
    return this.#returnData;
  }

  /** @param canvas a new canvas, without a context and not yet transferred. */
  open(
    options: Omit<ViewerOptions, 'leaseKey' | 'arraysScript'>,
    canvas: HTMLCanvasElement,
    thread: SessionThread,
  ): void {
    this.close();
    this.#gatewayState = { state: 'connecting', reason: `to ${new URL(options.url).host}` };
    this.#lease = claimLease(options.url, options.port);
    const leaseKey = this.#lease.key;
    const link = new ViewerLink({ ...options, leaseKey }, canvas, thread, (event) => this.#receive(event));
    this.#link = link;
    if (this.#box !== null) link.setBox(this.#box);
    link.setArrayStyle(this.#arrayStyle);
    link.setRaw(this.#raw);
    const sticky = remainingSticky(this.#sticky);
    // A refusal was already reported when the value was set.
    if (sticky !== null) link.setReturnData(sticky.body, sticky.ttlMs).catch(() => undefined);
  }

  /** Closes the connection. Settings and return data stay for the next session. Idempotent. */
  close(): void {
    this.#link?.close();
    this.#link = null;
    this.#lease?.release();
    this.#lease = null;
    this.#gatewayState = CONNECTING;
    this.#clearAssignment();
    this.#stats = NO_STATS;
    this.#shownArray = null;
    this.#history.clear();
  }

  pause(paused: boolean): void {
    this.#link?.pause(paused);
  }

  setBox(box: Box): void {
    this.#box = box;
    this.#link?.setBox(box);
  }

  setDelivery(delivery: DeliveryOptions): void {
    this.#link?.setDelivery(delivery);
  }

  /** Sends a command to the current session. It does not apply to later sessions. */
  commandOverlays(command: OverlayCommand): void {
    this.#link?.commandOverlays(command);
  }

  setArrayStyle(style: ArrayStyleTexts): void {
    this.#arrayStyle = style;
    this.#link?.setArrayStyle(style);
  }

  setRaw(raw: boolean): void {
    this.#raw = raw;
    this.#link?.setRaw(raw);
  }

  /** Passes a new canvas to the session, which has requested it by the event `canvas`. */
  setCanvas(canvas: HTMLCanvasElement): void {
    this.#link?.setCanvas(canvas);
  }

  retry(): void {
    this.#link?.retry();
  }

  /** @throws {ReturnRefusedError} */
  async setReturnData(value: Returnable | undefined, options: { ttlMs?: number; urgent?: boolean }): Promise<void> {
    const ttlMs = toTtl(options.ttlMs);
    this.#returnData = value;
    const converted = value === undefined || value === null ? Promise.resolve(null) : toReturnBody(value);
    const before = this.#setting;
    this.#setting = converted.catch(() => undefined);
    if (options.urgent === true) this.#urgentCount += 1;
    const urgentCount = this.#urgentCount;
    if (options.urgent !== true) await before;
    // A value without a Python type is rejected here, and changes nothing.
    const body = await converted;
    if (urgentCount !== this.#urgentCount)
      throw new ReturnRefusedError('superseded', 'an urgent value of this viewer has replaced it');
    this.#sticky = createSticky(body, ttlMs);
    await this.#link?.setReturnData(body, ttlMs, options.urgent);
  }

  /** @throws {ReturnRefusedError} */
  async changeControl(action: ControlAction, port: number | null = null): Promise<void> {
    if (this.#link === null) throw new ReturnRefusedError('closed', 'there is no connection to the gateway');
    await this.#link.control(action, port);
  }

  /** @throws {ReturnRefusedError} */
  async send(value: Returnable, options: { ttlMs?: number }): Promise<void> {
    const ttlMs = toTtl(options.ttlMs);
    const body = await toReturnBody(value);
    if (this.#link === null) throw new ReturnRefusedError('closed', 'there is no connection to the gateway');
    await this.#link.send(body, ttlMs);
  }

  async snapshot(format: SnapshotFormat): Promise<Snapshot | null> {
    return (await this.#link?.snapshot(format)) ?? null;
  }

  async inspect<Query extends InspectionQuery>(query: Query): Promise<Inspections[Query['kind']] | null> {
    return (await this.#link?.inspect(query)) ?? null;
  }

  #clearAssignment(): void {
    this.#port = null;
    this.#rights = [];
    this.#spectatorReason = null;
    this.#control = null;
  }

  #setControl({ port, name, requests }: Pick<Controller, 'port' | 'name' | 'requests'>): void {
    const state = port === null ? 'free' : port === this.#port ? 'mine' : 'taken';
    const isRequested = state !== 'mine' && requests.length > 0;
    this.#control = { state, port, name, requests: state === 'mine' ? requests : [], isRequested };
  }

  #receive(event: ViewerLinkEvent): void {
    switch (event.kind) {
      case 'stats':
        this.#stats = event.stats;
        this.#history.add(event.stats);
        break;
      case 'array':
        this.#shownArray = event.shown;
        break;
      case 'open':
        this.#port = event.port;
        this.#rights = event.rights;
        this.#spectatorReason = event.spectatorReason;
        if (event.control !== null) this.#setControl({ ...event.control, requests: [] });
        // A spectator has no key. The stored key may still be valid for the viewer's previous port.
        if (event.leaseKey !== null) this.#lease?.save(event.leaseKey);
        break;
      case 'control':
        this.#setControl(event.controller);
        break;
      case 'state':
        this.#gatewayState = { state: event.state, reason: event.reason };
        break;
      case 'refused':
        this.#clearAssignment();
        // The lease now belongs to the tab that took over. The next attempt gets a port of its own.
        if (event.code === closeCode.takenOver) this.#lease?.save(null);
        break;
      case 'close':
        this.#clearAssignment();
        break;
      case 'canvas':
      case 'frame':
      case 'overlay':
      case 'returned':
        break;
      default:
        event satisfies never;
    }
    this.#onEvent(event);
  }
}
