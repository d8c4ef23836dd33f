import './device-panel.css';
// Defines the elements.
import '../../devices/index.ts';
import { html, type TemplateResult } from 'lit';
import { errorText } from '../../../shared/errors.ts';
import { runInBackground } from '../../background.ts';
import { copyText } from '../shared/clipboard.ts';
import { moveFocus } from '../shared/focus.ts';
import { capitalize } from '../shared/text.ts';
import {
  attributesOf,
  DEVICE_KINDS,
  type DeviceKind,
  formatLayout,
  labelOf,
  layoutMarkup,
  type LayoutDevice,
  MAX_DEVICES,
  parseLayout,
  titleOf,
} from './device-layout.ts';
import { DeviceDialog } from './device-dialog.ts';
import { SavedLayout } from './saved-layout.ts';

/** How long the URL of an exported layout stays valid. */
const KEPT_MS = 60_000;

/** Properties of the page that the devices need. */
export interface DevicePage {
  readonly stream: string;
  /** Address of the gateway, without the trailing slash. */
  base(): string;
  /** Access token of the page's viewer; null for none. */
  token(): string | null;
  /** Names of the forms that the server has sent. */
  forms(): readonly string[];
  onChange(): void;
}

/** Devices that the user has arranged for a stream, and the editor of this layout. */
export class DevicePanel {
  readonly #page: DevicePage;
  readonly #layout: SavedLayout;
  readonly #dialog = new DeviceDialog();
  /** Elements by device, which are kept when the panel is rendered again. */
  readonly #elements = new Map<LayoutDevice, HTMLElement>();
  #isEdited: boolean;
  #notice = '';
  #added: DeviceKind = 'button';

  constructor(page: DevicePage) {
    this.#page = page;
    this.#layout = new SavedLayout(page.stream);
    this.#isEdited = this.#layout.devices.length === 0;
  }

  /** Devices with their own connection need the new token. */
  changeUser(): void {
    this.#elements.clear();
    this.#page.onChange();
  }

  /** Called when the panel is no longer shown, and its devices have been removed from the page. */
  close(): void {
    this.#elements.clear();
    this.#dialog.close();
  }

  render(): TemplateResult {
    return this.#isEdited ? this.#editor() : this.#devices();
  }

  #devices(): TemplateResult {
    const elements = this.#layout.devices.map((device, index) => this.#element(device, index));
    return html`<div class="devices">
      ${elements}
      <p class="tools"><button class="quiet" type="button" @click=${(event: Event) => this.#edit(true, event)}>Edit layout</button></p>
    </div>`;
  }

  #element(device: LayoutDevice, index: number): HTMLElement {
    const known = this.#elements.get(device);
    if (known !== undefined) return known;
    const element = document.createElement(`gearway-${device.kind}`);
    for (const [name, value] of Object.entries(attributesOf(device))) element.setAttribute(name, value);
    const label = labelOf(device);
    if (label !== '') element.textContent = label;
    const shown = device.kind === 'camera' ? this.#withViewer(element, `layout-camera-${index}`) : element;
    this.#elements.set(device, shown);
    return shown;
  }

  /** The pictures of a camera are the whole return data of its viewer, so each camera gets its own viewer. */
  #withViewer(camera: HTMLElement, id: string): HTMLElement {
    const viewer = document.createElement('gearway-viewer');
    Object.assign(viewer, { id, hidden: true, token: this.#page.token(), name: 'Console camera', maxFps: 1 });
    viewer.src = `streams/${encodeURIComponent(this.#page.stream)}`;
    camera.setAttribute('viewer', id);
    const box = document.createElement('div');
    box.append(viewer, camera);
    return box;
  }

  #editor(): TemplateResult {
    const { devices } = this.#layout;
    const isFull = devices.length >= MAX_DEVICES;
    const kinds = DEVICE_KINDS.map(
      (kind) => html`<option value=${kind} ?selected=${kind === this.#added}>${titleOf(kind)}</option>`,
    );
    const select = (event: Event): void => {
      this.#added = (event.target as HTMLSelectElement).value as DeviceKind;
    };
    const isEmpty = devices.length === 0;
    return html`<div class="devices">
      ${
        isEmpty
          ? html`<p class="hint">Add a button, a slider or a joystick. The layout is stored in this browser.</p>`
          : html`<ul aria-label="Devices">${devices.map((device, index) => this.#row(device, index))}</ul>`
      }
      <div class="add-device">
        <select class="field" aria-label="Device" @change=${select}>${kinds}</select>
        <button class="second" type="button" ?disabled=${isFull} @click=${() => runInBackground(this.#add())}>Add</button>
      </div>
      <p class="tools">
        <button class="primary" type="button" ?disabled=${isEmpty} @click=${(event: Event) => this.#edit(false, event)}>Use</button>
        <button class="quiet" type="button" ?disabled=${isEmpty} @click=${() => runInBackground(this.#copy())}>Copy as HTML</button>
        <button class="quiet" type="button" ?disabled=${isEmpty} @click=${() => this.#export()}>Export</button>
        <button class="quiet" type="button" @click=${() => runInBackground(this.#import())}>Import</button>
      </p>
      <p class="verdict" role="status">${this.#notice}</p>
    </div>`;
  }

  #row(device: LayoutDevice, index: number): TemplateResult {
    const title = titleOf(device.kind);
    const name = String(device.settings['name'] ?? '');
    const what = `${title} ${name}`.trim();
    const button = (label: string, text: string, isDisabled: boolean, act: (event: Event) => void): TemplateResult =>
      html`<button class="icon" type="button" aria-label=${`${label}: ${what}`} title=${label} ?disabled=${isDisabled} @click=${act}>${text}</button>`;
    return html`<li>
      <button class="use" type="button" title="Change" @click=${() => runInBackground(this.#change(device))}>
        <span>${title}</span> <code>${name}</code>
      </button>
      ${button('Move up', '↑', index === 0, (event) => this.#move(index, -1, event))}
      ${button('Move down', '↓', index === this.#layout.devices.length - 1, (event) => this.#move(index, 1, event))}
      ${button('Remove', '×', false, (event) => this.#remove(index, event))}
    </li>`;
  }

  #edit(isEdited: boolean, event: Event): void {
    this.#isEdited = isEdited;
    this.#notice = '';
    // New elements are created next time, so that held values and drawn shapes do not reappear.
    this.#elements.clear();
    this.#page.onChange();
    moveFocus(event, '.devices .tools button');
  }

  #set(devices: readonly LayoutDevice[], notice = ''): void {
    this.#layout.devices = devices;
    this.#notice = notice;
    this.#page.onChange();
  }

  #remove(index: number, event: Event): void {
    this.#set(this.#layout.devices.filter((_, other) => other !== index));
    const button = (at: string): string => `.devices li:${at} .icon:last-child`;
    moveFocus(event, button(`nth-child(${index + 1})`), button('last-child'), '.devices select');
  }

  #move(index: number, by: -1 | 1, event: Event): void {
    const devices = [...this.#layout.devices];
    const [device] = devices.splice(index, 1);
    if (device !== undefined) devices.splice(index + by, 0, device);
    this.#set(devices);
    // Focuses the same button of the moved device, or the other button at an end of the list.
    const [same, other] = by === -1 ? [2, 3] : [3, 2];
    const row = `.devices li:nth-child(${index + by + 1})`;
    moveFocus(event, `${row} button:nth-child(${same})`, `${row} button:nth-child(${other})`);
  }

  #open(
    kind: DeviceKind,
    before: LayoutDevice['settings'],
    others: readonly LayoutDevice[],
  ): Promise<LayoutDevice | null> {
    return this.#dialog.open(kind, before, others, kind === 'form' ? this.#page.forms() : []);
  }

  async #add(): Promise<void> {
    const { devices } = this.#layout;
    const device = await this.#open(this.#added, {}, devices);
    if (device !== null) this.#set([...devices, device]);
  }

  async #change(before: LayoutDevice): Promise<void> {
    const { devices } = this.#layout;
    const others = devices.filter((other) => other !== before);
    const device = await this.#open(before.kind, before.settings, others);
    if (device !== null) this.#set(devices.map((other) => (other === before ? device : other)));
  }

  async #copy(): Promise<void> {
    const { stream } = this.#page;
    const hasCopied = await copyText(layoutMarkup(this.#layout.devices, this.#page.base(), stream));
    this.#set(
      this.#layout.devices,
      hasCopied ? 'Copied. Paste it into a page of your own' : 'The browser does not allow copying',
    );
  }

  #export(): void {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([formatLayout(this.#layout.devices)], { type: 'application/json' }));
    link.download = `${this.#page.stream}-devices.json`;
    link.click();
    // Some browsers read the URL after the click, or ask the user first.
    setTimeout(() => URL.revokeObjectURL(link.href), KEPT_MS);
  }

  async #import(): Promise<void> {
    const input = Object.assign(document.createElement('input'), { type: 'file', accept: '.json,application/json' });
    input.click();
    await new Promise((resolve) => input.addEventListener('change', resolve, { once: true }));
    const [file] = input.files ?? [];
    if (file === undefined) return;
    try {
      const devices = parseLayout(await file.text());
      this.#set(devices, `Imported ${file.name}`);
    } catch (error) {
      this.#set(this.#layout.devices, capitalize(errorText(error)));
    }
  }
}
