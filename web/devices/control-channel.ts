import { runInBackground } from '../background.ts';
import type { Value } from '../../shared/protocol.ts';
import type { GearwayFrameEvent, GearwayViewer } from '../viewer/gearway-viewer.ts';
import type { ControlValue, Device, DeviceValue } from './control-value.ts';
import { StopLatch, type StopState } from './stop-latch.ts';

/** Interval between repetitions of the values while a device is held. */
export const REPEAT_MS = 80;

/** Time after which the gateway discards values that were not repeated. */
export const TIME_TO_LIVE_MS = 500;

/**
 * Maximum number of unanswered values while a device is held. On a stalled link, further values would arrive too late.
 */
const MAX_UNANSWERED = Math.floor(TIME_TO_LIVE_MS / REPEAT_MS);

/** Time in which the server has to confirm that the stop is cleared. Otherwise, the user has to request it again. */
const CLEAR_WITHIN_MS = 3000;

/** Codes of refusals that last as long as the connection. */
const LASTING_REFUSALS: ReadonlySet<string> = new Set(['not-allowed', 'no-port']);

/** The part of the viewer that a channel uses. */
export type ControlledViewer = Pick<
  GearwayViewer,
  'setReturnData' | 'send' | 'addEventListener' | 'removeEventListener' | 'dispatchEvent' | 'port' | 'control'
>;

/** Key of the emergency stop in the return data and in the server's message. */
const STOP = 'stop';

/**
 * The return data of one viewer, composed of its devices' values by name. While a device is held, all values are
 * repeated with a time to live, which the gateway enforces: they expire if the page closes, freezes or loses its
 * connection.
 *
 * All devices are released when the window loses the focus or is hidden, when the page is left, and when the connection
 * ends.
 */
export class ControlChannel {
  static readonly #channels = new WeakMap<ControlledViewer, ControlChannel>();

  readonly #viewer: ControlledViewer;
  readonly #devices = new Set<Device>();
  readonly #stopListeners = new Set<(state: StopState) => void>();
  /** Elements that currently block all devices. */
  readonly #blockers = new Set<object>();
  readonly #stop = new StopLatch();
  #abort: AbortController | null = null;
  #repeating: ReturnType<typeof setInterval> | null = null;
  /** When values were last repeated, by a clock that continues while the computer sleeps. */
  #repeatedAtMs = 0;
  #clearing: ReturnType<typeof setTimeout> | undefined;
  /** The last value that was sent, as JSON; null before the first one, and after a refusal. */
  #sent: string | null = null;
  #unanswered = 0;
  /** Whether a held value was not sent because too many are unanswered. */
  #isBehind = false;
  /** Error code of the last refusal; empty after an accepted value. */
  #refusal = '';
  #wasInControl = false;

  private constructor(viewer: ControlledViewer) {
    this.#viewer = viewer;
  }

  /** The one channel of a viewer. */
  static of(viewer: ControlledViewer): ControlChannel {
    let channel = ControlChannel.#channels.get(viewer);
    if (channel === undefined) {
      channel = new ControlChannel(viewer);
      ControlChannel.#channels.set(viewer, channel);
    }
    return channel;
  }

  get stopState(): StopState {
    return this.#stop.state;
  }

  /**
   * Whether devices can be used: the viewer has a port and control, nothing blocks them, and there is no emergency stop.
   * Otherwise they are released.
   */
  get isEnabled(): boolean {
    return this.#viewer.port !== null && this.#isInControl && this.#blockers.size === 0 && this.#stop.state === 'ready';
  }

  /** Whether the viewer's return data is accepted: it has control, or control of the stream is shared. */
  get #isInControl(): boolean {
    const { control } = this.#viewer;
    return control === null || control.state === 'mine';
  }

  /** Whether {@link clearStop} has an effect. Without control, a viewer can only withdraw its own stop. */
  get canClearStop(): boolean {
    return this.#isInControl || this.#stop.value === true;
  }

  /** Adds a device. @throws {TypeError} if another one has its name. */
  add(device: Device): void {
    if (device.name === STOP || [...this.#devices].some(({ name }) => name === device.name)) {
      const name = JSON.stringify(device.name);
      throw new TypeError(`the name ${name} is in use, expected a different name for each device`);
    }
    this.#devices.add(device);
    this.#listen();
    // Sent once for all devices that are added in one task.
    queueMicrotask(() => this.#devices.has(device) && this.#send());
  }

  /** Removes a device; its value is no longer sent. Idempotent. */
  remove(device: Device): void {
    if (!this.#devices.delete(device)) return;
    this.#send();
    this.#stopListening();
  }

  /** Called when a device's value has changed, or it is held or released. The value is sent immediately. */
  changed(): void {
    if (this.isEnabled && !this.#wasInterrupted()) this.#send();
    else this.releaseAll();
  }

  /**
   * Returns the values of all devices once, with a different one for this device. While a device is held, they have the
   * same time to live as the held values.
   *
   * @throws {ReturnRefusedError} like the viewer's `send`.
   */
  async sendOnce(device: Device, value: DeviceValue): Promise<void> {
    await this.#viewer.send(
      { ...this.#value(), [device.name]: value },
      this.#repeating === null ? {} : { ttlMs: TIME_TO_LIVE_MS },
    );
  }

  /** Releases all devices, and sends their neutral values. */
  releaseAll(): void {
    for (const device of this.#devices) device.release();
    this.#send();
  }

  /** Blocks all devices while at least one element requests this, for example because the picture is too old. */
  block(by: object, isBlocked: boolean): void {
    if (isBlocked === this.#blockers.has(by)) return;
    if (isBlocked) this.#blockers.add(by);
    else this.#blockers.delete(by);
    this.#usableChanged();
  }

  /** Requests an emergency stop: releases all devices, and returns the stop until {@link clearStop} is called. */
  stop(): void {
    this.#changeStop(() => this.#stop.stop());
    // The stop is sent again if it was already sent.
    this.#sent = null;
    this.releaseAll();
  }

  /**
   * Requests that the server clear the stop; without control, only withdraws this viewer's own stop. Has an effect only
   * after the server has confirmed that it has stopped.
   */
  clearStop(): void {
    if (!this.#isInControl) {
      this.#changeStop(() => this.#stop.withdraw());
      this.#tellStopState();
      this.#send();
      return;
    }
    this.#changeStop(() => this.#stop.clear());
    this.#send();
    clearTimeout(this.#clearing);
    this.#clearing = setTimeout(() => {
      this.#changeStop(() => this.#stop.giveUpClear());
      this.#send();
    }, CLEAR_WITHIN_MS);
  }

  /**
   * Called with each change of the emergency stop's state and of {@link canClearStop}.
   *
   * @returns a function that removes the listener.
   */
  onStopState(listener: (state: StopState) => void): () => void {
    this.#stopListeners.add(listener);
    this.#listen();
    return () => {
      this.#stopListeners.delete(listener);
      this.#stopListening();
    };
  }

  #listen(): void {
    if (this.#abort !== null) return;
    this.#wasInControl = this.#isInControl;
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const release = (): void => this.releaseAll();
    for (const type of ['blur', 'pagehide']) window.addEventListener(type, release, { signal });
    for (const type of ['visibilitychange', 'freeze']) document.addEventListener(type, release, { signal });
    const viewer = this.#viewer;
    viewer.addEventListener('gearway-open', () => this.#connectionChanged(), { signal });
    viewer.addEventListener('gearway-close', () => this.#connectionChanged(), { signal });
    viewer.addEventListener('gearway-refused', () => this.#connectionChanged(), { signal });
    viewer.addEventListener('gearway-control', () => this.#controlChanged(), { signal });
    // A server may send the key with each frame. A large message is parsed only if it may change the state.
    const mayChange = (event: GearwayFrameEvent, stop: boolean): boolean =>
      this.#stop.awaits(stop) && event.mayHave(STOP, stop);
    const confirm = (event: GearwayFrameEvent): void => {
      if (mayChange(event, true) || mayChange(event, false)) this.#confirm(stopIn(event.detail.message));
    };
    viewer.addEventListener('gearway-frame', confirm, { signal });
  }

  #stopListening(): void {
    if (this.#devices.size > 0 || this.#stopListeners.size > 0) return;
    this.#abort?.abort();
    this.#abort = null;
    this.#repeat(false);
  }

  /** After a reconnection, devices must be released and used again. */
  #connectionChanged(): void {
    this.#unanswered = 0;
    this.#isBehind = false;
    this.#wasInControl = this.#isInControl;
    this.#changeStop(() => this.#stop.giveUpClear());
    this.#usableChanged();
  }

  /** Called when this viewer got or lost control. In both cases, devices must be released and used again. */
  #controlChanged(): void {
    if (this.#isInControl === this.#wasInControl) return;
    this.#wasInControl = this.#isInControl;
    this.#changeStop(() => this.#stop.giveUpClear());
    this.#usableChanged();
    this.#tellStopState();
  }

  #usableChanged(): void {
    this.releaseAll();
    this.#enabledChanged();
  }

  #confirm(stop: boolean | null): void {
    const before = this.#stop.state;
    this.#changeStop(() => this.#stop.confirm(stop));
    if (this.#stop.state !== before) this.releaseAll();
  }

  #changeStop(change: () => void): void {
    const before = this.#stop.state;
    change();
    const { state } = this.#stop;
    if (state === before) return;
    this.#tellStopState();
    this.#enabledChanged();
  }

  #tellStopState(): void {
    for (const listener of this.#stopListeners) listener(this.#stop.state);
  }

  #enabledChanged(): void {
    for (const device of this.#devices) device.enabledChanged();
  }

  #repeat(isHeld: boolean): void {
    if (isHeld === (this.#repeating !== null)) return;
    if (this.#repeating !== null) clearInterval(this.#repeating);
    this.#repeating = isHeld ? setInterval(() => this.#repeatValue(), REPEAT_MS) : null;
    this.#repeatedAtMs = Date.now();
  }

  #repeatValue(): void {
    // The viewer reports its connection by events, except when it is removed.
    if (!this.isEnabled || this.#wasInterrupted()) {
      this.releaseAll();
      return;
    }
    this.#repeatedAtMs = Date.now();
    if (this.#unanswered < MAX_UNANSWERED) this.#send(true);
  }

  /**
   * Whether the page was suspended while a device was held, for example by a sleeping computer or an open browser
   * dialog. The controlled device has stopped in the meantime, and must not continue automatically.
   */
  #wasInterrupted(): boolean {
    return this.#repeating !== null && Math.abs(Date.now() - this.#repeatedAtMs) > TIME_TO_LIVE_MS;
  }

  #send(isRepetition = false): void {
    const isHeld = [...this.#devices].some((device) => device.isHeld);
    this.#repeat(isHeld);
    const stop = this.#stop.value;
    // The viewer keeps a value for its next connection: a value that was sent must be replaced, and a stop must be
    // sent.
    if (this.#viewer.port === null && this.#sent === null && stop === null) return;
    const value = this.#value();
    // Without control, there is nothing to send except a stop and its end.
    if (value === null && this.#sent === null) return;
    const text = JSON.stringify([value, isHeld]);
    if (text === this.#sent && !isRepetition) return;
    // On a stalled link, all values would arrive when the link recovers, and each would then be in effect for its time
    // to live.
    if (isHeld && stop !== true && this.#unanswered >= MAX_UNANSWERED) {
      this.#isBehind = true;
      return;
    }
    this.#isBehind = false;
    this.#sent = text;
    // Values of devices that are not held need no time to live: they are neutral, or settings.
    const options = { ...(isHeld ? { ttlMs: TIME_TO_LIVE_MS } : {}), ...(stop === true ? { urgent: true } : {}) };
    this.#unanswered += 1;
    runInBackground(
      this.#viewer.setReturnData(value, options).then(() => this.#accepted()),
      (error) => this.#refused(error),
    );
  }

  /** The value to return; null if there is none, or none would be accepted. */
  #value(): ControlValue | null {
    const stop = this.#stop.value;
    if (this.#devices.size === 0 && stop === null) return null;
    if (!this.#isInControl) return stop === true ? { [STOP]: true } : null;
    return {
      ...Object.fromEntries([...this.#devices].map((device) => [device.name, device.value])),
      ...(stop === null ? {} : { [STOP]: stop }),
    };
  }

  #accepted(): void {
    this.#unanswered = Math.max(0, this.#unanswered - 1);
    this.#refusal = '';
    if (this.#isBehind) this.#send();
  }

  /**
   * The viewer reports the first refusal, but not the refusals of repetitions. If no repetition is accepted, the last
   * value expires.
   */
  #refused(error: unknown): void {
    this.#unanswered = Math.max(0, this.#unanswered - 1);
    const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
    if (typeof code !== 'string') {
      reportError(error);
      return;
    }
    // After a reconnection, the viewer sends its last value again.
    if (code === 'closed' || code === 'superseded') return;
    this.#sent = null;
    // A stop is sent until it is accepted; if the viewer lacks the right or a port, it is sent again when the
    // connection changes.
    if (this.#stop.value === true && !LASTING_REFUSALS.has(code))
      setTimeout(() => this.#stop.value === true && this.#sent === null && this.#send(), REPEAT_MS);
    if (code === this.#refusal) return;
    this.#refusal = code;
    this.#viewer.dispatchEvent(
      new CustomEvent('gearway-return-refused', { detail: { code, reason: String(message) } }),
    );
  }
}

/** The emergency stop in a message of the server; null if there is none. */
function stopIn(message: Value): boolean | null {
  if (typeof message !== 'object' || message === null || Array.isArray(message)) return null;
  const stop = (message as { readonly [key: string]: Value })[STOP];
  return typeof stop === 'boolean' ? stop : null;
}
