import { css, html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { DeviceValue } from './control-value.ts';
import { allFields, type Form, type FormField, readForm } from './form-schema.ts';

/** Styles of {@link FormFields}. They inherit text colour and font from the page. */
export const formFieldStyles = css`
  .fields {
    display: grid;
    gap: 12px;
  }
  .field {
    display: grid;
    gap: 4px;
    min-width: 0;
  }
  .field > label,
  legend {
    font-weight: 600;
    overflow-wrap: anywhere;
  }
  .field.boolean {
    grid-template-columns: auto minmax(0, 1fr);
    gap: 4px 8px;
    align-items: center;
  }
  .field.boolean > p {
    grid-column: 2;
  }
  small {
    font-size: 0.75rem;
    font-weight: 400;
  }
  fieldset {
    display: grid;
    gap: 12px;
    min-width: 0;
    margin: 0;
    padding: 8px 12px 12px;
    border: 1px solid var(--gearway-border, #8e9bab);
    border-radius: 6px;
  }
  .field input:not([type='checkbox']),
  .field select {
    box-sizing: border-box;
    width: 100%;
    min-width: 0;
    min-height: 40px;
    padding: 6px 10px;
    border: 1px solid var(--gearway-border, #8e9bab);
    border-radius: 6px;
    background: var(--gearway-surface, #8e9bab1f);
    color: inherit;
    font: inherit;
  }
  .field select option {
    background: Canvas;
    color: CanvasText;
  }
  .field input[type='checkbox'] {
    width: 20px;
    height: 20px;
    margin: 2px;
    accent-color: var(--gearway-accent, #0b6bcb);
  }
  .field [aria-invalid='true'] {
    border: 2px solid;
  }
  .field p {
    margin: 0;
    overflow-wrap: anywhere;
  }
  .field .problem {
    font-weight: 600;
  }
  .field .problem::before {
    content: '⚠ ';
  }
  @media (pointer: coarse) {
    .field.boolean > label {
      padding-block: 12px;
    }
    .field input:not([type='checkbox']),
    .field select {
      min-height: 44px;
      /* Smaller text makes phones zoom in when the field is focused. */
      font-size: 1rem;
    }
  }
`;

/** Text that replaces input that is not a number. */
const NOT_A_NUMBER = 'not a number';

type Input = HTMLInputElement | HTMLSelectElement;

/**
 * The fields of a form. Their inputs contain the entered values; when the form is replaced, the inputs of fields that
 * both forms have are kept.
 */
export class FormFields {
  readonly #root: () => ParentNode;
  readonly #onChange: () => void;
  #form: Form | null = null;
  /** Number of each field, used in ids. */
  #numbers: ReadonlyMap<string, number> = new Map();
  /** Problems by path; null before an attempt to read, and after a valid one. */
  #problems: ReadonlyMap<string, string> | null = null;

  /**
   * @param root element in which the fields are rendered.
   * @param onChange called when the fields must be rendered again.
   */
  constructor(root: () => ParentNode, onChange: () => void) {
    this.#root = root;
    this.#onChange = onChange;
  }

  get form(): Form | null {
    return this.#form;
  }

  set form(form: Form | null) {
    this.#form = form;
    this.#numbers = new Map(allFields(form?.fields ?? []).map(({ path }, index) => [path, index]));
    this.#problems = null;
    this.#onChange();
  }

  /**
   * @returns the value; null if there are problems. These are then shown, and {@link focusProblem} moves to the first
   * one.
   */
  read(): { readonly [key: string]: DeviceValue } | null {
    if (this.#form === null) return null;
    const { value, problems } = readForm(this.#form.fields, this.#inputs());
    const isValid = problems.size === 0;
    this.#problems = isValid ? null : problems;
    this.#onChange();
    return isValid ? value : null;
  }

  /** Focuses the first field with a problem, once it is rendered. */
  focusProblem(): void {
    this.#root().querySelector<HTMLElement>('[aria-invalid=true]')?.focus();
  }

  render(): TemplateResult {
    return html`<div class="fields" @input=${this.#onInput}>${this.#list(this.#form?.fields ?? [])}</div>`;
  }

  readonly #onInput = (): void => {
    if (this.#problems !== null) this.read();
  };

  #inputs(): Map<string, string | boolean> {
    return new Map(
      [...this.#root().querySelectorAll<Input>('[data-path]')].map((input) => [
        input.dataset['path'] ?? '',
        textOf(input),
      ]),
    );
  }

  #list(fields: readonly FormField[]): unknown {
    return repeat(fields, keyOf, (field) => this.#field(field));
  }

  #field(field: FormField): TemplateResult {
    const { path, title, description, kind, isRequired } = field;
    if (kind === 'unsupported') return html`<div class="field"><p>${title} cannot be shown: ${field.reason}</p></div>`;
    const id = `field-${this.#numbers.get(path)}`;
    const problem = this.#problems?.get(path);
    const texts = html`${description === '' ? nothing : html`<p id=${`${id}-about`}>${description}</p>`}
    ${problem === undefined ? nothing : html`<p id=${`${id}-problem`} class="problem">${problem}</p>`}`;
    const about = `${description === '' ? '' : `${id}-about`} ${problem === undefined ? '' : `${id}-problem`}`.trim();
    if (kind === 'group')
      return html`<fieldset aria-describedby=${about || nothing}>
        <legend>${title}</legend>
        ${texts} ${this.#list(field.fields)}
      </fieldset>`;
    const name = html`<label for=${id}>${title}${isRequired || kind === 'boolean' ? nothing : html` <small>optional</small>`}</label>`;
    const bind = { id, path, about, isInvalid: problem !== undefined };
    if (kind === 'boolean')
      return html`<div class="field boolean">${inputTemplate(field, bind)} ${name} ${texts}</div>`;
    return html`<div class="field">${name} ${inputTemplate(field, bind)} ${texts}</div>`;
  }
}

interface Bound {
  readonly id: string;
  readonly path: string;
  /** Ids of the texts that describe the input. */
  readonly about: string;
  readonly isInvalid: boolean;
}

/** The input of a field with its initial value: afterwards, only the user changes it. */
function inputTemplate(field: FormField, { id, path, about, isInvalid }: Bound): TemplateResult | typeof nothing {
  const invalid = isInvalid ? 'true' : nothing;
  const described = about || nothing;
  switch (field.kind) {
    case 'text':
      return html`<input id=${id} data-path=${path} aria-describedby=${described} aria-invalid=${invalid} autocomplete="off" list=${field.suggestions.length === 0 ? nothing : `${id}-list`} .defaultValue=${field.initial} />
        ${field.suggestions.length === 0 ? nothing : html`<datalist id=${`${id}-list`}>${field.suggestions.map((text) => html`<option value=${text}></option>`)}</datalist>`}`;
    case 'number':
      return html`<input
        id=${id}
        data-path=${path}
        aria-describedby=${described}
        aria-invalid=${invalid}
        type="number"
        step=${field.isInteger ? '1' : 'any'}
        min=${field.minimum ?? nothing}
        max=${field.maximum ?? nothing}
        .defaultValue=${field.initial === null ? '' : String(field.initial)}
      />`;
    case 'boolean':
      return html`<input id=${id} data-path=${path} aria-describedby=${described} type="checkbox" .defaultChecked=${field.initial} />`;
    case 'choice':
      return html`<select id=${id} data-path=${path} aria-describedby=${described} aria-invalid=${invalid}>
        ${field.initial >= 0 && field.isRequired ? nothing : html`<option value="">–</option>`}
        ${field.choices.map((choice, index) => html`<option value=${index} ?selected=${index === field.initial}>${String(choice)}</option>`)}
      </select>`;
    default:
      return nothing;
  }
}

/** Key that is equal for fields whose input is kept. */
function keyOf(field: FormField): string {
  return field.kind === 'group' ? field.path : JSON.stringify(field);
}

function textOf(input: Input): string | boolean {
  if (input instanceof HTMLSelectElement) return input.value;
  if (input.type === 'checkbox') return input.checked;
  // A browser reports no text for input that is not a number.
  return input.validity.badInput ? NOT_A_NUMBER : input.value;
}
