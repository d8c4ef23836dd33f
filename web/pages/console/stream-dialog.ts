import './stream-dialog.css';
import { html, nothing, render, type TemplateResult } from 'lit';
import type { StreamChange, StreamSettingsStatus } from '../../../shared/status.ts';
import { runInBackground } from '../../background.ts';
import { capitalize } from '../shared/text.ts';
import type { Answered } from './api.ts';
import type { GatewayFeed } from './gateway-feed.ts';
import { changedOptions, CHOICES, readOptions, readText, SOURCE_EXAMPLES } from './stream-options.ts';

type Task =
  | { readonly kind: 'add' }
  | { readonly kind: 'edit'; readonly name: string; readonly before: StreamSettingsStatus }
  | { readonly kind: 'remove'; readonly name: string };

/**
 * Modal forms that add, change or remove a stream. A click outside does not close them, because this would discard the
 * input.
 */
export class StreamDialog {
  readonly #feed: GatewayFeed;
  readonly #dialog = document.createElement('dialog');
  #task: Task = { kind: 'add' };
  #problem: string | null = null;
  #isPending = false;
  #done: StreamChange | null = null;

  constructor(feed: GatewayFeed) {
    this.#feed = feed;
    this.#dialog.className = 'stream-dialog';
    this.#dialog.setAttribute('aria-labelledby', 'stream-title');
  }

  /** Resolves with the change that was made; null if the user cancelled. */
  add(): Promise<StreamChange | null> {
    return this.#open({ kind: 'add' });
  }

  /** @returns the same as {@link add}, or the reason why the stream cannot be edited. */
  async edit(name: string): Promise<StreamChange | null | string> {
    const answer = await this.#feed.api.settings(name);
    return answer.ok ? this.#open({ kind: 'edit', name, before: answer.value }) : answer.reason;
  }

  remove(name: string): Promise<StreamChange | null> {
    return this.#open({ kind: 'remove', name });
  }

  async #open(task: Task): Promise<StreamChange | null> {
    if (this.#dialog.open) return null;
    this.#task = task;
    this.#problem = null;
    this.#done = null;
    this.#isPending = false;
    // A new form is rendered, without the input of the last one.
    render(nothing, this.#dialog);
    this.#render();
    document.body.append(this.#dialog);
    this.#dialog.showModal();
    await new Promise((resolve) => this.#dialog.addEventListener('close', resolve, { once: true }));
    this.#dialog.remove();
    return this.#done;
  }

  #render(): void {
    const task = this.#task;
    const title = { add: 'Add a stream', edit: 'Edit', remove: 'Remove' }[task.kind];
    render(
      html`<form @submit=${(event: SubmitEvent) => runInBackground(this.#submit(event))}>
        <h2 id="stream-title">${task.kind === 'add' ? title : `${title} ${task.name}${task.kind === 'remove' ? '?' : ''}`}</h2>
        ${task.kind === 'remove' ? html`<p class="dim">Viewers are notified that the stream was removed. Native clients are terminated.</p>` : this.#fields(task)}
        ${this.#persistence()}
        <p class="verdict" role="alert">${capitalize(this.#problem ?? '')}</p>
        <p class="buttons">
          <button type="button" class="second" ?autofocus=${task.kind === 'remove'} ?disabled=${this.#isPending} @click=${() => this.#dialog.close()}>Cancel</button>
          <button class=${`primary ${task.kind === 'remove' ? 'danger' : ''}`} ?disabled=${this.#isPending}>
            ${{ add: 'Add', edit: 'Save', remove: 'Remove' }[task.kind]}
          </button>
        </p>
      </form>`,
      this.#dialog,
    );
  }

  #fields(task: Exclude<Task, { kind: 'remove' }>): TemplateResult {
    const before: Partial<StreamSettingsStatus> = task.kind === 'edit' ? task.before : {};
    const isEdited = task.kind === 'edit';
    return html`${
      isEdited
        ? nothing
        : html`<label>Name
            <input class="field" name="name" required maxlength="64" pattern="[A-Za-z0-9_\\-]+" autocomplete="off" autocapitalize="off" spellcheck="false" autofocus title="Letters, digits, - and _" />
          </label>`
    }
      <label>Source
        <input class="field address" name="source" required maxlength="8192" list="source-examples" placeholder="ffmpeg:rtsp://HOST/PATH" autocomplete="off" autocapitalize="off" spellcheck="false" ?autofocus=${isEdited} .value=${before.source ?? ''} />
        <small>${before.source?.includes('…') === true ? '… replaces the password, which is kept if you leave the address unchanged.' : 'A camera, a NetGear server, a file, or push: for publishers.'}</small>
      </label>
      <datalist id="source-examples">${SOURCE_EXAMPLES.map((example) => html`<option value=${example}></option>`)}</datalist>
      <label>Native clients
        <textarea class="field address" name="clients" rows=${Math.max(2, Math.min(6, before.clients?.length ?? 0))} placeholder="tcp://127.0.0.1:5567?pattern=1" autocapitalize="off" spellcheck="false" .value=${(before.clients ?? []).join('\n')}></textarea>
        <small>One NetGear client (receive_mode=True) per line.</small>
      </label>
      <label>Web ports
        <input class="field" name="virtualPorts" maxlength="1000" placeholder="6000-6063" autocomplete="off" spellcheck="false" .value=${before.virtualPorts ?? ''} />
      </label>
      <details ?open=${Object.keys(CHOICES).some((key) => key in before)}>
        <summary>More options</summary>
        <div class="choices">${Object.entries(CHOICES).map(([name, { label, values }]) => choice(name, label, values, before[name as keyof typeof CHOICES] ?? ''))}</div>
      </details>`;
  }

  #persistence(): TemplateResult {
    const configuration = this.#feed.gateway?.configuration ?? null;
    if (configuration === null)
      return html`<p class="dim">The gateway runs without a configuration file: the change lasts until the gateway restarts.</p>`;
    return html`<label class="persist"><input type="checkbox" name="persist" checked />Save in ${configuration.file}</label>`;
  }

  async #submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const task = this.#task;
    const form = new FormData(event.currentTarget as HTMLFormElement);
    this.#isPending = true;
    this.#problem = null;
    this.#render();
    const answer = await this.#send(form);
    if (task !== this.#task || !this.#dialog.open) {
      // The Escape key has closed the dialog. The change is still made, but there is no form for the response.
      await this.#feed.poll();
      return;
    }
    this.#isPending = false;
    if (answer.ok) {
      this.#done = answer.value;
      await this.#feed.poll();
      this.#dialog.close();
    } else {
      this.#problem = answer.reason;
      this.#render();
    }
  }

  async #send(form: FormData): Promise<Answered<StreamChange>> {
    const task = this.#task;
    const { api } = this.#feed;
    const isPersisted = form.get('persist') === 'on';
    if (task.kind === 'remove') return api.changeStream('DELETE', task.name, undefined, isPersisted);
    const options = readOptions(form);
    if (task.kind === 'edit')
      return api.changeStream('PATCH', task.name, changedOptions(task.before, options), isPersisted);
    const name = readText(form, 'name');
    if (this.#feed.stream(name) !== null) return { ok: false, reason: `there is already a stream called ${name}` };
    return api.changeStream('PUT', name, options, isPersisted);
  }
}

function choice(name: string, label: string, values: Readonly<Record<string, string>>, chosen: string): TemplateResult {
  return html`<label>${label}
    <select class="field" name=${name}>
      <option value="">Default</option>
      ${Object.entries(values).map(([value, text]) => html`<option value=${value} ?selected=${value === chosen}>${text}</option>`)}
    </select>
  </label>`;
}
