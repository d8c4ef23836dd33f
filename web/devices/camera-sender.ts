import { runInBackground } from '../background.ts';
import { CameraError, type CaptureSettings, explain, openStream } from '../capture/camera.ts';
import { InputFeeder } from '../capture/input-feeder.ts';
import { OpenInput } from '../capture/open-input.ts';
import { type SessionHandle, SessionHost } from '../connection/session-host.ts';
import type { CameraCommand, CameraEvent, CameraOptions } from './camera-messages.ts';
import { openCameraSession } from './camera-session.ts';

/** Camera to open, and encoding of its pictures. */
export interface SenderSettings extends CaptureSettings {
  /** JPEG quality, 1 to 100. */
  readonly quality: number;
  /** Maximum length of the shorter side, in pixels. */
  readonly shortSide: number;
}

/** Callbacks of the sender. */
export interface SenderActions {
  /** Whether a connection accepts pictures. Call {@link CameraSender.connected} when this becomes true again. */
  isConnected(): boolean;
  /** Sends a picture. Resolves when the gateway has received or refused it. Must not reject. */
  send(jpeg: Blob): Promise<void>;
  /** Called when the camera is open. */
  opened(): void;
  /** Called when the camera was disconnected, or was not available. The sender is then closed. */
  failed(error: CameraError): void;
}

const host = new SessionHost<CameraOptions, CameraCommand, CameraEvent>({
  workerScript: new URL(/* @vite-ignore */ './gearway-camera-worker.js', import.meta.url),
  workerName: 'gearway-camera',
  canUseWorker: () => true,
  toWorker: (opening) => ({ opening, transfer: [] }),
  loadSession: () => Promise.resolve(openCameraSession),
});

/**
 * A camera whose pictures are sent one after another, newest first, as fast as the gateway receives them. They are
 * encoded in a worker.
 */
export class CameraSender {
  readonly #video: HTMLVideoElement;
  readonly #settings: SenderSettings;
  readonly #actions: SenderActions;
  readonly #feeder: InputFeeder;
  #input: OpenInput | null = null;
  #session: SessionHandle<CameraCommand> | null = null;
  /**
   * The latest picture that could not be sent without a connection. Until it is acknowledged, the session encodes no
   * further pictures.
   */
  #unsent: number | null = null;
  #closed = false;

  /** @param video element that shows the camera. */
  constructor(video: HTMLVideoElement, settings: SenderSettings, actions: SenderActions) {
    this.#video = video;
    this.#settings = settings;
    this.#actions = actions;
    this.#feeder = new InputFeeder(video, (command, transfer) => this.#session?.command(command, transfer));
  }

  /** Opens the camera. Also resolves if this fails. */
  async open(): Promise<void> {
    let input: OpenInput;
    try {
      input = new OpenInput(await openStream(this.#settings), this.#settings, {
        ended: () => this.#fail(new CameraError('ended', 'the camera was unplugged, or taken by another program')),
        muteChanged: () => undefined,
      });
    } catch (error) {
      this.#fail(error instanceof CameraError ? error : explain(error, 'camera'));
      return;
    }
    if (this.#isClosed()) {
      input.close();
      return;
    }
    this.#input = input;
    this.#video.srcObject = input.stream;
    // Rejects if the camera is closed before the video plays.
    this.#video.play().catch(() => undefined);
    const session = await host.open({ encoding: this.#settings }, 'worker', (event) => this.#onEvent(event));
    // Closed while the worker was starting.
    if (this.#isClosed()) {
      session.command({ kind: 'close' });
      return;
    }
    this.#session = session;
    this.#feeder.feed(input, session.thread === 'worker');
    this.#actions.opened();
  }

  /** Call when a connection is available again. Sending continues with the newest picture. */
  connected(): void {
    if (this.#unsent === null) return;
    this.#taken(this.#unsent);
    this.#unsent = null;
  }

  /** Switches the camera off. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#feeder.close();
    this.#session?.command({ kind: 'close' });
    this.#session = null;
    this.#input?.close();
    this.#video.srcObject = null;
  }

  /** A method, because TypeScript assumes that the field does not change during `await`. */
  #isClosed(): boolean {
    return this.#closed;
  }

  #onEvent(event: CameraEvent): void {
    if (this.#closed) return;
    switch (event.kind) {
      case 'pull':
      case 'track-unsupported':
        this.#feeder.event(event);
        return;
      case 'jpeg':
        this.#send(event.sequence, event.jpeg);
        return;
      case 'failed':
        this.#fail(explain(new Error(event.reason), 'camera'));
        return;
      default:
        event satisfies never;
    }
  }

  #send(sequence: number, jpeg: Blob): void {
    if (!this.#actions.isConnected()) {
      this.#unsent = sequence;
      return;
    }
    // After a refusal the next picture is sent: the gateway refuses pictures that arrive too fast.
    runInBackground(this.#actions.send(jpeg).then(() => this.#taken(sequence)));
  }

  #taken(sequence: number): void {
    this.#session?.command({ kind: 'taken', sequence });
  }

  #fail(error: CameraError): void {
    if (this.#closed) return;
    this.close();
    this.#actions.failed(error);
  }
}
