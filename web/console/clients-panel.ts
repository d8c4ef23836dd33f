import { html, nothing, type TemplateResult } from 'lit';
import type { ClientStatus, StreamStatus } from '../../shared/status.ts';
import { History, sparkline } from '../sparkline.ts';
import { capital, groups } from './text.ts';

const MINUTE = 60;

/** The rates of each client over the last minute, one reading a second. */
export class ClientRates {
  #histories = new Map<string, History>();

  add(clients: readonly ClientStatus[]): void {
    // Who is gone is forgotten.
    this.#histories = new Map(clients.map(({ id }) => [id, this.#histories.get(id) ?? new History(MINUTE)]));
    for (const { id, framesPerSecond } of clients) this.#histories.get(id)?.add(framesPerSecond);
  }

  of(id: string): readonly number[] {
    return this.#histories.get(id)?.values ?? [];
  }
}

export interface ClientsModel {
  readonly status: StreamStatus | null;
  readonly rates: ClientRates;
  /** The port of this page's viewer. */
  readonly ownPort: number | null;
  readonly isGone: boolean;
  readonly maySendAway: boolean;
}

/** The table of clients. */
export function clientsPanel(model: ClientsModel, sendAway: (client: ClientStatus) => void): TemplateResult {
  const { status, isGone, maySendAway } = model;
  const count = status?.clients.length ?? 0;
  return html`<section class=${`panel ${isGone ? 'faded' : ''}`} aria-label="Clients">
    <h2>Clients <small>${status === null ? '' : `${count} ${count === 1 ? 'client' : 'clients'}`}</small></h2>
    ${status === null || count === 0
      ? html`<p class="empty">${status === null ? 'The list comes with the connection.' : 'Nobody is connected. Open this page elsewhere, or add a Python client with --client.'}</p>`
      : html`<div class="scroll" tabindex="0" role="region" aria-label="Table of clients">
          <table>
            <thead>
              <tr>
                <th scope="col">Port</th>
                <th scope="col">Client</th>
                <th scope="col">State</th>
                <th scope="col" class="n" colspan="2">Frames/s</th>
                <th scope="col" class="n">Delay</th>
                <th scope="col" class="n">Dropped</th>
                <th scope="col">Return data</th>
                ${maySendAway ? html`<th scope="col"><span class="unseen">Actions</span></th>` : nothing}
              </tr>
            </thead>
            <tbody>
              ${status.clients.map((client) => clientRow(client, model, sendAway))}
            </tbody>
          </table>
        </div>`}
  </section>`;
}

function clientRow(client: ClientStatus, { rates, ownPort, maySendAway }: ClientsModel, sendAway: (client: ClientStatus) => void): TemplateResult {
  const isThere = client.state === 'live' || client.state === 'paused';
  const name = client.port === null ? client.id : `port ${client.port}`;
  const data = client.returnData === null ? '' : JSON.stringify(client.returnData);
  return html`<tr>
    <td>${client.port ?? '–'}</td>
    <td>${client.address} <span class="kind">${client.kind}</span>${client.port !== null && client.port === ownPort ? html`<span class="you">you</span>` : nothing}</td>
    <td><span class="state"><span class=${`dot ${client.state}`}></span>${capital(client.state)}</span></td>
    <td class="n">${isThere ? client.framesPerSecond.toFixed(1) : '–'}</td>
    <td class="trend">${sparkline(rates.of(client.id))}</td>
    <td class="n">${client.delayMs === null || !isThere ? '–' : `${Math.round(client.delayMs)} ms`}</td>
    <td class="n">${groups(client.dropped)}</td>
    <td class="data" title=${data}>${data}</td>
    ${maySendAway ? html`<td class="n"><button class="quiet" aria-label=${`Send away ${name}`} title="Send this client away" @click=${() => sendAway(client)}>Send away</button></td>` : nothing}
  </tr>`;
}
