import { LitElement, html, nothing, type TemplateResult } from 'lit';
import type { Value } from '../../shared/protocol.ts';
import { ReturnRefusedError, toValue } from '../connection/return-body.ts';
import { viewerStyles } from '../viewer/ui/viewer-styles.ts';
import { type Camera, canShareScreen, otherCamera, SIZES } from './capture/camera.ts';
import { bar, noticeButtons, type PublisherActions, startButtons } from './ui/publisher-controls.ts';
import { GearwayPublisherDataEvent, GearwayPublisherFailedEvent, GearwayPublisherFrameRefusedEvent, GearwayPublisherRefusedEvent, GearwayPublisherStateEvent } from './publisher-events.ts';
import type { CameraFailure, Facing, PictureSize, PublisherInput, PublisherState, PublisherStats } from './publisher-messages.ts';
import { PublisherModel, type PublisherModelEvent, type PublisherTarget, type PublisherWish } from './publisher-model.ts';
import { publisherStyles } from './ui/publisher-styles.ts';
import { isOther, noticeWords, stateWord } from './publisher-words.ts';

export type { NDArray } from '../../shared/ndarray.ts';
export type { Value } from '../../shared/protocol.ts';
export type { Camera } from './capture/camera.ts';
export type { CameraFailure, Facing, PictureSize, PublisherInput, PublisherState, PublisherStats, ReturnedValue } from './publisher-messages.ts';
export * from './publisher-events.ts';

const STATES: readonly PublisherState[] = ['idle', 'asking', 'connecting', 'live', 'paused', 'failed', 'refused'];

/** With these there is nothing to try again. */
const HOPELESS: ReadonlySet<CameraFailure | number | null> = new Set<CameraFailure | number | null>(['insecure', 'unsupported']);

/** Longest name that the gateway takes. */
const MAX_NAME = 64;

const DEFAULTS = { size: '720p', fps: 15, quality: 80 } as const;

/**
 * Sends this device's camera or screen to a stream of a Gearway gateway, and brings what the stream's clients return.
 *
 * @summary A camera or screen as the source of a stream.
 * @attr {string} src - the stream's address, `http://HOST:PORT/streams/NAME`
 * @attr {string} name - shown to people where the gateway says who publishes
 * @attr {'camera' | 'screen'} input - what is sent; `camera` by default
 * @attr {string} device - the id of the camera; any otherwise
 * @attr {'user' | 'environment'} facing - where no `device` is named: the camera that looks at its user, or away
 * @attr {'480p' | '720p' | '1080p'} size - at most so many pixels on the shorter side; `720p` by default
 * @attr {number} fps - frames a second, at most; 15 by default
 * @attr {number} quality - JPEG's, 1 to 100; 80 by default
 * @attr {boolean} controls - buttons to start and stop, for another camera and for the screen
 * @attr {boolean} no-worker - encode on the main thread
 * @fires {GearwayPublisherStateEvent} gearway-publisher-state - the state or its reason has changed
 * @fires {GearwayPublisherDataEvent} gearway-publisher-data - a client of the stream has returned something
 * @fires {GearwayPublisherRefusedEvent} gearway-publisher-refused - the gateway does not want this publisher
 * @fires {GearwayPublisherFailedEvent} gearway-publisher-failed - there is no camera, or no screen
 * @fires {GearwayPublisherFrameRefusedEvent} gearway-publisher-frame-refused - a frame or a value of `message` was refused
 * @slot - lies over the picture, in its box
 * @slot idle - shown instead of our notice before `start()` and after `stop()`
 * @slot asking - … while the camera is being opened, or the user asked for it
 * @slot connecting - … while the gateway is being reached (there is no notice of ours over a picture)
 * @slot live - … while pictures are sent (there is no notice of ours)
 * @slot paused - … while the camera gives none (there is no notice of ours)
 * @slot failed - … when there is no camera
 * @slot refused - … when the gateway refused the publisher
 * @csspart stage - the box around everything
 * @csspart picture - the box around the video
 * @csspart status - the chip with state and rate
 * @csspart notice - what is shown instead of a picture
 * @csspart action - a button in a notice
 * @csspart controls - the bar
 * @csspart button - a button of the bar
 * @cssproperty [--gearway-stage=#05070a] - colour behind the picture
 * @cssproperty [--gearway-accent=#4db8ff] - colour of buttons in notices, and of focus
 * @cssproperty [--gearway-on-accent=#04121d] - text on the accent
 * @cssproperty [--gearway-font] - font of chip, notices and bar
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
    controls: { type: Boolean },
    noWorker: { type: Boolean, attribute: 'no-worker' },
    token: { attribute: false },
    _state: { state: true },
  };

  declare src: string;
  declare name: string;
  declare input: PublisherInput;
  declare device: string | null;
  declare facing: Facing | null;
  declare size: PictureSize;
  declare fps: number;
  declare quality: number;
  declare controls: boolean;
  declare noWorker: boolean;
  /** Where the gateway asks for one. A property only: an attribute would stand in the page's text. */
  declare token: string | null;
  /** @internal */
  declare _state: { state: PublisherState; reason: string };

  readonly #internals = this.attachInternals();
  readonly #model = new PublisherModel((event) => this.#heard(event));
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
    this.controls = false;
    this.noWorker = false;
    this.token = null;
    this._state = { state: 'idle', reason: '' };
    this.#internals.states.add('idle');
  }

  get state(): PublisherState {
    return this._state.state;
  }

  /** Why the publisher is in this state, as a sentence. */
  get reason(): string {
    return this._state.reason;
  }

  /** While `failed` or `refused`: the code of the event that said so; else null. */
  get code(): CameraFailure | number | null {
    return this.#model.code;
  }

  /** Whether `start()` was called, and `stop()` not yet. */
  get started(): boolean {
    return this.#model.isStarted;
  }

  /** Figures of this connection, refreshed twice a second. */
  get stats(): PublisherStats {
    return this.#model.stats;
  }

  /** The figures of the last minute, oldest first. */
  get statsHistory(): readonly PublisherStats[] {
    return this.#model.history;
  }

  /** The cameras of this device; none before the user has allowed one. */
  get cameras(): readonly Camera[] {
    return this.#model.cameras;
  }

  /** The id of the camera that is open; null while none is, and for a screen. */
  get openDevice(): string | null {
    const open = this.#model.input;
    return open === null || open.isScreen ? null : open.device;
  }

  /** The sizes that the open camera has; all of them while none is open, or where the browser does not say. */
  get sizes(): readonly PictureSize[] {
    return this.#model.input?.sizes ?? (Object.keys(SIZES) as PictureSize[]);
  }

  /** Where encoding happens; null before that is known. */
  get place(): 'worker' | 'main' | null {
    return this.#model.place;
  }

  /** Travels with each frame from now on: what JSON holds. Another value is refused by the event `gearway-publisher-frame-refused`, and changes nothing. */
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
   * Opens the camera, or asks which screen, and sends it until `stop()`. A browser asks its user the first time; a screen may be asked for only
   * while a click is handled. After a refusal: tries again.
   *
   * @param options `takeOver`: ends another publisher that is there.
   */
  start(options: { takeOver?: boolean } = {}): void {
    const target = this.#target();
    if (target === null) throw new TypeError(`src is ${JSON.stringify(this.src)}, expected the address of a stream`);
    this.#model.start(this.#wish(), target, { takeOver: options.takeOver ?? false });
  }

  /** Switches the camera off, and leaves the stream to others. */
  stop(): void {
    this.#model.stop();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener('visibilitychange', this.#onLook);
    window.addEventListener('online', this.#onLook);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener('visibilitychange', this.#onLook);
    window.removeEventListener('online', this.#onLook);
    // Moved within the page it is back before this runs, and goes on. Else the camera is off, and stays off when it is put back.
    queueMicrotask(() => {
      if (!this.isConnected) this.stop();
      // A video that is moved pauses.
      else this.#model.video.play().catch(() => undefined);
    });
  }

  protected override firstUpdated(): void {
    this.renderRoot.querySelector('.picture')?.append(this.#model.video);
  }

  protected override updated(): void {
    this.#model.wish(this.#wish());
    const target = this.#target();
    if (target !== null) this.#model.retarget(target);
  }

  protected override render(): TemplateResult {
    const { state, reason } = this._state;
    const hasPicture = this.#model.input !== null;
    const { framesPerSecond } = this.stats;
    const isDim = state === 'refused' || state === 'paused';
    const word = stateWord(this);
    return html`
      <div part="stage" class="stage">
        <div part="picture" class=${`picture ${hasPicture ? '' : 'empty'} ${isDim ? 'dim' : ''}`}></div>
        <div class="overlay"><slot></slot></div>
        <div part="notice" class="notice"><slot name=${state}>${this.#notice(hasPicture)}</slot></div>
        <div part="status" class="chip">
          <span class=${`dot ${state}`}></span><span>${word}</span>
          ${state === 'live' ? html`<span class="figure">${framesPerSecond.toFixed(framesPerSecond < 10 ? 1 : 0)} fps</span>` : nothing}
          ${hasPicture && (state === 'connecting' || state === 'paused') && reason !== '' ? html`<span class="why">${reason}</span>` : nothing}
        </div>
        ${this.controls && (state === 'asking' || (hasPicture && state !== 'refused')) ? this.#bar() : nothing}
        <div class="announcement" role="status">${`${word}${reason === '' ? '' : `: ${reason}`}`}</div>
      </div>
    `;
  }

  #notice(hasPicture: boolean): TemplateResult | typeof nothing {
    const { state } = this._state;
    if (state === 'live' || state === 'paused' || (state === 'connecting' && hasPicture)) return nothing;
    const { title, text } = noticeWords({ state, reason: this.reason, code: this.code, input: this.input, stream: this.#streamName() });
    return html`<strong>${title}</strong>${text === '' ? nothing : html`<span>${text}</span>`}${this.#buttons()}`;
  }

  #buttons(): TemplateResult | typeof nothing {
    const { again, takeOver, stop } = this.#actions;
    switch (this._state.state) {
      case 'idle':
        return this.controls && this.#target() !== null ? startButtons(canShareScreen(), this.#actions) : nothing;
      case 'failed':
        return HOPELESS.has(this.code) ? nothing : noticeButtons([{ label: 'Try again', action: again }]);
      case 'refused': {
        const first = isOther(this.code) ? { label: 'Take over', action: takeOver } : { label: 'Try again', action: again };
        return noticeButtons([first, ...(this.#model.input === null ? [] : [{ label: 'Stop', action: stop }])]);
      }
      default:
        return nothing;
    }
  }

  #bar(): TemplateResult {
    return bar({ input: this.input, hasOther: this.#otherCamera() !== null, canShareScreen: canShareScreen() }, this.#actions);
  }

  #streamName(): string {
    return this.src.split(/[?#]/)[0]?.split('/').filter(Boolean).at(-1) ?? '';
  }

  readonly #actions: PublisherActions = {
    start: (input) => {
      this.input = input;
      // Now, while the click is handled: a screen is chosen at no other time.
      this.start();
    },
    stop: () => this.stop(),
    again: () => this.start(),
    takeOver: () => this.start({ takeOver: true }),
    nextCamera: () => {
      const other = this.#otherCamera();
      if (other !== null) Object.assign(this, other);
    },
  };

  #otherCamera(): ReturnType<typeof otherCamera> {
    return otherCamera(this.cameras, this.#model.input?.facing ?? null, this.openDevice);
  }

  readonly #onLook = (): void => {
    if (!document.hidden) this.#model.retry();
    this.#showState();
  };

  #wish(): PublisherWish {
    const { input, device, facing, size } = this;
    const picture = size in SIZES ? size : DEFAULTS.size;
    const fps = this.fps > 0 ? Math.min(this.fps, 60) : DEFAULTS.fps;
    const quality = this.quality >= 1 ? Math.min(this.quality, 100) : DEFAULTS.quality;
    return { input: input === 'screen' ? input : 'camera', device: device || null, facing: facing === 'user' || facing === 'environment' ? facing : null, size: picture, fps, settings: { fps, quality, shortSide: SIZES[picture].height } };
  }

  /** null when `src` is no address. */
  #target(): PublisherTarget | null {
    if (this.src === '' || !URL.canParse(this.src, document.baseURI)) return null;
    const stream = new URL(this.src, document.baseURI);
    const url = new URL(`${stream.pathname.replace(/\/$/, '')}/publish`, stream);
    url.protocol = stream.protocol === 'https:' ? 'wss:' : 'ws:';
    return { url: url.href, token: this.token, name: this.name.slice(0, MAX_NAME), place: this.noWorker ? 'main' : 'worker' };
  }

  #heard(event: PublisherModelEvent): void {
    switch (event.kind) {
      case 'changed':
        this.#showState();
        return;
      case 'kept':
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

  #showState(): void {
    const { state, reason } = this.#model;
    // Figures and cameras are shown too.
    this.requestUpdate();
    if (state === this._state.state && reason === this._state.reason) return;
    this._state = { state, reason };
    for (const name of STATES) {
      if (name === state) this.#internals.states.add(name);
      else this.#internals.states.delete(name);
    }
    this.dispatchEvent(new GearwayPublisherStateEvent(state, reason));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'gearway-publisher': GearwayPublisher;
  }
}

if (!customElements.get('gearway-publisher')) customElements.define('gearway-publisher', GearwayPublisher);
