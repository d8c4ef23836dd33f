import { html, nothing, type TemplateResult } from 'lit';
import type { StreamStatus } from '../../../shared/status.ts';

/** The source of the stream, and its last error. */
export function sourcePanel(status: StreamStatus | null): TemplateResult | typeof nothing {
  if (status === null) return nothing;
  const { kind, address, state, lastError, restarts } = status.source;
  const publishUrl = `publish?stream=${encodeURIComponent(status.name)}`;
  const restarted = restarts === 0 ? '' : ` (restarted ${restarts === 1 ? 'once' : `${restarts} times`})`;
  return html`<section class="panel" aria-label="Source">
    <h2>Source <small>${state}</small></h2>
    <div class="source">
      <p><code>${kind}</code> ${address}</p>
      ${kind === 'push' ? html`<p><a href=${publishUrl}>Publish from this browser</a></p>` : nothing}
      ${lastError === null ? nothing : html`<p class="last-error">Last error: ${lastError}${restarted}</p>`}
    </div>
  </section>`;
}
