import { html, type TemplateResult } from 'lit';
import type { EventKind, GatewayEvent } from '../../../shared/status.ts';
import { capital, clockTime } from './text.ts';

const SHOWN = 8;

const WORDS: Readonly<Record<EventKind, string>> = { connect: 'Connected', disconnect: 'Left', refuse: 'Refused', 'take-over': 'Taken over', state: 'Stream', add: 'Added', remove: 'Removed' };
const DOTS: Readonly<Record<EventKind, string>> = { connect: 'live', disconnect: '', refuse: 'bad', 'take-over': 'stale', state: '', add: 'live', remove: 'stale' };

/** What happened lately, newest first. */
export function activityPanel(events: readonly GatewayEvent[]): TemplateResult {
  return html`<section class="panel" aria-label="Activity">
    <h2>Activity</h2>
    ${events.length === 0
      ? html`<p class="empty">Nothing has happened yet.</p>`
      : html`<ol class="activity">
          ${events
            .slice(-SHOWN)
            .reverse()
            .map(
              ({ kind, time, port, address, reason }) =>
                html`<li>
                  <time datetime=${time}>${clockTime(time)}</time><span class="state"><span class=${`dot ${DOTS[kind]}`}></span>${WORDS[kind]}</span
                  ><span class="what">${kind === 'state' ? capital(reason) : html`${[...(port === null ? [] : [`port ${port}`]), ...(address === null ? [] : [address])].join(', ')}: <span class="kind">${reason}</span>`}</span>
                </li>`,
            )}
        </ol>`}
  </section>`;
}
