import { html, render } from 'lit';

/** A question before an action that cannot be undone. */
export interface Question {
  readonly title: string;
  /** The effect of the action. */
  readonly text: string;
  /** Label of the button that confirms, such as `Remove`. */
  readonly action: string;
}

/**
 * Modal question of a page. Its first button cancels, and has the focus. Escape and a click outside also cancel. The
 * browser returns the focus to the element that had it.
 */
export class ConfirmDialog {
  readonly #dialog = document.createElement('dialog');

  constructor() {
    this.#dialog.className = 'confirm';
    this.#dialog.setAttribute('aria-labelledby', 'confirm-title');
    this.#dialog.setAttribute('aria-describedby', 'confirm-text');
    this.#dialog.addEventListener('click', ({ target }) => {
      if (target === this.#dialog) this.#dialog.close('cancel');
    });
    document.body.append(this.#dialog);
  }

  /** Asks a question, one at a time. Resolves with true if the action was confirmed. */
  async ask({ title, text, action }: Question): Promise<boolean> {
    const dialog = this.#dialog;
    render(
      html`<form method="dialog">
        <h2 id="confirm-title">${title}</h2>
        <p id="confirm-text">${text}</p>
        <p class="buttons">
          <button class="second" value="cancel" autofocus>Cancel</button>
          <button class="primary danger" value="confirm">${action}</button>
        </p>
      </form>`,
      dialog,
    );
    dialog.returnValue = '';
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
    return dialog.returnValue === 'confirm';
  }

  /** Cancels the question, and removes the dialog from the page. */
  remove(): void {
    this.#dialog.close('cancel');
    this.#dialog.remove();
  }
}
