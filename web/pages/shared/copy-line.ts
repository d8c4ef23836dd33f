import { html, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';
import { copyText } from './clipboard.ts';

/** How long the button shows its result. */
const RESULT_MS = 1500;

/** A command or line of code to copy. */
export interface CopyLine {
  readonly title: string;
  readonly text: string;
}

/** A line with its copy button. */
export function copyLine({ title, text }: CopyLine): TemplateResult {
  const onClick = (event: Event): void => runInBackground(copy(event.currentTarget as HTMLButtonElement, text));
  return html`<div class="snip">
    <p>${title}<button aria-label=${`Copy: ${title}`} @click=${onClick}>Copy</button></p>
    <code>${text}</code>
  </div>`;
}

async function copy(button: HTMLButtonElement, text: string): Promise<void> {
  const hasCopied = await copyText(text);
  button.textContent = hasCopied ? 'Copied' : 'Copy manually';
  if (!hasCopied) selectCode(button);
  setTimeout(() => (button.textContent = 'Copy'), RESULT_MS);
}

/** Selects the code, for a button that could not copy it. */
function selectCode(button: HTMLButtonElement): void {
  const code = button.closest('.snip')?.querySelector('code');
  if (code !== null && code !== undefined) getSelection()?.selectAllChildren(code);
}
