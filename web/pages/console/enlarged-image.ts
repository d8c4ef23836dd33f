import { html, render, type TemplateResult } from 'lit';
import type { ClientStatus } from '../../../shared/status.ts';
import { describeReturnData } from './return-description.ts';
import type { ReturnImages } from './return-images.ts';

/** Dialog with the return data of a client as an image. Closed by its button, by Escape, or by a click outside. */
export class EnlargedImage {
  readonly #dialog = document.createElement('dialog');
  readonly #images: ReturnImages;
  #client: string | null = null;

  constructor(images: ReturnImages) {
    this.#images = images;
    this.#dialog.className = 'enlarged';
    this.#dialog.setAttribute('aria-labelledby', 'enlarged-title');
    this.#dialog.addEventListener('close', () => {
      this.#client = null;
      images.enlarge(null);
    });
    this.#dialog.addEventListener('click', ({ target }) => {
      if (target === this.#dialog) this.#dialog.close();
    });
    document.body.append(this.#dialog);
  }

  open({ id }: ClientStatus): void {
    this.#client = id;
    this.#images.enlarge(id);
    this.#dialog.showModal();
  }

  /** Shows the current data. Closes the dialog if the client no longer has an image. */
  update(clients: readonly ClientStatus[]): void {
    if (this.#client === null) return;
    const client = clients.find(({ id }) => id === this.#client);
    const url = this.#images.of(this.#client);
    if (client === undefined || url === null) this.#dialog.close();
    else render(this.#content(client, url), this.#dialog);
  }

  /** Removes the dialog from the page. */
  remove(): void {
    this.#dialog.close();
    this.#dialog.remove();
  }

  #content({ port, returnData }: ClientStatus, url: string): TemplateResult {
    const data = describeReturnData(returnData);
    const text = data.kind === 'array' ? data.text : '';
    // Raw samples are shown as sharp pixels, photos are interpolated.
    const imageClass = text.startsWith('JPEG') ? '' : 'samples';
    const title = `Return data of port ${port}`;
    return html`<div class="sheet">
      <h2 id="enlarged-title">
        ${title} <small>${text}</small><button class="quiet" @click=${() => this.#dialog.close()}>Close</button>
      </h2>
      <img class=${imageClass} src=${url} alt=${title} />
    </div>`;
  }
}
