import './share-dialog.css';
import { html, nothing, render, type TemplateResult } from 'lit';
import type { CreatedShareLink, ShareLinkStatus } from '../../../shared/status.ts';
import { runInBackground } from '../../background.ts';
import { copyLine } from '../shared/copy-line.ts';
import { capitalize, formatDateTime } from '../shared/text.ts';
import type { Api } from './api.ts';
import { QrCode } from './qr-code.ts';

/** Durations that are offered, in hours. */
const DURATIONS: ReadonlyMap<number, string> = new Map([
  [1, '1 hour'],
  [24, '24 hours'],
  [7 * 24, '7 days'],
  [30 * 24, '30 days'],
]);
const DEFAULT_HOURS = 24;

/** Modal dialog with the share links of a stream: creates, shows and revokes them. */
export class ShareDialog {
  readonly #api: Api;
  readonly #dialog = document.createElement('dialog');
  readonly #qrCode = new QrCode(() => this.#render());
  #stream = '';
  #links: readonly ShareLinkStatus[] = [];
  #created: CreatedShareLink | null = null;
  #problem: string | null = null;
  #isPending = false;

  constructor(api: Api) {
    this.#api = api;
    this.#dialog.className = 'stream-dialog share-dialog';
    this.#dialog.setAttribute('aria-labelledby', 'share-title');
  }

  /** Resolves when the user has closed the dialog. */
  async open(stream: string): Promise<void> {
    if (this.#dialog.open) return;
    this.#stream = stream;
    this.#links = [];
    this.#created = null;
    this.#problem = null;
    this.#isPending = false;
    render(nothing, this.#dialog);
    this.#render();
    document.body.append(this.#dialog);
    this.#dialog.showModal();
    runInBackground(this.#load());
    await new Promise((resolve) => this.#dialog.addEventListener('close', resolve, { once: true }));
    this.#dialog.remove();
  }

  /** Closes the dialog, because the page shows another stream. */
  close(): void {
    this.#dialog.close();
  }

  #render(): void {
    const onSubmit = (event: SubmitEvent): void => {
      event.preventDefault();
      const hours = Number(new FormData(event.currentTarget as HTMLFormElement).get('hours'));
      runInBackground(this.#create(hours));
    };
    render(
      html`<form @submit=${onSubmit}>
        <h2 id="share-title">Share ${this.#stream}</h2>
        <p class="dim">Anyone with the link can watch this stream, and nothing else, until the link expires or is revoked.</p>
        <div class="new">
          <label>Valid for
            <select class="field" name="hours" autofocus>
              ${[...DURATIONS].map(([hours, text]) => html`<option value=${hours} ?selected=${hours === DEFAULT_HOURS}>${text}</option>`)}
            </select>
          </label>
          <button class="primary" ?disabled=${this.#isPending}>Create link</button>
        </div>
        <p class="verdict" role="alert">${capitalize(this.#problem ?? '')}</p>
        <div class="created" role="status">${this.#created === null ? nothing : this.#newLink(this.#created)}</div>
        ${this.#links.length === 0 ? nothing : this.#list()}
        <p class="buttons"><button type="button" class="second" @click=${() => this.#dialog.close()}>Close</button></p>
      </form>`,
      this.#dialog,
    );
  }

  #newLink({ url, expiresAt, outlastsRestart }: CreatedShareLink): TemplateResult {
    return html`${this.#qrCode.render(url)}
      <div>
        ${copyLine({ title: `Link, until ${formatDateTime(expiresAt)}`, text: url })}
        ${outlastsRestart ? nothing : html`<p class="dim">The link also ends when the gateway restarts.</p>`}
      </div>`;
  }

  #list(): TemplateResult {
    return html`<div>
      <h3>Links of this stream</h3>
      <ul class="links">
        ${this.#links.map(
          ({ id, createdBy, expiresAt }) => html`<li>
            <span><code>${id}</code> <span class="dim">until ${formatDateTime(expiresAt)}, by ${createdBy}</span></span>
            <button type="button" class="quiet" aria-label=${`Revoke ${id}`} @click=${() => runInBackground(this.#revoke(id))}>Revoke</button>
          </li>`,
        )}
      </ul>
    </div>`;
  }

  async #create(hours: number): Promise<void> {
    if (this.#isPending) return;
    this.#isPending = true;
    this.#render();
    const answer = await this.#api.share(this.#stream, hours);
    this.#isPending = false;
    this.#created = answer.ok ? answer.value : null;
    this.#problem = answer.ok ? null : answer.reason;
    await this.#load();
  }

  async #revoke(id: string): Promise<void> {
    this.#problem = await this.#api.revokeShare(this.#stream, id);
    if (this.#problem === null && this.#created?.id === id) this.#created = null;
    await this.#load();
    // The focused button has disappeared with its link.
    if (document.activeElement === document.body || document.activeElement === this.#dialog)
      this.#dialog.querySelector<HTMLElement>('select')?.focus();
  }

  async #load(): Promise<void> {
    const answer = await this.#api.shares(this.#stream);
    if (answer.ok) this.#links = answer.value;
    else this.#problem ??= answer.reason;
    this.#render();
  }
}
