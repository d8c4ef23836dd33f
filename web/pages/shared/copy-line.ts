import { html, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';

/** Time for which the button shows its result. */
const RESULT_MS = 1500;

/** A command or line of code to copy. */
export interface CopyLine {
  readonly title: string;
  readonly text: string;
}

/** A line with its copy button. */
export function copyLine({ title, text }: CopyLine): TemplateResult {
  const onClick = (event: Event): void => runInBackground(copy(event, text));
  return html`<div class="snip">
    <p>${title}<button aria-label=${`Copy: ${title}`} @click=${onClick}>Copy</button></p>
    <code>${text}</code>
  </div>`;
}

async function copy(event: Event, text: string): Promise<void> {
  const button = event.currentTarget as HTMLButtonElement;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    // Over plain HTTP, browsers allow the clipboard on this machine only.
    button.textContent = 'Copy manually';
  }
  setTimeout(() => (button.textContent = 'Copy'), RESULT_MS);
}
