import { LitElement, html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { type Fit, FITS } from './fit.ts';
import { type Returnable, ReturnRefusedError } from '../connection/return-body.ts';
import type { Snapshot, SnapshotForm, ViewerState, ViewerStats } from './session-messages.ts';
import { GearwayCloseEvent, GearwayFrameEvent, GearwayOpenEvent, GearwayRefusedEvent, GearwayReturnRefusedEvent, GearwayStateEvent } from './viewer-events.ts';
import type { ViewerExtras } from './ui/viewer-extras.ts';
import type { LinkEvent } from './viewer-link.ts';
import { ViewerModel } from './viewer-model.ts';
import { viewerStyles } from './ui/viewer-styles.ts';

export type { NDArray } from '../../shared/ndarray.ts';
export type { Value } from '../../shared/protocol.ts';
export type { Fit } from './fit.ts';
export { type Returnable, ReturnRefusedError, type ShapedArray, type TypedArray } from '../connection/return-body.ts';
export type { Snapshot, ViewerState, ViewerStats } from './session-messages.ts';
export * from './viewer-events.ts';

const STATES: readonly ViewerState[] = ['connecting', 'waiting', 'live', 'paused', 'stale', 'ended', 'refused'];

/** Properties that ask for another session. */
const RESTARTING = ['src', 'requestedPort', 'spectate', 'noWorker', 'token'] as const;

/** Longest name that the gateway takes. */
const MAX_NAME = 64;

/** A picture in these states is not what the camera sees now. */
const DIMMED: ReadonlySet<ViewerState> = new Set(['connecting', 'waiting', 'stale', 'ended', 'refused']);

const WORDS: Readonly<Record<ViewerState, string>> = {
  connecting: 'Connecting',
  waiting: 'Waiting',
  live: 'Live',
  paused: 'Paused',
  stale: 'Stale',
  ended: 'Ended',
  refused: 'Refused',
};

/**
 * Shows a NetGear stream of a Gearway gateway, and returns data to its server.
 *
 * @summary A live picture with the data that came with it, and a way back.
 * @attr {string} src - the stream's address, `http://HOST:PORT/streams/NAME`
 * @attr {number} requested-port - the port wanted; any free one otherwise
 * @attr {boolean} spectate - watch without a port, and return nothing
 * @attr {boolean} no-worker - decode and draw on the main thread
 * @attr {string} name - shown to people in the gateway's list of clients
 * @attr {string} poster - address of a picture that is shown before the first frame
 * @attr {boolean} controls - a bar with pause, snapshot, statistics, rotation, mirror, fit and full screen; zoom and pan by wheel, pinch, drag and keys
 * @attr {boolean} show-stats - figures over the picture
 * @attr {'contain' | 'cover' | 'none'} fit - how the picture lies in the element's box; `contain` by default
 * @attr {number} rotate - clockwise, 0, 90, 180 or 270 degrees
 * @attr {boolean} mirror - left and right changed
 * @fires {GearwayOpenEvent} gearway-open - connected, with the port or without one
 * @fires {GearwayFrameEvent} gearway-frame - once per drawn frame
 * @fires {GearwayStateEvent} gearway-state - the state or its reason has changed
 * @fires {GearwayRefusedEvent} gearway-refused - the gateway does not want this viewer
 * @fires {GearwayReturnRefusedEvent} gearway-return-refused - a value of the property `returnData` was not accepted
 * @fires {GearwayCloseEvent} gearway-close - the connection has ended
 * @slot - lies over the picture, in its box
 * @slot connecting - shown instead of our notice while the gateway is being reached
 * @slot waiting - … before the first frame
 * @slot live - … while frames come (there is no notice of ours)
 * @slot paused - … while paused
 * @slot stale - … while the source is silent
 * @slot ended - … when the source has ended
 * @slot refused - … when the gateway refused the viewer
 * @slot poster - shown before the first frame, instead of the attribute's picture
 * @csspart stage - the box around everything
 * @csspart picture - the box around the canvas
 * @csspart poster - the poster's picture
 * @csspart status - the chip with state and delay
 * @csspart age - how old the picture is, while it is not live
 * @csspart notice - what is shown instead of a live picture
 * @csspart action - the button in a notice
 * @csspart controls - the bar
 * @csspart button - a button of the bar
 * @csspart stats - the figures
 * @cssproperty [--gearway-stage=#05070a] - colour behind the picture
 * @cssproperty [--gearway-accent=#4db8ff] - colour of buttons that are on, plots and focus
 * @cssproperty [--gearway-on-accent=#04121d] - text on the accent
 * @cssproperty [--gearway-font] - font of chip, notices and bar
 * @cssstate connecting
 * @cssstate waiting
 * @cssstate live
 * @cssstate paused
 * @cssstate stale
 * @cssstate ended
 * @cssstate refused
 * @cssstate spectator - connected without a port
 */
export class GearwayViewer extends LitElement {
  static override styles = viewerStyles;

  static override properties = {
    src: { type: String },
    requestedPort: { type: Number, attribute: 'requested-port' },
    spectate: { type: Boolean },
    noWorker: { type: Boolean, attribute: 'no-worker' },
    name: { type: String },
    poster: { type: String },
    controls: { type: Boolean },
    showStats: { type: Boolean, attribute: 'show-stats' },
    fit: { type: String },
    rotate: { type: Number },
    mirror: { type: Boolean },
    token: { attribute: false },
    _state: { state: true },
    _chip: { state: true },
    _age: { state: true },
    _extras: { state: true },
  };

  declare src: string;
  declare requestedPort: number | null;
  declare spectate: boolean;
  declare noWorker: boolean;
  declare name: string;
  declare poster: string | null;
  declare controls: boolean;
  declare showStats: boolean;
  declare fit: Fit;
  declare rotate: number;
  declare mirror: boolean;
  /** Where the gateway asks for one. A property only: an attribute would stand in the page's text. */
  declare token: string | null;
  /** @internal */
  declare _state: { state: ViewerState; reason: string };
  /** @internal */
  declare _chip: string;
  /** @internal */
  declare _age: string;
  /** @internal Bar and statistics, once they are loaded. */
  declare _extras: ViewerExtras | null;

  readonly #internals = this.attachInternals();
  readonly #model = new ViewerModel((event) => this.#heard(event));
  #isVisible = true;
  #isPausedByUser = false;
  #hasPicture = false;
  #pictureAtMs = 0;
  #isLoadingExtras = false;
  #observer: IntersectionObserver | null = null;
  #sizeObserver: ResizeObserver | null = null;
  #ageTimer: ReturnType<typeof setInterval> | null = null;

  constructor() {
    super();
    this.src = '';
    this.requestedPort = null;
    this.spectate = false;
    this.noWorker = false;
    this.name = '';
    this.poster = null;
    this.controls = false;
    this.showStats = false;
    this.fit = 'contain';
    this.rotate = 0;
    this.mirror = false;
    this.token = null;
    this._state = { state: 'connecting', reason: '' };
    this._chip = '';
    this._age = '';
    this._extras = null;
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
    return this.#model.port;
  }

  /** What this viewer may do: `view`, `return`, `administer`. Empty before it is connected. */
  get rights(): readonly string[] {
    return this.#model.rights;
  }

  /** Why a viewer that wanted a port watches without one; null otherwise. */
  get spectatorReason(): string | null {
    return this.#model.spectatorReason;
  }

  /** Figures, refreshed twice a second. */
  get stats(): ViewerStats {
    return this.#model.stats;
  }

  /** The figures of the last minute, oldest first. */
  get statsHistory(): readonly ViewerStats[] {
    return this.#model.history;
  }

  /** Where decoding and drawing happen; null before that is known. */
  get place(): 'worker' | 'main' | null {
    return this.#model.place;
  }

  /**
   * Sticky return data: counts until it is replaced or the connection ends, and is set again on reconnecting. null or
   * undefined clears it. A refusal is told by the event `gearway-return-refused`.
   */
  get returnData(): Returnable | undefined {
    return this.#model.returnData;
  }

  set returnData(value: Returnable | undefined) {
    this.setReturnData(value).catch((error: unknown) => {
      if (error instanceof ReturnRefusedError) this.dispatchEvent(new GearwayReturnRefusedEvent(error.code, error.message));
    });
  }

  /**
   * As the property `returnData`, with an answer: resolves when the gateway has it, or at once where there is no
   * connection, which gets it when it is made.
   *
   * @param options `ttlMs`: the value ends by itself after so long, unless it is set again; 1 ms to a day.
   * @throws {ReturnRefusedError} with the refusal's code.
   */
  setReturnData(value: Returnable | undefined, options: { ttlMs?: number } = {}): Promise<void> {
    return this.#model.setReturnData(value, options);
  }

  /**
   * Returns a value once, in order. Resolves when the gateway has it.
   *
   * @param options `ttlMs`: thrown away when the server has not taken it by then; 1 ms to a day.
   * @throws {ReturnRefusedError} with the refusal's code; `closed` where there is no connection.
   */
  send(value: Returnable, options: { ttlMs?: number } = {}): Promise<void> {
    return this.#model.send(value, options);
  }

  /**
   * The picture that is drawn now, with the message that came with it; null before the first frame.
   *
   * @param form `png` (the default), or `received`: the very bytes that came, a JPEG or raw samples.
   */
  snapshot(form: SnapshotForm = 'png'): Promise<Snapshot | null> {
    return this.#model.snapshot(form);
  }

  /** Whether `pause()` was called, and `resume()` not yet. */
  get paused(): boolean {
    return this.#isPausedByUser;
  }

  /** Stops the flow until `resume()`; port and return data stay. */
  pause(): void {
    this.#isPausedByUser = true;
    this.#onVisibility();
  }

  resume(): void {
    this.#isPausedByUser = false;
    this.#onVisibility();
  }

  /** Leaves, and connects again: after a refusal, or to try for a port. */
  reconnect(): void {
    this.#close();
    if (this.isConnected) this.#open();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener('visibilitychange', this.#onVisibility);
    document.addEventListener('fullscreenchange', this.#onFullscreen);
    window.addEventListener('online', this.#onOnline);
    this.#observer = new IntersectionObserver((entries) => {
      this.#isVisible = entries.at(-1)?.isIntersecting ?? true;
      this.#onVisibility();
    });
    this.#observer.observe(this);
    this.#sizeObserver = new ResizeObserver(() => this.#showBox());
    this.#sizeObserver.observe(this);
    if (this.hasUpdated) this.#open();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener('visibilitychange', this.#onVisibility);
    document.removeEventListener('fullscreenchange', this.#onFullscreen);
    window.removeEventListener('online', this.#onOnline);
    this.#observer?.disconnect();
    this.#sizeObserver?.disconnect();
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
    if (this.isConnected && RESTARTING.some((key) => changed.get(key) !== undefined)) this.reconnect();
    if (this.controls || this.showStats) this.#loadExtras();
    this._extras?.update();
    const picture = this.#picture();
    const turn = ((Math.round((this.rotate || 0) / 90) % 4) + 4) % 4;
    picture?.style.setProperty('--fit', FITS.includes(this.fit) ? this.fit : 'contain');
    picture?.style.setProperty('--rotation', `${turn * 90}deg`);
    picture?.style.setProperty('--mirror', this.mirror ? '-1' : '1');
    picture?.classList.toggle('quarter', turn % 2 === 1);
    this.#showBox();
  }

  /** Tells the session how large the picture is shown, so that it decodes no more than that. */
  #showBox(): void {
    const factor = devicePixelRatio * (this._extras?.zoom ?? 1);
    const [width, height] = this.#picture()?.classList.contains('quarter') === true ? [this.clientHeight, this.clientWidth] : [this.clientWidth, this.clientHeight];
    // One to one is every pixel, and a box without a size is not laid out yet.
    if (this.fit === 'none' || width === 0) this.#model.show({ width: Infinity, height: Infinity, covers: true });
    else this.#model.show({ width: width * factor, height: height * factor, covers: this.fit === 'cover' });
  }

  protected override render(): TemplateResult {
    const { state, reason } = this._state;
    const { controls } = this;
    return html`
      <div
        part="stage"
        class=${`stage ${this.#hasPicture && DIMMED.has(state) ? 'dim' : ''} ${state === 'paused' ? 'calls' : ''}`}
        tabindex=${controls ? '0' : nothing}
        role=${controls ? 'group' : nothing}
        aria-label=${controls ? `Live picture of ${this.#streamName()}` : nothing}
        @keydown=${controls ? this.#onKey : nothing}
      >
        <div part="picture" class="picture"></div>
        ${this.#hasPicture ? nothing : html`<div class="poster"><slot name="poster">${this.poster ? html`<img part="poster" alt="" src=${this.poster} />` : nothing}</slot></div>`}
        <div class="overlay"><slot></slot></div>
        <div part="notice" class="notice"><slot name=${state}>${this.#notice()}</slot></div>
        <div part="status" class="chip">
          <span class=${`dot ${state}`}></span><span>${WORDS[state]}</span>
          ${this._chip === '' ? nothing : html`<span class="figure">${this._chip}</span>`}
          ${this._age === '' ? nothing : html`<span part="age">${this._age}</span>`}
          ${this.#hasPicture && DIMMED.has(state) && reason !== '' ? html`<span class="why">${reason}</span>` : nothing}
          ${this.spectatorReason === null ? nothing : html`<span title=${this.spectatorReason}>Watching only</span>`}
        </div>
        ${this._extras?.render() ?? nothing}
        <div class="announcement" role="status">${this.#announcement()}</div>
      </div>
    `;
  }

  #notice(): TemplateResult | typeof nothing {
    const { state, reason } = this._state;
    if (state === 'live' || (this.#hasPicture && state !== 'refused' && state !== 'ended')) return nothing;
    return html`<strong>${WORDS[state]}</strong>${reason === '' ? nothing : html`<span>${reason}</span>`}
      ${state === 'refused' ? html`<button part="action" type="button" @click=${() => this.reconnect()}>Try again</button>` : nothing}`;
  }

  #announcement(): string {
    const { state, reason } = this._state;
    return [`${WORDS[state]}${reason === '' ? '' : `: ${reason}`}`, ...(this.spectatorReason === null ? [] : [`Watching only: ${this.spectatorReason}`])].join('. ');
  }

  /** Loads the extras once, when they are to be shown. */
  #loadExtras(): void {
    const picture = this.#picture();
    if (this.#isLoadingExtras || picture === null) return;
    this.#isLoadingExtras = true;
    import('./ui/viewer-extras.ts').then(
      ({ extraStyles, ViewerExtras }) => {
        if (extraStyles.styleSheet !== undefined) this.shadowRoot?.adoptedStyleSheets.push(extraStyles.styleSheet);
        this._extras = new ViewerExtras(this, picture, () => {
          this.#showBox();
          this.requestUpdate();
        });
      },
      // The picture does without. Said where a developer looks.
      (error: unknown) => console.error('gearway-viewer: bar and statistics could not be loaded', error),
    );
  }

  readonly #onKey = (event: KeyboardEvent): void => this._extras?.keydown(event);

  readonly #onFullscreen = (): void => this.requestUpdate();

  readonly #onVisibility = (): void => {
    const paused = this.#shouldPause();
    this.#model.pause(paused);
    if (!paused) this.#model.retry();
    this.#showState();
  };

  readonly #onOnline = (): void => this.#model.retry();

  #picture(): HTMLElement | null {
    return this.renderRoot.querySelector<HTMLElement>('.picture');
  }

  /** The stream's; null when `src` is none. */
  #address(): URL | null {
    return this.src && URL.canParse(this.src, document.baseURI) ? new URL(this.src, document.baseURI) : null;
  }

  #streamName(): string {
    return this.#address()?.pathname.split('/').filter(Boolean).at(-1) ?? 'stream';
  }

  #shouldPause(): boolean {
    return this.#isPausedByUser || document.hidden || !this.#isVisible;
  }

  #open(): void {
    if (this.#model.isOpen) return;
    this.#hasPicture = false;
    const address = this.#address();
    if (address !== null) this.#openSession(address);
    this.#showState();
  }

  #openSession(stream: URL): void {
    const url = new URL(`${stream.pathname.replace(/\/$/, '')}/ws`, stream);
    url.protocol = stream.protocol === 'https:' ? 'wss:' : 'ws:';
    // A canvas can be handed to a worker once: each session gets its own.
    const canvas = document.createElement('canvas');
    canvas.width = 16;
    canvas.height = 9;
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', `Live picture of ${this.#streamName()}`);
    this.#picture()?.replaceChildren(canvas);
    this.#ageTimer = setInterval(() => this.#showFigures(), 500);
    const { requestedPort: port, spectate, token } = this;
    const name = this.name.slice(0, MAX_NAME);
    this.#model.open({ url: url.href, port, spectate, token, name, paused: this.#shouldPause() }, canvas, this.noWorker ? 'main' : 'worker');
  }

  #close(): void {
    this.#model.close();
    this.#internals.states.delete('spectator');
    if (this.#ageTimer !== null) clearInterval(this.#ageTimer);
  }

  #heard(event: LinkEvent): void {
    switch (event.kind) {
      case 'frame': {
        const { sequence, width, height, message, ageMs, capturedAtMs } = event;
        this.#pictureAtMs = performance.now() - (ageMs ?? 0);
        if (!this.#hasPicture) {
          this.#hasPicture = true;
          this.#showFigures();
          this.requestUpdate();
        }
        this.dispatchEvent(new GearwayFrameEvent({ sequence, width, height, message, ageMs, capturedAtMs }));
        return;
      }
      case 'stats':
        if (this.showStats) this.requestUpdate();
        return;
      case 'open': {
        const { port, rights, spectatorReason } = event;
        if (port === null) this.#internals.states.add('spectator');
        this.requestUpdate();
        this.dispatchEvent(new GearwayOpenEvent({ port, rights, spectatorReason }));
        return;
      }
      case 'state':
        this.#showState();
        return;
      case 'returned':
        if (!event.accepted) this.dispatchEvent(new GearwayReturnRefusedEvent(event.code, event.reason));
        return;
      case 'refused':
        this.dispatchEvent(new GearwayRefusedEvent(event.code, event.reason));
        return;
      case 'close':
        this.#internals.states.delete('spectator');
        this.requestUpdate();
        this.dispatchEvent(new GearwayCloseEvent(event.code, event.reason));
        return;
      default:
        event satisfies never;
    }
  }

  #showState(): void {
    const problem = this.src ? `src is ${JSON.stringify(this.src)}, expected the address of a stream` : 'no src is set';
    const gateway = this.#address() === null ? { state: this.src ? ('refused' as const) : ('connecting' as const), reason: problem } : this.#model.gatewayState;
    const isPaused = this.#isPausedByUser ? gateway.state === 'live' || gateway.state === 'stale' : gateway.state === 'live' && this.#shouldPause();
    const next = isPaused ? { state: 'paused' as const, reason: this.#isPausedByUser ? 'paused here' : 'out of sight' } : gateway;
    if (next.state === this._state.state && next.reason === this._state.reason) {
      this.requestUpdate();
      return;
    }
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
    const { delayMs } = this.stats;
    this._chip = state === 'live' && delayMs !== null ? `${Math.max(0, Math.round(delayMs))} ms` : '';
    const isOld = this.#hasPicture && (DIMMED.has(state) || state === 'paused');
    this._age = isOld ? `${formatAge((performance.now() - this.#pictureAtMs) / 1000)} old` : '';
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
