import { html, type TemplateResult } from 'lit';
import type { EventKind, GatewayEvent } from '../../../shared/status.ts';
import { capitalize, formatTime } from '../shared/text.ts';

/** Maximum number of events shown. */
const MAX_SHOWN = 8;

const LABELS: Readonly<Record<EventKind, string>> = {
  connect: 'Connected',
  disconnect: 'Disconnected',
  refuse: 'Refused',
  'take-over': 'Taken over',
  state: 'Stream',
  add: 'Added',
  remove: 'Removed',
  configure: 'Configuration',
};

/** Class of the dot before the label. */
const DOTS: Readonly<Record<EventKind, string>> = {
  connect: 'live',
  disconnect: '',
  refuse: 'bad',
  'take-over': 'stale',
  state: '',
  add: 'live',
  remove: 'stale',
  configure: '',
};

/** The latest events of the gateway, newest first. */
export function activityPanel(events: readonly GatewayEvent[]): TemplateResult {
  const shown = events.slice(-MAX_SHOWN).reverse();
  return html`<section class="panel" aria-label="Activity">
    <h2>Activity</h2>
    ${shown.length === 0
      ? html`<p class="empty">No activity yet.</p>`
      : html`<ol class="activity">
          ${shown.map(eventRow)}
        </ol>`}
  </section>`;
}

function eventRow({ kind, time, port, address, reason }: GatewayEvent): TemplateResult {
  const subject = [...(port === null ? [] : [`port ${port}`]), ...(address === null ? [] : [address])].join(', ');
  const text = kind === 'state' ? capitalize(reason) : html`${subject}: <span class="kind">${reason}</span>`;
  return html`<li>
    <time datetime=${time}>${formatTime(time)}</time
    ><span class="state"><span class=${`dot ${DOTS[kind]}`}></span>${LABELS[kind]}</span
    ><span class="what">${text}</span>
  </li>`;
}
