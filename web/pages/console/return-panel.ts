import { html, nothing, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';
import type { Value } from '../../../shared/protocol.ts';
import type { GearwayViewer } from '../../viewer/gearway-viewer.ts';

type Verdict = { readonly kind: 'idle' } | { readonly kind: 'sending' } | { readonly kind: 'received' } | { readonly kind: 'refused'; readonly reason: string };

/** The composer of return data: JSON, checked as it is typed, kept or sent once. */
export class ReturnPanel {
  readonly #viewer: GearwayViewer;
  readonly #changed: () => void;
  #text = '{ "gripper": "close" }';
  #keeps = true;
  #kept: string | null = null;
  #verdict: Verdict = { kind: 'idle' };

  constructor(viewer: GearwayViewer, changed: () => void) {
    this.#viewer = viewer;
    this.#changed = changed;
  }

  render(): TemplateResult {
    const { port, rights, spectatorReason } = this.#viewer;
    const parsed = parse(this.#text);
    const error = 'error' in parsed ? parsed.error : null;
    const isSeated = port !== null;
    return html`<section class="panel" aria-label="Return data">
      <h2>Return data <small>${isSeated ? `from this viewer, port ${port}` : rights.length > 0 ? 'watching only' : 'not connected'}</small></h2>
      ${!isSeated && rights.length > 0
        ? html`<p class="empty">${spectatorReason === null ? 'This viewer watches without a port' : `No port for this viewer: ${spectatorReason}`}. <button class="link" @click=${() => this.#viewer.reconnect()}>Try again</button></p>`
        : html`<form class="composer" @submit=${(event: Event) => runInBackground(this.#submit(event))}>
            <textarea aria-label="Value as JSON" aria-describedby="verdict" spellcheck="false" aria-invalid=${error !== null} .value=${this.#text} @input=${(event: Event) => this.#typed(event)}></textarea>
            <div class="row">
              <label><input type="checkbox" .checked=${this.#keeps} @change=${(event: Event) => (this.#keeps = (event.target as HTMLInputElement).checked)} /> Keep sending</label>
              <span id="verdict" class=${`verdict ${error !== null || this.#verdict.kind === 'refused' ? 'bad' : 'ok'}`} role="status">${error ?? verdictText(this.#verdict)}</span>
              <button class="primary" ?disabled=${error !== null || !isSeated}>Send</button>
            </div>
            ${this.#kept === null
              ? nothing
              : html`<div class="kept"><code title=${this.#kept}>${this.#kept}</code><button class="quiet" type="button" @click=${() => runInBackground(this.#stop())}>Stop sending</button></div>`}
          </form>`}
    </section>`;
  }

  #typed(event: Event): void {
    this.#text = (event.target as HTMLTextAreaElement).value;
    this.#verdict = { kind: 'idle' };
    this.#changed();
  }

  async #submit(event: Event): Promise<void> {
    event.preventDefault();
    const parsed = parse(this.#text);
    if ('error' in parsed) return;
    await this.#ask(async () => {
      if (this.#keeps) {
        await this.#viewer.setReturnData(parsed.value);
        this.#kept = parsed.value === null ? null : JSON.stringify(parsed.value);
      } else {
        await this.#viewer.send(parsed.value);
      }
    });
  }

  #stop(): Promise<void> {
    return this.#ask(async () => {
      await this.#viewer.setReturnData(null);
      this.#kept = null;
    });
  }

  async #ask(question: () => Promise<void>): Promise<void> {
    this.#verdict = { kind: 'sending' };
    this.#changed();
    try {
      await question();
      this.#verdict = { kind: 'received' };
    } catch (error) {
      this.#verdict = { kind: 'refused', reason: error instanceof Error ? error.message : String(error) };
    }
    this.#changed();
  }
}

function parse(text: string): { readonly value: Value } | { readonly error: string } {
  if (text.trim() === '') return { error: 'Type a value: JSON, such as "stop" or {"speed": 0.2}' };
  try {
    return { value: JSON.parse(text) as Value };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

function verdictText(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'idle':
      return '';
    case 'sending':
      return 'Sending';
    case 'received':
      return 'Received';
    case 'refused':
      return verdict.reason;
    default:
      return verdict satisfies never;
  }
}
