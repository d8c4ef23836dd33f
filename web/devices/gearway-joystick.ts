import { css, html, type TemplateResult } from 'lit';
import { DeviceElement } from './device-element.ts';
import { deviceStyles } from './device-styles.ts';
import { HeldKeys } from './held-keys.ts';

const ARROWS: Readonly<Record<string, readonly [x: number, y: number]>> = {
  arrowleft: [-1, 0],
  arrowright: [1, 0],
  arrowup: [0, 1],
  arrowdown: [0, -1],
};

/**
 * A stick with two axes, by touch, mouse or arrow keys. Its value is `{ x, y }`, each from -1 to 1, right and up
 * positive; both are 0 when it is released.
 *
 * @tag gearway-joystick
 * @summary Joystick for return data.
 * @attr {string} name - key of its value in the viewer's return data
 * @attr {string} viewer - id of the viewer; the first of the page by default
 * @attr {boolean} disabled - cannot be used
 * @fires {GearwayInputEvent} gearway-input - its value has changed
 * @csspart pad - the area of the stick
 * @csspart stick - the stick
 */
export class GearwayJoystick extends DeviceElement {
  static override styles = [
    deviceStyles,
    css`
      :host {
        display: inline-block;
        width: 144px;
        aspect-ratio: 1;
      }
      .pad {
        position: relative;
        box-sizing: border-box;
        width: 100%;
        height: 100%;
        border: 1px solid var(--gearway-border, #8e9bab);
        border-radius: 50%;
        background: var(--gearway-surface, #8e9bab1f);
        cursor: grab;
        touch-action: none;
      }
      .pad::before,
      .pad::after {
        position: absolute;
        background: var(--gearway-border, #8e9bab);
        opacity: 0.5;
        content: '';
      }
      .pad::before {
        inset: 50% 8% auto;
        height: 1px;
      }
      .pad::after {
        inset: 8% auto 8% 50%;
        width: 1px;
      }
      .stick {
        position: absolute;
        z-index: 1;
        top: 50%;
        left: 50%;
        width: 36%;
        border-radius: 50%;
        background: var(--gearway-accent, #0b6bcb);
        transform: translate(-50%, -50%) translate(calc(var(--x) * 88%), calc(var(--y) * -88%));
        aspect-ratio: 1;
      }
    `,
  ];

  #x = 0;
  #y = 0;
  readonly #keys = new HeldKeys(() => this.letGo());

  override get value(): { readonly x: number; readonly y: number } {
    return { x: this.#x, y: this.#y };
  }

  protected override reset(): void {
    this.#keys.clear();
    this.#x = 0;
    this.#y = 0;
  }

  protected override render(): TemplateResult {
    const text = `${this.name}: ${this.#x.toFixed(2)} right, ${this.#y.toFixed(2)} up`;
    return html`<div
      part="pad"
      class=${`pad ${this.isUsable ? '' : 'unusable'}`}
      role="application"
      aria-roledescription="joystick"
      aria-label=${text}
      aria-disabled=${this.isUsable ? 'false' : 'true'}
      tabindex=${this.isUsable ? '0' : '-1'}
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
      <div part="stick" class="stick"></div>
    </div>`;
  }

  protected override updated(changed: ReadonlyMap<PropertyKey, unknown>): void {
    super.updated(changed);
    // Set as a property, because a Content-Security-Policy may forbid the attribute.
    const pad = this.renderRoot.querySelector<HTMLElement>('.pad');
    pad?.style.setProperty('--x', String(this.#x));
    pad?.style.setProperty('--y', String(this.#y));
  }

  readonly #onDown = (event: PointerEvent): void => {
    if (event.button !== 0 || !this.isUsable) return;
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    this.#moveTo(event);
  };

  readonly #onMove = (event: PointerEvent): void => {
    if (!(event.currentTarget as Element).hasPointerCapture(event.pointerId) || !this.isHeld) return;
    // The release event of the button may get lost.
    if ((event.buttons & 1) === 0) this.letGo();
    else this.#moveTo(event);
  };

  #moveTo(event: PointerEvent): void {
    const { left, top, width, height } = (event.currentTarget as Element).getBoundingClientRect();
    const x = ((event.clientX - left) / width) * 2 - 1;
    const y = 1 - ((event.clientY - top) / height) * 2;
    const length = Math.max(1, Math.hypot(x, y));
    this.#set(x / length, y / length);
  }

  readonly #onKeyDown = (event: KeyboardEvent): void => {
    if (ARROWS[event.key.toLowerCase()] === undefined || !this.isUsable) return;
    event.preventDefault();
    event.stopPropagation();
    if (this.#keys.down(event)) this.#moveByKeys();
  };

  readonly #onKeyUp = (event: KeyboardEvent): void => {
    if (!this.#keys.up(event)) return;
    event.stopPropagation();
    if (this.#keys.isEmpty) this.letGo();
    else this.#moveByKeys();
  };

  #moveByKeys(): void {
    const directions = [...this.#keys.names].map((name) => ARROWS[name] ?? [0, 0]);
    const x = directions.reduce((sum, [right]) => sum + right, 0);
    const y = directions.reduce((sum, [, up]) => sum + up, 0);
    this.#set(x, y);
  }

  #set(x: number, y: number): void {
    // Three digits are precise enough for hand input, and short on the wire.
    this.#x = Math.round(x * 1000) / 1000;
    this.#y = Math.round(y * 1000) / 1000;
    this.report(true);
  }
}
