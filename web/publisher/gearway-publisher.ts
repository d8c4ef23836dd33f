import { LitElement, html, nothing, type TemplateResult } from 'lit';
import { runInBackground } from '../background.ts';
import type { Value } from '../../shared/protocol.ts';
import { ReturnRefusedError, toValue } from '../connection/return-body.ts';
import { clientName, socketUrl, srcProblem, streamName, streamUrl } from '../connection/stream-address.ts';
import { PageController, RemovalController, StateController } from '../element/controllers.ts';
import { viewerStyles } from '../viewer/ui/viewer-styles.ts';
import { type Camera, canShareScreen, otherCamera, SIZES } from '../capture/camera.ts';
import {
  GearwayPublisherDataEvent,
  GearwayPublisherFailedEvent,
  GearwayPublisherFrameRefusedEvent,
  GearwayPublisherRefusedEvent,
  GearwayPublisherStateEvent,
} from './publisher-events.ts';
import type { CameraFailure, Facing, PictureSize, PublisherInput } from '../capture/capture-types.ts';
import type { PublisherState, PublisherStats } from './publisher-messages.ts';
import {
  PublisherModel,
  type PublisherModelEvent,
  type PublisherSettings,
  type PublisherTarget,
} from './publisher-model.ts';
import { isOtherPublisher, loweredText, noticeText, stateLabel } from './publisher-text.ts';
import { controlBar, noticeButtons, type PublisherActions, startButtons } from './ui/publisher-controls.ts';
import { publisherStyles } from './ui/publisher-styles.ts';

export type { NDArray } from '../../shared/ndarray.ts';
export type { Value } from '../../shared/protocol.ts';
export type { Camera } from '../capture/camera.ts';
export type { CameraFailure, Facing, PictureSize, PublisherInput } from '../capture/capture-types.ts';
export type { PublisherState, PublisherStats, ReturnedValue } from './publisher-messages.ts';
export * from './publisher-events.ts';

/** Failures after which another attempt cannot succeed. */
const PERMANENT: ReadonlySet<unknown> = new Set<CameraFailure>(['insecure', 'unsupported']);

const DEFAULTS = { size: '720p', fps: 15, quality: 80 } as const;
const MAX_FPS = 60;
const MAX_QUALITY = 100;

/**
 * Publishes this device's camera or screen to a stream of a Gearway gateway, and receives its return data.
 *
 * @summary A camera or screen as the source of a stream.
 * @attr {string} src - address of the stream, `http://HOST:PORT/streams/NAME`
 * @attr {string} name - name shown where the gateway lists its publisher
 * @attr {'camera' | 'screen'} input - source of the pictures; `camera` by default
 * @attr {string} device - id of the camera; any camera by default
 * @attr {'user' | 'environment'} facing - preferred direction of the camera if no `device` is given
 * @attr {'480p' | '720p' | '1080p'} size - maximum length of the shorter side; `720p` by default
 * @attr {number} fps - maximum frame rate; 15 by default
 * @attr {number} quality - JPEG quality, 1 to 100; 80 by default
 * @attr {number} max-bitrate - maximum bit rate in bits per second; by default limited only by the link
 * @attr {boolean} fixed - keep size, frame rate and quality on a thin link, and only skip frames
 * @attr {boolean} controls - show buttons to start and stop, and to switch camera or share the screen
 * @attr {boolean} no-worker - encode on the main thread
 * @fires {GearwayPublisherStateEvent} gearway-publisher-state - the state or its reason has changed
 * @fires {GearwayPublisherDataEvent} gearway-publisher-data - a client of the stream has returned data
 * @fires {GearwayPublisherRefusedEvent} gearway-publisher-refused - the gateway refused this publisher
 * @fires {GearwayPublisherFailedEvent} gearway-publisher-failed - no camera or screen is available
 * @fires {GearwayPublisherFrameRefusedEvent} gearway-publisher-frame-refused - a frame or a `message` was refused
 * @slot - content over the picture, in the element's box
 * @slot idle - replaces the notice before `start()` and after `stop()`
 * @slot asking - replaces the notice while the camera is being opened, or the user is asked for permission
 * @slot connecting - replaces the notice while connecting to the gateway (none over a picture by default)
 * @slot live - replaces the notice while frames are sent (none by default)
 * @slot paused - replaces the notice while the camera delivers no frames (none by default)
 * @slot failed - replaces the notice when no camera is available
 * @slot refused - replaces the notice when the gateway refused the publisher
 * @csspart stage - the box around all content
 * @csspart picture - the box around the video
 * @csspart status - the status chip with state and frame rate
 * @csspart notice - shown instead of a picture
 * @csspart action - a button in a notice
 * @csspart controls - the control bar
 * @csspart button - a button of the control bar
 * @cssproperty [--gearway-stage=#05070a] - colour behind the picture
 * @cssproperty [--gearway-accent=#4db8ff] - colour of buttons in notices, and of focus rings
 * @cssproperty [--gearway-on-accent=#04121d] - text colour on the accent colour
 * @cssproperty [--gearway-font] - font of status chip, notices and control bar
 * @cssstate idle
 * @cssstate asking
 * @cssstate connecting
 * @cssstate live
 * @cssstate paused
 * @cssstate failed
 * @cssstate refused
 */
export class GearwayPublisher extends LitElement {
  static override styles = [viewerStyles, publisherStyles];

  static override properties = {
    src: { type: String },
    name: { type: String },
    input: { type: String },
    device: { type: String },
    facing: { type: String },
    size: { type: String },
    fps: { type: Number },
    quality: { type: Number },
    maxBitrate: { type: Number, attribute: 'max-bitrate' },
    fixed: { type: Boolean },
    controls: { type: Boolean },
    noWorker: { type: Boolean, attribute: 'no-worker' },
    token: { attribute: false },
  };

  declare src: string;
  declare name: string;
  declare input: PublisherInput;
  declare device: string | null;
  declare facing: Facing | null;
  declare size: PictureSize;
  declare fps: number;
  declare quality: number;
  declare maxBitrate: number | null;
  declare fixed: boolean;
  declare controls: boolean;
  declare noWorker: boolean;
  /**
   * Access token, if the gateway requires one. There is no attribute, because it would expose the token in the page's
   * markup.
   */
  declare token: string | null;

  readonly #state = new StateController<PublisherState>(this, this.attachInternals(), 'idle');
  readonly #model = new PublisherModel((event) => this.#onEvent(event));
  #message: Value = null;

  constructor() {
    super();
    this.src = '';
    this.name = '';
    this.input = 'camera';
    this.device = null;
    this.facing = null;
    this.size = DEFAULTS.size;
    this.fps = DEFAULTS.fps;
    this.quality = DEFAULTS.quality;
    this.maxBitrate = null;
    this.fixed = false;
    this.controls = false;
    this.noWorker = false;
    this.token = null;
    const onPage = (): void => this.#onPage();
    new PageController(this, { onVisibility: onPage, onOnline: onPage });
    new RemovalController(this, {
      onRemoved: () => this.stop(),
      // A video pauses when it is moved.
      onMoved: () => runInBackground(this.#model.video.play(), () => undefined),
    });
  }

  get state(): PublisherState {
    return this.#state.state;
  }

  /** Reason for the current state, as a sentence. */
  get reason(): string {
    return this.#state.reason;
  }

  /** Code of the failure or refusal in the states `failed` and `refused`; otherwise null. */
  get code(): CameraFailure | number | null {
    return this.#model.code;
  }

  /** Whether the publisher was started and has not been stopped since. */
  get started(): boolean {
    return this.#model.isStarted;
  }

  /** Statistics of this connection, refreshed twice per second. */
  get stats(): PublisherStats {
    return this.#model.stats;
  }

  /** Statistics of the last minute, oldest first. */
  get statsHistory(): readonly PublisherStats[] {
    return this.#model.history;
  }

  /** The cameras of this device; empty before the user has given permission. */
  get cameras(): readonly Camera[] {
    return this.#model.cameras;
  }

  /** Id of the open camera; null if none is open, and for a screen. */
  get openDevice(): string | null {
    const open = this.#model.input;
    return open === null || open.isScreen ? null : open.device;
  }

  /** Sizes that the open camera supports; all sizes if none is open or the browser does not report them. */
  get sizes(): readonly PictureSize[] {
    return this.#model.input?.sizes ?? (Object.keys(SIZES) as PictureSize[]);
  }

  /** Thread on which pictures are encoded; null before it is known. */
  get place(): 'worker' | 'main' | null {
    return this.#model.thread;
  }

  /**
   * JSON value sent with each frame from now on. Any other value changes nothing, and is reported by the event
   * `gearway-publisher-frame-refused`.
   */
  get message(): Value {
    return this.#message;
  }

  set message(value: Value | undefined) {
    try {
      this.#message = toValue(value);
      this.#model.message = this.#message;
    } catch (error) {
      if (!(error instanceof ReturnRefusedError)) throw error;
      this.dispatchEvent(new GearwayPublisherFrameRefusedEvent(error.code, error.message));
    }
  }

  /**
   * Opens the camera, or lets the user select a screen, and publishes it until `stop()`. Browsers ask for permission
   * the first time, and allow screen sharing only while they handle a click. After a refusal, this method retries.
   *
   * @param options `takeOver`: replaces an active publisher.
   */
  start(options: { takeOver?: boolean } = {}): void {
    const target = this.#target();
    if (target === null) throw new TypeError(srcProblem(this.src));
    this.#model.start(this.#settings(), target, { takeOver: options.takeOver ?? false });
  }

  /** Switches the camera off, and disconnects. Another publisher may then use the stream. */
  stop(): void {
    this.#model.stop();
  }

  protected override firstUpdated(): void {
    this.renderRoot.querySelector('.picture')?.append(this.#model.video);
  }

  protected override updated(): void {
    this.#model.configure(this.#settings());
    const target = this.#target();
    if (target !== null) this.#model.retarget(target);
  }

  protected override render(): TemplateResult {
    const { state, reason } = this.#state;
    const hasPicture = this.#model.input !== null;
    const isDimmed = state === 'refused' || state === 'paused';
    const lowered = state === 'live' ? loweredText(this.stats) : '';
    const dot = lowered === '' ? state : 'connecting';
    const hasReason = hasPicture && (state === 'connecting' || state === 'paused') && reason !== '';
    const hasBar = this.controls && (state === 'asking' || (hasPicture && state !== 'refused'));
    const { framesPerSecond } = this.stats;
    const rate = `${framesPerSecond.toFixed(framesPerSecond < 10 ? 1 : 0)} fps`;
    const label = stateLabel(this);
    const announcement = [label.replace('…', ''), ...(reason === '' ? [] : [reason])].join(': ');
    return html`
      <div part="stage" class="stage">
        <div part="picture" class=${`picture ${hasPicture ? '' : 'empty'} ${isDimmed ? 'dim' : ''}`}></div>
        <div class="overlay"><slot></slot></div>
        <div part="notice" class="notice"><slot name=${state}>${this.#noticeTemplate(hasPicture)}</slot></div>
        <div part="status" class="chip">
          <span class=${`dot ${dot}`}></span><span>${label}</span>
          ${state === 'live' ? html`<span class="figure">${rate}</span>` : nothing}
          ${lowered === '' ? nothing : html`<span class="why">${lowered}</span>`}
          ${hasReason ? html`<span class="why">${reason}</span>` : nothing}
        </div>
        ${hasBar ? this.#barTemplate() : nothing}
        <div class="announcement" role="status">${announcement}</div>
      </div>
    `;
  }

  #noticeTemplate(hasPicture: boolean): TemplateResult | typeof nothing {
    const { state, reason, code, input } = this;
    if (state === 'live' || state === 'paused' || (state === 'connecting' && hasPicture)) return nothing;
    const { title, text } = noticeText({ state, reason, code, input, stream: streamName(this.src) ?? '' });
    return html`<strong>${title}</strong>${text === '' ? nothing : html`<span>${text}</span>`}${this.#buttons()}`;
  }

  #buttons(): TemplateResult | typeof nothing {
    const { retry, takeOver, stop } = this.#actions;
    switch (this.state) {
      case 'idle':
        return this.controls && this.#target() !== null ? startButtons(canShareScreen(), this.#actions) : nothing;
      case 'failed':
        return PERMANENT.has(this.code) ? nothing : noticeButtons([{ label: 'Try again', action: retry }]);
      case 'refused': {
        const first = isOtherPublisher(this.code)
          ? { label: 'Take over', action: takeOver }
          : { label: 'Try again', action: retry };
        return noticeButtons([first, ...(this.#model.input === null ? [] : [{ label: 'Stop', action: stop }])]);
      }
      default:
        return nothing;
    }
  }

  #barTemplate(): TemplateResult {
    const hasOtherCamera = this.#otherCamera() !== null;
    return controlBar({ input: this.input, hasOtherCamera, canShareScreen: canShareScreen() }, this.#actions);
  }

  readonly #actions: PublisherActions = {
    start: (input) => {
      this.input = input;
      // Called synchronously while the click is handled, because browsers do not allow screen sharing at other times.
      this.start();
    },
    stop: () => this.stop(),
    retry: () => this.start(),
    takeOver: () => this.start({ takeOver: true }),
    switchCamera: () => {
      const other = this.#otherCamera();
      if (other !== null) Object.assign(this, other);
    },
  };

  #otherCamera(): ReturnType<typeof otherCamera> {
    return otherCamera(this.cameras, this.#model.input?.facing ?? null, this.openDevice);
  }

  /** Called when the page has become visible or hidden, or the network has returned. */
  #onPage(): void {
    if (!document.hidden) this.#model.retry();
    this.#updateState();
  }

  /** The properties as settings, with defaults for invalid values. */
  #settings(): PublisherSettings {
    const { device, facing } = this;
    const size = this.size in SIZES ? this.size : DEFAULTS.size;
    const fps = this.fps > 0 ? Math.min(this.fps, MAX_FPS) : DEFAULTS.fps;
    const quality = this.quality >= 1 ? Math.min(this.quality, MAX_QUALITY) : DEFAULTS.quality;
    const maxBitsPerSecond = this.maxBitrate !== null && this.maxBitrate > 0 ? this.maxBitrate : null;
    return {
      input: this.input === 'screen' ? 'screen' : 'camera',
      device: device || null,
      facing: facing === 'user' || facing === 'environment' ? facing : null,
      size,
      fps,
      encoding: { fps, quality, shortSide: SIZES[size].height, maxBitsPerSecond, isFixed: this.fixed },
    };
  }

  /** The target of the publisher; null if `src` is not a valid URL. */
  #target(): PublisherTarget | null {
    const stream = streamUrl(this.src);
    if (stream === null) return null;
    const thread = this.noWorker ? 'main' : 'worker';
    return { url: socketUrl(stream, 'publish'), token: this.token, name: clientName(this.name), thread };
  }

  #onEvent(event: PublisherModelEvent): void {
    switch (event.kind) {
      case 'changed':
        this.#updateState();
        return;
      case 'camera-kept':
        this.input = 'camera';
        return;
      case 'data':
        this.dispatchEvent(new GearwayPublisherDataEvent({ port: event.port, mode: event.mode, value: event.value }));
        return;
      case 'refused':
        this.dispatchEvent(new GearwayPublisherRefusedEvent(event.code, event.reason));
        return;
      case 'failed':
        this.dispatchEvent(new GearwayPublisherFailedEvent(event.code, event.reason));
        return;
      case 'frame-refused':
        this.dispatchEvent(new GearwayPublisherFrameRefusedEvent(event.code, event.reason));
        return;
      default:
        event satisfies never;
    }
  }

  #updateState(): void {
    const { state, reason } = this.#model;
    if (this.#state.set(state, reason)) this.dispatchEvent(new GearwayPublisherStateEvent(state, reason));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'gearway-publisher': GearwayPublisher;
  }
}

if (!customElements.get('gearway-publisher')) customElements.define('gearway-publisher', GearwayPublisher);
