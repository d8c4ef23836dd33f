import { runInBackground } from '../background.ts';
import { closeCode } from '../../shared/close-code.ts';
import type { Value } from '../../shared/protocol.ts';
import type { SessionThread } from '../connection/session-host.ts';
import { ELEMENT_HISTORY, History } from '../connection/statistics.ts';
import {
  type Camera,
  CameraError,
  type CaptureSettings,
  explain,
  hasCamera,
  listCameras,
  openStream,
} from '../capture/camera.ts';
import { OpenInput } from '../capture/open-input.ts';
import { WakeLock } from './capture/wake-lock.ts';
import { PublisherLink, type PublisherLinkEvent } from './publisher-link.ts';
import type { CameraFailure } from '../capture/capture-types.ts';
import {
  type EncodingLimits,
  NO_PUBLISHER_STATS,
  type PublisherOptions,
  type PublisherState,
  type PublisherStats,
} from './publisher-messages.ts';

/** Destination of the pictures. `url` is the stream's WebSocket address for publishers. */
export type PublisherTarget = Pick<PublisherOptions, 'url' | 'token' | 'name'> & { readonly thread: SessionThread };

/** The source and the encoding of the pictures. */
export interface PublisherSettings extends CaptureSettings {
  readonly encoding: EncodingLimits;
}

/** Events for the element. `changed`: the state, the cameras or another property may have changed. */
export type PublisherModelEvent =
  | { readonly kind: 'changed' }
  | { readonly kind: 'failed'; readonly code: CameraFailure; readonly reason: string }
  /** Called when no screen was selected. The camera stays on. */
  | { readonly kind: 'camera-kept' }
  | Extract<PublisherLinkEvent, { kind: 'refused' | 'data' | 'frame-refused' }>;

/** Failures after which the camera is opened automatically as soon as it is connected or free again. */
const RECOVERABLE: ReadonlySet<CameraFailure> = new Set(['ended', 'no-camera', 'busy']);

/** Refusals after which the camera is switched off: another publisher took over, or the connection is impossible. */
const RELEASING_CODES: ReadonlySet<number> = new Set([closeCode.takenOver, closeCode.badMessage]);

type Phase =
  | { readonly kind: 'idle' }
  | { readonly kind: 'failed'; readonly code: CameraFailure; readonly reason: string }
  /** The publisher was refused permanently, and the camera is off. */
  | { readonly kind: 'released'; readonly code: number; readonly reason: string }
  /** `input` is null while a camera is being opened, `link` before the first one is open. */
  | { readonly kind: 'open'; readonly input: OpenInput | null; readonly link: PublisherLink | null };

/** State of the connection to the gateway. `code` is null unless it was refused. */
interface GatewayState {
  readonly state: 'connecting' | 'live' | 'refused';
  readonly reason: string;
  readonly code: number | null;
}

function isSameTarget(one: PublisherTarget, other: PublisherTarget): boolean {
  return one.url === other.url && one.token === other.token && one.name === other.name && one.thread === other.thread;
}

/**
 * State of a publisher across consecutive sessions: camera, connection, statistics. Its only visible part is the video.
 */
export class PublisherModel {
  /** Element that plays the camera's video. */
  readonly video = document.createElement('video');
  readonly #onEvent: (event: PublisherModelEvent) => void;
  readonly #history = new History<PublisherStats>(ELEMENT_HISTORY);
  readonly #wakeLock = new WakeLock();
  #phase: Phase = { kind: 'idle' };
  /** Number of attempts to open a camera. The result of a superseded attempt is closed. */
  #attempt = 0;
  #settings: PublisherSettings | null = null;
  #target: PublisherTarget | null = null;
  /** Whether the next connection replaces another publisher. */
  #takesOver = false;
  #gateway: GatewayState = { state: 'connecting', reason: '', code: null };
  #isSilent = false;
  #stats: PublisherStats = NO_PUBLISHER_STATS;
  #cameras: readonly Camera[] = [];
  #message: Value = null;

  constructor(onEvent: (event: PublisherModelEvent) => void) {
    this.#onEvent = onEvent;
    this.video.muted = true;
    this.video.playsInline = true;
    this.video.autoplay = true;
  }

  get state(): PublisherState {
    return this.#currentState().state;
  }

  get reason(): string {
    return this.#currentState().reason;
  }

  /** Code of a refusal or failure; null in other states. */
  get code(): number | CameraFailure | null {
    const phase = this.#phase;
    if (phase.kind === 'failed' || phase.kind === 'released') return phase.code;
    return phase.kind === 'open' && this.state === 'refused' ? this.#gateway.code : null;
  }

  get isStarted(): boolean {
    return this.#phase.kind !== 'idle';
  }

  /** The open camera or screen; null while there is none. */
  get input(): OpenInput | null {
    return this.#phase.kind === 'open' ? this.#phase.input : null;
  }

  get stats(): PublisherStats {
    return this.#stats;
  }

  get history(): readonly PublisherStats[] {
    return this.#history.values;
  }

  get cameras(): readonly Camera[] {
    return this.#cameras;
  }

  get thread(): SessionThread | null {
    return this.#phase.kind === 'open' ? (this.#phase.link?.thread ?? null) : null;
  }

  set message(message: Value) {
    this.#message = message;
    if (this.#phase.kind === 'open') this.#phase.link?.setMessage(message);
  }

  /**
   * Opens the camera, and then the connection. An open camera or connection is kept if it matches the settings; a
   * refused connection is attempted again.
   */
  start(settings: PublisherSettings, target: PublisherTarget, { takeOver }: { readonly takeOver: boolean }): void {
    this.#takesOver = takeOver;
    if (this.#phase.kind === 'open') {
      const mustReconnect = takeOver || this.state === 'refused';
      this.configure(settings);
      this.#retarget(target, mustReconnect);
      return;
    }
    this.#settings = settings;
    this.#target = target;
    this.#phase = { kind: 'open', input: null, link: null };
    navigator.mediaDevices?.addEventListener('devicechange', this.#onDevices);
    this.#wakeLock.hold();
    this.#startInput(settings);
    this.#onEvent({ kind: 'changed' });
  }

  /** Switches the camera off, and disconnects. Idempotent. */
  stop(): void {
    if (this.#phase.kind === 'idle') return;
    this.#finish({ kind: 'idle' });
  }

  /** Applies new settings. Does nothing before `start()`. */
  configure(settings: PublisherSettings): void {
    const before = this.#settings;
    this.#settings = settings;
    if (this.#phase.kind !== 'open' || before === null) return;
    const { input, link } = this.#phase;
    link?.setEncoding(settings.encoding);
    const isSelected = settings.device === before.device && settings.facing === before.facing;
    if (settings.input !== before.input || (settings.input === 'camera' && !isSelected)) {
      // A phone can open only one camera at a time. A screen must be selected first, which may fail.
      if (settings.input === 'camera') this.#closeInput();
      this.#startInput(settings);
      this.#onEvent({ kind: 'changed' });
    } else if (input !== null && (settings.size !== before.size || settings.fps !== before.fps)) {
      runInBackground(input.apply(settings));
    }
  }

  /** Called for another stream, token or name: reconnects with the same camera. */
  retarget(target: PublisherTarget): void {
    this.#retarget(target, false);
  }

  /** Called when the page is visible, or the network has returned: makes pending attempts immediately. */
  retry(): void {
    if (this.#phase.kind === 'open') this.#phase.link?.retry();
    else this.#onDevices();
  }

  #retarget(target: PublisherTarget, mustReconnect: boolean): void {
    const isSame = this.#target !== null && isSameTarget(target, this.#target);
    this.#target = target;
    if (this.#phase.kind !== 'open' || (isSame && !mustReconnect)) return;
    const { input, link } = this.#phase;
    if (input !== null) {
      this.#connect(input);
      return;
    }
    // The connection is opened when the camera is open.
    link?.close();
    this.#phase = { kind: 'open', input, link: null };
  }

  #startInput(settings: PublisherSettings): void {
    runInBackground(this.#openInput(settings), (error) => this.#fail(explain(error, settings.input)));
  }

  async #openInput(settings: PublisherSettings): Promise<void> {
    this.#attempt += 1;
    const attempt = this.#attempt;
    let input: OpenInput | null = null;
    try {
      const opened: OpenInput = new OpenInput(await openStream(settings), settings, {
        ended: () => this.#inputEnded(opened),
        muteChanged: () => this.#onEvent({ kind: 'changed' }),
      });
      input = opened;
    } catch (error) {
      if (attempt !== this.#attempt) return;
      this.#inputFailed(error instanceof CameraError ? error : explain(error, settings.input));
      return;
    }
    if (attempt !== this.#attempt || this.#phase.kind !== 'open') {
      input.close();
      return;
    }
    this.#closeInput();
    this.video.srcObject = input.stream;
    // Rejects if the input is changed before it plays.
    this.video.play().catch(() => undefined);
    this.#isSilent = false;
    const { link } = this.#phase;
    this.#phase = { kind: 'open', input, link };
    if (link === null) this.#connect(input);
    else link.feed(input);
    runInBackground(this.#listCameras());
    this.#onEvent({ kind: 'changed' });
  }

  #connect(input: OpenInput): void {
    if (this.#phase.kind !== 'open' || this.#target === null || this.#settings === null) return;
    this.#phase.link?.close();
    const { url, token, name, thread } = this.#target;
    this.#gateway = { state: 'connecting', reason: `to ${new URL(url).host}`, code: null };
    this.#clearStats();
    const { encoding } = this.#settings;
    const options = { url, token, name, takeOver: this.#takesOver, encoding, message: this.#message };
    const link = new PublisherLink(options, this.video, thread, (event) => this.#receive(event));
    this.#takesOver = false;
    link.feed(input);
    this.#phase = { kind: 'open', input, link };
    this.#onEvent({ kind: 'changed' });
  }

  #receive(event: PublisherLinkEvent): void {
    switch (event.kind) {
      case 'state':
        this.#gateway = { ...event, code: event.state === 'refused' ? this.#gateway.code : null };
        this.#onEvent({ kind: 'changed' });
        return;
      case 'stats':
        this.#stats = event.stats;
        this.#isSilent = event.isSilent;
        this.#history.add(event.stats);
        this.#onEvent({ kind: 'changed' });
        return;
      case 'refused': {
        const { code, reason } = event;
        this.#gateway = { state: 'refused', reason, code };
        if (RELEASING_CODES.has(code)) this.#finish({ kind: 'released', code, reason });
        else this.#onEvent({ kind: 'changed' });
        this.#onEvent(event);
        return;
      }
      case 'data':
      case 'frame-refused':
        this.#onEvent(event);
        return;
      default:
        event satisfies never;
    }
  }

  #inputEnded(input: OpenInput): void {
    if (this.input !== input) return;
    if (input.isScreen) {
      // The user has stopped sharing in the browser's own controls.
      this.stop();
      return;
    }
    const reason = 'the camera was unplugged, or taken by the system or another program';
    this.#fail(new CameraError('ended', `${reason}; publishing resumes automatically when it is available again`));
  }

  #inputFailed(error: CameraError): void {
    const current = this.input;
    if (current === null || current.isScreen || this.#settings === null) {
      this.#fail(error);
      return;
    }
    this.#settings = { ...this.#settings, input: 'camera' };
    this.#onEvent({ kind: 'camera-kept' });
    this.#onEvent({ kind: 'failed', code: error.code, reason: error.message });
  }

  #fail({ code, message }: CameraError): void {
    this.#finish({ kind: 'failed', code, reason: message });
    this.#onEvent({ kind: 'failed', code, reason: message });
  }

  #finish(phase: Phase): void {
    this.#attempt += 1;
    this.#closeInput();
    if (this.#phase.kind === 'open') this.#phase.link?.close();
    this.#phase = phase;
    this.#clearStats();
    this.#wakeLock.release();
    // After a failure, the camera may be connected later.
    if (phase.kind !== 'failed') navigator.mediaDevices?.removeEventListener('devicechange', this.#onDevices);
    this.#onEvent({ kind: 'changed' });
  }

  #closeInput(): void {
    if (this.#phase.kind !== 'open' || this.#phase.input === null) return;
    const { input, link } = this.#phase;
    link?.feed(null);
    input.close();
    this.video.srcObject = null;
    this.#phase = { kind: 'open', input: null, link };
  }

  #clearStats(): void {
    this.#stats = NO_PUBLISHER_STATS;
    this.#history.clear();
    this.#isSilent = false;
  }

  async #listCameras(): Promise<void> {
    this.#cameras = await listCameras().catch(() => []);
    this.#onEvent({ kind: 'changed' });
  }

  /** Called when a camera was connected or disconnected, or may be free again. */
  readonly #onDevices = (): void => {
    runInBackground(this.#listCameras().then(() => this.#restart()));
  };

  async #restart(): Promise<void> {
    const settings = this.#settings;
    if (settings === null || settings.input === 'screen' || !(await hasCamera(settings.device))) return;
    if (this.#phase.kind !== 'failed' || !RECOVERABLE.has(this.#phase.code) || this.#target === null) return;
    this.start(settings, this.#target, { takeOver: false });
  }

  #currentState(): { readonly state: PublisherState; readonly reason: string } {
    const phase = this.#phase;
    switch (phase.kind) {
      case 'idle':
        return { state: 'idle', reason: '' };
      case 'failed':
        return { state: 'failed', reason: phase.reason };
      case 'released':
        return { state: 'refused', reason: phase.reason };
      case 'open':
        return phase.input === null ? this.#askingState() : this.#openState(phase.input);
      default:
        return phase satisfies never;
    }
  }

  #askingState(): { readonly state: 'asking'; readonly reason: string } {
    const isScreen = this.#settings?.input === 'screen';
    const action = isScreen ? 'select what to share' : 'allow camera access';
    return { state: 'asking', reason: `${action} in the browser prompt` };
  }

  #openState(input: OpenInput): { readonly state: PublisherState; readonly reason: string } {
    if (this.#gateway.state !== 'live') return this.#gateway;
    if (input.track.muted) {
      const reason = document.hidden
        ? 'the browser pauses the camera while this page is hidden'
        : 'the system or the browser has paused the camera';
      return { state: 'paused', reason };
    }
    if (this.#isSilent) return { state: 'paused', reason: 'the camera delivers no frames' };
    return { state: 'live', reason: this.#gateway.reason };
  }
}
