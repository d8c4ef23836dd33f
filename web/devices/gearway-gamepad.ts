import { html, type TemplateResult } from 'lit';
import { DeviceElement } from './device-element.ts';
import { deviceStyles } from './device-styles.ts';

const POLL_MS = 40;

/** Positions of an axis below this value count as a stick at rest. */
const DEAD_ZONE = 0.08;

/**
 * A game controller. Its value is `{ axes, buttons }`: axes from -1 to 1 as the browser reports them (down is
 * positive), and buttons from 0 to 1. Both lists are empty until a controller is found.
 *
 * @tag gearway-gamepad
 * @summary Game controller for return data.
 * @attr {string} name - key of its value in the viewer's return data
 * @attr {string} viewer - id of the viewer; the first of the page by default
 * @attr {boolean} disabled - cannot be used
 * @attr {number} index - number of the controller, from 0; the first connected one by default
 * @fires {GearwayInputEvent} gearway-input - its value has changed
 * @csspart label - name of the controller
 */
export class GearwayGamepad extends DeviceElement {
  static override styles = deviceStyles;
  static override properties = { index: { type: Number }, _id: { state: true } };

  declare index: number | null;
  /** @internal Name of the controller; empty for none. */
  declare _id: string;
  #axes: readonly number[] = [];
  #buttons: readonly number[] = [];
  #polling: ReturnType<typeof setInterval> | null = null;
  /** Whether the page has released the controller, which must be at rest before it can be used again. */
  #mustRest = false;

  constructor() {
    super();
    this.index = null;
    this._id = '';
  }

  override get value(): { readonly axes: readonly number[]; readonly buttons: readonly number[] } {
    return { axes: this.#axes, buttons: this.#buttons };
  }

  protected override reset(): void {
    this.#mustRest ||= this.isHeld;
    this.#axes = this.#axes.map(() => 0);
    this.#buttons = this.#buttons.map(() => 0);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#polling = setInterval(() => this.#poll(), POLL_MS);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    if (this.#polling !== null) clearInterval(this.#polling);
  }

  protected override render(): TemplateResult {
    const text = this._id === '' ? 'No game controller: connect one and press a button' : this._id;
    return html`<span part="label" class=${this.isUsable ? '' : 'unusable'} role="status">${text}</span>`;
  }

  #poll(): void {
    if (!document.hasFocus() || document.hidden) return;
    const pads = navigator.getGamepads();
    const pad = this.index === null ? (pads.find((found) => found !== null) ?? null) : (pads[this.index] ?? null);
    this._id = pad?.id ?? '';
    if (pad === null) {
      // After a disconnection, the sticks count as at rest, regardless of their last positions.
      this.letGo();
      return;
    }
    const axes = pad.axes.map((axis) => (Math.abs(axis) < DEAD_ZONE ? 0 : Math.round(axis * 1000) / 1000));
    const buttons = pad.buttons.map(({ value }) => Math.round(value * 1000) / 1000);
    const isHeld = [...axes, ...buttons].some((position) => position !== 0);
    if (!isHeld) this.#mustRest = false;
    // A stick or button that is held while the device cannot be used must be released first.
    else if (!this.isUsable) this.#mustRest = true;
    if (this.#mustRest || !this.isUsable) return;
    const isSame = axes.join() === this.#axes.join() && buttons.join() === this.#buttons.join();
    if (isSame && isHeld === this.isHeld) return;
    this.#axes = axes;
    this.#buttons = buttons;
    this.report(isHeld);
  }
}
