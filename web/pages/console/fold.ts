import { html, type TemplateResult } from 'lit';

/** A panel that can be folded to its heading. It opens and closes automatically until the user opens or closes it. */
export class Fold {
  readonly #title: string;
  readonly #onChange: () => void;
  /** The user's choice; null before the user has chosen. */
  #choice: boolean | null = null;

  constructor(title: string, onChange: () => void) {
    this.#title = title;
    this.#onChange = onChange;
  }

  /**
   * @param summary shown next to the title.
   * @param isOpen whether the panel is open unless the user has chosen otherwise.
   * @param content rendered only while it is open.
   */
  render(summary: string, isOpen: boolean, content: () => TemplateResult): TemplateResult {
    const isShown = this.#choice ?? isOpen;
    const onClick = (event: Event): void => {
      event.preventDefault();
      this.#choice = !isShown;
      this.#onChange();
    };
    return html`<section class="panel fold" aria-label=${this.#title}>
      <details ?open=${isShown}>
        <summary @click=${onClick}>
          <h2>${this.#title}</h2>
          <small>${summary}</small>
        </summary>
        ${isShown ? content() : ''}
      </details>
    </section>`;
  }
}
