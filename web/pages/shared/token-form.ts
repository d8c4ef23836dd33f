let forms = 0;

/** The gateway's reason that says no more than the form does. */
const PLAIN_REASON = 'this gateway requires a token';

export interface TokenFormOptions {
  /** Label of the field. */
  readonly label: string;
  /** What the token is needed for, and where it comes from; empty for nothing. */
  readonly hint?: string;
  /** A further button, beside the one that submits. */
  readonly action?: { readonly text: string; readonly run: () => void };
  /** The form lies over the picture, which is dark in both themes. */
  readonly isOnPicture?: boolean;
  readonly onToken: (token: string) => void;
}

/**
 * The form in which all pages ask for a token. A refusal is announced (`role=alert`), and the field is cleared and focused. Its element may be rendered,
 * removed and rendered again; it keeps its state.
 */
export class TokenForm {
  readonly element: HTMLFormElement;
  readonly #field: HTMLInputElement;
  readonly #hint: HTMLElement;
  readonly #alert: HTMLElement;

  constructor({ label, hint = '', action, isOnPicture = false, onToken }: TokenFormOptions) {
    forms += 1;
    const id = forms === 1 ? 'token' : `token-${forms}`;
    const form = document.createElement('form');
    form.className = isOnPicture ? 'token-form on-picture' : 'token-form';
    form.innerHTML = `<label for="${id}"></label><p class="hint" id="${id}-hint"></p>
      <div class="line"><input id="${id}" class="field" name="token" type="password" autocomplete="off" required aria-describedby="${id}-hint ${id}-error"><button class="primary">Continue</button></div>
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

  /** Asks, with the gateway's reason where it gave one. */
  ask(hint: string): void {
    this.#hint.textContent = hint === PLAIN_REASON ? '' : sentence(hint);
    this.#focus();
  }

  /** Says why the token was refused. */
  refuse(reason: string): void {
    this.#field.value = '';
    this.#field.setAttribute('aria-invalid', 'true');
    this.#alert.textContent = sentence(reason);
    this.#focus();
  }

  /** Forgets what was typed and refused. */
  reset(): void {
    this.#field.value = '';
    this.#field.removeAttribute('aria-invalid');
    this.#alert.textContent = '';
  }

  /** Once the form has been rendered. A page in a frame leaves the focus to the page around it, unless the user is in the frame already. */
  #focus(): void {
    requestAnimationFrame(() => {
      if (window.parent === window || document.hasFocus()) this.#field.focus();
    });
  }
}

function sentence(text: string): string {
  return text === '' ? '' : `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`;
}
