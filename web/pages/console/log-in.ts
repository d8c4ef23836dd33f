import { html, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';
import { saveToken } from '../shared/page-token.ts';
import { fetchRights } from '../shared/streams.ts';
import { TokenForm } from '../shared/token-form.ts';
import type { Api } from './api.ts';

const NO_ANSWER = 'the gateway does not answer';

/** The token of the page: the card that asks for it, and the form that asks for an administrator's. */
export class LogIn {
  readonly #api: Api;
  readonly #onToken: (token: string | null) => Promise<void>;
  readonly #card = new TokenForm({
    label: 'This gateway requires a token',
    onToken: (token) => runInBackground(this.#logIn(token)),
  });
  readonly #keyForm = new TokenForm({
    label: 'Administrator key',
    hint:
      'To add or disconnect clients, open the administrator address that the gateway printed, ' +
      'or enter its key or token.',
    onToken: (token) => runInBackground(this.becomeAdministrator(token)),
  });
  #isAsking = false;

  /** @param onToken called when another token applies; null after the gateway has refused the current one. */
  constructor(api: Api, onToken: (token: string | null) => Promise<void>) {
    this.#api = api;
    this.#onToken = onToken;
  }

  /** The gateway requires a token, or refuses the current one. */
  ask(reason: string): void {
    if (this.#api.token !== null) {
      // A refused token is not sent again: each attempt counts as a failed log-in.
      this.#api.token = null;
      saveToken(null);
      this.#card.refuse(reason);
      runInBackground(this.#onToken(null));
    } else if (!this.#isAsking) {
      this.#card.ask(reason);
    }
    this.#isAsking = true;
  }

  /** The content of the page while the gateway requires a token. */
  renderCard(): TemplateResult {
    return html`<main class="gate">
      <section class="panel" aria-label="Log in">${this.#card.element}</section>
    </main>`;
  }

  /** Replaces forms for administrators. */
  renderKeyForm(): TemplateResult {
    return html`<div class="key">${this.#keyForm.element}</div>`;
  }

  /** Checks an administrator key before it is used. A gateway without tokens ignores an unknown key. */
  async becomeAdministrator(token: string): Promise<void> {
    const response = await fetchRights(token);
    if (response.kind !== 'ok') {
      this.#keyForm.refuse(response.reason ?? NO_ANSWER);
    } else if (response.value.rights.includes('administer')) {
      this.#keyForm.reset();
      await this.#use(token);
    } else if (response.value.principal.endsWith('token')) {
      this.#keyForm.refuse(`the ${response.value.principal} does not give the right to administer`);
    } else {
      this.#keyForm.refuse('invalid key; the gateway prints another one each time it starts');
    }
  }

  /** Checks a token before it is used. */
  async #logIn(token: string): Promise<void> {
    const response = await fetchRights(token);
    if (response.kind === 'ok') {
      this.#card.reset();
      await this.#use(token);
    } else {
      this.#card.refuse(response.reason ?? NO_ANSWER);
    }
  }

  async #use(token: string): Promise<void> {
    this.#isAsking = false;
    this.#api.token = token;
    saveToken(token);
    await this.#onToken(token);
  }
}
