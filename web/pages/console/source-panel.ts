import { html, nothing, type TemplateResult } from 'lit';
import type { StreamStatus } from '../../../shared/status.ts';

/** Where the stream's frames come from, and what went wrong there. */
export function sourcePanel(status: StreamStatus | null): TemplateResult | typeof nothing {
  if (status === null) return nothing;
  const { kind, address, state, lastError, restarts } = status.source;
  return html`<section class="panel" aria-label="Source">
    <h2>Source <small>${state}</small></h2>
    <div class="source">
      <p><code>${kind}</code> ${address}</p>
      ${kind === 'push' ? html`<p><a href=${`publish?stream=${encodeURIComponent(status.name)}`}>Publish from this browser</a></p>` : nothing}
      ${lastError === null ? nothing : html`<p class="last-error">Last error: ${lastError}${restarts === 0 ? '' : ` (opened again ${restarts === 1 ? 'once' : `${restarts} times`})`}</p>`}
    </div>
  </section>`;
}
