import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { ClientStatus, StreamStatus } from '../../../shared/status.ts';
import { plural } from '../shared/text.ts';
import { type ClientRowModel, clientRow } from './client-row.ts';

export interface ClientsModel extends ClientRowModel {
  /** The form below the table. */
  readonly form: TemplateResult;
}

/** The table of a stream's clients, displayed as a list of cards in a narrow panel. */
export function clientsPanel(status: StreamStatus | null, model: ClientsModel): TemplateResult {
  const isGone = model.stream === null && status !== null;
  return html`<section class=${`panel clients ${isGone ? 'faded' : ''}`} aria-label="Clients">
    <h2>Clients <small>${status === null ? '' : plural(status.clients.length, 'client')}</small></h2>
    ${pendingClients(status)}
    ${
      status === null || status.clients.length === 0
        ? html`<p class="empty">${emptyText(status)}</p>`
        : clientTable(status.clients, model)
    }
    ${model.form}
  </section>`;
}

function emptyText(status: StreamStatus | null): string {
  return status === null
    ? 'Connecting…'
    : 'No clients are connected. Open this page in another browser, or add a Python client below.';
}

/** The clients that the stream waits for, with `--start all`. */
function pendingClients(status: StreamStatus | null): TemplateResult | typeof nothing {
  if (status === null || status.awaited.length === 0) return nothing;
  return html`<p class="strip">
    <span class="dot stale"></span
    ><span
      >Waiting for ${status.awaited.join(', ')} to connect.
      <span class="kind">No client receives frames until then (--start all).</span></span
    >
  </p>`;
}

/** The roles are explicit: browsers drop them where style sheets change how a table is displayed. */
function clientTable(clients: readonly ClientStatus[], model: ClientsModel): TemplateResult {
  // Keyed by id: otherwise, the focus would move to the button of the next client when a row is removed.
  const rows = repeat(
    clients,
    ({ id }) => id,
    (client) => clientRow(client, model),
  );
  const heading = (text: string, className = '', title = ''): TemplateResult =>
    html`<th scope="col" role="columnheader" class=${className} title=${title || nothing}>${text}</th>`;
  return html`<table role="table" aria-label="Clients" class=${model.mayDisconnect ? 'has-actions' : ''}>
    <thead role="rowgroup">
      <tr role="row">
        ${heading('Client')} ${heading('State')} ${heading('Port', 'n')} ${heading('fps', 'n rate')}
        ${heading('Latency', 'n', 'From the arrival of a frame at the gateway to its display, or to the client’s answer')} ${heading('Dropped', 'n')} ${heading('Return data')}
        ${model.mayDisconnect ? html`<th scope="col" role="columnheader"><span class="unseen">Actions</span></th>` : nothing}
      </tr>
    </thead>
    <tbody role="rowgroup">
      ${rows}
    </tbody>
  </table>`;
}
