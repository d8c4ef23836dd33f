import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { ClientState, ClientStatus, StreamStatus } from '../../../shared/status.ts';
import { History } from '../../connection/statistics.ts';
import { sparkline } from '../../viewer/ui/sparkline.ts';
import { capitalize, formatCount, plural } from '../shared/text.ts';
import { describeReturnData } from './return-description.ts';

/** Number of readings kept per client: one minute, at one per second. */
const HISTORY = 60;

/** The frame rates of each client over the last minute. */
export class ClientRates {
  #histories = new Map<string, History<number>>();

  add(clients: readonly ClientStatus[]): void {
    const histories = clients.map(({ id }) => [id, this.#histories.get(id) ?? new History<number>(HISTORY)] as const);
    // Histories of clients that have left are dropped.
    this.#histories = new Map(histories);
    for (const { id, framesPerSecond } of clients) this.#histories.get(id)?.add(framesPerSecond);
  }

  of(id: string): readonly number[] {
    return this.#histories.get(id)?.values ?? [];
  }
}

export interface ClientsModel {
  readonly status: StreamStatus | null;
  readonly rates: ClientRates;
  /** Port of this page's viewer. */
  readonly ownPort: number | null;
  /** The gateway does not respond: the table is out of date. */
  readonly isGone: boolean;
  readonly mayDisconnect: boolean;
  /** Address of a client's return data as an image; null if there is none. */
  readonly imageOf: (id: string) => string | null;
  /** The form below the table. */
  readonly form: TemplateResult;
}

/** Actions for a client. */
export interface ClientsActions {
  readonly disconnect: (client: ClientStatus) => void;
  readonly enlarge: (client: ClientStatus) => void;
}

/** The table of clients. */
export function clientsPanel(model: ClientsModel, actions: ClientsActions): TemplateResult {
  const { status, isGone, form } = model;
  return html`<section class=${`panel ${isGone ? 'faded' : ''}`} aria-label="Clients">
    <h2>Clients <small>${status === null ? '' : plural(status.clients.length, 'client')}</small></h2>
    ${pendingClients(status)}
    ${status === null || status.clients.length === 0
      ? html`<p class="empty">${emptyText(status)}</p>`
      : clientTable(status.clients, model, actions)}
    ${form}
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
    <span class="dot waiting"></span
    ><span
      >Waiting for ${status.awaited.join(', ')} to connect.
      <span class="kind">No client receives frames until then (--start all).</span></span
    >
  </p>`;
}

function clientTable(
  clients: readonly ClientStatus[],
  model: ClientsModel,
  actions: ClientsActions,
): TemplateResult {
  // Keyed by id. Otherwise the focused button would become that of the next client.
  const rows = repeat(clients, ({ id }) => id, (client) => clientRow(client, model, actions));
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table of clients">
    <table>
      <thead>
        <tr>
          <th scope="col">Port</th>
          <th scope="col">State</th>
          <th scope="col">Client</th>
          <th scope="col" class="n" colspan="2">fps</th>
          <th scope="col" class="n">Latency</th>
          <th scope="col" class="n">Dropped</th>
          <th scope="col">Return data</th>
          ${model.mayDisconnect ? html`<th scope="col"><span class="unseen">Actions</span></th>` : nothing}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

function clientRow(client: ClientStatus, model: ClientsModel, actions: ClientsActions): TemplateResult {
  const { rates, ownPort, mayDisconnect } = model;
  const { id, kind, port, state, address, framesPerSecond, delayMs, dropped } = client;
  const isConnected = state === 'live' || state === 'slow' || state === 'paused';
  const isOwn = port !== null && port === ownPort;
  const reason = reasonOf(client);
  return html`<tr class=${reason === null ? '' : 'has-reason'}>
      <td>${port ?? '–'}</td>
      <td><span class=${`state ${state}`}><span class=${`dot ${state}`}></span>${capitalize(state)}</span></td>
      <td>${address} <span class="kind">${kind}</span>${isOwn ? html`<span class="you">you</span>` : nothing}</td>
      <td class="n">${isConnected ? framesPerSecond.toFixed(1) : '–'}</td>
      <td class="trend">${sparkline(rates.of(id))}</td>
      <td class="n">${delayMs === null || !isConnected ? '–' : `${Math.round(delayMs)} ms`}</td>
      <td class="n">${formatCount(dropped)}</td>
      <td class="data">${returnDataCell(client, model, actions)}</td>
      ${mayDisconnect ? html`<td class="n">${disconnectButton(client, actions)}</td>` : nothing}
    </tr>
    ${reason === null
      ? nothing
      : html`<tr class="reason">
          <td colspan=${mayDisconnect ? 9 : 8}><span>${capitalize(reason)}</span></td>
        </tr>`}`;
}

const DEFAULT_REASONS: Readonly<Record<ClientState, string>> = {
  live: '',
  slow: '',
  paused: '',
  connecting: '',
  stuck: 'does not read frames',
  unsupported: 'cannot decode the frames',
  refused: 'incompatible settings',
};

/** Why a client is not live, or receives fewer frames than the stream has; null if there is nothing to report. */
function reasonOf({ state, reason }: ClientStatus): string | null {
  return (reason === '' ? DEFAULT_REASONS[state] : reason) || null;
}

function returnDataCell(
  client: ClientStatus,
  { imageOf }: ClientsModel,
  { enlarge }: ClientsActions,
): TemplateResult | string {
  const data = describeReturnData(client.returnData);
  if (data.kind === 'none') return '';
  const text = html`<span class="text" title=${data.text}>${data.text}</span>`;
  if (data.kind !== 'array' || !data.isImage) return text;
  const url = imageOf(client.id);
  return html`<span class="return-image">
    <button
      class="thumb"
      aria-label=${`Enlarge return data of port ${client.port}`}
      title="Enlarge"
      ?disabled=${url === null}
      @click=${() => enlarge(client)}
    >
      ${url === null ? nothing : html`<img src=${url} alt="" />`}</button
    >${text}
  </span>`;
}

function disconnectButton(client: ClientStatus, { disconnect }: ClientsActions): TemplateResult {
  const name = client.port === null ? client.id : `port ${client.port}`;
  const [label, title] =
    client.kind === 'native'
      ? ['Remove', 'Remove this client; a connected NetGear client is terminated']
      : ['Disconnect', 'Disconnect this client'];
  const onClick = (): void => disconnect(client);
  return html`<button class="quiet" aria-label=${`${label} ${name}`} title=${title} @click=${onClick}>
    ${label}
  </button>`;
}
