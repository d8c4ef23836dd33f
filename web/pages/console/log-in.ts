import { html, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';
import { LogInForm } from '../shared/log-in-form.ts';
import { saveToken } from '../shared/page-token.ts';
import { fetchSession, logIn, logOut } from '../shared/session.ts';
import type { Api } from './api.ts';

/** Log-in and log-out of the page: the card that asks for a log-in, the form for administrators, and the log-out. */
export class LogIn {
  readonly #api: Api;
  readonly #onChange: () => Promise<void>;
  readonly #card = new LogInForm({
    label: 'This gateway requires a token',
    onLogIn: (token) => runInBackground(this.#use(token)),
  });
  readonly #keyForm = new LogInForm({
    label: 'Administrator key',
    title: 'Log in as an administrator',
    hint:
      'To add or disconnect clients, log in with the right to administer, ' +
      'or open the administrator address if the gateway printed one.',
    right: 'administer',
    onLogIn: (token) => runInBackground(this.#use(token)),
  });
  #isAsking = false;
  #user: string | null = null;

  /** @param onChange called when another user has logged in, and after a log-out. */
  constructor(api: Api, onChange: () => Promise<void>) {
    this.#api = api;
    this.#onChange = onChange;
  }

  /** Name of the user who is logged in by a session; null if nobody is. */
  get user(): string | null {
    return this.#user;
  }

  /** Requests the name of the user who is logged in, and the kind of credentials for which the forms should ask. */
  async refresh(): Promise<void> {
    const answer = await fetchSession();
    if (answer.kind !== 'ok') return;
    this.#user = answer.value.user?.principal ?? null;
    for (const form of [this.#card, this.#keyForm]) form.offer(answer.value.accepts);
  }

  /** Called when the gateway requires a log-in, or refuses the current one. */
  ask(reason: string): void {
    // The session may have ended, or may lack the right to view.
    if (!this.#isAsking) runInBackground(this.refresh());
    if (this.#api.token !== null) {
      // A refused token is not sent again: each attempt counts as a failed log-in.
      this.#api.use(null);
      saveToken(null);
      this.#card.refuse(reason);
      runInBackground(this.#onChange());
    } else if (!this.#isAsking) {
      this.#card.ask(reason);
    }
    this.#isAsking = true;
  }

  /** The content of the page while the gateway requires a log-in. */
  renderCard(): TemplateResult {
    return html`<main class="gate">
      <section class="panel" aria-label="Log in">${this.#card.element}</section>
    </main>`;
  }

  /** Form that replaces the forms for administrators. */
  renderKeyForm(): TemplateResult {
    return html`<div class="key">${this.#keyForm.element}</div>`;
  }

  /** Logs in with the key in the administrator address. */
  async becomeAdministrator(key: string): Promise<void> {
    const result = await logIn({ token: key }, 'administer');
    if (result.ok) {
      await this.#use(result.token);
    } else {
      await this.refresh();
      this.#keyForm.refuse(result.reason);
    }
  }

  /** @returns null, or the reason for the failure. */
  async logOut(): Promise<string | null> {
    const problem = await logOut();
    if (problem === null) await this.#use(null);
    return problem;
  }

  async #use(token: string | null): Promise<void> {
    this.#isAsking = false;
    this.#keyForm.reset();
    this.#api.use(token);
    await this.refresh();
    await this.#onChange();
  }
}
