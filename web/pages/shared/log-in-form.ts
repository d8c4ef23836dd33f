import { runInBackground } from '../../background.ts';
import { type Credential, fetchSession, logIn } from './session.ts';
import { sentence } from './text.ts';

let forms = 0;

/** A reason from the gateway that only repeats the label of the form. */
const PLAIN_REASON = 'this gateway requires a token';

/** The fields of the form: a token alone, or a name and a password. */
type LogInMethod = 'token' | 'password';

interface LogInFormOptions {
  /** Label of the field for the token. */
  readonly label: string;
  /** Title of the form with name and password. */
  readonly title?: string;
  /** The purpose of the log-in, and how to get credentials. */
  readonly hint?: string;
  /** Right that the log-in must grant. Default: any. */
  readonly right?: string;
  /** An additional button, next to the submit button. */
  readonly action?: { readonly text: string; readonly run: () => void };
  /** Whether the form is shown over the picture, which is dark in both themes. */
  readonly isOnPicture?: boolean;
  /**
   * Called when the user has logged in.
   *
   * @param token token to send with each request; null: the browser sends the cookie of the session.
   */
  readonly onLogIn: (token: string | null) => void;
}

/**
 * The log-in form of all pages: a name and a password if the gateway has users with passwords, otherwise a token. A
 * button switches between the two. A refusal is announced (`role=alert`), and the field is cleared and focused. The
 * element keeps its state when it is removed and inserted again.
 */
export class LogInForm {
  readonly element: HTMLFormElement;
  readonly #options: LogInFormOptions;
  readonly #token: HTMLInputElement;
  readonly #name: HTMLInputElement;
  readonly #password: HTMLInputElement;
  readonly #button: HTMLButtonElement;
  readonly #switch: HTMLButtonElement;
  readonly #hint: HTMLElement;
  readonly #alert: HTMLElement;
  readonly #action: HTMLButtonElement | null;
  #method: LogInMethod = 'token';
  #isKnown = false;
  /** Called when the field has got a size. In an iframe, focuses the field only if the iframe already has the focus. */
  readonly #rendered = new ResizeObserver(() => {
    if (this.#firstField.offsetWidth === 0) return;
    this.#rendered.disconnect();
    if (window.parent === window || document.hasFocus()) this.#firstField.focus();
  });

  constructor(options: LogInFormOptions) {
    const { label, title = 'Log in', hint = '', action, isOnPicture = false } = options;
    forms += 1;
    const suffix = forms === 1 ? '' : `-${forms}`;
    const form = document.createElement('form');
    form.className = isOnPicture ? 'log-in-form on-picture' : 'log-in-form';
    form.setAttribute('aria-label', title);
    form.innerHTML = `<label class="title" for="token${suffix}" data-method="token"></label>
      <p class="title" data-method="password"></p>
      <p class="hint" id="token${suffix}-hint"></p>
      <label for="name${suffix}" data-method="password">Name</label>
      <input id="name${suffix}" class="field" name="name" data-method="password" autocomplete="username"
        autocapitalize="off" spellcheck="false" maxlength="2048" required>
      <label for="password${suffix}" data-method="password">Password</label>
      <input id="password${suffix}" class="field" name="password" type="password" data-method="password"
        autocomplete="current-password" maxlength="2048" required aria-describedby="token${suffix}-error">
      <div class="line">
        <input id="token${suffix}" class="field" name="token" type="password" data-method="token"
          autocomplete="current-password" maxlength="2048" required
          aria-describedby="token${suffix}-hint token${suffix}-error">
        <button class="primary"></button>
      </div>
      <p class="error" id="token${suffix}-error" role="alert"></p>
      <button type="button" class="link switch" hidden></button>`;
    const find = <T extends Element>(selector: string): T => {
      const element = form.querySelector<T>(selector);
      if (element === null) throw new TypeError(`the form has no ${selector}`);
      return element;
    };
    find('label.title').textContent = label;
    find('p.title').textContent = title;
    this.#options = options;
    this.#token = find('[name=token]');
    this.#name = find('[name=name]');
    this.#password = find('[name=password]');
    this.#button = find('.primary');
    this.#switch = find('.switch');
    this.#hint = find('.hint');
    this.#alert = find('.error');
    this.#hint.textContent = hint;
    this.#action = action === undefined ? null : document.createElement('button');
    if (action !== undefined && this.#action !== null) {
      this.#action.type = 'button';
      this.#action.className = 'second';
      this.#action.textContent = action.text;
      this.#action.addEventListener('click', action.run);
      find('.line').append(this.#action);
    }
    this.#switch.addEventListener('click', () => {
      this.#show(this.#method === 'token' ? 'password' : 'token');
      this.#clearError();
      this.#firstField.focus();
    });
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      runInBackground(this.#submit());
    });
    this.element = form;
    this.#show('token');
  }

  /** Shows or hides the additional button. */
  showAction(isShown: boolean): void {
    if (this.#action !== null) this.#action.hidden = !isShown;
  }

  /** Asks for a log-in. */
  ask(hint: string): void {
    this.#hint.textContent = hint === PLAIN_REASON ? '' : sentence(hint);
    this.#focus();
    if (!this.#isKnown) runInBackground(this.#askWhatIsAccepted());
  }

  /** Shows why the log-in was refused. */
  refuse(reason: string): void {
    const field = this.#secret;
    field.value = '';
    field.setAttribute('aria-invalid', 'true');
    this.#alert.textContent = sentence(reason);
    if (this.element.isConnected && field.offsetWidth > 0) field.focus();
    else this.#focus();
  }

  /** Clears fields and error. */
  reset(): void {
    for (const field of [this.#token, this.#name, this.#password]) field.value = '';
    this.#clearError();
  }

  /** Shows the fields for the credentials that the gateway accepts. Does not change a form that is being filled in. */
  offer(accepts: readonly LogInMethod[]): void {
    this.#isKnown = true;
    const hasBoth = accepts.includes('password') && accepts.includes('token');
    this.#switch.hidden = !hasBoth;
    const isEmpty = this.#token.value === '' && this.#name.value === '' && this.#password.value === '';
    const hadFocus = this.element.contains(document.activeElement);
    if (!isEmpty) return;
    this.#show(accepts.includes('password') ? 'password' : 'token');
    if (hadFocus) this.#firstField.focus();
  }

  get #firstField(): HTMLInputElement {
    return this.#method === 'token' ? this.#token : this.#name;
  }

  get #secret(): HTMLInputElement {
    return this.#method === 'token' ? this.#token : this.#password;
  }

  #show(method: LogInMethod): void {
    this.#method = method;
    for (const element of this.element.querySelectorAll<HTMLElement>('[data-method]')) {
      const isShown = element.dataset['method'] === method;
      element.hidden = !isShown;
      // A required field that is not shown must not prevent the submission.
      if (element instanceof HTMLInputElement) element.disabled = !isShown;
    }
    this.#button.textContent = method === 'token' ? 'Continue' : 'Log in';
    this.#switch.textContent = method === 'token' ? 'Use name and password' : 'Use a token';
  }

  async #askWhatIsAccepted(): Promise<void> {
    const answer = await fetchSession();
    if (answer.kind === 'ok') this.offer(answer.value.accepts);
  }

  async #submit(): Promise<void> {
    if (this.#button.disabled) return;
    this.#clearError();
    const credential: Credential =
      this.#method === 'token'
        ? { token: this.#token.value }
        : { name: this.#name.value, password: this.#password.value };
    this.#button.disabled = true;
    const result = await logIn(credential, this.#options.right);
    this.#button.disabled = false;
    if (!result.ok) {
      this.refuse(result.reason);
      return;
    }
    this.reset();
    this.#options.onLogIn(result.token);
  }

  #clearError(): void {
    this.#alert.textContent = '';
    for (const field of [this.#token, this.#password]) field.removeAttribute('aria-invalid');
  }

  /** Focuses the field as soon as it is rendered: the picture shows the form only in some of its states. */
  #focus(): void {
    this.#rendered.observe(this.#firstField);
  }
}
