import { css, html, type TemplateResult } from 'lit';
import { DeviceElement } from './device-element.ts';
import { deviceStyles } from './device-styles.ts';
import { HeldKeys } from './held-keys.ts';

/**
 * A button whose value is true while it is held, or until it is pressed again.
 *
 * @tag gearway-button
 * @summary Button for return data.
 * @attr {string} name - key of its value in the viewer's return data
 * @attr {string} viewer - id of the viewer; the first of the page by default
 * @attr {boolean} disabled - cannot be used
 * @attr {boolean} toggle - stays pressed until it is pressed again
 * @fires {GearwayInputEvent} gearway-input - its value has changed
 * @slot - label
 * @csspart button - the button
 */
export class GearwayButton extends DeviceElement {
  static override styles = [
    deviceStyles,
    css`
      :host {
        display: inline-block;
      }
    `,
  ];
  static override properties = { toggle: { type: Boolean } };

  declare toggle: boolean;
  #isPressed = false;
  readonly #keys = new HeldKeys(() => this.letGo());

  constructor() {
    super();
    this.toggle = false;
  }

  override get value(): boolean {
    return this.#isPressed;
  }

  protected override reset(): void {
    this.#keys.clear();
    // A toggle keeps its state when the window loses the focus.
    if (!this.toggle) this.#isPressed = false;
  }

  protected override render(): TemplateResult {
    return html`<button
      part="button"
      type="button"
      aria-pressed=${this.#isPressed ? 'true' : 'false'}
      ?disabled=${!this.isUsable}
      @pointerdown=${this.#onDown}
      @pointermove=${this.#onMove}
      @pointerup=${this.letGo}
      @pointercancel=${this.letGo}
      @lostpointercapture=${this.letGo}
      @keydown=${this.#onKeyDown}
      @keyup=${this.#onKeyUp}
      @blur=${this.letGo}
      @contextmenu=${(event: Event) => event.preventDefault()}
    >
      <slot>${this.name}</slot>
    </button>`;
  }

  readonly #onDown = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    this.#press();
  };

  /** The release event of the button may get lost. */
  readonly #onMove = (event: PointerEvent): void => {
    const isCaptured = (event.currentTarget as Element).hasPointerCapture(event.pointerId);
    if (isCaptured && (event.buttons & 1) === 0) this.letGo();
  };

  readonly #onKeyDown = (event: KeyboardEvent): void => {
    if (!isActivation(event)) return;
    event.preventDefault();
    if (this.#keys.down(event)) this.#press();
  };

  readonly #onKeyUp = (event: KeyboardEvent): void => {
    if (!isActivation(event)) return;
    event.preventDefault();
    if (this.#keys.up(event)) this.letGo();
  };

  #press(): void {
    if (!this.isUsable) return;
    this.#isPressed = this.toggle ? !this.#isPressed : true;
    this.report(!this.toggle);
  }
}

function isActivation({ key }: KeyboardEvent): boolean {
  return key === ' ' || key === 'Enter';
}
