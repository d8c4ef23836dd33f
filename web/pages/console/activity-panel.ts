import { html, type TemplateResult } from 'lit';
import type { EventKind, GatewayEvent, StreamState } from '../../../shared/status.ts';
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
  control: 'Control',
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
  control: 'live',
};

/** Class of the dot for an event with the new state of a stream. */
const STATE_DOTS: Readonly<Record<StreamState, string>> = {
  waiting: 'stale',
  live: 'live',
  stale: 'stale',
  ended: 'bad',
};

/**
 * The latest events, newest first.
 *
 * @param stream the stream whose events are shown, together with events that belong to no stream; null for all events.
 */
export function activityPanel(events: readonly GatewayEvent[], stream: string | null): TemplateResult {
  const own = events.filter((event) => stream === null || event.stream === null || event.stream === stream);
  const shown = own.slice(-MAX_SHOWN).reverse();
  return html`<section class="panel events" aria-label="Activity">
    <h2>Activity</h2>
    ${
      shown.length === 0
        ? html`<p class="empty">No activity yet.</p>`
        : html`<ol class="activity">
          ${shown.map((event) => eventRow(event, stream === null))}
        </ol>`
    }
  </section>`;
}

function eventRow(
  { kind, time, stream, port, address, reason, state }: GatewayEvent,
  namesStream: boolean,
): TemplateResult {
  // The reason may name the port.
  const namesPort = port !== null && !reason.includes(`port ${port}`);
  const parts = [namesStream ? stream : null, namesPort ? `port ${port}` : null, address];
  const subject = parts.filter((part) => part !== null).join(', ');
  const verb = kind === 'state' ? ' is' : ':';
  const text = subject === '' ? capitalize(reason) : html`${subject}${verb} <span class="kind">${reason}</span>`;
  return html`<li>
    <time datetime=${time}>${formatTime(time)}</time
    ><span class="state"><span class=${`dot ${state === undefined ? DOTS[kind] : STATE_DOTS[state]}`}></span>${LABELS[kind]}</span
    ><span class="what">${text}</span>
  </li>`;
}
