import { LitElement, type PropertyDeclarations } from 'lit';
import type { GearwayViewer } from '../viewer/gearway-viewer.ts';
import { ChannelController } from './channel-controller.ts';
import type { Device, DeviceValue } from './control-value.ts';

/** Fired when the value of a device has changed. Does not bubble. */
export class GearwayInputEvent extends CustomEvent<{ readonly value: DeviceValue; readonly held: boolean }> {
  constructor(value: DeviceValue, held: boolean) {
    super('gearway-input', { detail: { value, held } });
  }
}

/** Base of the devices: belongs to a viewer, and contributes its value to the viewer's return data under its name. */
export abstract class DeviceElement extends LitElement implements Device {
  static override properties: PropertyDeclarations = {
    name: { type: String },
    viewer: { type: String },
    disabled: { type: Boolean },
  };

  declare name: string;
  /** Id of the viewer; empty for the first one of the page. */
  declare viewer: string;
  declare disabled: boolean;

  readonly #membership = new ChannelController(
    this,
    (channel, viewer) => {
      channel.add(this);
      const end = this.joined(viewer);
      this.requestUpdate();
      return () => {
        this.release();
        end();
        channel.remove(this);
      };
    },
    // A device without a name waits, because a framework may be about to set it.
    () => (this.name === '' ? null : this.name),
  );
  #isHeld = false;

  constructor() {
    super();
    this.name = '';
    this.viewer = '';
    this.disabled = false;
  }

  /** Current value; the neutral one while the device is not in use. */
  abstract get value(): DeviceValue;

  /** Whether the device is held. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Sets the value to the neutral one. */
  protected abstract reset(): void;

  /** Attaches the device to a viewer. @returns a function that detaches it. */
  protected joined(_viewer: GearwayViewer): () => void {
    return () => undefined;
  }

  /** Releases the device: its value is neutral until it is used again. */
  release(): void {
    const wasHeld = this.#isHeld;
    this.reset();
    this.#isHeld = false;
    this.requestUpdate();
    if (wasHeld) this.dispatchEvent(new GearwayInputEvent(this.value, false));
  }

  /**
   * Whether the device can be used now: it is not disabled, and its viewer has a port and control, is not stopped, and
   * its pictures are not too late.
   */
  get isUsable(): boolean {
    return !this.disabled && this.#membership.channel?.isEnabled === true;
  }

  /** Reports a new value to the server. @param isHeld whether the device is held. */
  protected report(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.requestUpdate();
    this.#membership.channel?.changed();
    this.dispatchEvent(new GearwayInputEvent(this.value, this.#isHeld));
  }

  /** Returns this value once, with the values of the other devices. Rejects if it is refused. */
  protected async sendOnce(value: DeviceValue): Promise<void> {
    await this.#membership.channel?.sendOnce(this, value);
  }

  /** Releases the device, and reports its neutral value. Does nothing if it is not held. */
  protected readonly letGo = (): void => {
    if (!this.isHeld) return;
    this.reset();
    this.report(false);
  };

  protected override updated(changed: ReadonlyMap<PropertyKey, unknown>): void {
    if (changed.has('disabled') && this.disabled) {
      this.release();
      this.#membership.channel?.changed();
    }
  }

  /** @internal Called when the channel starts or stops accepting values. */
  enabledChanged(): void {
    this.requestUpdate();
  }
}
