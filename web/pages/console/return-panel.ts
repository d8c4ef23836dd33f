import { html, nothing, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';
import { errorText } from '../../../shared/errors.ts';
import type { Value } from '../../../shared/protocol.ts';
import { ControlChannel } from '../../devices/control-channel.ts';
import { ownObject } from '../../devices/form-schema.ts';
import type { GearwayViewer } from '../../viewer/gearway-viewer.ts';
import { moveFocus } from '../shared/focus.ts';
import { capitalize, sentence } from '../shared/text.ts';
import type { DevicePanel } from './device-panel.ts';
import { parseJsonText } from './json-text.ts';
import { SavedCommands } from './saved-commands.ts';

type Result =
  | { readonly kind: 'none' }
  | { readonly kind: 'sending' }
  | { readonly kind: 'received' }
  | { readonly kind: 'refused'; readonly reason: string };

/** How a value is returned: the value stays in effect until it is replaced, or it is sent once. */
type Mode = 'hold' | 'once';

/**
 * Origin of the return data: the form, or the devices. Both set the viewer's return data, so only one of them is
 * active.
 */
type Returner =
  | { readonly kind: 'form' }
  | { readonly kind: 'loading' }
  | { readonly kind: 'devices'; readonly panel: DevicePanel }
  | { readonly kind: 'failed'; readonly reason: string };

/**
 * Panel for return data: a form for JSON, which is checked while it is typed, and which stays in effect until it is
 * replaced or is sent once; or devices.
 */
export class ReturnPanel {
  readonly #viewer: GearwayViewer;
  readonly #onChange: () => void;
  readonly #saved: SavedCommands;
  #text = '{ "gripper": "close" }';
  /** The value in effect, as JSON. */
  #held: string | null = null;
  #result: Result = { kind: 'none' };
  readonly #stream: string;
  readonly #base: () => string;
  /**
   * Whether devices are used. They return data as soon as they are in the page, so the user has to choose them each
   * time.
   */
  #returner: Returner = { kind: 'form' };
  #notice = '';
  /** Forms in the last message that contained any. */
  #forms: object = {};

  /** @param base returns the address of the gateway, without the trailing slash. */
  constructor(viewer: GearwayViewer, stream: string, base: () => string, onChange: () => void) {
    this.#viewer = viewer;
    this.#stream = stream;
    this.#base = base;
    this.#saved = new SavedCommands(stream);
    this.#onChange = onChange;
    viewer.addEventListener('gearway-frame', (event) => {
      if (event.mayHave('forms')) this.#forms = ownObject(event.detail.message, 'forms') ?? this.#forms;
    });
  }

  /**
   * @param mayReturn whether the user's rights include returning data; null before they are known.
   * @param control shows who has control of the stream.
   */
  render(mayReturn: boolean | null, control: TemplateResult | typeof nothing): TemplateResult {
    const { port } = this.#viewer;
    // The rights are often known before the viewer is connected: the panel then does not change its height. The rights
    // of a viewer without a port do not include returning data.
    const hasRight = mayReturn !== false;
    const isViewOnly = !hasRight || this.#isSpectator;
    const origin = port !== null ? `from this viewer, port ${port}` : isViewOnly ? 'view only' : 'not connected';
    return html`<section class="panel" aria-label="Return data">
      <h2>Return data <small>${origin}</small></h2>
      ${control}
      ${hasRight ? html`${this.#choice()}${this.#content()}` : this.#withoutRight()}
    </section>`;
  }

  /** Called when the viewer has another token. */
  changeUser(): void {
    if (this.#returner.kind === 'devices') this.#returner.panel.changeUser();
  }

  /** Called when the page shows another stream. */
  close(): void {
    if (this.#returner.kind === 'devices') this.#returner.panel.close();
  }

  /** Whether the viewer is connected, but has no port. It may get one later. */
  get #isSpectator(): boolean {
    return this.#viewer.port === null && this.#viewer.rights.length > 0;
  }

  #choice(): TemplateResult {
    const isForm = this.#returner.kind === 'form' || this.#isSpectator;
    return html`<div class="choice" role="group" aria-label="Return data by">
        <button class="second" type="button" aria-pressed=${isForm} @click=${() => this.#useForm()}>JSON</button>
        <button class="second" type="button" aria-pressed=${!isForm} ?disabled=${this.#isSpectator} @click=${() => runInBackground(this.#useDevices())}>Devices</button>
      </div>
      ${this.#notice === '' ? nothing : html`<p class="empty" role="alert">${this.#notice}</p>`}`;
  }

  #content(): TemplateResult {
    const returner = this.#returner;
    // The form explains why nothing can be returned, in the same height as with a port.
    if (this.#isSpectator) return this.#form();
    switch (returner.kind) {
      case 'form':
        return this.#form();
      case 'loading':
        return html`<p class="empty">Loading…</p>`;
      case 'failed':
        return html`<p class="empty">${returner.reason}</p>`;
      case 'devices':
        return returner.panel.render();
      default:
        return returner satisfies never;
    }
  }

  #useForm(): void {
    // The form's value would replace the stop.
    const isStopped = ControlChannel.of(this.#viewer).stopState !== 'ready';
    this.#notice = isStopped ? 'Reset the emergency stop first.' : '';
    if (!isStopped) {
      this.close();
      this.#returner = { kind: 'form' };
    }
    this.#onChange();
  }

  async #useDevices(): Promise<void> {
    if (this.#returner.kind === 'loading' || this.#returner.kind === 'devices') return;
    this.#returner = { kind: 'loading' };
    this.#onChange();
    try {
      const { DevicePanel } = await import('./device-panel.ts');
      if (this.#held !== null) await this.#send(null, 'hold');
      const panel = new DevicePanel({
        stream: this.#stream,
        base: this.#base,
        token: () => this.#viewer.token,
        forms: () => Object.keys(this.#forms).filter((form) => form !== ''),
        onChange: this.#onChange,
      });
      if (this.#returner.kind === 'loading') this.#returner = { kind: 'devices', panel };
    } catch (error) {
      this.#returner = { kind: 'failed', reason: sentence(`the devices could not be loaded: ${errorText(error)}`) };
    }
    this.#onChange();
  }

  #withoutRight(): TemplateResult {
    return html`<p class="empty">${sentence(this.#viewer.spectatorReason ?? 'you may only watch this stream')}</p>`;
  }

  #verdict(error: string | null): TemplateResult | string {
    if (!this.#isSpectator) return error ?? resultText(this.#result);
    return html`${sentence(this.#viewer.spectatorReason ?? 'this viewer has no port')}
      <button class="link" type="button" @click=${() => this.#viewer.reconnect()}>Try again</button>`;
  }

  #form(): TemplateResult {
    const parsed = parseJsonText(this.#text);
    const error = 'error' in parsed ? parsed.error : null;
    const isDisabled = error !== null || this.#viewer.port === null;
    const isBad = error !== null || this.#result.kind === 'refused';
    const tone = this.#isSpectator ? '' : isBad ? 'bad' : 'ok';
    const send = (mode: Mode) => (): void => {
      if (!('error' in parsed)) runInBackground(this.#send(parsed.value, mode));
    };
    return html`<form class="composer" @submit=${(event: Event) => event.preventDefault()}>
      <textarea
        aria-label="Value as JSON"
        aria-describedby="verdict"
        spellcheck="false"
        autocapitalize="off"
        autocomplete="off"
        rows="3"
        aria-invalid=${error !== null}
        .value=${this.#text}
        @input=${(event: Event) => this.#write((event.target as HTMLTextAreaElement).value)}
      ></textarea>
      <p id="verdict" class=${`verdict ${tone}`} role="status">${this.#verdict(error)}</p>
      <div class="buttons">
        <button class="primary hold" type="button" ?disabled=${isDisabled} @click=${send('hold')}>Hold until replaced</button>
        <button class="second once" type="button" ?disabled=${isDisabled} @click=${send('once')}>Send once</button>
      </div>
      ${this.#held === null ? nothing : this.#heldRow(this.#held)} ${this.#savedRow(error === null)}
    </form>`;
  }

  #heldRow(held: string): TemplateResult {
    const stop = (event: Event): void =>
      runInBackground(this.#send(null, 'hold').then(() => moveFocus(event, '.composer .hold', '.composer textarea')));
    return html`<div class="held">
      <span class="dot live"></span><span>Holding</span><code title=${held}>${held}</code
      ><button class="quiet" type="button" @click=${stop}>Stop</button>
    </div>`;
  }

  #savedRow(isValid: boolean): TemplateResult {
    const canSave = isValid && !this.#saved.isFull && !this.#saved.has(this.#text);
    const item = (text: string): TemplateResult =>
      html`<li>
        <button class="use" type="button" title="Copy to the field" @click=${() => this.#write(text)}>${text}</button
        ><button class="remove" type="button" aria-label=${`Remove ${text}`} title="Remove" @click=${(event: Event) => this.#forget(text, event)}>×</button>
      </li>`;
    return html`<div class="saved">
      <p><span id="saved-title">Saved commands</span><button class="link" type="button" aria-disabled=${!canSave} @click=${() => canSave && this.#save()}>${this.#saved.has(this.#text) ? 'Saved' : 'Save this one'}</button></p>
      ${this.#saved.texts.length === 0 ? nothing : html`<ul aria-labelledby="saved-title">${this.#saved.texts.map(item)}</ul>`}
    </div>`;
  }

  #write(text: string): void {
    this.#text = text;
    this.#result = { kind: 'none' };
    this.#onChange();
  }

  #save(): void {
    this.#saved.add(this.#text);
    this.#onChange();
  }

  #forget(text: string, event: Event): void {
    const index = this.#saved.texts.indexOf(text) + 1;
    this.#saved.remove(text);
    this.#onChange();
    const button = (at: string): string => `.saved li:${at} .remove`;
    moveFocus(event, button(`nth-child(${index})`), button('last-child'), '.composer textarea');
  }

  async #send(value: Value, mode: Mode): Promise<void> {
    this.#result = { kind: 'sending' };
    this.#onChange();
    try {
      if (mode === 'hold') {
        await this.#viewer.setReturnData(value);
        this.#held = value === null ? null : JSON.stringify(value);
      } else {
        await this.#viewer.send(value);
      }
      this.#result = { kind: 'received' };
    } catch (error) {
      this.#result = { kind: 'refused', reason: capitalize(errorText(error)) };
    }
    this.#onChange();
  }
}

function resultText(result: Result): string {
  switch (result.kind) {
    case 'none':
      return '';
    case 'sending':
      return 'Sending…';
    case 'received':
      return 'Received';
    case 'refused':
      return result.reason;
    default:
      return result satisfies never;
  }
}
