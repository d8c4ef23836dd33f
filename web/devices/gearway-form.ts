import { css, html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { errorText } from '../../shared/errors.ts';
import type { Value } from '../../shared/protocol.ts';
import { runInBackground } from '../background.ts';
import type { GearwayFrameEvent, GearwayViewer } from '../viewer/gearway-viewer.ts';
import type { DeviceValue } from './control-value.ts';
import { DeviceElement, GearwayInputEvent } from './device-element.ts';
import { deviceStyles } from './device-styles.ts';
import { FormFields, formFieldStyles } from './form-fields.ts';
import { ownObject, parseForm } from './form-schema.ts';

/** Minimum interval between two forms from the server, because each message may contain a different form. */
const FORM_INTERVAL_MS = 500;

/** Key of the forms in the server's message. */
const FORMS = 'forms';

/** Value of a form: its fields by name. */
export type FormValue = { readonly [key: string]: DeviceValue };

/**
 * A form made from a JSON Schema. The server sends schemas in its message as `forms`, by the names of the forms, or the
 * page sets one as `schema`. The value is the last submission.
 *
 * @tag gearway-form
 * @summary Form made from a JSON Schema for return data.
 * @attr {string} name - key of its value in the viewer's return data, and of its schema in the message
 * @attr {string} viewer - id of the viewer; the first of the page by default
 * @attr {boolean} disabled - cannot be submitted
 * @attr {string} schema - JSON Schema as JSON, or as an object if set as property; that of the server's message by default
 * @attr {boolean} once - sends each value once; otherwise a value is in effect until it is replaced
 * @fires {GearwayInputEvent} gearway-input - it was submitted, or its value was withdrawn
 * @slot - heading; the title of the schema by default
 * @csspart form - the form
 * @csspart button - the button that submits
 * @csspart clear - the button that withdraws the value
 * @csspart status - whether the value was accepted, or the problem of the schema
 */
export class GearwayForm extends DeviceElement {
  static override styles = [
    deviceStyles,
    formFieldStyles,
    css`
      form {
        display: grid;
        gap: 12px;
      }
      .heading {
        font-weight: 600;
      }
      p {
        margin: 0;
        overflow-wrap: anywhere;
      }
      button {
        touch-action: auto;
      }
    `,
  ];
  static override properties = { schema: {}, once: { type: Boolean } };

  declare schema: object | string | null;
  declare once: boolean;
  #value: FormValue | null = null;
  readonly #fields = new FormFields(
    () => this.renderRoot,
    () => this.requestUpdate(),
  );
  /** The form as JSON, to detect a different one. */
  #shown = '';
  /** Problem of the schema; empty for a valid one. */
  #fault = '';
  #status = '';
  /**
   * Timer that runs after a form from the server was read. The newest form that arrives in the meantime waits until the
   * timer ends.
   */
  #interval: ReturnType<typeof setTimeout> | null = null;
  #waiting: { readonly schema: unknown } | null = null;

  constructor() {
    super();
    this.schema = null;
    this.once = false;
  }

  /** The last submitted value; null before the first one, after {@link clear}, and with `once`. */
  override get value(): FormValue | null {
    return this.#value;
  }

  /** Withdraws the submitted value: it is null until the next submission. */
  clear(): void {
    if (this.#value === null) return;
    this.#value = null;
    this.#status = '';
    this.report(false);
  }

  /** The value is kept when the window loses the focus. */
  protected override reset(): void {}

  protected override joined(viewer: GearwayViewer): () => void {
    const abort = new AbortController();
    const receive = (event: GearwayFrameEvent): void => {
      if (event.mayHave(FORMS)) this.#receive(event.detail.message);
    };
    viewer.addEventListener('gearway-frame', receive, abort);
    viewer.addEventListener('gearway-return-refused', ({ detail }) => this.#onRefused(detail.reason), abort);
    return () => {
      abort.abort();
      if (this.#interval !== null) clearTimeout(this.#interval);
      this.#interval = null;
      this.#waiting = null;
    };
  }

  protected override willUpdate(changed: PropertyValues<GearwayForm>): void {
    if (changed.has('schema') && this.schema !== null) this.#show(this.schema);
  }

  protected override render(): TemplateResult {
    const { form } = this.#fields;
    const heading = html`<div class="heading"><slot>${form?.title || this.name}</slot></div>`;
    if (form === null)
      return html`${heading}<span part="status" role="status">${this.#fault || 'Waiting for the form from the server'}</span>`;
    return html`<form part="form" novalidate @submit=${this.#onSubmit}>
      ${heading}
      ${form.description === '' ? nothing : html`<p>${form.description}</p>`}
      ${this.#fields.render()}
      <div class="row">
        <button part="button" type="submit" ?disabled=${!this.isUsable}>${this.once ? 'Send' : 'Apply'}</button>
        ${this.#value === null ? nothing : html`<button part="clear" type="button" ?disabled=${!this.isUsable} @click=${() => this.clear()}>Withdraw</button>`}
        <span part="status" role="status">${this.#fault || this.#status}</span>
      </div>
    </form>`;
  }

  #receive(message: Value): void {
    if (this.schema !== null) return;
    const schema = formIn(message, this.name);
    if (schema === undefined) return;
    this.#waiting = { schema };
    if (this.#interval === null) this.#readWaiting();
  }

  #readWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    this.#interval = waiting && setTimeout(() => this.#readWaiting(), FORM_INTERVAL_MS);
    if (waiting !== null && this.schema === null) this.#show(waiting.schema);
  }

  /** Does nothing for the form that is already shown. */
  #show(schema: unknown): void {
    const { form, fault } = formOf(schema);
    const text = JSON.stringify([form, fault]);
    if (text === this.#shown) return;
    this.#shown = text;
    this.#fault = fault;
    this.#fields.form = form;
  }

  readonly #onSubmit = (event: Event): void => {
    event.preventDefault();
    if (!this.isUsable) return;
    const value = this.#fields.read();
    if (value === null) {
      this.#status = 'Not sent: correct the marked fields';
      runInBackground(this.updateComplete.then(() => this.#fields.focusProblem()));
    } else if (this.once) {
      this.#status = 'Sending…';
      runInBackground(this.#sendOnce(value));
    } else {
      this.#value = value;
      this.#status = 'Applied until it is replaced';
      this.report(false);
    }
  };

  async #sendOnce(value: FormValue): Promise<void> {
    try {
      await this.sendOnce(value);
      this.#status = 'Received';
      this.dispatchEvent(new GearwayInputEvent(value, false));
    } catch (error) {
      this.#status = `Not accepted: ${errorText(error)}`;
    }
    this.requestUpdate();
  }

  #onRefused(reason: string): void {
    if (this.#value === null) return;
    this.#status = `Not accepted: ${reason}`;
    this.requestUpdate();
  }
}

/** The schema for a form in a message; undefined for none. */
function formIn(message: Value, name: string): unknown {
  const forms = ownObject(message, FORMS);
  return forms === null || !Object.hasOwn(forms, name) ? undefined : forms[name];
}

function formOf(schema: unknown): { readonly form: ReturnType<typeof parseForm> | null; readonly fault: string } {
  try {
    return { form: parseForm(typeof schema === 'string' ? JSON.parse(schema) : schema), fault: '' };
  } catch (error) {
    return { form: null, fault: `No form: ${errorText(error)}` };
  }
}
