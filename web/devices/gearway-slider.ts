import { css, html, type TemplateResult } from 'lit';
import { DeviceElement } from './device-element.ts';
import { deviceStyles } from './device-styles.ts';
import { HeldKeys } from './held-keys.ts';

/**
 * A slider for a number. It keeps its value, or, with `spring`, returns to its first value when it is released.
 *
 * @tag gearway-slider
 * @summary Slider for return data.
 * @attr {string} name - key of its value in the viewer's return data
 * @attr {string} viewer - id of the viewer; the first of the page by default
 * @attr {boolean} disabled - cannot be used
 * @attr {number} min - minimum; -1 by default
 * @attr {number} max - maximum; 1 by default
 * @attr {number} step - distance between values; 0.01 by default
 * @attr {number} initial - first value; 0 by default
 * @attr {boolean} spring - return to the first value when released
 * @fires {GearwayInputEvent} gearway-input - its value has changed
 * @slot - label
 * @csspart input - the slider
 * @csspart value - the number
 */
export class GearwaySlider extends DeviceElement {
  static override styles = [
    deviceStyles,
    css`
      label {
        display: grid;
        grid-template-columns: 1fr auto;
        gap: 2px 12px;
        align-items: baseline;
      }
      input {
        grid-column: 1 / -1;
        width: 100%;
        min-height: 28px;
        margin: 0;
        accent-color: var(--gearway-accent, #0b6bcb);
      }
      output {
        font-variant-numeric: tabular-nums;
      }
    `,
  ];
  static override properties = {
    min: { type: Number },
    max: { type: Number },
    step: { type: Number },
    initial: { type: Number },
    spring: { type: Boolean },
  };

  declare min: number;
  declare max: number;
  declare step: number;
  declare initial: number;
  declare spring: boolean;
  /** The value; null before the slider was moved. */
  #value: number | null = null;
  readonly #keys = new HeldKeys(() => this.#onLetGo());

  constructor() {
    super();
    this.min = -1;
    this.max = 1;
    this.step = 0.01;
    this.initial = 0;
    this.spring = false;
  }

  override get value(): number {
    return this.#value ?? this.initial;
  }

  protected override reset(): void {
    this.#keys.clear();
    // The value is kept when the window loses the focus.
    if (this.spring) this.#value = null;
  }

  protected override render(): TemplateResult {
    const { min, max, step, value, name } = this;
    return html`<label class=${this.isUsable ? '' : 'unusable'}>
      <slot>${name}</slot><output part="value">${value}</output>
      <input
        part="input"
        type="range"
        min=${min}
        max=${max}
        step=${step}
        .value=${String(value)}
        ?disabled=${!this.isUsable}
        @input=${this.#onInput}
        @change=${this.#onLetGo}
        @pointerup=${this.#onLetGo}
        @pointercancel=${this.#onLetGo}
        @keydown=${(event: KeyboardEvent) => this.#keys.down(event)}
        @keyup=${this.#onKeyUp}
        @blur=${this.#onBlur}
      />
    </label>`;
  }

  readonly #onInput = (event: Event): void => {
    if (!this.isUsable) return;
    this.#value = (event.target as HTMLInputElement).valueAsNumber;
    this.report(this.spring);
  };

  readonly #onKeyUp = (event: KeyboardEvent): void => {
    this.#keys.up(event);
    this.#onLetGo();
  };

  readonly #onBlur = (): void => {
    this.#keys.clear();
    this.#onLetGo();
  };

  readonly #onLetGo = (): void => {
    // While a key is held, browsers report each step as a change.
    if (this.#keys.isEmpty) this.letGo();
  };
}
