import { LitElement, html, type PropertyValues, type TemplateResult } from 'lit';
import { loadLease, saveLease } from './lease-store.ts';
import { type Returnable, toReturnBody } from './return-body.ts';
import { openSession, type SessionHandle } from './session-host.ts';
import { NO_STATS, type SessionCommand, type SessionEvent, type Snapshot, type ViewerState, type ViewerStats } from './session-messages.ts';
import { GearwayCloseEvent, GearwayFrameEvent, GearwayOpenEvent, GearwayRefusedEvent, GearwayStateEvent } from './viewer-events.ts';
import { viewerStyles } from './viewer-styles.ts';

const STATES: readonly ViewerState[] = ['connecting', 'waiting', 'live', 'paused', 'stale', 'ended', 'refused'];

/** Properties that ask for another session. */
const RESTARTING = ['src', 'requestedPort', 'spectate', 'noWorker', 'token'] as const;

const WORDS: Readonly<Record<ViewerState, string>> = {
  connecting: 'Connecting',
  waiting: 'Waiting',
  live: 'Live',
  paused: 'Paused',
  stale: 'Stale',
  ended: 'Ended',
  refused: 'Refused',
};

/** `send()` was not accepted; `code` is the gateway's, or `closed` when the connection went first. */
export class ReturnRefusedError extends Error {
  readonly code: string;

  constructor(code: string, reason: string) {
    super(reason === '' ? code : reason);
    this.name = 'ReturnRefusedError';
    this.code = code;
  }
}

/**
 * Shows a NetGear stream of a Gearway gateway, and returns data to its server.
 *
 * @summary A live picture with the data that came with it, and a way back.
 * @attr {string} src - the stream's address, `http://HOST:PORT/streams/NAME`
 * @attr {number} requested-port - the port wanted; any free one otherwise
 * @attr {boolean} spectate - watch without a port, and return nothing
 * @attr {boolean} no-worker - decode and draw on the main thread
 * @fires {GearwayOpenEvent} gearway-open
 * @fires {GearwayFrameEvent} gearway-frame - once per drawn frame
 * @fires {GearwayStateEvent} gearway-state
 * @fires {GearwayRefusedEvent} gearway-refused
 * @fires {GearwayCloseEvent} gearway-close
 * @csspart stage - the box around the picture
 * @csspart status - the chip with state and delay
 * @csspart notice - what is shown instead of a live picture
 * @cssproperty --gearway-stage - colour behind the picture
 * @cssproperty --gearway-font - font of chip and notice
 */
export class GearwayViewer extends LitElement {
  static override styles = viewerStyles;

  static override properties = {
    src: { type: String },
    requestedPort: { type: Number, attribute: 'requested-port' },
    spectate: { type: Boolean },
    noWorker: { type: Boolean, attribute: 'no-worker' },
    token: { attribute: false },
    _state: { state: true },
    _chip: { state: true },
    _age: { state: true },
  };

  declare src: string;
  declare requestedPort: number | null;
  declare spectate: boolean;
  declare noWorker: boolean;
  /** Where the gateway asks for one. A property only: an attribute would stand in the page's text. */
  declare token: string | null;
  /** @internal */
  declare _state: { state: ViewerState; reason: string };
  /** @internal */
  declare _chip: string;
  /** @internal */
  declare _age: string;

  readonly #internals = this.attachInternals();
  #session: SessionHandle | null = null;
  #commands: SessionCommand[] = [];
  /** Rises with every session, so that what a former one still says is not heard. */
  #generation = 0;
  #gatewayState: { state: Exclude<ViewerState, 'paused'>; reason: string } = { state: 'connecting', reason: '' };
  #port: number | null = null;
  #stats: ViewerStats = NO_STATS;
  #returnData: Returnable | undefined;
  #returns: Promise<void> = Promise.resolve();
  #nextId = 1;
  readonly #sends = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  readonly #snapshots = new Map<number, (snapshot: Snapshot | null) => void>();
  #isVisible = true;
  #hasPicture = false;
  #pictureAtMs = 0;
  #observer: IntersectionObserver | null = null;
  #ageTimer: ReturnType<typeof setInterval> | null = null;

  constructor() {
    super();
    this.src = '';
    this.requestedPort = null;
    this.spectate = false;
    this.noWorker = false;
    this.token = null;
    this._state = { state: 'connecting', reason: '' };
    this._chip = '';
    this._age = '';
  }

  get state(): ViewerState {
    return this._state.state;
  }

  /** Why the viewer is in this state, as a sentence. */
  get reason(): string {
    return this._state.reason;
  }

  /** This viewer's identity in the stream; null before it is connected, and for a spectator. */
  get port(): number | null {
    return this.#port;
  }

  /** Figures, refreshed twice a second. */
  get stats(): ViewerStats {
    return this.#stats;
  }

  /** Where decoding and drawing happen; null before the first session. */
  get place(): 'worker' | 'main' | null {
    return this.#session?.place ?? null;
  }

  /** Sticky return data: counts until it is replaced or the connection ends, and is set again on reconnecting. null or undefined clears it. */
  get returnData(): Returnable | undefined {
    return this.#returnData;
  }

  set returnData(value: Returnable | undefined) {
    this.#returnData = value;
    // In the order of the calls, also where a Blob has to be read first.
    this.#returns = this.#returns.then(async () => {
      const body = value === undefined || value === null ? null : await toReturnBody(value);
      if (this.#returnData === value) this.#command({ kind: 'return-data', body });
    });
  }

  /**
   * Returns a value once, in order. Resolves when the gateway has it.
   *
   * @throws {ReturnRefusedError}
   */
  async send(value: Returnable, options: { ttlMs?: number } = {}): Promise<void> {
    const body = await toReturnBody(value);
    if (this.#session === null) throw new ReturnRefusedError('closed', 'there is no connection to the gateway');
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#sends.set(id, { resolve, reject });
      this.#command({ kind: 'send', id, body, ttlMs: options.ttlMs ?? null });
    });
  }

  /** The picture as it is drawn now, with the message that came with it; null before the first frame. */
  snapshot(): Promise<Snapshot | null> {
    if (this.#session === null) return Promise.resolve(null);
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve) => {
      this.#snapshots.set(id, resolve);
      this.#command({ kind: 'snapshot', id });
    });
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener('visibilitychange', this.#onVisibility);
    window.addEventListener('online', this.#onOnline);
    this.#observer = new IntersectionObserver((entries) => {
      this.#isVisible = entries.at(-1)?.isIntersecting ?? true;
      this.#onVisibility();
    });
    this.#observer.observe(this);
    if (this.hasUpdated) this.#open();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener('visibilitychange', this.#onVisibility);
    window.removeEventListener('online', this.#onOnline);
    this.#observer?.disconnect();
    // Moved within the page it is back before this runs, and keeps its session.
    queueMicrotask(() => {
      if (!this.isConnected) this.#close();
    });
  }

  protected override firstUpdated(): void {
    this.#open();
  }

  protected override updated(changed: PropertyValues<GearwayViewer>): void {
    // Undefined was before the first update, which opens the session by itself.
    const restart = RESTARTING.some((key) => changed.get(key) !== undefined);
    if (restart && this.isConnected) {
      this.#close();
      this.#open();
    }
  }

  protected override render(): TemplateResult {
    const { state, reason } = this._state;
    const showsNotice = !this.#hasPicture || state === 'refused' || state === 'ended';
    return html`
      <div part="stage" class=${`stage ${state === 'live' || state === 'paused' ? '' : 'dim'}`}>
        <div class="picture"></div>
        <div part="status" class="chip">
          <span class=${`dot ${state}`}></span><span>${WORDS[state]}</span>${this._chip === '' ? '' : html`<span class="figure">${this._chip}</span>`}
        </div>
        ${showsNotice && state !== 'live'
          ? html`<div part="notice" class="notice"><slot name=${state}><strong>${WORDS[state]}</strong>${reason === '' ? '' : html`<span>${reason}</span>`}</slot></div>`
          : ''}
        ${this.#hasPicture && this._age !== '' ? html`<div part="age" class="age">${this._age}</div>` : ''}
        <div class="announcement" role="status">${WORDS[state]}${reason === '' ? '' : `: ${reason}`}</div>
      </div>
    `;
  }

  readonly #onVisibility = (): void => {
    this.#command({ kind: 'paused', paused: this.#shouldPause() });
    this.#showState();
  };

  readonly #onOnline = (): void => this.#command({ kind: 'online' });

  #shouldPause(): boolean {
    return document.hidden || !this.#isVisible;
  }

  #open(): void {
    if (this.#session !== null || this.src === '') return;
    const generation = this.#generation;
    const stream = new URL(this.src, document.baseURI);
    const url = new URL(`${stream.pathname.replace(/\/$/, '')}/ws`, stream);
    url.protocol = stream.protocol === 'https:' ? 'wss:' : 'ws:';
    // A canvas can be handed to a worker once: each session gets its own.
    const canvas = document.createElement('canvas');
    canvas.width = 16;
    canvas.height = 9;
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', `Live picture of ${stream.pathname.split('/').filter(Boolean).at(-1) ?? 'the stream'}`);
    this.renderRoot.querySelector('.picture')?.replaceChildren(canvas);
    const port = this.requestedPort;
    this.#hasPicture = false;
    this.#gatewayState = { state: 'connecting', reason: '' };
    this.#showState();
    this.#ageTimer = setInterval(() => this.#showFigures(), 500);
    const options = {
      url: url.href,
      port,
      spectate: this.spectate,
      token: this.token,
      leaseKey: loadLease(url.href, port),
      name: this.getAttribute('name') ?? '',
      paused: this.#shouldPause(),
    };
    const emit = (event: SessionEvent): void => {
      if (generation === this.#generation) this.#heard(event, url.href, port);
    };
    void openSession(options, canvas, emit, this.noWorker ? 'main' : 'worker').then((session) => {
      if (generation !== this.#generation) {
        session.command({ kind: 'close' });
        return;
      }
      this.#session = session;
      for (const command of this.#commands.splice(0)) session.command(command);
      this.#command({ kind: 'paused', paused: this.#shouldPause() });
      // On a new session the sticky value is set again; what was sent before it is in #commands.
      if (this.#returnData !== undefined) this.returnData = this.#returnData;
    });
  }

  #close(): void {
    this.#generation += 1;
    this.#session?.command({ kind: 'close' });
    this.#session = null;
    this.#commands = [];
    this.#port = null;
    this.#stats = NO_STATS;
    if (this.#ageTimer !== null) clearInterval(this.#ageTimer);
    for (const { reject } of this.#sends.values()) reject(new ReturnRefusedError('closed', 'the viewer was closed'));
    this.#sends.clear();
    for (const resolve of this.#snapshots.values()) resolve(null);
    this.#snapshots.clear();
  }

  #command(command: SessionCommand): void {
    if (this.#session !== null) this.#session.command(command);
    else if (command.kind === 'return-data') this.#commands = [command];
  }

  #heard(event: SessionEvent, url: string, requestedPort: number | null): void {
    switch (event.kind) {
      case 'frame': {
        const { sequence, width, height, message, receivedAgoMs } = event;
        this.#pictureAtMs = performance.now() - (receivedAgoMs ?? 0);
        if (!this.#hasPicture) {
          this.#hasPicture = true;
          this.requestUpdate();
        }
        this.dispatchEvent(new GearwayFrameEvent({ sequence, width, height, message }));
        return;
      }
      case 'stats':
        this.#stats = event.stats;
        return;
      case 'open':
        this.#port = event.port;
        saveLease(url, requestedPort, event.leaseKey);
        this.dispatchEvent(new GearwayOpenEvent(event.port));
        return;
      case 'state':
        this.#gatewayState = { state: event.state, reason: event.reason };
        this.#showState();
        return;
      case 'sent': {
        const send = this.#sends.get(event.id);
        this.#sends.delete(event.id);
        if (event.accepted) send?.resolve();
        else send?.reject(new ReturnRefusedError(event.code, event.reason));
        return;
      }
      case 'snapshot':
        this.#snapshots.get(event.id)?.(event.snapshot);
        this.#snapshots.delete(event.id);
        return;
      case 'refused':
        this.#port = null;
        this.dispatchEvent(new GearwayRefusedEvent(event.code, event.reason));
        return;
      case 'close':
        this.#port = null;
        this.dispatchEvent(new GearwayCloseEvent(event.code, event.reason));
        return;
      default:
        event satisfies never;
    }
  }

  #showState(): void {
    const gateway = this.#gatewayState;
    const isPaused = gateway.state === 'live' && this.#shouldPause();
    const next = isPaused ? { state: 'paused' as const, reason: 'out of sight' } : gateway;
    if (next.state === this._state.state && next.reason === this._state.reason) return;
    this._state = next;
    for (const state of STATES) {
      if (state === next.state) this.#internals.states.add(state);
      else this.#internals.states.delete(state);
    }
    this.#showFigures();
    this.dispatchEvent(new GearwayStateEvent(next.state, next.reason));
  }

  #showFigures(): void {
    const { state } = this._state;
    const { delayMs } = this.#stats;
    this._chip = state === 'live' && delayMs !== null ? `${Math.max(0, Math.round(delayMs))} ms` : '';
    const isOld = this.#hasPicture && (state === 'stale' || state === 'connecting' || state === 'ended' || state === 'waiting');
    this._age = isOld ? `Picture is ${formatAge((performance.now() - this.#pictureAtMs) / 1000)} old` : '';
  }
}

function formatAge(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

declare global {
  interface HTMLElementTagNameMap {
    'gearway-viewer': GearwayViewer;
  }
}

if (!customElements.get('gearway-viewer')) customElements.define('gearway-viewer', GearwayViewer);
