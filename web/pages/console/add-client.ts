import { html, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';

type Verdict = { readonly kind: 'idle' } | { readonly kind: 'asking' } | { readonly kind: 'added'; readonly address: string } | { readonly kind: 'refused'; readonly reason: string };

/** Lists native clients: one address at a time. */
export class AddClient {
  readonly #add: (address: string) => Promise<string | null>;
  readonly #changed: () => void;
  #verdict: Verdict = { kind: 'idle' };

  /** @param add @returns null when it is done, else why not. */
  constructor(add: (address: string) => Promise<string | null>, changed: () => void) {
    this.#add = add;
    this.#changed = changed;
  }

  /** @param forbidden why this user may not; null when they may. */
  render(forbidden: string | null): TemplateResult {
    const isRefused = this.#verdict.kind === 'refused';
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
        aria-invalid=${isRefused}
        ?disabled=${forbidden !== null}
        @input=${() => this.#judge({ kind: 'idle' })}
      />
      <button class="primary" ?disabled=${forbidden !== null || this.#verdict.kind === 'asking'}>Add</button>
      <p id="client-verdict" class=${`verdict ${isRefused ? 'bad' : this.#verdict.kind === 'added' ? 'ok' : ''}`} role="status">${forbidden ?? verdictText(this.#verdict)}</p>
    </form>`;
  }

  async #submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const address = new FormData(form).get('address');
    if (typeof address !== 'string' || address.trim() === '') return;
    this.#judge({ kind: 'asking' });
    const reason = await this.#add(address.trim());
    if (reason === null) form.reset();
    this.#judge(reason === null ? { kind: 'added', address: address.trim() } : { kind: 'refused', reason });
  }

  #judge(verdict: Verdict): void {
    this.#verdict = verdict;
    this.#changed();
  }
}

function verdictText(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'idle':
    case 'asking':
      return 'Where a NetGear with receive_mode=True binds, and its pattern. It need not run yet.';
    case 'added':
      return `Added ${verdict.address}`;
    case 'refused':
      return verdict.reason.charAt(0).toUpperCase() + verdict.reason.slice(1);
    default:
      return verdict satisfies never;
  }
}
