import { type CSSResult, LitElement, html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import type { ArrayStyleTexts } from '../../shared/arrays/array-style.ts';
import type { PixelArea } from '../../shared/arrays/inspection.ts';
import { MAX_FRAMES_PER_SECOND, QUALITIES, type Quality } from '../../shared/quality.ts';
import { type Returnable, ReturnRefusedError } from '../connection/return-body.ts';
import { clientName, socketUrl, srcProblem, streamName, streamUrl } from '../connection/stream-address.ts';
import { textOf } from '../connection/text-of.ts';
import { BoxController, PageController, RemovalController, StateController } from '../element/controllers.ts';
import type { AreaInspection, DistanceInspection, PixelInspection } from './arrays/inspection-query.ts';
import type { ShownArray } from './arrays/shown-array.ts';
import { type Fit, FITS } from './fit.ts';
import { type Matrix, pictureMatrix, pictureScale, type Point, quarterTurns, WHOLE_VIEW } from './picture-geometry.ts';
import type { OverlayCallback } from './overlays/overlay-commands.ts';
import type { OverlayHost } from './overlays/overlay-host.ts';
import { PictureLayout } from './picture-layout.ts';
import type { ArrayPanels } from './ui/array-panels.ts';
import type { ViewerExtras } from './ui/viewer-extras.ts';
import { viewerStyles } from './ui/viewer-styles.ts';
import {
  GearwayArrayEvent,
  GearwayCloseEvent,
  GearwayControlEvent,
  GearwayFrameEvent,
  GearwayOpenEvent,
  GearwayRefusedEvent,
  GearwayReturnRefusedEvent,
  GearwayStateEvent,
  GearwayViewEvent,
} from './viewer-events.ts';
import { OVERLAYS_SCRIPT, type ViewerLinkEvent } from './viewer-link.ts';
import type {
  DeliveryOptions,
  Snapshot,
  SnapshotFormat,
  ViewerControl,
  ViewerState,
  ViewerStats,
} from './viewer-messages.ts';
import { type GatewayState, ViewerModel } from './viewer-model.ts';
import {
  announcementText,
  controlText,
  formatAge,
  formatLatency,
  SLOW_LINK_LABEL,
  STATE_LABELS,
} from './viewer-text.ts';

export type { NDArray } from '../../shared/ndarray.ts';
export type { Value } from '../../shared/protocol.ts';
export type { ChannelStatistics, PixelArea } from '../../shared/arrays/inspection.ts';
export type { AreaInspection, DistanceInspection, PixelInspection, PointInSpace } from './arrays/inspection-query.ts';
export type { ShownArray } from './arrays/shown-array.ts';
export type { Fit } from './fit.ts';
export type { OverlayCallback, ShownFrame } from './overlays/overlay-commands.ts';
export type { Matrix, Point } from './picture-geometry.ts';
export type { Quality } from '../../shared/quality.ts';
export { type Returnable, ReturnRefusedError, type ShapedArray, type TypedArray } from '../connection/return-body.ts';
export type { ControlRequest, Snapshot, ViewerControl, ViewerState, ViewerStats } from './viewer-messages.ts';
export * from './viewer-events.ts';

/** Properties whose change requires a new session. */
const RESTARTING = ['src', 'requestedPort', 'spectate', 'noWorker', 'token'] as const;

/** Properties that limit the pictures that the gateway sends. */
const DELIVERING = ['quality', 'maxBitrate', 'maxFps'] as const;
const OVERLAY_OPTIONS = ['overlays', 'overlayClasses', 'overlayMinScore', 'overlay'] as const;

/** Properties that set how arrays are shown. */
const ARRAY_STYLE = [
  'range',
  'colormap',
  'invert',
  'noData',
  'nanColor',
  'belowColor',
  'aboveColor',
  'channelOrder',
] as const;

/** Properties that contain text, except `overlays`. */
const TEXTS = [
  'overlayClasses',
  'range',
  'colormap',
  'noData',
  'nanColor',
  'belowColor',
  'aboveColor',
  'channelOrder',
  'unit',
] as const;

/** States in which the picture on screen is not current. */
const DIMMED: ReadonlySet<ViewerState> = new Set(['connecting', 'waiting', 'unsupported', 'stale', 'ended', 'refused']);

/** States whose notice is shown over the last picture, because the picture would otherwise look current. */
const COVERED: ReadonlySet<ViewerState> = new Set(['unsupported', 'refused', 'ended']);

/** Interval between updates of the picture's age. */
const AGE_INTERVAL_MS = 500;

/**
 * Shows a NetGear stream of a Gearway gateway, and returns data to its server.
 *
 * @summary Live video with the messages of each frame, and a return channel.
 * @attr {string} src - address of the stream, `http://HOST:PORT/streams/NAME`
 * @attr {number} requested-port - the port to request; any free port by default
 * @attr {boolean} spectate - watch without a port, and return no data
 * @attr {boolean} no-worker - decode and draw on the main thread
 * @attr {string} name - name shown in the gateway's list of clients
 * @attr {string} poster - address of an image shown before the first frame
 * @attr {boolean} controls - control bar (pause, snapshot, statistics, rotate, mirror, fit, full screen), zoom and pan
 * @attr {boolean} show-stats - show statistics over the picture
 * @attr {'contain' | 'cover' | 'none'} fit - how the picture is scaled to the element's box; `contain` by default
 * @attr {'auto' | 'source' | 'half' | 'quarter'} quality - pictures on a slow link: `auto` (the default) gets smaller
 *   ones as the link requires, `source` only unmodified frames; `half` and `quarter` limit width and height on any link
 * @attr {number} max-bitrate - maximum bit rate in bits per second
 * @attr {number} max-fps - maximum frame rate
 * @attr {number} rotate - clockwise rotation: 0, 90, 180 or 270 degrees
 * @attr {boolean} mirror - mirror the picture horizontally
 * @attr {string} overlays - draw the overlays that messages describe; the value names their key in the message,
 * `overlay` or `detections` by default
 * @attr {string} overlay-classes - names of the classes that are drawn, separated by commas; all by default
 * @attr {number} overlay-min-score - minimum score of the objects that are drawn; 0 by default
 * @attr {string} range - values with the first and the last colour, `400,6000`; `auto`: from the 1st to the 99th
 * percentile; `type`: all values of the type. By default `auto` for arrays of one channel with 16 or more bits,
 * otherwise `type`
 * @attr {string} colormap - colours of arrays with one channel: `gray` (the default), `turbo`, `viridis`, `inferno`,
 * `magma`, `jet`, or a table such as `#000,#f00,#fff`
 * @attr {boolean} invert - reverse the colours
 * @attr {string} no-data - value of pixels without a measurement, which are transparent; `none` if there is none.
 * By default 0 for unsigned 16-bit arrays of one channel
 * @attr {string} nan-color - colour of NaN; transparent by default
 * @attr {string} below-color - colour of values below the range; the first one by default
 * @attr {string} above-color - colour of values above the range; the last one by default
 * @attr {'bgr' | 'rgb'} channel-order - order of the channels in arrays of three and four; `bgr` by default
 * @attr {boolean} raw - get 8-bit arrays unmodified instead of as JPEG
 * @attr {string} unit - unit of the values, shown beside them; `unit` in the message by default
 * @attr {boolean} color-bar - show the colours with their values over the picture
 * @attr {boolean} inspector - show the value under the pointer, statistics of an area and distances, and change the range by
 * dragging
 * @fires {GearwayOpenEvent} gearway-open - connected, with or without a port
 * @fires {GearwayFrameEvent} gearway-frame - once per drawn frame
 * @fires {GearwayStateEvent} gearway-state - the state or its reason has changed
 * @fires {GearwayControlEvent} gearway-control - control of the stream has changed
 * @fires {GearwayArrayEvent} gearway-array - an array is shown with a range, type or style that differs from the
 * previous one
 * @fires {GearwayRefusedEvent} gearway-refused - the gateway refused this viewer
 * @fires {GearwayReturnRefusedEvent} gearway-return-refused - a value of the property `returnData` was refused
 * @fires {GearwayCloseEvent} gearway-close - the connection has ended
 * @fires {GearwayViewEvent} gearway-view - position, size, rotation or zoom of the picture has changed
 * @slot - content over the picture, in the element's box
 * @slot overlay - content on the picture, in a box that covers it exactly and follows fit, zoom, rotation and mirror
 * @slot connecting - replaces the notice while connecting to the gateway
 * @slot waiting - replaces the notice before the first frame
 * @slot live - replaces the notice while frames arrive (none by default)
 * @slot unsupported - replaces the notice while no frame can be shown
 * @slot paused - replaces the notice while paused
 * @slot stale - replaces the notice while the source is silent
 * @slot ended - replaces the notice when the source has ended
 * @slot refused - replaces the notice when the gateway refused the viewer
 * @slot poster - shown before the first frame, instead of the `poster` image
 * @csspart stage - the box around all content
 * @csspart picture - the box around the canvas
 * @csspart overlay - the box on the picture, around the slot `overlay`
 * @csspart poster - the poster image
 * @csspart status - the status chip with state and latency
 * @csspart control - holder of control, in the status chip
 * @csspart age - age of the picture, while it is not live
 * @csspart notice - shown instead of a live picture
 * @csspart action - the button in a notice
 * @csspart controls - the control bar
 * @csspart button - a button of the control bar
 * @csspart stats - the statistics
 * @csspart color-bar - the colours with their values
 * @csspart inspector - the values under the pointer and of an area
 * @cssproperty [--gearway-stage=#05070a] - colour behind the picture
 * @cssproperty [--gearway-accent=#4db8ff] - colour of pressed buttons, plots and focus rings
 * @cssproperty [--gearway-on-accent=#04121d] - text colour on the accent colour
 * @cssproperty [--gearway-font] - font of status chip, notices and control bar
 * @cssstate connecting
 * @cssstate waiting
 * @cssstate live
 * @cssstate unsupported
 * @cssstate paused
 * @cssstate stale
 * @cssstate ended
 * @cssstate refused
 * @cssstate slow - live, but the link to the gateway carries less than the stream
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
    quality: { type: String },
    maxBitrate: { type: Number, attribute: 'max-bitrate' },
    maxFps: { type: Number, attribute: 'max-fps' },
    rotate: { type: Number },
    mirror: { type: Boolean },
    overlays: { type: String },
    overlayClasses: { type: String, attribute: 'overlay-classes' },
    overlayMinScore: { type: Number, attribute: 'overlay-min-score' },
    overlay: { attribute: false },
    range: { type: String },
    colormap: { type: String },
    invert: { type: Boolean },
    noData: { type: String, attribute: 'no-data' },
    nanColor: { type: String, attribute: 'nan-color' },
    belowColor: { type: String, attribute: 'below-color' },
    aboveColor: { type: String, attribute: 'above-color' },
    channelOrder: { type: String, attribute: 'channel-order' },
    raw: { type: Boolean },
    unit: { type: String },
    colorBar: { type: Boolean, attribute: 'color-bar' },
    inspector: { type: Boolean },
    token: { attribute: false },
    _chip: { state: true },
    _age: { state: true },
    _extras: { state: true },
    _arrayPanels: { state: true },
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
  declare quality: Quality;
  /** Bits per second; null for no limit. */
  declare maxBitrate: number | null;
  /** Frames per second; null for no limit. */
  declare maxFps: number | null;
  declare rotate: number;
  declare mirror: boolean;
  declare overlays: string | null;
  declare overlayClasses: string;
  declare overlayMinScore: number;
  /**
   * Draws on each picture, in the task that draws the picture. The arguments are a canvas context, the message, and the
   * frame. One unit of the context is one pixel of the picture. null for none.
   */
  declare overlay: OverlayCallback | null;
  declare range: string;
  declare colormap: string;
  declare invert: boolean;
  declare noData: string;
  declare nanColor: string;
  declare belowColor: string;
  declare aboveColor: string;
  declare channelOrder: 'bgr' | 'rgb';
  declare raw: boolean;
  declare unit: string;
  declare colorBar: boolean;
  declare inspector: boolean;
  /**
   * Access token, if the gateway requires one. There is no attribute, because it would expose the token in the page's
   * markup.
   */
  declare token: string | null;
  /** @internal */
  declare _chip: string;
  /** @internal */
  declare _age: string;
  /** @internal Control bar and statistics, once they are loaded. */
  declare _extras: ViewerExtras | null;
  /** @internal Colour bar and inspector, once they are loaded. */
  declare _arrayPanels: ArrayPanels | null;

  readonly #internals = this.attachInternals();
  readonly #state = new StateController<ViewerState>(this, this.#internals, 'connecting');
  readonly #model = new ViewerModel((event) => this.#onEvent(event));
  readonly #box = new BoxController(this, { onInView: () => this.#updatePause(), onSize: () => this.#updateView() });
  #isPausedByUser = false;
  #layout: PictureLayout | null = null;
  #overlayHost: OverlayHost | null = null;
  #overlayProblem: string | null = null;
  #arrayProblem: string | null = null;
  /** Size of the picture, in its pixels; null before the first frame. */
  #pictureSize: { readonly width: number; readonly height: number } | null = null;
  #pictureAtMs = 0;
  /** The canvas on screen, while another one waits for its first picture. */
  #formerCanvas: HTMLCanvasElement | null = null;
  /** Names of the parts whose code has been requested. */
  readonly #requested = new Set<string>();
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
    this.quality = 'auto';
    this.maxBitrate = null;
    this.maxFps = null;
    this.rotate = 0;
    this.mirror = false;
    this.overlays = null;
    this.overlayClasses = '';
    this.overlayMinScore = 0;
    this.overlay = null;
    this.range = '';
    this.colormap = '';
    this.invert = false;
    this.noData = '';
    this.nanColor = '';
    this.belowColor = '';
    this.aboveColor = '';
    this.channelOrder = 'bgr';
    this.raw = false;
    this.unit = '';
    this.colorBar = false;
    this.inspector = false;
    this.token = null;
    this._chip = '';
    this._age = '';
    this._extras = null;
    this._arrayPanels = null;
    new PageController(this, { onVisibility: () => this.#updatePause(), onOnline: () => this.#model.retry() });
    new RemovalController(this, {
      onRemoved: () => {
        this.#close();
        this.#updateState();
      },
    });
  }

  get state(): ViewerState {
    return this.#state.state;
  }

  /** Reason for the current state, as a sentence. */
  get reason(): string {
    return this.#state.reason;
  }

  /** This viewer's port, its identity in the stream; null before it is connected, and for a spectator. */
  get port(): number | null {
    return this.#model.port;
  }

  /** Rights of this viewer: `watch`, `view`, `return`, `administer`, `publish`. Empty before it is connected. */
  get rights(): readonly string[] {
    return this.#model.rights;
  }

  /** Why a viewer without `spectate` has no port; null otherwise. */
  get spectatorReason(): string | null {
    return this.#model.spectatorReason;
  }

  /**
   * State of control of the stream. Only the holder's return data and the emergency stop of any viewer are accepted.
   * null if control is shared, and before the viewer is connected.
   */
  get control(): ViewerControl | null {
    return this.#model.control;
  }

  /** Statistics, refreshed twice per second. */
  get stats(): ViewerStats {
    return this.#model.stats;
  }

  /** Statistics of the last minute, oldest first. */
  get statsHistory(): readonly ViewerStats[] {
    return this.#model.history;
  }

  /** Thread on which frames are decoded and drawn; null before it is known. */
  get place(): 'worker' | 'main' | null {
    return this.#model.thread;
  }

  /** How the array on screen is shown: type, range and colours; null before the first array, and for JPEG. */
  get shownArray(): ShownArray | null {
    return this.#model.shownArray;
  }

  /**
   * Sticky return data: in effect until it is replaced or the connection ends, and set again after a reconnect. null or
   * undefined clears it. A refusal is reported by the event `gearway-return-refused`.
   */
  get returnData(): Returnable | undefined {
    return this.#model.returnData;
  }

  set returnData(value: Returnable | undefined) {
    this.setReturnData(value).catch((error: unknown) => {
      if (!(error instanceof ReturnRefusedError)) return;
      this.dispatchEvent(new GearwayReturnRefusedEvent(error.code, error.message));
    });
  }

  /**
   * Sets the property `returnData`. Resolves when the gateway has received the value, or immediately without a
   * connection; the value is then sent with the next one.
   *
   * @param options `ttlMs`: time after which the value expires unless it is set again; 1 ms to one day. `urgent`: the
   * value overtakes and discards all pending values of this viewer.
   * @throws {ReturnRefusedError} with the code of the refusal.
   */
  setReturnData(value: Returnable | undefined, options: { ttlMs?: number; urgent?: boolean } = {}): Promise<void> {
    return this.#model.setReturnData(value, options);
  }

  /**
   * Returns a value once, in order. Resolves when the gateway has received it.
   *
   * @param options `ttlMs`: time after which the value is discarded if the server has not received it; 1 ms to one day.
   * @throws {ReturnRefusedError} with the code of the refusal; `closed` without a connection.
   */
  send(value: Returnable, options: { ttlMs?: number } = {}): Promise<void> {
    return this.#model.send(value, options);
  }

  /**
   * Takes control if it is free. Resolves when the gateway has answered.
   *
   * @throws {ReturnRefusedError} `control-taken`, `control-shared`, `no-port`, `too-many`, `cluster-unreachable`,
   * `closed`.
   */
  takeControl(): Promise<void> {
    return this.#model.changeControl('take');
  }

  /**
   * Requests control from its holder, which has 10 s to answer; takes control immediately if it is free. Resolves when
   * the gateway has received the request; the event `gearway-control` reports the result.
   *
   * @throws {ReturnRefusedError} `control-shared`, `no-port`, `too-many`, `cluster-unreachable`, `closed`.
   */
  requestControl(): Promise<void> {
    return this.#model.changeControl('request');
  }

  /**
   * Releases control, which passes to the viewer with the oldest request, if any; or withdraws this viewer's request.
   * Does nothing if the viewer has neither control nor a request.
   *
   * @throws {ReturnRefusedError} `control-shared`, `no-port`, `cluster-unreachable`, `closed`.
   */
  releaseControl(): Promise<void> {
    return this.#model.changeControl('release');
  }

  /**
   * Hands control over to the viewer with this port, even if that viewer has not requested it.
   *
   * @throws {ReturnRefusedError} `no-control` if this viewer has no control, `client-unknown`, `control-shared`,
   * `no-port`, `too-many`, `cluster-unreachable`, `closed`.
   */
  handOverControl(port: number): Promise<void> {
    return this.#model.changeControl('hand-over', port);
  }

  /**
   * Refuses the request of the viewer with this port. Does nothing if the request has ended.
   *
   * @throws {ReturnRefusedError} `no-control` if this viewer has no control, `control-shared`, `no-port`,
   * `cluster-unreachable`, `closed`.
   */
  refuseControl(port: number): Promise<void> {
    return this.#model.changeControl('refuse', port);
  }

  /**
   * The current picture, with its message; null before the first frame.
   *
   * @param format `png` (the default), or `received`: the unmodified bytes, a JPEG or raw samples.
   */
  snapshot(format: SnapshotFormat = 'png'): Promise<Snapshot | null> {
    return this.#model.snapshot(format);
  }

  /** Why part of the current overlay is not drawn, as a sentence; null if everything is. */
  get overlayProblem(): string | null {
    return this.#overlayProblem;
  }

  /**
   * The exact values of a pixel, from the data of the frame on screen. null for a position outside of the picture, and
   * before the first frame.
   */
  inspectPixel(x: number, y: number): Promise<PixelInspection | null> {
    return this.#model.inspect({ kind: 'pixel', x: Math.floor(x), y: Math.floor(y) });
  }

  /** Statistics of a rectangle, in pixels, from the data of the frame on screen. null as for `inspectPixel()`. */
  inspectArea(area: PixelArea): Promise<AreaInspection | null> {
    return this.#model.inspect({ kind: 'area', area });
  }

  /**
   * Distance in metres between the surfaces at two pixels of the frame on screen. It is computed from the depths, their
   * unit (`unit`, or that of the message) and the intrinsics in the message. If there is no distance, `reason` explains
   * why. null before the first frame.
   */
  inspectDistance(from: Point, to: Point): Promise<DistanceInspection | null> {
    const pixel = ({ x, y }: Point): Point => ({ x: Math.floor(x), y: Math.floor(y) });
    return this.#model.inspect({ kind: 'distance', from: pixel(from), to: pixel(to), unit: this.unit });
  }

  /**
   * Position and size of the whole picture in the window, in CSS px; parts of it may be outside of the element. null
   * before the first frame.
   */
  get pictureRect(): DOMRect | null {
    return this.#layout?.clientRect ?? null;
  }

  /**
   * Converts a position in the window, such as that of a pointer event, to a position in the picture, in its pixels
   * from its top left corner. Outside of the picture, the result is negative or beyond the picture's size. null before
   * the first frame.
   */
  toPicture(clientX: number, clientY: number): Point | null {
    return this.#layout?.toPicture({ x: clientX, y: clientY }) ?? null;
  }

  /** Converts a position in the picture to a position in the window, in CSS px. null before the first frame. */
  toClient(x: number, y: number): Point | null {
    return this.#layout?.toClient({ x, y }) ?? null;
  }

  /** Whether the viewer was paused by `pause()`. */
  get paused(): boolean {
    return this.#isPausedByUser;
  }

  /** Stops the flow of frames until `resume()`. The port and the return data are kept. */
  pause(): void {
    this.#isPausedByUser = true;
    this.#updatePause();
  }

  resume(): void {
    this.#isPausedByUser = false;
    this.#updatePause();
  }

  /** Disconnects and reconnects, for example after a refusal, or to request a port. */
  reconnect(): void {
    this.#close();
    if (this.isConnected) this.#open();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener('fullscreenchange', this.#onFullscreen);
    if (this.hasUpdated) this.#open();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener('fullscreenchange', this.#onFullscreen);
  }

  protected override firstUpdated(): void {
    const overlay = this.renderRoot.querySelector<HTMLElement>('.on-picture');
    const picture = this.#picture();
    if (overlay !== null && picture !== null) this.#layout = new PictureLayout(picture, overlay);
    this.#open();
  }

  /**
   * Converts values of other types that frameworks and scripts set, for example a number as `noData`, or a list as
   * `range`.
   */
  protected override willUpdate(changed: PropertyValues<GearwayViewer>): void {
    for (const key of TEXTS) if (changed.has(key)) Object.assign(this, { [key]: textOf(this[key]) });
    const overlays: unknown = this.overlays;
    this.overlays = overlays === false || overlays === undefined || overlays === null ? null : textOf(overlays);
    this.overlay = typeof this.overlay === 'function' ? this.overlay : null;
  }

  protected override updated(changed: PropertyValues<GearwayViewer>): void {
    // At the first update, which opens the session, the previous values are undefined.
    if (this.isConnected && RESTARTING.some((key) => changed.get(key) !== undefined)) this.reconnect();
    if (DELIVERING.some((key) => changed.has(key))) this.#model.setDelivery(this.#deliveryOptions());
    if (this.controls || this.showStats) this.#loadExtras();
    if (OVERLAY_OPTIONS.some((key) => changed.has(key))) this.#updateOverlays();
    if (ARRAY_STYLE.some((key) => changed.has(key))) this.#model.setArrayStyle(this.#arrayStyle());
    if (changed.has('raw')) this.#model.setRaw(this.raw);
    if (this.inspector || (this.colorBar && this.shownArray !== null)) this.#loadArrayPanels();
    this._arrayPanels?.update();
    this._extras?.update();
    this.#updateView();
  }

  protected override render(): TemplateResult {
    const { state, reason } = this.#state;
    const { spectatorReason } = this;
    const isInteractive = this.controls || this.inspector;
    const isDimmed = this.#pictureSize !== null && DIMMED.has(state);
    const isCovered = isDimmed && COVERED.has(state);
    const isSlow = this.#isSlow();
    return html`
      <div
        part="stage"
        class=${`stage ${isDimmed ? 'dim' : ''} ${isCovered ? 'covered' : ''} ${state === 'paused' ? 'calls' : ''}`}
        tabindex=${isInteractive ? '0' : nothing}
        role=${isInteractive ? 'group' : nothing}
        aria-label=${isInteractive ? this.#pictureLabel() : nothing}
        @keydown=${isInteractive ? this.#onKey : nothing}
      >
        <div part="picture" class="picture"></div>
        <div part="overlay" class="on-picture" hidden><slot name="overlay"></slot></div>
        ${this.#pictureSize !== null ? nothing : this.#posterTemplate()}
        <div class="overlay"><slot></slot></div>
        <div part="notice" class="notice"><slot name=${state}>${this.#noticeTemplate()}</slot></div>
        <div part="status" class="chip">
          <span class=${`dot ${isSlow ? 'slow' : state}`}></span
          ><span title=${isSlow ? this.stats.delivery : nothing}>${isSlow ? SLOW_LINK_LABEL : STATE_LABELS[state]}</span>
          ${this._chip === '' ? nothing : html`<span class="figure" title="Latency from gateway">${this._chip}</span>`}
          ${this._age === '' ? nothing : html`<span part="age">${this._age}</span>`}
          ${isDimmed && !isCovered && reason !== '' ? html`<span class="why">${reason}</span>` : nothing}
          ${this.control === null ? nothing : html`<span part="control" class="control">${controlText(this.control)}</span>`}
          ${spectatorReason === null ? nothing : html`<span title=${spectatorReason}>View only</span>`}
        </div>
        ${this._arrayPanels?.render() ?? nothing}
        ${this._extras?.render() ?? nothing}
        <div class="announcement" role="status">${announcementText(state, reason, spectatorReason)}</div>
      </div>
    `;
  }

  #posterTemplate(): TemplateResult {
    const image = this.poster ? html`<img part="poster" alt="" src=${this.poster} />` : nothing;
    return html`<div class="poster"><slot name="poster">${image}</slot></div>`;
  }

  #noticeTemplate(): TemplateResult | typeof nothing {
    const { state, reason } = this.#state;
    if (state === 'live' || (this.#pictureSize !== null && !COVERED.has(state))) return nothing;
    const retry = html`<button part="action" type="button" @click=${() => this.reconnect()}>Try again</button>`;
    return html`<strong>${STATE_LABELS[state]}</strong>${reason === '' ? nothing : html`<span>${reason}</span>`}
      ${state === 'refused' ? retry : nothing}`;
  }

  /** Loads control bar and statistics when they are first shown. */
  #loadExtras(): void {
    const picture = this.#picture();
    if (picture === null) return;
    this.#loadOnce(
      'control bar and statistics',
      () => import('./ui/viewer-extras.ts'),
      ({ extraStyles, ViewerExtras }) => {
        this.#adoptStyles(extraStyles);
        this._extras = new ViewerExtras(this, picture, () => {
          this.#updateView();
          this.requestUpdate();
        });
      },
    );
  }

  #updateOverlays(): void {
    const { overlays: path, overlayClasses, overlayMinScore: minScore, overlay: callback } = this;
    if (this.#overlayHost === null) {
      if (path !== null || callback !== null) this.#loadOverlays();
      return;
    }
    const classes = overlayClasses
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean);
    this.#overlayHost.setOptions({ path, classes: classes.length === 0 ? null : classes, minScore, callback });
  }

  /** Loads the code for overlays when they are first needed. */
  #loadOverlays(): void {
    const picture = this.#picture();
    if (picture === null) return;
    this.#loadOnce(
      'overlays',
      () => import(/*@vite-ignore*/ /* webpackIgnore: true */ OVERLAYS_SCRIPT),
      ({ OverlayHost: Host }: typeof import('./overlays/index.ts')) => {
        this.#overlayHost = new Host(
          picture,
          (command) => this.#model.commandOverlays(command),
          (problem) => (this.#overlayProblem = problem),
        );
        this.#overlayHost.setPlacement(this.#layout?.placement ?? null);
        this.#updateOverlays();
      },
    );
  }

  #arrayStyle(): ArrayStyleTexts {
    const { range, colormap, invert, noData, nanColor, belowColor, aboveColor, channelOrder } = this;
    return { range, colormap, invert, noData, nanColor, belowColor, aboveColor, channelOrder };
  }

  /** Loads colour bar and inspector when they are first shown. */
  #loadArrayPanels(): void {
    const stage = this.renderRoot.querySelector<HTMLElement>('.stage');
    if (stage === null) return;
    this.#loadOnce(
      'colour bar and inspector',
      () => import('./ui/array-panels.ts'),
      ({ ArrayPanels, arrayPanelStyles }) => {
        this.#adoptStyles(arrayPanelStyles);
        this._arrayPanels = new ArrayPanels(this, stage, () => this.requestUpdate());
      },
    );
  }

  #loadOnce<Module>(name: string, load: () => Promise<Module>, use: (module: Module) => void): void {
    if (this.#requested.has(name)) return;
    this.#requested.add(name);
    // Not fatal: the picture is shown without this part.
    load().then(use, (error: unknown) => console.error(`gearway-viewer: ${name} could not be loaded`, error));
  }

  #adoptStyles({ styleSheet }: CSSResult): void {
    if (styleSheet !== undefined) this.shadowRoot?.adoptedStyleSheets.push(styleSheet);
  }

  readonly #onKey = (event: KeyboardEvent): void => {
    if (this._arrayPanels?.keydown(event) === true) event.preventDefault();
    else this._extras?.keydown(event);
  };

  readonly #onFullscreen = (): void => this.requestUpdate();

  #picture(): HTMLElement | null {
    return this.renderRoot.querySelector<HTMLElement>('.picture');
  }

  #pictureLabel(): string {
    return `Live picture of ${streamName(this.src) ?? 'stream'}`;
  }

  #shouldPause(): boolean {
    return this.#isPausedByUser || document.hidden || !this.#box.isInView;
  }

  #updatePause(): void {
    const paused = this.#shouldPause();
    this.#model.pause(paused);
    if (!paused) this.#model.retry();
    this.#updateState();
  }

  #validFit(): Fit {
    return FITS.includes(this.fit) ? this.fit : 'contain';
  }

  /** Places the overlay, and reports the size of the picture on screen to the session. */
  #updateView(): void {
    this.#updateBox();
    const { zoom, x, y } = this._extras?.view ?? WHOLE_VIEW;
    const inBox = this.#pictureSize && {
      ...this.#pictureSize,
      fit: this.#validFit(),
      quarterTurns: quarterTurns(this.rotate),
      mirror: this.mirror,
      zoom,
      x,
      y,
    };
    if (this.#layout?.update(inBox) !== true) return;
    const { placement } = this.#layout;
    this.#overlayHost?.setPlacement(placement);
    if (placement === null) return;
    const { width, height, mirror, quarterTurns: turns } = placement;
    const matrix: Matrix = pictureMatrix(placement);
    this.dispatchEvent(
      new GearwayViewEvent({ width, height, matrix, scale: pictureScale(placement), zoom, rotate: turns * 90, mirror }),
    );
  }

  /** The session decodes pictures at most at their size on screen. */
  #updateBox(): void {
    const { clientWidth, clientHeight, fit } = this;
    // With fit `none`, every pixel is needed. A box without a size has no layout yet.
    if (fit === 'none' || clientWidth === 0) {
      this.#model.setBox({ width: Infinity, height: Infinity, covers: true });
      return;
    }
    const factor = devicePixelRatio * (this._extras?.view.zoom ?? 1);
    const isTurned = quarterTurns(this.rotate) % 2 === 1;
    const [width, height] = isTurned ? [clientHeight, clientWidth] : [clientWidth, clientHeight];
    this.#model.setBox({ width: width * factor, height: height * factor, covers: fit === 'cover' });
  }

  #open(): void {
    if (this.#model.isOpen) return;
    this.#pictureSize = null;
    this.#updateView();
    const stream = streamUrl(this.src);
    if (stream !== null) this.#openSession(stream);
    this.#updateState();
  }

  #openSession(stream: URL): void {
    // A canvas can be transferred to a worker only once: each session gets its own.
    const canvas = this.#createCanvas();
    this.#formerCanvas = null;
    this.#picture()?.replaceChildren(canvas);
    this.#ageTimer = setInterval(() => this.#updateChip(), AGE_INTERVAL_MS);
    const { requestedPort: port, spectate, token } = this;
    const [url, name, paused] = [socketUrl(stream, 'ws'), clientName(this.name), this.#shouldPause()];
    this.#model.open(
      { url, port, spectate, token, name, paused, delivery: this.#deliveryOptions() },
      canvas,
      this.noWorker ? 'main' : 'worker',
    );
    this.#overlayHost?.opened();
  }

  #createCanvas(): HTMLCanvasElement {
    const canvas = document.createElement('canvas');
    canvas.width = 16;
    canvas.height = 9;
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', this.#pictureLabel());
    return canvas;
  }

  /** Adds a canvas for pictures of other proportions. It is shown together with its first picture. */
  #addCanvas(): void {
    const picture = this.#picture();
    const canvas = this.#createCanvas();
    canvas.style.visibility = 'hidden';
    this.#formerCanvas = picture?.querySelector('canvas') ?? null;
    picture?.prepend(canvas);
    this.#model.setCanvas(canvas);
  }

  #showAddedCanvas(): void {
    if (this.#formerCanvas === null) return;
    this.#formerCanvas.remove();
    this.#formerCanvas = null;
    this.#picture()?.querySelector('canvas')?.removeAttribute('style');
  }

  #deliveryOptions(): DeliveryOptions {
    const { quality, maxBitrate, maxFps } = this;
    return {
      quality: QUALITIES.includes(quality) ? quality : 'auto',
      maxBitsPerSecond: maxBitrate !== null && maxBitrate > 0 ? Math.min(1e12, maxBitrate) : 0,
      maxFramesPerSecond:
        maxFps !== null && maxFps > 0 ? Math.min(MAX_FRAMES_PER_SECOND, Math.max(0.1, maxFps)) : MAX_FRAMES_PER_SECOND,
    };
  }

  /** Whether frames arrive over a link that is too slow for the stream. */
  #isSlow(): boolean {
    return this.#state.state === 'live' && this.stats.isLinkLimited;
  }

  #close(): void {
    this.#model.close();
    this.#overlayHost?.closed();
    this.#internals.states.delete('spectator');
    if (this.#ageTimer !== null) clearInterval(this.#ageTimer);
  }

  #onEvent(event: ViewerLinkEvent): void {
    switch (event.kind) {
      case 'frame': {
        const { sequence, width, height, message, messageText, ageMs, capturedAtMs, latencyMs } = event;
        this.#pictureAtMs = performance.now() - (ageMs ?? 0);
        this.#showAddedCanvas();
        const before = this.#pictureSize;
        if (before?.width !== width || before.height !== height) {
          this.#pictureSize = { width, height };
          this.#updateView();
        }
        if (before === null) {
          this.#updateChip();
          this.requestUpdate();
        }
        this.dispatchEvent(
          new GearwayFrameEvent({ sequence, width, height, message, ageMs, capturedAtMs, latencyMs }, messageText),
        );
        return;
      }
      case 'canvas':
        this.#addCanvas();
        return;
      case 'overlay':
        this.#overlayHost?.event(event.event);
        return;
      case 'stats':
        this.#updateSlow();
        // The chip shows the same latency as `stats`, at the same time.
        this.#updateChip();
        if (this.showStats) this.requestUpdate();
        return;
      case 'open': {
        const { port, rights, spectatorReason } = event;
        if (port === null) this.#internals.states.add('spectator');
        this.requestUpdate();
        this.dispatchEvent(new GearwayOpenEvent({ port, rights, spectatorReason }));
        this.#controlChanged();
        return;
      }
      case 'control':
        this.#controlChanged(event.controller);
        return;
      case 'array':
        this.#reportArrayProblem(event.shown?.problem ?? null);
        this.requestUpdate();
        this.dispatchEvent(new GearwayArrayEvent(event.shown));
        return;
      case 'state':
        this.#updateState();
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

  /** Logs a problem of the attributes once, because the range, and therefore the event, may change with every frame. */
  #reportArrayProblem(problem: string | null): void {
    if (problem !== null && problem !== this.#arrayProblem) console.error(`gearway-viewer: ${problem}`);
    this.#arrayProblem = problem;
  }

  #controlChanged({ code = '', reason = '' }: { readonly code?: string; readonly reason?: string } = {}): void {
    this.requestUpdate();
    if (this.control !== null) this.dispatchEvent(new GearwayControlEvent(this.control, code, reason));
  }

  #updateState(): void {
    const { state, reason } = this.#currentState();
    if (!this.#state.set(state, reason)) return;
    this.#updateSlow();
    this.#updateChip();
    this.dispatchEvent(new GearwayStateEvent(state, reason));
  }

  #currentState(): { readonly state: ViewerState; readonly reason: string } {
    const gateway = this.#gatewayState();
    const isFlowing = gateway.state === 'live' || gateway.state === 'unsupported';
    if (this.#isPausedByUser && (isFlowing || gateway.state === 'stale')) {
      return { state: 'paused', reason: 'paused by the user' };
    }
    if (isFlowing && this.#shouldPause()) return { state: 'paused', reason: 'not visible' };
    return gateway;
  }

  #gatewayState(): GatewayState {
    if (!this.isConnected) return { state: 'connecting', reason: 'the viewer is not in the page' };
    if (streamUrl(this.src) !== null) return this.#model.gatewayState;
    if (!this.src) return { state: 'connecting', reason: 'no src is set' };
    return { state: 'refused', reason: srcProblem(this.src) };
  }

  /** Updates the custom state `slow` and the chip. */
  #updateSlow(): void {
    const isSlow = this.#isSlow();
    if (isSlow === this.#internals.states.has('slow')) return;
    if (isSlow) this.#internals.states.add('slow');
    else this.#internals.states.delete('slow');
    this.requestUpdate();
  }

  #updateChip(): void {
    const { state, stats } = this;
    this._chip = state === 'live' && stats.delayMs !== null ? formatLatency(stats.delayMs) : '';
    const isOld = this.#pictureSize !== null && (DIMMED.has(state) || state === 'paused');
    this._age = isOld ? `${formatAge(performance.now() - this.#pictureAtMs)} old` : '';
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'gearway-viewer': GearwayViewer;
  }
}

if (!customElements.get('gearway-viewer')) customElements.define('gearway-viewer', GearwayViewer);
