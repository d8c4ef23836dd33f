import { html, nothing, type TemplateResult } from 'lit';
import type { StreamStatus } from '../../../shared/status.ts';
import { acceptsPublishers } from '../shared/streams.ts';
import { capitalize } from '../shared/text.ts';

/** The source of the stream, its frames, its last error, and the actions of an administrator. */
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
      ${address === '' || kind === 'cluster' ? nothing : html`<p class="address">${address}</p>`}
      ${home(status)}
      <p class="kind">${capitalize(state)}</p>
      ${frame === null ? nothing : html`<p class="kind">${frame.width}×${frame.height} ${frame.encoding === 'jpeg' ? 'JPEG' : frame.encoding}, ${frame.framesPerSecond.toFixed(1)} fps</p>`}
      ${acceptsPublishers(status) && mayPublish ? html`<p><a class="link" href=${publishUrl(status.name)}>Publish from this browser</a></p>` : nothing}
      ${lastError === null ? nothing : html`<p class="last-error">Last error: ${lastError}${restarted}</p>`}
      ${actions}
    </div>
  </section>`;
}

/** Gateway that runs the source; nothing without a cluster. */
function home({ gateway }: StreamStatus): TemplateResult | typeof nothing {
  if (gateway === undefined) return nothing;
  if (gateway === null) return html`<p class="home">No gateway of the cluster runs this source at the moment</p>`;
  const { name, url, isHere } = gateway;
  if (isHere) return html`<p class="home">Runs at this gateway, ${name}</p>`;
  // The address comes from that gateway, so it is checked.
  return /^https?:/.test(url ?? '')
    ? html`<p class="home">Runs at gateway <a href=${url}>${name}</a></p>`
    : html`<p class="home">Runs at gateway ${name}</p>`;
}

/** Address of the page that publishes to a stream. */
export function publishUrl(stream: string): string {
  return `publish?stream=${encodeURIComponent(stream)}`;
}
