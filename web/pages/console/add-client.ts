import { html, nothing, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';
import { capitalize } from '../shared/text.ts';

type Result =
  | { readonly kind: 'none' }
  | { readonly kind: 'pending' }
  | { readonly kind: 'added'; readonly address: string }
  | { readonly kind: 'refused'; readonly reason: string };

/** The form that adds a native client. */
export class AddClient {
  readonly #add: (address: string, isPersisted: boolean) => Promise<string | null>;
  readonly #onChange: () => void;
  #result: Result = { kind: 'none' };

  /** @param add called to add a client; resolves with null, or the reason for a refusal. */
  constructor(add: (address: string, isPersisted: boolean) => Promise<string | null>, onChange: () => void) {
    this.#add = add;
    this.#onChange = onChange;
  }

  /**
   * @param disabledReason why the form is disabled; null if it is not.
   * @param file the configuration file, to which the client can be written; null for none.
   */
  render(disabledReason: string | null, file: string | null): TemplateResult {
    const { kind } = this.#result;
    const isDisabled = disabledReason !== null;
    const resultClass = kind === 'refused' ? 'bad' : kind === 'added' ? 'ok' : '';
    return html`<form class="add" @submit=${(event: SubmitEvent) => runInBackground(this.#submit(event))}>
      <label for="client-address">Add a native client</label>
      <input
        id="client-address"
        class="field"
        name="address"
        placeholder="tcp://127.0.0.1:5567?pattern=1"
        autocomplete="off"
        autocapitalize="off"
        spellcheck="false"
        required
        maxlength="1024"
        aria-describedby="client-verdict"
        aria-invalid=${kind === 'refused'}
        ?disabled=${isDisabled}
        @input=${() => this.#setResult({ kind: 'none' })}
      />
      ${file === null ? nothing : html`<label class="persist"><input type="checkbox" name="persist" checked />Save in ${file}</label>`}
      <p id="client-verdict" class=${`verdict ${resultClass}`} role="status">
        ${disabledReason ?? resultText(this.#result)}
      </p>
      <button class="primary" ?disabled=${isDisabled || kind === 'pending'}>Add</button>
    </form>`;
  }

  async #submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const fields = new FormData(form);
    const value = fields.get('address');
    const address = typeof value === 'string' ? value.trim() : '';
    if (address === '') return;
    this.#setResult({ kind: 'pending' });
    const reason = await this.#add(address, fields.get('persist') === 'on');
    if (reason === null) form.reset();
    this.#setResult(reason === null ? { kind: 'added', address } : { kind: 'refused', reason });
  }

  #setResult(result: Result): void {
    this.#result = result;
    this.#onChange();
  }
}

function resultText(result: Result): string {
  switch (result.kind) {
    case 'none':
    case 'pending':
      return 'Address and pattern of a NetGear client (receive_mode=True). It can be started later.';
    case 'added':
      return `Added ${result.address}`;
    case 'refused':
      return capitalize(result.reason);
    default:
      return result satisfies never;
  }
}
