import { html, nothing, type TemplateResult } from 'lit';
import type { StreamStatus } from '../../../shared/status.ts';
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
      ${kind === 'push' && mayPublish ? html`<p>${publishLink(status, 'link')}</p>` : nothing}
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
  return isWebAddress(url)
    ? html`<p class="home">Runs at gateway <a href=${url}>${name}</a></p>`
    : html`<p class="home">Runs at gateway ${name}</p>`;
}

/** Link to the page that publishes to a stream, at the gateway that runs its source; nothing if its address is unknown. */
export function publishLink(
  { name, gateway }: StreamStatus,
  style: 'link' | 'primary',
): TemplateResult | typeof nothing {
  const path = publishUrl(name);
  const { url, isHere } = gateway ?? { url: null, isHere: true };
  if (!isHere && !isWebAddress(url)) return nothing;
  return html`<a class=${style} href=${isHere ? path : new URL(path, url ?? '').href}>Publish from this browser</a>`;
}

/** The address comes from another gateway, so it is checked. */
function isWebAddress(url: string | null): boolean {
  return url !== null && /^https?:/.test(url) && URL.canParse(url);
}

/** Address of the page that publishes to a stream, relative to that of its gateway. */
export function publishUrl(stream: string): string {
  return `publish?stream=${encodeURIComponent(stream)}`;
}
