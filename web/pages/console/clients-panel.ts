import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { ClientState, ClientStatus, StreamStatus } from '../../../shared/status.ts';
import { History } from '../../connection/statistics.ts';
import { sparkline } from '../../viewer/ui/sparkline.ts';
import { readReturned } from './returned.ts';
import { capital, groups } from './text.ts';

const MINUTE = 60;

/** The rates of each client over the last minute, one reading a second. */
export class ClientRates {
  #histories = new Map<string, History<number>>();

  add(clients: readonly ClientStatus[]): void {
    // Who is gone is forgotten.
    this.#histories = new Map(clients.map(({ id }) => [id, this.#histories.get(id) ?? new History<number>(MINUTE)]));
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
  /** The address of the picture that a client returns; null when there is none. */
  readonly pictureOf: (id: string) => string | null;
  /** What stands below the table. */
  readonly form: TemplateResult;
}

/** What a user can do with a client. */
export interface ClientsActions {
  readonly sendAway: (client: ClientStatus) => void;
  readonly enlarge: (client: ClientStatus) => void;
}

/** The table of clients. */
export function clientsPanel(model: ClientsModel, actions: ClientsActions): TemplateResult {
  const { status, isGone, maySendAway, form } = model;
  const count = status?.clients.length ?? 0;
  return html`<section class=${`panel ${isGone ? 'faded' : ''}`} aria-label="Clients">
    <h2>Clients <small>${status === null ? '' : `${count} ${count === 1 ? 'client' : 'clients'}`}</small></h2>
    ${awaitedStrip(status)}
    ${status === null || count === 0
      ? html`<p class="empty">${status === null ? 'The list comes with the connection.' : 'Nobody is connected. Open this page elsewhere, or add a Python client below.'}</p>`
      : html`<div class="scroll" tabindex="0" role="region" aria-label="Table of clients">
          <table>
            <thead>
              <tr>
                <th scope="col">Port</th>
                <th scope="col">State</th>
                <th scope="col">Client</th>
                <th scope="col" class="n" colspan="2">Frames/s</th>
                <th scope="col" class="n">Delay</th>
                <th scope="col" class="n">Dropped</th>
                <th scope="col">Return data</th>
                ${maySendAway ? html`<th scope="col"><span class="unseen">Actions</span></th>` : nothing}
              </tr>
            </thead>
            <tbody>
              ${
                // By id: else the button that was just pressed would become the next client's.
                repeat(status.clients, ({ id }) => id, (client) => clientRow(client, model, actions))
              }
            </tbody>
          </table>
        </div>`}
    ${form}
  </section>`;
}

/** Who keeps all others waiting, with `--start all`. */
function awaitedStrip(status: StreamStatus | null): TemplateResult | typeof nothing {
  if (status === null || status.awaited.length === 0) return nothing;
  return html`<p class="strip"><span class="dot waiting"></span><span>Waiting for ${status.awaited.join(', ')} to be there once. <span class="kind">Until then nobody gets a frame (--start all).</span></span></p>`;
}

function clientRow(client: ClientStatus, model: ClientsModel, actions: ClientsActions): TemplateResult {
  const { rates, ownPort, maySendAway } = model;
  const isThere = client.state === 'live' || client.state === 'paused';
  const reason = reasonOf(client);
  return html`<tr class=${reason === null ? '' : 'has-reason'}>
      <td>${client.port ?? '–'}</td>
      <td><span class=${`state ${client.state}`}><span class=${`dot ${client.state}`}></span>${capital(client.state)}</span></td>
      <td>${client.address} <span class="kind">${client.kind}</span>${client.port !== null && client.port === ownPort ? html`<span class="you">you</span>` : nothing}</td>
      <td class="n">${isThere ? client.framesPerSecond.toFixed(1) : '–'}</td>
      <td class="trend">${sparkline(rates.of(client.id))}</td>
      <td class="n">${client.delayMs === null || !isThere ? '–' : `${Math.round(client.delayMs)} ms`}</td>
      <td class="n">${groups(client.dropped)}</td>
      <td class="data">${returnedCell(client, model, actions)}</td>
      ${maySendAway ? html`<td class="n">${awayButton(client, actions)}</td>` : nothing}
    </tr>
    ${reason === null
      ? nothing
      : html`<tr class="reason">
          <td colspan=${maySendAway ? 9 : 8}><span>${capital(reason)}</span></td>
        </tr>`}`;
}

/** Why a client is not live, or gets fewer frames than there are; null when there is nothing to say. */
function reasonOf({ state, reason }: ClientStatus): string | null {
  const words: Readonly<Record<ClientState, string>> = { live: '', paused: '', connecting: '', stuck: 'it does not take frames', refused: 'the two ends do not fit together' };
  return (reason === '' ? words[state] : reason) || null;
}

function returnedCell(client: ClientStatus, { pictureOf }: ClientsModel, { enlarge }: ClientsActions): TemplateResult | string {
  const returned = readReturned(client.returnData);
  if (returned.kind === 'nothing') return '';
  const url = pictureOf(client.id);
  const text = html`<span class="text" title=${returned.text}>${returned.text}</span>`;
  if (returned.kind !== 'array' || !returned.isPicture) return text;
  return html`<span class="returned">
    <button class="thumb" aria-label=${`Enlarge what port ${client.port} returns`} title="Enlarge" ?disabled=${url === null} @click=${() => enlarge(client)}>${url === null ? nothing : html`<img src=${url} alt="" />`}</button>${text}
  </span>`;
}

function awayButton(client: ClientStatus, { sendAway }: ClientsActions): TemplateResult {
  const name = client.port === null ? client.id : `port ${client.port}`;
  return client.kind === 'native'
    ? html`<button class="quiet" aria-label=${`Remove ${name}`} title="Take this client off the list; if it is there, it ends" @click=${() => sendAway(client)}>Remove</button>`
    : html`<button class="quiet" aria-label=${`Send away ${name}`} title="Send this client away" @click=${() => sendAway(client)}>Send away</button>`;
}
