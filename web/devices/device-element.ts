import { LitElement, type PropertyDeclarations } from 'lit';
import { runInBackground } from '../background.ts';
import type { GearwayViewer } from '../viewer/gearway-viewer.ts';
import { ControlChannel } from './control-channel.ts';
import type { Device, DeviceValue } from './control-value.ts';

/** The value of a device has changed. Does not bubble. */
export class GearwayInputEvent extends CustomEvent<{ readonly value: DeviceValue; readonly held: boolean }> {
  constructor(value: DeviceValue, held: boolean) {
    super('gearway-input', { detail: { value, held } });
  }
}

/** The viewer with this id; without one, the first of the page. null if there is none. */
function findViewer(root: Node, id: string): GearwayViewer | null {
  const scopes = root instanceof ShadowRoot ? [root, document] : [document];
  for (const scope of scopes) {
    const found = id === '' ? scope.querySelector('gearway-viewer') : scope.getElementById(id);
    if (found !== null) return found.localName === 'gearway-viewer' ? (found as GearwayViewer) : null;
  }
  return null;
}

/**
 * Joins the channel of an element's viewer, as soon as that is defined and in the page; and that of another one if it
 * is replaced.
 *
 * @param join returns the function that leaves the channel.
 * @returns the function that ends all that. Idempotent.
 */
export function joinChannel(
  element: Element & { readonly viewer: string },
  join: (channel: ControlChannel, viewer: GearwayViewer) => () => void,
): () => void {
  let joined: { readonly viewer: GearwayViewer; readonly leave: () => void } | null = null;
  let isEnded = false;
  const update = (): void => {
    const viewer = findViewer(element.getRootNode(), element.viewer);
    if (isEnded || viewer === (joined?.viewer ?? null)) return;
    joined?.leave();
    joined = null;
    if (viewer !== null) joined = { viewer, leave: join(ControlChannel.of(viewer), viewer) };
  };
  const observer = new MutationObserver(update);
  const start = async (): Promise<void> => {
    await customElements.whenDefined('gearway-viewer');
    if (isEnded) return;
    for (const scope of new Set([element.getRootNode(), document]))
      observer.observe(scope, { childList: true, subtree: true, attributeFilter: ['id'] });
    update();
    if (joined !== null) return;
    const expected = element.viewer === '' ? 'in the page' : `with the id ${JSON.stringify(element.viewer)}`;
    console.warn(`${element.localName}: waits for a <gearway-viewer> ${expected}`);
  };
  runInBackground(start());
  return () => {
    isEnded = true;
    observer.disconnect();
    joined?.leave();
    joined = null;
  };
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

  #channel: ControlChannel | null = null;
  /** Viewer and name with which the channel was joined; null before. */
  #joinedAs: string | null = null;
  #leave: () => void = () => undefined;
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

  /** The device belongs to this viewer from now on. @returns what ends that. */
  protected joined(_viewer: GearwayViewer): () => void {
    return () => undefined;
  }

  /** Lets go: the value is neutral until the device is used again. */
  release(): void {
    const wasHeld = this.#isHeld;
    this.reset();
    this.#isHeld = false;
    this.requestUpdate();
    if (wasHeld) this.dispatchEvent(new GearwayInputEvent(this.value, false));
  }

  /**
   * Whether the device can be used now: it is not disabled, and its viewer neither stopped, late nor without a port or
   * control.
   */
  get isUsable(): boolean {
    return !this.disabled && this.#channel?.isEnabled === true;
  }

  /** Reports a new value to the server. @param isHeld whether the device is held. */
  protected report(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.requestUpdate();
    this.#channel?.changed();
    this.dispatchEvent(new GearwayInputEvent(this.value, this.#isHeld));
  }

  /** Releases the device: neutral, and reported. Does nothing if it is not held. */
  protected readonly letGo = (): void => {
    if (!this.isHeld) return;
    this.reset();
    this.report(false);
  };

  override connectedCallback(): void {
    super.connectedCallback();
    this.#join();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.release();
    this.#leave();
    this.#joinedAs = null;
  }

  protected override updated(changed: ReadonlyMap<PropertyKey, unknown>): void {
    if (this.isConnected) this.#join();
    if (changed.has('disabled') && this.disabled) {
      this.release();
      this.#channel?.changed();
    }
  }

  /** @internal Called when the channel starts or stops accepting values. */
  enabledChanged(): void {
    this.requestUpdate();
  }

  /**
   * Also after a change of viewer or name. A device without a name, such as one that its framework is about to set,
   * waits.
   */
  #join(): void {
    const joinedAs = JSON.stringify([this.viewer, this.name]);
    if (joinedAs === this.#joinedAs || this.name === '') return;
    this.release();
    this.#leave();
    this.#joinedAs = joinedAs;
    this.#leave = joinChannel(this, (channel, viewer) => {
      channel.add(this);
      this.#channel = channel;
      const end = this.joined(viewer);
      this.requestUpdate();
      return () => {
        end();
        channel.remove(this);
        this.#channel = null;
      };
    });
  }
}
