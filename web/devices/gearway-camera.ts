import { css, html, LitElement, type TemplateResult } from 'lit';
import { errorText } from '../../shared/errors.ts';
import { runInBackground } from '../background.ts';
import { SIZES } from '../capture/camera.ts';
import type { Facing, PictureSize } from '../capture/capture-types.ts';
import type { GearwayViewer } from '../viewer/gearway-viewer.ts';
import { ChannelController } from './channel-controller.ts';
import { CameraSender, type SenderSettings } from './camera-sender.ts';
import { deviceStyles } from './device-styles.ts';

/** Time to live of a picture, unless a newer one replaces it. */
const TIME_TO_LIVE_MS = 1000;

const MAX_FPS = 60;

/** State of a camera. `asking`: it is being opened, or the user is asked; `failed`: none is available. */
export type CameraState = 'off' | 'asking' | 'on' | 'failed';

const TEXTS: Readonly<Record<Exclude<CameraState, 'failed'>, string>> = {
  off: 'Off',
  asking: 'Allow camera access in the browser prompt',
  on: 'On',
};

/**
 * A camera of this device as return data: the server receives its pictures as arrays. The pictures are the whole return
 * data of their viewer, so other devices need another viewer. A picture is sent when the gateway has received the
 * previous one; a newer picture replaces a waiting one.
 *
 * @tag gearway-camera
 * @summary Camera pictures as return data.
 * @attr {string} viewer - id of the viewer; the first of the page by default
 * @attr {boolean} active - the camera is on; the button switches it
 * @attr {'user' | 'environment'} facing - camera of a phone: towards the user, or away
 * @attr {'480p' | '720p' | '1080p'} size - size of the pictures; `480p` by default, which is 640×480
 * @attr {number} fps - maximum frame rate, 1 to 60; 25 by default
 * @attr {number} quality - JPEG quality, 1 to 100; 80 by default
 * @slot - label of the button
 * @csspart button - the button that switches the camera on and off
 * @csspart video - the picture of the camera
 * @csspart status - state, or the reason why no camera is available or no picture is accepted
 */
export class GearwayCamera extends LitElement {
  static override styles = [
    deviceStyles,
    css`
      video[hidden] {
        display: none;
      }
      video {
        width: 160px;
        max-width: 100%;
        border-radius: 6px;
        aspect-ratio: 4 / 3;
        background: #05070a;
      }
    `,
  ];
  static override properties = {
    viewer: { type: String },
    active: { type: Boolean },
    facing: { type: String },
    size: { type: String },
    fps: { type: Number },
    quality: { type: Number },
  };

  declare viewer: string;
  declare active: boolean;
  declare facing: Facing | null;
  declare size: PictureSize;
  declare fps: number;
  declare quality: number;
  readonly #video = Object.assign(document.createElement('video'), { muted: true, playsInline: true });
  #target: GearwayViewer | null = null;
  #sender: CameraSender | null = null;
  /** Viewer and settings of the sender as text, to detect changes. */
  #openedAs = '';
  #state: CameraState = 'off';
  #reason = '';

  constructor() {
    super();
    this.viewer = '';
    this.active = false;
    this.facing = null;
    this.size = '480p';
    this.fps = 25;
    this.quality = 80;
    // Only the viewer of the channel is needed.
    new ChannelController(this, (_channel, viewer) => {
      this.#target = viewer;
      this.requestUpdate();
      const onOpen = (): void => this.#sender?.connected();
      viewer.addEventListener('gearway-open', onOpen);
      return () => {
        viewer.removeEventListener('gearway-open', onOpen);
        this.#close();
        this.#target = null;
      };
    });
    this.#video.part.add('video');
    this.#video.setAttribute('aria-label', 'Picture of the camera');
  }

  get state(): CameraState {
    return this.#state;
  }

  /** Why no camera is available, or why its last picture was refused; empty otherwise. */
  get reason(): string {
    return this.#reason;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.requestUpdate();
  }

  protected override updated(): void {
    const settings = this.#settings();
    const openedAs = this.active && this.#target !== null ? JSON.stringify(settings) : '';
    if (openedAs === this.#openedAs) return;
    this.#close();
    if (this.#target === null || openedAs === '') return;
    this.#openedAs = openedAs;
    this.#open(this.#target, settings);
  }

  protected override render(): TemplateResult {
    const isShown = this.#state === 'on';
    this.#video.hidden = !isShown;
    const text = this.#reason === '' && this.#state !== 'failed' ? TEXTS[this.#state] : this.#reason;
    return html`<div class="row">
      <button
        part="button"
        type="button"
        aria-pressed=${this.active ? 'true' : 'false'}
        @click=${() => (this.active = !this.active)}
      >
        <slot>Camera</slot>
      </button>
      <span part="status" role="status">${text}</span>
      ${this.#video}
    </div>`;
  }

  #settings(): SenderSettings {
    const size = Object.hasOwn(SIZES, this.size) ? this.size : '480p';
    return {
      input: 'camera',
      device: null,
      facing: this.facing,
      size,
      shortSide: SIZES[size].height,
      fps: within(this.fps, 1, MAX_FPS),
      quality: within(this.quality, 1, 100),
    };
  }

  #open(viewer: GearwayViewer, settings: SenderSettings): void {
    this.#show('asking');
    const sender = new CameraSender(this.#video, settings, {
      isConnected: () => viewer.port !== null,
      send: (jpeg) => this.#send(viewer, jpeg),
      opened: () => this.#show('on'),
      failed: ({ message }) => {
        this.active = false;
        this.#sender = null;
        this.#openedAs = '';
        this.#show('failed', message);
      },
    });
    this.#sender = sender;
    runInBackground(sender.open());
  }

  async #send(viewer: GearwayViewer, jpeg: Blob): Promise<void> {
    let refusal = '';
    try {
      await viewer.setReturnData(jpeg, { ttlMs: TIME_TO_LIVE_MS });
    } catch (error) {
      refusal = errorText(error);
    }
    if (this.#state === 'on' && refusal !== this.#reason) this.#show('on', refusal);
  }

  #close(): void {
    this.#openedAs = '';
    if (this.#sender === null) return;
    this.#sender.close();
    this.#sender = null;
    this.#show('off');
    // Rejects without a connection; the last picture then has expired in any case.
    this.#target?.setReturnData(null).catch(() => undefined);
  }

  #show(state: CameraState, reason = ''): void {
    this.#state = state;
    this.#reason = reason;
    this.requestUpdate();
  }
}

function within(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value || max));
}
