import { html, type TemplateResult } from 'lit';
import { type CopyLine, copyLine } from '../shared/copy-line.ts';

/** Commands and code that connect a source or client to this stream. */
export function connectPanel(lines: readonly CopyLine[]): TemplateResult {
  return html`<section class="panel" aria-label="Connect">
    <h2>Connect</h2>
    ${lines.map(copyLine)}
  </section>`;
}
