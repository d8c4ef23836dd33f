import './console.css';
import { html, render, type TemplateResult } from 'lit';
import type { Value } from '../shared/protocol.ts';
import type { ClientStatus, StreamStatus } from '../shared/status.ts';
import { connectLines } from './connect-lines.ts';
import type { GearwayViewer } from './gearway-viewer.ts';
import { messageTree } from './message-tree.ts';
import { loadToken, saveToken } from './page-token.ts';
import { History, sparkline } from './sparkline.ts';

const POLL_MS = 1000;
const MESSAGE_MS = 100;
const HISTORY = 60;

/** How the list of clients is doing. */
type Api = { readonly kind: 'loading' } | { readonly kind: 'ok'; readonly status: StreamStatus } | { readonly kind: 'token' } | { readonly kind: 'unknown'; readonly reason: string } | { readonly kind: 'gone'; readonly last: StreamStatus | null };

type Composer = { readonly kind: 'idle' } | { readonly kind: 'sending' } | { readonly kind: 'received' } | { readonly kind: 'refused'; readonly reason: string };

const stream = new URLSearchParams(location.search).get('stream') ?? 'main';
const number = new Intl.NumberFormat('en', { useGrouping: true });
const groups = (value: number): string => number.format(value).replaceAll(',', ' ');

let api: Api = { kind: 'loading' };
let token = loadToken();
let composer: Composer = { kind: 'idle' };
let composed = '{ "gripper": "close" }';
let keepsSending = true;
let message: { readonly sequence: number; readonly value: Value } | null = null;
let isMessageDue = false;
const histories = { rate: new History(HISTORY), delay: new History(HISTORY), bits: new History(HISTORY), dropped: new History(HISTORY) };

const viewer: GearwayViewer = document.createElement('gearway-viewer');
viewer.src = `/streams/${encodeURIComponent(stream)}`;
viewer.token = token;
viewer.setAttribute('name', 'Console');

viewer.addEventListener('gearway-frame', ({ detail }) => {
  message = { sequence: detail.sequence, value: detail.message };
  if (isMessageDue) return;
  // Ten times a second is as fast as anybody reads.
  isMessageDue = true;
  setTimeout(() => {
    isMessageDue = false;
    update();
  }, MESSAGE_MS);
});
for (const type of ['gearway-state', 'gearway-open', 'gearway-close'] as const) viewer.addEventListener(type, () => update());

async function poll(): Promise<void> {
  try {
    const response = await fetch(`/api/streams/${encodeURIComponent(stream)}`, { headers: token === null ? {} : { authorization: `Bearer ${token}` } });
    if (response.status === 401) api = { kind: 'token' };
    else if (response.ok) api = { kind: 'ok', status: (await response.json()) as StreamStatus };
    else api = { kind: 'unknown', reason: ((await response.json()) as { message: string }).message };
  } catch {
    // fetch fails when nobody listens: said on the page, and tried again.
    api = { kind: 'gone', last: lastStatus() };
  }
  const { stats } = viewer;
  histories.rate.add(stats.framesPerSecond);
  histories.delay.add(stats.delayMs ?? 0);
  histories.bits.add(stats.bitsPerSecond);
  histories.dropped.add(stats.dropped + stats.skipped + stats.failed);
  update();
  setTimeout(() => void poll(), POLL_MS);
}

function lastStatus(): StreamStatus | null {
  if (api.kind === 'ok') return api.status;
  return api.kind === 'gone' ? api.last : null;
}

function parseComposed(): { readonly value: Value } | { readonly error: string } {
  if (composed.trim() === '') return { error: 'Type a value: JSON, such as "stop" or {"speed": 0.2}' };
  try {
    return { value: JSON.parse(composed) as Value };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

async function submitReturn(event: Event): Promise<void> {
  event.preventDefault();
  const parsed = parseComposed();
  if ('error' in parsed) return;
  composer = { kind: 'sending' };
  update();
  try {
    if (keepsSending) viewer.returnData = parsed.value;
    else await viewer.send(parsed.value);
    composer = { kind: 'received' };
  } catch (error) {
    composer = { kind: 'refused', reason: error instanceof Error ? error.message : String(error) };
  }
  update();
}

function submitToken(event: SubmitEvent): void {
  event.preventDefault();
  const value = new FormData(event.target as HTMLFormElement).get('token');
  if (typeof value !== 'string' || value === '') return;
  token = value;
  saveToken(value);
  viewer.token = value;
  api = { kind: 'loading' };
  update();
}

function toggleTheme(): void {
  const root = document.documentElement;
  const isDark = root.dataset['theme'] === undefined ? matchMedia('(prefers-color-scheme: dark)').matches : root.dataset['theme'] === 'dark';
  root.dataset['theme'] = isDark ? 'light' : 'dark';
}

function page(): TemplateResult {
  const status = lastStatus();
  return html`
    <header>
      <span class="mark">${mark}Gearway</span>
      <span class="grow"></span>
      <span class="summary">${summary(status)}</span>
      <button class="icon" aria-label="Switch between dark and light" title="Dark or light" @click=${toggleTheme}>${moon}</button>
    </header>
    ${notice()}
    <main>
      <div class="column">
        <section class="panel picture" aria-label="Picture">${viewer}${figures()}</section>
        ${clients(status)}
      </div>
      <div class="column">${returnPanel()}${messagePanel()}${connectPanel(status)}</div>
    </main>
  `;
}

function summary(status: StreamStatus | null): TemplateResult {
  if (api.kind === 'gone') return html`<span class="dot bad"></span>Gateway does not answer`;
  if (status === null) return html`<span class="dot"></span>Connecting`;
  const count = status.clients.length;
  return html`<span class=${`dot ${status.state}`}></span>${status.name}<span class="extra">, ${count} ${count === 1 ? 'client' : 'clients'}</span>`;
}

function notice(): TemplateResult | '' {
  switch (api.kind) {
    case 'token':
      return html`<form class="notice" @submit=${submitToken}>
        <label for="token">${token === null ? 'This gateway asks for its token' : 'That token is not the right one'}</label>
        <input id="token" name="token" type="password" autocomplete="off" required />
        <button class="primary">Continue</button>
      </form>`;
    case 'gone':
      return html`<div class="notice" role="status">The gateway does not answer. This page goes on by itself as soon as it is back.</div>`;
    case 'unknown':
      return html`<div class="notice" role="status">${api.reason}</div>`;
    default:
      return '';
  }
}

function figures(): TemplateResult {
  const { stats } = viewer;
  const lost = stats.dropped + stats.skipped + stats.failed;
  const figure = (title: string, value: string, unit: string, below: TemplateResult): TemplateResult => html`<div><dt>${title}</dt><dd>${value} <small>${unit}</small></dd>${below}</div>`;
  return html`<dl class="figures">
    ${figure('Size', stats.width === 0 ? '–' : `${stats.width}×${stats.height}`, '', html`<dt class="note">${stats.encoding === '' ? '–' : stats.encoding.toUpperCase()}</dt>`)}
    ${figure('Rate', stats.framesPerSecond.toFixed(1), 'fps', sparkline(histories.rate.values))}
    ${figure('Delay', stats.delayMs === null ? '–' : String(Math.max(0, Math.round(stats.delayMs))), 'ms', sparkline(histories.delay.values))}
    ${figure('Bit rate', (stats.bitsPerSecond / 1e6).toFixed(1), 'Mbit/s', sparkline(histories.bits.values))}
    ${figure('Dropped', groups(lost), `of ${groups(stats.received + stats.dropped)}`, sparkline(histories.dropped.values))}
  </dl>`;
}

function clients(status: StreamStatus | null): TemplateResult {
  const taken = status === null ? '' : `${status.ports.taken} of ${status.ports.taken + status.ports.free} web ports in use`;
  return html`<section class=${`panel ${api.kind === 'gone' ? 'faded' : ''}`} aria-label="Clients">
    <h2>Clients <small>${taken}</small></h2>
    ${status === null || status.clients.length === 0
      ? html`<p class="empty">${status === null ? 'The list comes with the connection.' : 'Nobody is connected. Open this page elsewhere, or add a Python client with --client.'}</p>`
      : html`<div class="scroll"><table>
          <thead><tr><th>Port</th><th>Client</th><th>State</th><th class="n">Frames/s</th><th class="n">Round trip</th><th class="n">Dropped</th><th>Return data</th></tr></thead>
          <tbody>${status.clients.map(clientRow)}</tbody>
        </table></div>`}
  </section>`;
}

function clientRow(client: ClientStatus): TemplateResult {
  const isYou = client.port !== null && client.port === viewer.port;
  const isThere = client.state === 'live' || client.state === 'paused';
  return html`<tr>
    <td>${client.port ?? '–'}</td>
    <td>${client.address} <span class="kind">${client.kind}</span>${isYou ? html`<span class="you">you</span>` : ''}</td>
    <td><span class="state"><span class=${`dot ${client.state}`}></span>${client.state.charAt(0).toUpperCase()}${client.state.slice(1)}</span></td>
    <td class="n">${isThere ? client.framesPerSecond.toFixed(1) : '–'}</td>
    <td class="n">${client.roundTripMs === null || !isThere ? '–' : `${Math.round(client.roundTripMs)} ms`}</td>
    <td class="n">${groups(client.dropped)}</td>
    <td class="data">${client.returnData === null ? '' : JSON.stringify(client.returnData)}</td>
  </tr>`;
}

function returnPanel(): TemplateResult {
  const parsed = parseComposed();
  const { port } = viewer;
  const error = 'error' in parsed ? parsed.error : null;
  return html`<section class="panel" aria-label="Return data">
    <h2>Return data <small>${port === null ? 'not connected' : `from this viewer, port ${port}`}</small></h2>
    <form class="composer" @submit=${(event: Event) => void submitReturn(event)}>
      <textarea
        aria-label="Value as JSON"
        spellcheck="false"
        aria-invalid=${error !== null}
        .value=${composed}
        @input=${(event: Event) => {
          composed = (event.target as HTMLTextAreaElement).value;
          composer = { kind: 'idle' };
          update();
        }}
      ></textarea>
      <div class="row">
        <label><input type="checkbox" .checked=${keepsSending} @change=${(event: Event) => (keepsSending = (event.target as HTMLInputElement).checked)} /> Keep sending</label>
        <span class=${`verdict ${error !== null || composer.kind === 'refused' ? 'bad' : 'ok'}`} role="status">${verdict(error)}</span>
        <button class="primary" ?disabled=${error !== null || port === null}>Send</button>
      </div>
    </form>
  </section>`;
}

function verdict(error: string | null): string {
  if (error !== null) return error;
  switch (composer.kind) {
    case 'idle':
      return '';
    case 'sending':
      return 'Sending';
    case 'received':
      return 'Received';
    case 'refused':
      return composer.reason;
    default:
      return composer satisfies never;
  }
}

function messagePanel(): TemplateResult {
  return html`<section class="panel" aria-label="Message">
    <h2>Message <small>${message === null ? '' : `with frame ${groups(message.sequence)}`}</small></h2>
    ${messageTree(message?.value ?? null, message === null ? 'No frame has come yet' : 'No message came with this frame')}
  </section>`;
}

function connectPanel(status: StreamStatus | null): TemplateResult {
  return html`<section class="panel" aria-label="Connect">
    <h2>Connect</h2>
    ${connectLines(status, location.origin, stream).map(
      ({ title, text }) => html`<div class="snip"><p>${title}<button @click=${(event: Event) => void copy(event, text)}>Copy</button></p><code>${text}</code></div>`,
    )}
  </section>`;
}

async function copy(event: Event, text: string): Promise<void> {
  const button = event.currentTarget as HTMLButtonElement;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    // No clipboard on plain HTTP beyond this machine: the text can be selected by hand.
    button.textContent = 'Select it by hand';
  }
  setTimeout(() => (button.textContent = 'Copy'), 1500);
}

const mark = html`<svg width="22" height="22" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true"><rect x="2.5" y="5" width="12" height="14" rx="2.5" /><path d="M14.5 10l7-4v12l-7-4" stroke-linejoin="round" /></svg>`;
const moon = html`<svg width="18" height="18" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true"><path d="M20 14A8 8 0 1 1 10 4a6.5 6.5 0 0 0 10 10z" /></svg>`;

function update(): void {
  render(page(), document.body);
}

update();
void poll();
