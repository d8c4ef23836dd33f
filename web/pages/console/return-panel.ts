import { html, nothing, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';
import { errorText } from '../../../shared/errors.ts';
import type { Value } from '../../../shared/protocol.ts';
import type { GearwayViewer } from '../../viewer/gearway-viewer.ts';

type Result =
  | { readonly kind: 'none' }
  | { readonly kind: 'sending' }
  | { readonly kind: 'received' }
  | { readonly kind: 'refused'; readonly reason: string };

/** Form for return data: JSON, checked while it is typed, sent once or kept as sticky data. */
export class ReturnPanel {
  readonly #viewer: GearwayViewer;
  readonly #onChange: () => void;
  #text = '{ "gripper": "close" }';
  #isSticky = true;
  /** The current sticky value, as JSON. */
  #sticky: string | null = null;
  #result: Result = { kind: 'none' };

  constructor(viewer: GearwayViewer, onChange: () => void) {
    this.#viewer = viewer;
    this.#onChange = onChange;
  }

  render(): TemplateResult {
    const { port, rights } = this.#viewer;
    const isViewOnly = port === null && rights.length > 0;
    const origin = port !== null ? `from this viewer, port ${port}` : isViewOnly ? 'view only' : 'not connected';
    return html`<section class="panel" aria-label="Return data">
      <h2>Return data <small>${origin}</small></h2>
      ${isViewOnly ? this.#viewOnlyText() : this.#form()}
    </section>`;
  }

  #viewOnlyText(): TemplateResult {
    const { spectatorReason } = this.#viewer;
    const reason = spectatorReason === null ? 'This viewer has no port' : `No port for this viewer: ${spectatorReason}`;
    return html`<p class="empty">
      ${reason}. <button class="link" @click=${() => this.#viewer.reconnect()}>Try again</button>
    </p>`;
  }

  #form(): TemplateResult {
    const parsed = parse(this.#text);
    const error = 'error' in parsed ? parsed.error : null;
    const isBad = error !== null || this.#result.kind === 'refused';
    const onSticky = (event: Event): void => {
      this.#isSticky = (event.target as HTMLInputElement).checked;
    };
    return html`<form class="composer" @submit=${(event: Event) => runInBackground(this.#submit(event))}>
      <textarea
        aria-label="Value as JSON"
        aria-describedby="verdict"
        spellcheck="false"
        aria-invalid=${error !== null}
        .value=${this.#text}
        @input=${(event: Event) => this.#onInput(event)}
      ></textarea>
      <div class="row">
        <label><input type="checkbox" .checked=${this.#isSticky} @change=${onSticky} /> Keep sending</label>
        <span id="verdict" class=${`verdict ${isBad ? 'bad' : 'ok'}`} role="status"
          >${error ?? resultText(this.#result)}</span
        >
        <button class="primary" ?disabled=${error !== null || this.#viewer.port === null}>Send</button>
      </div>
      ${this.#sticky === null ? nothing : this.#stickyRow(this.#sticky)}
    </form>`;
  }

  #stickyRow(sticky: string): TemplateResult {
    const stop = (): void => runInBackground(this.#stop());
    return html`<div class="sticky">
      <code title=${sticky}>${sticky}</code><button class="quiet" type="button" @click=${stop}>Stop sending</button>
    </div>`;
  }

  #onInput(event: Event): void {
    this.#text = (event.target as HTMLTextAreaElement).value;
    this.#result = { kind: 'none' };
    this.#onChange();
  }

  async #submit(event: Event): Promise<void> {
    event.preventDefault();
    const parsed = parse(this.#text);
    if ('error' in parsed) return;
    const { value } = parsed;
    await this.#send(async () => {
      if (this.#isSticky) {
        await this.#viewer.setReturnData(value);
        this.#sticky = value === null ? null : JSON.stringify(value);
      } else {
        await this.#viewer.send(value);
      }
    });
  }

  #stop(): Promise<void> {
    return this.#send(async () => {
      await this.#viewer.setReturnData(null);
      this.#sticky = null;
    });
  }

  async #send(send: () => Promise<void>): Promise<void> {
    this.#result = { kind: 'sending' };
    this.#onChange();
    try {
      await send();
      this.#result = { kind: 'received' };
    } catch (error) {
      this.#result = { kind: 'refused', reason: errorText(error) };
    }
    this.#onChange();
  }
}

function parse(text: string): { readonly value: Value } | { readonly error: string } {
  if (text.trim() === '') return { error: 'Enter a JSON value, such as "stop" or {"speed": 0.2}' };
  try {
    return { value: JSON.parse(text) as Value };
  } catch (error) {
    return { error: `Invalid JSON: ${errorText(error)}` };
  }
}

function resultText(result: Result): string {
  switch (result.kind) {
    case 'none':
      return '';
    case 'sending':
      return 'Sending…';
    case 'received':
      return 'Received';
    case 'refused':
      return result.reason;
    default:
      return result satisfies never;
  }
}
