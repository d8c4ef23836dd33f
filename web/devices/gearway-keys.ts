import { css, html, type PropertyValues, type TemplateResult } from 'lit';
import { DeviceElement } from './device-element.ts';
import { deviceStyles } from './device-styles.ts';
import { HeldKeys, keyName } from './held-keys.ts';
import { DEFAULT_KEYS, isUsedByTarget, type KeyEffect, keyValue, parseKeyMap } from './key-map.ts';

/**
 * Keys that work in the whole page, regardless of the focus, except in fields and controls that use the keys
 * themselves. By default, W, A, S, D and the arrows set `{ x, y }`.
 *
 * @tag gearway-keys
 * @summary Keyboard for return data.
 * @attr {string} name - key of its value in the viewer's return data
 * @attr {string} viewer - id of the viewer; the first of the page by default
 * @attr {boolean} disabled - cannot be used
 * @attr {string} keys - keys and their effects, such as `w=y+1 s=y-1 space=brake`
 * @attr {boolean} no-repeat - do not require the system's key repetition as proof that a key is still held
 * @fires {GearwayInputEvent} gearway-input - its value has changed
 * @csspart key - a key
 */
export class GearwayKeys extends DeviceElement {
  static override styles = [
    deviceStyles,
    css`
      ul {
        display: flex;
        flex-wrap: wrap;
        gap: 6px;
        margin: 0;
        padding: 0;
        list-style: none;
      }
      kbd {
        display: inline-block;
        box-sizing: border-box;
        min-width: 32px;
        padding: 4px 8px;
        border: 1px solid var(--gearway-border, #8e9bab);
        border-radius: 6px;
        background: var(--gearway-surface, #8e9bab1f);
        font: inherit;
        text-align: center;
        text-transform: capitalize;
      }
      kbd.held {
        border-color: transparent;
        background: var(--gearway-accent, #0b6bcb);
        color: var(--gearway-on-accent, #fff);
      }
    `,
  ];
  static override properties = {
    keys: { type: String },
    noRepeat: { type: Boolean, attribute: 'no-repeat' },
  };

  declare keys: string;
  declare noRepeat: boolean;
  #map: ReadonlyMap<string, KeyEffect> = parseKeyMap(DEFAULT_KEYS);
  readonly #held = new HeldKeys(() => this.report(false));
  #abort: AbortController | null = null;

  constructor() {
    super();
    this.keys = DEFAULT_KEYS;
    this.noRepeat = false;
  }

  override get value(): Record<string, number | boolean> {
    return keyValue(this.#map, this.#held.names);
  }

  protected override reset(): void {
    this.#held.clear();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    // Handled before other listeners, such as those of the viewer's control bar, and before scrolling.
    window.addEventListener('keydown', this.#onDown, { signal, capture: true });
    window.addEventListener('keyup', this.#onUp, { signal, capture: true });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#abort?.abort();
  }

  protected override willUpdate(changed: PropertyValues<GearwayKeys>): void {
    if (changed.has('keys')) this.#map = parseKeyMap(this.keys);
  }

  protected override render(): TemplateResult {
    const names = this.#held.names;
    return html`<ul class=${this.isUsable ? '' : 'unusable'} aria-label=${`Keys of ${this.name}`}>
      ${[...this.#map.keys()].map(
        (key) => html`<li><kbd part="key" class=${names.has(key) ? 'held' : ''}>${KEY_LABELS[key] ?? key}</kbd></li>`,
      )}
    </ul>`;
  }

  readonly #onDown = (event: KeyboardEvent): void => {
    const key = keyName(event.key);
    const isForOthers = event.ctrlKey || event.metaKey || event.altKey || isUsedByTarget(event.composedPath()[0], key);
    if (!this.#map.has(key) || !this.isUsable || isForOthers) return;
    event.preventDefault();
    event.stopPropagation();
    if (this.#held.down(event, !this.noRepeat)) this.report(true);
  };

  readonly #onUp = (event: KeyboardEvent): void => {
    if (!this.#held.up(event)) return;
    event.preventDefault();
    event.stopPropagation();
    this.report(!this.#held.isEmpty);
  };
}

const KEY_LABELS: Readonly<Record<string, string>> = { arrowup: '↑', arrowdown: '↓', arrowleft: '←', arrowright: '→' };
