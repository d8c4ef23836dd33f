import { html, render, type TemplateResult } from 'lit';
import type { ClientStatus } from '../../../shared/status.ts';
import { readReturned } from './returned.ts';
import type { ReturnedPictures } from './returned-pictures.ts';

/** The picture that a client returns, as large as the window allows. Closed by its button, by Escape, and by a click beside it. */
export class EnlargedPicture {
  readonly #dialog = document.createElement('dialog');
  readonly #pictures: ReturnedPictures;
  #client: string | null = null;

  /** @param closed the picture is small again. */
  constructor(pictures: ReturnedPictures) {
    this.#pictures = pictures;
    this.#dialog.className = 'enlarged';
    this.#dialog.setAttribute('aria-labelledby', 'enlarged-title');
    this.#dialog.addEventListener('close', () => {
      this.#client = null;
      pictures.enlarge(null);
    });
    this.#dialog.addEventListener('click', ({ target }) => {
      if (target === this.#dialog) this.#dialog.close();
    });
    document.body.append(this.#dialog);
  }

  open({ id }: ClientStatus): void {
    this.#client = id;
    this.#pictures.enlarge(id);
    this.#dialog.showModal();
  }

  /** What the clients return now; closes when this one's picture is gone. */
  show(clients: readonly ClientStatus[]): void {
    if (this.#client === null) return;
    const client = clients.find(({ id }) => id === this.#client);
    const url = this.#pictures.of(this.#client);
    if (client === undefined || url === null) this.#dialog.close();
    else render(this.#content(client, url), this.#dialog);
  }

  #content({ port, returnData }: ClientStatus, url: string): TemplateResult {
    const returned = readReturned(returnData);
    const text = returned.kind === 'array' ? returned.text : '';
    // Each sample is to be seen; what a camera took is to look well.
    const look = text.startsWith('JPEG') ? '' : 'samples';
    return html`<div class="sheet">
      <h2 id="enlarged-title">Return data of port ${port} <small>${text}</small><button class="quiet" @click=${() => this.#dialog.close()}>Close</button></h2>
      <img class=${look} src=${url} alt=${`What port ${port} returns`} />
    </div>`;
  }
}
