import { html, nothing, type TemplateResult } from 'lit';
import type { StreamStatus } from '../../../shared/status.ts';
import { capitalize } from '../shared/text.ts';

/** The source of the stream, its frames, its last error, and what an administrator can do with it. */
export function sourcePanel(
  status: StreamStatus | null,
  mayPublish: boolean,
  actions: TemplateResult | typeof nothing,
): TemplateResult | typeof nothing {
  if (status === null) return nothing;
  const { source, frame } = status;
  const { kind, address, state, lastError, restarts } = source;
  const restarted = restarts === 0 ? '' : ` (restarted ${restarts === 1 ? 'once' : `${restarts} times`})`;
  return html`<section class="panel" aria-label="Source">
    <h2>Source <small>${kind}</small></h2>
    <div class="source">
      ${address === '' ? nothing : html`<p class="address">${address}</p>`}
      <p class="kind">${capitalize(state)}</p>
      ${frame === null ? nothing : html`<p class="kind">${frame.width}×${frame.height} ${frame.encoding === 'jpeg' ? 'JPEG' : frame.encoding}, ${frame.framesPerSecond.toFixed(1)} fps</p>`}
      ${kind === 'push' && mayPublish ? html`<p><a href=${publishUrl(status.name)}>Publish from this browser</a></p>` : nothing}
      ${lastError === null ? nothing : html`<p class="last-error">Last error: ${lastError}${restarted}</p>`}
      ${actions}
    </div>
  </section>`;
}

/** Address of the page that publishes to a stream. */
export function publishUrl(stream: string): string {
  return `publish?stream=${encodeURIComponent(stream)}`;
}
