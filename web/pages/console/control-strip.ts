import { html, nothing, type TemplateResult } from 'lit';
import type { StreamStatus } from '../../../shared/status.ts';
import { GearwayControl } from '../../devices/gearway-control.ts';

if (!customElements.get('gearway-control')) customElements.define('gearway-control', GearwayControl);

/**
 * The state of control of the stream, with the actions of this page's viewer and of an administrator; nothing if
 * control is shared.
 *
 * @param takeBack action of an administrator; null for others.
 */
export function controlStrip(
  status: StreamStatus | null,
  ownPort: number | null,
  takeBack: (() => void) | null,
): TemplateResult | typeof nothing {
  const control = status?.control ?? null;
  if (control === null) return nothing;
  const canTakeBack = takeBack !== null && control.port !== null && control.port !== ownPort;
  return html`<div class="control">
    <gearway-control></gearway-control>
    ${canTakeBack ? html`<button class="quiet" type="button" @click=${takeBack}>Take back</button>` : nothing}
  </div>`;
}
