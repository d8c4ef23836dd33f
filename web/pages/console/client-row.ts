import { html, nothing, type TemplateResult } from 'lit';
import type { ClientStatus, StreamStatus } from '../../../shared/status.ts';
import { sparkline } from '../../viewer/ui/sparkline.ts';
import { clientHealth } from '../shared/health.ts';
import { capitalize, formatCount } from '../shared/text.ts';
import type { ClientRates } from './client-rates.ts';
import { describeReturnData } from './return-description.ts';

/** Maximum number of characters of return data that are visible in every layout without scrolling. */
const SHORT_DATA = 60;

/** Port of this page's viewer, and its latency from the gateway, which the viewer also shows over the picture. */
export interface OwnClient {
  readonly port: number;
  readonly latencyMs: number | null;
}

export interface ClientRowModel {
  /** The stream of the clients; null if the gateway does not respond, so that the rows are out of date. */
  readonly stream: StreamStatus | null;
  readonly rates: ClientRates;
  /** Null if this page's viewer has no port. */
  readonly own: OwnClient | null;
  readonly mayDisconnect: boolean;
  /** Address of a client's return data as an image; null if there is none. */
  readonly imageOf: (id: string) => string | null;
  readonly disconnect: (client: ClientStatus) => void;
  readonly enlarge: (client: ClientStatus) => void;
}

/** Name, state, figures and return data of a client, and the button that disconnects it. */
export function clientRow(client: ClientStatus, model: ClientRowModel): TemplateResult {
  const { id, kind, port, state, address, framesPerSecond, dropped } = client;
  const isConnected = state === 'live' || state === 'slow' || state === 'paused';
  const own = model.own !== null && port === model.own.port ? model.own : null;
  const latencyMs = own === null ? client.delayMs : own.latencyMs;
  const { tone, label, problem } = clientHealth(client, model.stream);
  return html`<tr role="row" data-client=${id}>
    <td role="cell" class="client">
      <span class="who"
        ><span class="name" title=${address}>${address}</span> <span class="kind">${kind}</span>${own === null ? nothing : html`<span class="you">you</span>`}</span
      >
      ${problem === '' ? nothing : html`<span class="problem">${capitalize(problem)}</span>`}
    </td>
    <td role="cell" class="status"><span class="state"><span class=${`dot ${tone}`}></span>${label}</span></td>
    <td role="cell" class="n" data-label="Port">${port ?? '–'}</td>
    <td role="cell" class="n rate" data-label="fps">
      <span>${isConnected ? framesPerSecond.toFixed(1) : '–'}</span>${sparkline(model.rates.of(id))}
    </td>
    <td role="cell" class="n" data-label="Latency">
      ${latencyMs === null || !isConnected ? '–' : `${Math.max(0, Math.round(latencyMs))} ms`}
    </td>
    <td role="cell" class="n" data-label="Dropped">${formatCount(dropped)}</td>
    <td role="cell" class="data" data-label="Return data">${returnDataCell(client, model)}</td>
    ${model.mayDisconnect ? html`<td role="cell" class="action">${disconnectButton(client, model)}</td>` : nothing}
  </tr>`;
}

function returnDataCell(client: ClientStatus, { imageOf, enlarge }: ClientRowModel): TemplateResult {
  const data = describeReturnData(client.returnData);
  if (data.kind === 'none') return html`<span class="text none">–</span>`;
  // Long data scrolls in the card layout, and must then be reachable by keyboard.
  const isLong = data.text.length > SHORT_DATA;
  const text = html`<span class="text" title=${data.text} tabindex=${isLong ? 0 : nothing}>${data.text}</span>`;
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

function disconnectButton(client: ClientStatus, { disconnect }: ClientRowModel): TemplateResult {
  const name = client.port === null ? client.id : `port ${client.port}`;
  const label = client.kind === 'native' ? 'Remove' : 'Disconnect';
  return html`<button class="quiet" aria-label=${`${label} ${name}`} @click=${() => disconnect(client)}>
    ${label}
  </button>`;
}
