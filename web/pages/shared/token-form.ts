import { sentence } from './text.ts';

let forms = 0;

/** A reason of the gateway that only repeats the form's label. */
const PLAIN_REASON = 'this gateway requires a token';

export interface TokenFormOptions {
  /** Label of the field. */
  readonly label: string;
  /** What the token is needed for, and where to find it. */
  readonly hint?: string;
  /** An additional button, next to the submit button. */
  readonly action?: { readonly text: string; readonly run: () => void };
  /** The form is shown over the picture, which is dark in both themes. */
  readonly isOnPicture?: boolean;
  readonly onToken: (token: string) => void;
}

/**
 * The token form of all pages. A refusal is announced (`role=alert`), and the field is cleared and focused. The element
 * keeps its state when it is removed and inserted again.
 */
export class TokenForm {
  readonly element: HTMLFormElement;
  readonly #field: HTMLInputElement;
  readonly #hint: HTMLElement;
  readonly #alert: HTMLElement;
  /** Called when the field has got a size. In an iframe, takes the focus only if the iframe has it already. */
  readonly #rendered = new ResizeObserver(() => {
    if (this.#field.offsetWidth === 0) return;
    this.#rendered.disconnect();
    if (window.parent === window || document.hasFocus()) this.#field.focus();
  });

  constructor({ label, hint = '', action, isOnPicture = false, onToken }: TokenFormOptions) {
    forms += 1;
    const id = forms === 1 ? 'token' : `token-${forms}`;
    const form = document.createElement('form');
    form.className = isOnPicture ? 'token-form on-picture' : 'token-form';
    form.innerHTML = `<label for="${id}"></label><p class="hint" id="${id}-hint"></p>
      <div class="line">
        <input id="${id}" class="field" name="token" type="password" autocomplete="off" required
          aria-describedby="${id}-hint ${id}-error">
        <button class="primary">Continue</button>
      </div>
      <p class="error" id="${id}-error" role="alert"></p>`;
    const find = <T extends Element>(selector: string): T => {
      const element = form.querySelector<T>(selector);
      if (element === null) throw new TypeError(`the form has no ${selector}`);
      return element;
    };
    find('label').textContent = label;
    this.#field = find('input');
    this.#hint = find('.hint');
    this.#alert = find('.error');
    this.#hint.textContent = hint;
    if (action !== undefined) {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'second';
      button.textContent = action.text;
      button.addEventListener('click', action.run);
      find('.line').append(button);
    }
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#field.value === '') return;
      this.#alert.textContent = '';
      this.#field.removeAttribute('aria-invalid');
      onToken(this.#field.value);
    });
    this.element = form;
  }

  /** Asks for a token. */
  ask(hint: string): void {
    this.#hint.textContent = hint === PLAIN_REASON ? '' : sentence(hint);
    this.#focus();
  }

  /** Shows why the token was refused. */
  refuse(reason: string): void {
    this.#field.value = '';
    this.#field.setAttribute('aria-invalid', 'true');
    this.#alert.textContent = sentence(reason);
    this.#focus();
  }

  /** Clears field and error. */
  reset(): void {
    this.#field.value = '';
    this.#field.removeAttribute('aria-invalid');
    this.#alert.textContent = '';
  }

  /** Focuses the field as soon as it is rendered: the picture shows the form only in some of its states. */
  #focus(): void {
    this.#rendered.observe(this.#field);
  }
}
