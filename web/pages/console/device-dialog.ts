import './stream-dialog.css';
import { html, nothing, render } from 'lit';
import { deviceStyles } from '../../devices/device-styles.ts';
import { FormFields, formFieldStyles } from '../../devices/form-fields.ts';
import { parseForm } from '../../devices/form-schema.ts';
import { capitalize } from '../shared/text.ts';
import {
  createDevice,
  type DeviceKind,
  deviceProblem,
  type LayoutDevice,
  settingsSchema,
  titleOf,
} from './device-layout.ts';

/** Modal form with the settings of a device. */
export class DeviceDialog {
  readonly #dialog = document.createElement('dialog');
  /** Element with the fields and their styles. */
  readonly #box = document.createElement('div');
  readonly #root = this.#box.attachShadow({ mode: 'open' });
  readonly #fields = new FormFields(
    () => this.#root,
    () => this.#renderFields(),
  );
  #problem: string | null = null;
  #submit: () => void = () => undefined;

  constructor() {
    this.#dialog.className = 'stream-dialog';
    this.#dialog.setAttribute('aria-labelledby', 'device-title');
    this.#root.adoptedStyleSheets = [deviceStyles, formFieldStyles].flatMap(({ styleSheet }) => styleSheet ?? []);
    // The fields are in another DOM tree than the form.
    this.#box.addEventListener('keydown', (event) => {
      const [target] = event.composedPath();
      if (event.key === 'Enter' && target instanceof HTMLInputElement) this.#submit();
    });
  }

  /**
   * Resolves with the device; null if the user cancelled.
   *
   * @param before the current settings of the device.
   * @param others the other devices of the layout.
   * @param names suggested for its name.
   */
  async open(
    kind: DeviceKind,
    before: LayoutDevice['settings'],
    others: readonly LayoutDevice[],
    names: readonly string[],
  ): Promise<LayoutDevice | null> {
    if (this.#dialog.open) return null;
    let device: LayoutDevice | null = null;
    this.#submit = () => {
      const value = this.#fields.read();
      const entered = value === null ? null : createDevice(kind, value);
      this.#problem = entered === null ? null : deviceProblem(entered, others);
      if (entered !== null && this.#problem === null) {
        device = entered;
        this.#dialog.close();
        return;
      }
      this.#fields.focusProblem();
      this.#render(kind);
    };
    this.#problem = null;
    this.#fields.form = null;
    this.#fields.form = parseForm(settingsSchema(kind, before, names));
    this.#render(kind);
    document.body.append(this.#dialog);
    this.#dialog.showModal();
    await new Promise((resolve) => this.#dialog.addEventListener('close', resolve, { once: true }));
    this.#dialog.remove();
    return device;
  }

  close(): void {
    this.#dialog.close();
  }

  #renderFields(): void {
    render(this.#fields.render(), this.#root);
  }

  #render(kind: DeviceKind): void {
    const onSubmit = (event: Event): void => {
      event.preventDefault();
      this.#submit();
    };
    render(
      html`<form novalidate @submit=${onSubmit}>
        <h2 id="device-title">${titleOf(kind)}</h2>
        ${this.#fields.form?.fields.length === 0 ? html`<p class="dim">This device has no settings.</p>` : nothing} ${this.#box}
        <p class="verdict" role="alert">${capitalize(this.#problem ?? '')}</p>
        <p class="buttons">
          <button type="button" class="second" @click=${() => this.#dialog.close()}>Cancel</button>
          <button class="primary">OK</button>
        </p>
      </form>`,
      this.#dialog,
    );
  }
}
