import { html, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';
import type { ConnectLine } from './connect-lines.ts';

/** Lines to copy that connect something to this stream. */
export function connectPanel(lines: readonly ConnectLine[]): TemplateResult {
  return html`<section class="panel" aria-label="Connect">
    <h2>Connect</h2>
    ${lines.map(copyLine)}
  </section>`;
}

/** One of them, with its button. */
export function copyLine({ title, text }: ConnectLine): TemplateResult {
  return html`<div class="snip">
    <p>${title}<button aria-label=${`Copy: ${title}`} @click=${(event: Event) => runInBackground(copy(event, text))}>Copy</button></p>
    <code>${text}</code>
  </div>`;
}

async function copy(event: Event, text: string): Promise<void> {
  const button = event.currentTarget as HTMLButtonElement;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    // No clipboard on plain HTTP beyond this machine: the text can be selected by hand.
    button.textContent = 'Select it by hand';
  }
  setTimeout(() => (button.textContent = 'Copy'), 1500);
}
