import { runInBackground } from '../background.ts';
import { closeCode } from '../../shared/close-code.ts';
import type { Value } from '../../shared/protocol.ts';
import { StatsHistory } from '../connection/stats-history.ts';
import { type Camera, CameraError, explain, hasCamera, type InputWish, listCameras, openStream } from './capture/camera.ts';
import { OpenInput } from './capture/open-input.ts';
import { PublisherLink, type PublisherLinkEvent } from './publisher-link.ts';
import { type CameraFailure, NO_PUBLISHER_STATS, type PictureSettings, type PublisherOptions, type PublisherState, type PublisherStats } from './publisher-messages.ts';
import { WakeLock } from './capture/wake-lock.ts';

/** Where to publish. `url` is the stream's WebSocket address for publishers. */
export type PublisherTarget = Pick<PublisherOptions, 'url' | 'token' | 'name'> & { readonly place: 'worker' | 'main' };

/** What is sent, besides where it comes from. */
export interface PublisherWish extends InputWish {
  readonly settings: PictureSettings;
}

/** What an element is told. `changed`: the state, the cameras or another property may be another one. */
export type PublisherModelEvent =
  | { readonly kind: 'changed' }
  | { readonly kind: 'failed'; readonly code: CameraFailure; readonly reason: string }
  /** A screen was wanted and none chosen: the camera goes on. */
  | { readonly kind: 'kept' }
  | Extract<PublisherLinkEvent, { kind: 'refused' | 'data' | 'frame-refused' }>;

/** Plugged in, or free again, it is opened by itself. */
const WAITED_FOR: ReadonlySet<CameraFailure> = new Set(['ended', 'no-camera', 'busy']);

/** After these nothing is published any more, and the camera is switched off: another one has taken the place, or none is to be had. */
const RELEASING_CODES: ReadonlySet<number> = new Set([closeCode.takenOver, closeCode.badMessage]);

type Phase =
  | { readonly kind: 'idle' }
  | { readonly kind: 'failed'; readonly code: CameraFailure; readonly reason: string }
  /** The gateway wants no more of it, and the camera is off. */
  | { readonly kind: 'over'; readonly code: number; readonly reason: string }
  /** `input` is null while a camera is being opened, `link` before the first one is open. */
  | { readonly kind: 'open'; readonly input: OpenInput | null; readonly link: PublisherLink | null };

function isSameTarget(one: PublisherTarget, other: PublisherTarget): boolean {
  return one.url === other.url && one.token === other.token && one.name === other.name && one.place === other.place;
}

/** One who publishes: the camera, and the way to the gateway, over sessions that come and go. Draws nothing but its video. */
export class PublisherModel {
  /** Shows what the camera sees. */
  readonly video = document.createElement('video');
  readonly #heard: (event: PublisherModelEvent) => void;
  readonly #history = new StatsHistory<PublisherStats>();
  readonly #wakeLock = new WakeLock();
  #phase: Phase = { kind: 'idle' };
  /** Each attempt to open a camera has a number; an old one's camera is closed when it comes. */
  #attempt = 0;
  #wish: PublisherWish | null = null;
  #target: PublisherTarget | null = null;
  /** Whether the next connection ends another publisher. */
  #takesOver = false;
  #gateway: { readonly state: 'connecting' | 'live' | 'refused'; readonly reason: string; readonly code: number | null } = { state: 'connecting', reason: '', code: null };
  #isSilent = false;
  #stats: PublisherStats = NO_PUBLISHER_STATS;
  #cameras: readonly Camera[] = [];
  #message: Value = null;

  constructor(heard: (event: PublisherModelEvent) => void) {
    this.#heard = heard;
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.autoplay = true;
  }

  get state(): PublisherState {
    return this.#describe().state;
  }

  get reason(): string {
    return this.#describe().reason;
  }

  /** The code of a refusal or a failure; null in other states. */
  get code(): number | CameraFailure | null {
    const phase = this.#phase;
    if (phase.kind === 'failed' || phase.kind === 'over') return phase.code;
    return phase.kind === 'open' && this.state === 'refused' ? this.#gateway.code : null;
  }

  get isStarted(): boolean {
    return this.#phase.kind !== 'idle';
  }

  /** null while there is none. */
  get input(): OpenInput | null {
    return this.#phase.kind === 'open' ? this.#phase.input : null;
  }

  get stats(): PublisherStats {
    return this.#stats;
  }

  get history(): readonly PublisherStats[] {
    return this.#history.readings;
  }

  get cameras(): readonly Camera[] {
    return this.#cameras;
  }

  get place(): 'worker' | 'main' | null {
    return this.#phase.kind === 'open' ? (this.#phase.link?.place ?? null) : null;
  }

  set message(message: Value) {
    this.#message = message;
    if (this.#phase.kind === 'open') this.#phase.link?.message(message);
  }

  /** Opens the camera and then the way to the gateway. What is open and still wanted stays, but for a refused way, which is tried again. */
  start(wish: PublisherWish, target: PublisherTarget, { takeOver }: { readonly takeOver: boolean }): void {
    this.#takesOver = takeOver;
    if (this.#phase.kind === 'open') {
      const isTriedAgain = takeOver || this.state === 'refused';
      this.wish(wish);
      this.#retarget(target, isTriedAgain);
      return;
    }
    this.#wish = wish;
    this.#target = target;
    this.#phase = { kind: 'open', input: null, link: null };
    navigator.mediaDevices?.addEventListener('devicechange', this.#onDevices);
    this.#wakeLock.hold();
    this.#startInput(wish);
    this.#heard({ kind: 'changed' });
  }

  /** Switches the camera off, and leaves. Idempotent. */
  stop(): void {
    if (this.#phase.kind === 'idle') return;
    this.#end({ kind: 'idle' });
  }

  /** Another camera, size or rate, as soon as it can be. */
  wish(wish: PublisherWish): void {
    const before = this.#wish;
    this.#wish = wish;
    if (this.#phase.kind !== 'open' || before === null) return;
    const { input, link } = this.#phase;
    link?.settings(wish.settings);
    const isOtherCamera = wish.input === 'camera' && (wish.device !== before.device || wish.facing !== before.facing);
    if (wish.input !== before.input || isOtherCamera) {
      // A phone opens one camera at a time. A screen has to be chosen first, if one is.
      if (wish.input === 'camera') this.#closeInput();
      this.#startInput(wish);
      this.#heard({ kind: 'changed' });
    } else if (input !== null && (wish.size !== before.size || wish.fps !== before.fps)) {
      runInBackground(input.apply(wish));
    }
  }

  /** Another stream, token or name: leaves, and connects again with the same camera. */
  retarget(target: PublisherTarget): void {
    this.#retarget(target, false);
  }

  /** Somebody looks, or the network is back: what waits is tried at once. */
  retry(): void {
    if (this.#phase.kind === 'open') this.#phase.link?.retry();
    else this.#onDevices();
  }

  #retarget(target: PublisherTarget, isTriedAgain: boolean): void {
    const isSame = this.#target !== null && isSameTarget(target, this.#target);
    this.#target = target;
    if (this.#phase.kind !== 'open' || (isSame && !isTriedAgain)) return;
    const { input, link } = this.#phase;
    if (input !== null) {
      this.#connect(input);
      return;
    }
    // The camera that is being opened connects.
    link?.close();
    this.#phase = { kind: 'open', input, link: null };
  }

  #startInput(wish: PublisherWish): void {
    runInBackground(this.#openInput(wish), (error) => this.#fail(explain(error, wish.input)));
  }

  async #openInput(wish: PublisherWish): Promise<void> {
    this.#attempt += 1;
    const attempt = this.#attempt;
    let input: OpenInput | null = null;
    try {
      const opened: OpenInput = new OpenInput(await openStream(wish), wish, { ended: () => this.#inputEnded(opened), muted: () => this.#heard({ kind: 'changed' }) });
      input = opened;
    } catch (error) {
      if (attempt === this.#attempt) this.#notOpened(error instanceof CameraError ? error : explain(error, wish.input));
      return;
    }
    if (attempt !== this.#attempt || this.#phase.kind !== 'open') {
      input.close();
      return;
    }
    this.#closeInput();
    this.video.srcObject = input.stream;
    // Stopped again before it began: the next one plays.
    this.video.play().catch(() => undefined);
    this.#isSilent = false;
    const { link } = this.#phase;
    this.#phase = { kind: 'open', input, link };
    if (link === null) this.#connect(input);
    else link.feed(input);
    runInBackground(this.#listCameras());
    this.#heard({ kind: 'changed' });
  }

  #connect(input: OpenInput): void {
    if (this.#phase.kind !== 'open' || this.#target === null || this.#wish === null) return;
    this.#phase.link?.close();
    const { url, token, name, place } = this.#target;
    this.#gateway = { state: 'connecting', reason: `to ${new URL(url).host}`, code: null };
    this.#clearFigures();
    const link = new PublisherLink({ url, token, name, takeOver: this.#takesOver, settings: this.#wish.settings, message: this.#message }, this.video, place, (event) => this.#receive(event));
    this.#takesOver = false;
    link.feed(input);
    this.#phase = { kind: 'open', input, link };
    this.#heard({ kind: 'changed' });
  }

  #receive(event: PublisherLinkEvent): void {
    switch (event.kind) {
      case 'state':
        this.#gateway = { ...event, code: event.state === 'refused' ? this.#gateway.code : null };
        this.#heard({ kind: 'changed' });
        return;
      case 'stats':
        this.#stats = event.stats;
        this.#isSilent = event.isSilent;
        this.#history.add(event.stats);
        this.#heard({ kind: 'changed' });
        return;
      case 'refused':
        this.#gateway = { state: 'refused', reason: event.reason, code: event.code };
        if (RELEASING_CODES.has(event.code)) this.#end({ kind: 'over', code: event.code, reason: event.reason });
        else this.#heard({ kind: 'changed' });
        this.#heard(event);
        return;
      case 'data':
      case 'frame-refused':
        this.#heard(event);
        return;
      default:
        event satisfies never;
    }
  }

  #inputEnded(input: OpenInput): void {
    if (this.input !== input) return;
    // Its user has pressed the browser's own button: there is nothing to come back.
    if (input.isScreen) this.stop();
    else this.#fail(new CameraError('ended', 'the camera was unplugged, or taken away by the system or another program; it is live again by itself when it is back'));
  }

  #notOpened(error: CameraError): void {
    const former = this.input;
    if (former === null || former.isScreen || this.#wish === null) {
      this.#fail(error);
      return;
    }
    this.#wish = { ...this.#wish, input: 'camera' };
    this.#heard({ kind: 'kept' });
    this.#heard({ kind: 'failed', code: error.code, reason: error.message });
  }

  #fail({ code, message }: CameraError): void {
    this.#end({ kind: 'failed', code, reason: message });
    this.#heard({ kind: 'failed', code, reason: message });
  }

  #end(phase: Phase): void {
    this.#attempt += 1;
    this.#closeInput();
    if (this.#phase.kind === 'open') this.#phase.link?.close();
    this.#phase = phase;
    this.#clearFigures();
    this.#wakeLock.release();
    // One that is only unplugged is waited for.
    if (phase.kind !== 'failed') navigator.mediaDevices?.removeEventListener('devicechange', this.#onDevices);
    this.#heard({ kind: 'changed' });
  }

  #closeInput(): void {
    if (this.#phase.kind !== 'open' || this.#phase.input === null) return;
    const { input, link } = this.#phase;
    link?.feed(null);
    input.close();
    this.video.srcObject = null;
    this.#phase = { kind: 'open', input: null, link };
  }

  #clearFigures(): void {
    this.#stats = NO_PUBLISHER_STATS;
    this.#history.clear();
    this.#isSilent = false;
  }

  async #listCameras(): Promise<void> {
    this.#cameras = await listCameras().catch(() => []);
    this.#heard({ kind: 'changed' });
  }

  /** A camera was plugged in or out, or may be free again. */
  readonly #onDevices = (): void => {
    runInBackground(this.#listCameras().then(() => this.#startAgain()));
  };

  async #startAgain(): Promise<void> {
    const wish = this.#wish;
    if (wish === null || wish.input === 'screen' || !(await hasCamera(wish.device))) return;
    if (this.#phase.kind === 'failed' && WAITED_FOR.has(this.#phase.code) && this.#target !== null) this.start(wish, this.#target, { takeOver: false });
  }

  #describe(): { readonly state: PublisherState; readonly reason: string } {
    const phase = this.#phase;
    switch (phase.kind) {
      case 'idle':
        return { state: 'idle', reason: '' };
      case 'failed':
        return { state: 'failed', reason: phase.reason };
      case 'over':
        return { state: 'refused', reason: phase.reason };
      case 'open':
        break;
      default:
        return phase satisfies never;
    }
    if (phase.input === null) return { state: 'asking', reason: this.#wish?.input === 'screen' ? 'choose what to share where the browser asks' : 'allow it where the browser asks' };
    if (this.#gateway.state !== 'live') return this.#gateway;
    if (phase.input.track.muted) return { state: 'paused', reason: document.hidden ? 'the browser stops the camera while this page is not seen' : 'the system or the browser has stopped the camera' };
    if (this.#isSilent) return { state: 'paused', reason: 'the camera gives no pictures' };
    return { state: 'live', reason: this.#gateway.reason };
  }
}
