import { closeCode } from '../../shared/close-code.ts';
import type { ReturnBody } from '../../shared/protocol.ts';
import { claimLease, type StoredLease } from './lease-store.ts';
import { type Returnable, ReturnRefusedError, toReturnBody, toTtl } from '../connection/return-body.ts';
import { type Box, NO_STATS, type SessionOptions, type Snapshot, type SnapshotForm, type ViewerState, type ViewerStats } from './session-messages.ts';
import { StatsHistory } from '../connection/stats-history.ts';
import { type LinkEvent, ViewerLink } from './viewer-link.ts';

/** What the gateway says of the stream, or the session of the way to it. */
export interface GatewayState {
  readonly state: Exclude<ViewerState, 'paused'>;
  readonly reason: string;
}

const CONNECTING: GatewayState = { state: 'connecting', reason: '' };

/** What a viewer knows and has asked for, over the sessions that come and go: seat, return data, figures. Draws nothing. */
export class ViewerModel {
  readonly #heard: (event: LinkEvent) => void;
  readonly #history = new StatsHistory<ViewerStats>();
  #link: ViewerLink | null = null;
  #lease: StoredLease | null = null;
  #gatewayState = CONNECTING;
  #port: number | null = null;
  #rights: readonly string[] = [];
  #spectatorReason: string | null = null;
  #stats: ViewerStats = NO_STATS;
  #box: Box | null = null;
  #returnData: Returnable | undefined;
  /** What a new session is given again. */
  #sticky: { readonly body: ReturnBody; readonly expiresAtMs: number } | null = null;
  /** So that values are set in the order of the calls, also where a Blob has to be read first. */
  #setting: Promise<unknown> = Promise.resolve();

  /** @param heard called behind each change that an event brings. */
  constructor(heard: (event: LinkEvent) => void) {
    this.#heard = heard;
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

  get stats(): ViewerStats {
    return this.#stats;
  }

  get history(): readonly ViewerStats[] {
    return this.#history.readings;
  }

  get place(): 'worker' | 'main' | null {
    return this.#link?.place ?? null;
  }

  get returnData(): Returnable | undefined {
    return this.#returnData;
  }

  /** @param canvas fresh: no context yet, and not transferred. */
  open(options: Omit<SessionOptions, 'leaseKey'>, canvas: HTMLCanvasElement, place: 'worker' | 'main'): void {
    this.close();
    this.#gatewayState = { state: 'connecting', reason: `to ${new URL(options.url).host}` };
    this.#lease = claimLease(options.url, options.port);
    const link = new ViewerLink({ ...options, leaseKey: this.#lease.key }, canvas, place, (event) => this.#receive(event));
    this.#link = link;
    if (this.#box !== null) link.show(this.#box);
    const leftMs = this.#sticky === null ? 0 : this.#sticky.expiresAtMs - performance.now();
    if (this.#sticky === null || leftMs < 1) return;
    // Who set it was told when it was refused.
    link.setReturnData(this.#sticky.body, leftMs === Infinity ? null : leftMs).catch(() => undefined);
  }

  /** Leaves. What was asked for stays, for the next session. Idempotent. */
  close(): void {
    this.#link?.close();
    this.#link = null;
    this.#lease?.release();
    this.#lease = null;
    this.#gatewayState = CONNECTING;
    this.#unseat();
    this.#stats = NO_STATS;
    this.#history.clear();
  }

  pause(paused: boolean): void {
    this.#link?.pause(paused);
  }

  show(box: Box): void {
    this.#box = box;
    this.#link?.show(box);
  }

  retry(): void {
    this.#link?.retry();
  }

  /** @throws {ReturnRefusedError} */
  async setReturnData(value: Returnable | undefined, options: { ttlMs?: number }): Promise<void> {
    const ttlMs = toTtl(options.ttlMs);
    this.#returnData = value;
    const converted = value === undefined || value === null ? Promise.resolve(null) : toReturnBody(value);
    const before = this.#setting;
    this.#setting = converted.catch(() => undefined);
    await before;
    // What has no Python type changes nothing.
    const body = await converted;
    this.#sticky = body === null ? null : { body, expiresAtMs: ttlMs === null ? Infinity : performance.now() + ttlMs };
    await this.#link?.setReturnData(body, ttlMs);
  }

  /** @throws {ReturnRefusedError} */
  async send(value: Returnable, options: { ttlMs?: number }): Promise<void> {
    const ttlMs = toTtl(options.ttlMs);
    const body = await toReturnBody(value);
    if (this.#link === null) throw new ReturnRefusedError('closed', 'there is no connection to the gateway');
    await this.#link.send(body, ttlMs);
  }

  async snapshot(form: SnapshotForm): Promise<Snapshot | null> {
    return (await this.#link?.snapshot(form)) ?? null;
  }

  #unseat(): void {
    this.#port = null;
    this.#rights = [];
    this.#spectatorReason = null;
  }

  #receive(event: LinkEvent): void {
    switch (event.kind) {
      case 'stats':
        this.#stats = event.stats;
        this.#history.add(event.stats);
        break;
      case 'open':
        this.#port = event.port;
        this.#rights = event.rights;
        this.#spectatorReason = event.spectatorReason;
        // A spectator has no key: the one that is kept may still be good for the port that it had.
        if (event.leaseKey !== null) this.#lease?.save(event.leaseKey);
        break;
      case 'state':
        this.#gatewayState = { state: event.state, reason: event.reason };
        break;
      case 'refused':
        this.#unseat();
        // The key went to the tab that took over: the next attempt is for a port of its own.
        if (event.code === closeCode.takenOver) this.#lease?.save(null);
        break;
      case 'close':
        this.#unseat();
        break;
      case 'frame':
      case 'returned':
        break;
      default:
        event satisfies never;
    }
    this.#heard(event);
  }
}
