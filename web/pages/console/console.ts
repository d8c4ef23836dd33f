import './console.css';
import { html, nothing, render, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';
import type { Value } from '../../../shared/protocol.ts';
import type { ClientStatus, GatewayEvent, StreamStatus } from '../../../shared/status.ts';
import type { GearwayViewer } from '../../viewer/gearway-viewer.ts';
import type { ViewerStats } from '../../viewer/viewer-messages.ts';
import { figure, figureList, note, plot } from '../shared/figures.ts';
import { pageHeader } from '../shared/page-header.ts';
import { loadToken, saveToken, takeKey } from '../shared/page-token.ts';
import { fetchRights } from '../shared/streams.ts';
import { capitalize, formatCount, plural } from '../shared/text.ts';
import { loadTheme } from '../shared/theme.ts';
import { throttled } from '../shared/throttled.ts';
import { TokenForm } from '../shared/token-form.ts';
import { activityPanel } from './activity-panel.ts';
import { AddClient } from './add-client.ts';
import { Api } from './api.ts';
import { ClientRates, clientsPanel } from './clients-panel.ts';
import { connectLines } from './connect-lines.ts';
import { connectPanel } from './connect-panel.ts';
import { EnlargedImage } from './enlarged-image.ts';
import { messageTree } from './message-tree.ts';
import { portsPanel } from './ports-panel.ts';
import { ReturnImages } from './return-images.ts';
import { ReturnPanel } from './return-panel.ts';
import { sourcePanel } from './source-panel.ts';

// index.html loads the viewer element.
const POLL_MS = 1000;

/** Delay of the poll after an event, so that events in quick succession cause one. */
const EVENT_POLL_MS = 50;

/** Minimum interval between updates of the message. */
const MESSAGE_MS = 100;

const MAX_EVENTS = 64;
const NO_ANSWER = 'the gateway does not answer';

/** The stream named in the page's address; null for the gateway's first stream. */
const requestedStream = new URLSearchParams(location.search).get('stream');
const key = takeKey();
if (key !== null) saveToken(key);
const api = new Api(key ?? loadToken());
const rates = new ClientRates();
const events: GatewayEvent[] = [];

/** The stream on this page; empty before the gateway has listed its streams. */
let name = requestedStream ?? '';
/** Last response of the API; `loading` before the first one. */
let apiState: 'loading' | 'ok' | 'token' | 'gone' = 'loading';
/** Why the API does not respond, if that is known. */
let goneReason: string | null = null;
/** Public address of the gateway behind a proxy; otherwise the address of this page. */
let address = new URL('.', document.baseURI).href;
let streams: readonly StreamStatus[] = [];
let message: { readonly sequence: number; readonly value: Value } | null = null;
let problem: string | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
/** Number of requests so far, and the latest whose response is shown. Responses may arrive out of order. */
let requests = 0;
let shownRequest = 0;

const viewer: GearwayViewer = document.createElement('gearway-viewer');
viewer.token = api.token;
viewer.name = 'Console';
viewer.controls = true;
if (requestedStream !== null) watch(requestedStream);
const returnPanel = new ReturnPanel(viewer, update);
const returnImages = new ReturnImages(api, update);
const enlargedImage = new EnlargedImage(returnImages);
const addClient = new AddClient(async (clientAddress) => {
  const reason = await api.addClient(name, clientAddress);
  await poll();
  return reason;
}, update);

/** Replaces the page's content while the gateway requires a token. */
const tokenForm = new TokenForm({
  label: 'This gateway requires a token',
  onToken: (token) => runInBackground(logIn(token)),
});

/** Replaces the form for administrators. */
const keyForm = new TokenForm({
  label: 'Administrator key',
  hint:
    'To add or disconnect clients, open the administrator address that the gateway printed, ' +
    'or enter its key or token.',
  onToken: (token) => runInBackground(becomeAdministrator(token)),
});

function watch(stream: string): void {
  name = stream;
  message = null;
  viewer.src = `streams/${encodeURIComponent(stream)}`;
}

const updateSoon = throttled(update, MESSAGE_MS);
viewer.addEventListener('gearway-frame', ({ detail }) => {
  message = { sequence: detail.sequence, value: detail.message };
  updateSoon();
});
for (const type of ['gearway-state', 'gearway-open', 'gearway-close'] as const) {
  viewer.addEventListener(type, () => update());
}
document.addEventListener('visibilitychange', startPoll);
// Entering the administrator address in an open page does not reload it.
addEventListener('hashchange', () => {
  const entered = takeKey();
  if (entered !== null) runInBackground(becomeAdministrator(entered));
});

/** Polls the state of the streams until the page is hidden. A failure does not end the polling. */
function startPoll(): void {
  runInBackground(poll(), (error) => {
    reportError(error);
    schedulePoll(POLL_MS);
  });
}

function schedulePoll(delayMs: number): void {
  clearTimeout(timer);
  timer = setTimeout(startPoll, delayMs);
}

async function poll(): Promise<void> {
  clearTimeout(timer);
  if (document.hidden) return;
  requests += 1;
  const request = requests;
  const sentToken = api.token;
  const response = await api.streams();
  // Another token was entered meanwhile: the response is for the previous one.
  if (sentToken !== api.token) return;
  if (request < shownRequest) return;
  shownRequest = request;
  if (response.kind === 'ok' && apiState !== 'ok') {
    runInBackground(api.publicUrl().then((url) => (address = url ?? address)));
  }
  const wasAsking = apiState === 'token';
  apiState = response.kind;
  goneReason = response.kind === 'gone' ? response.reason : null;
  if (response.kind === 'token') askForToken(response.reason, wasAsking);
  if (response.kind === 'ok') showStreams(response.value);
  update();
  schedulePoll(POLL_MS);
}

function askForToken(reason: string, wasAsking: boolean): void {
  if (api.token !== null) {
    // A refused token is not sent again: each attempt counts as a failed log-in.
    setToken(null);
    saveToken(null);
    tokenForm.refuse(reason);
  } else if (!wasAsking) {
    tokenForm.ask(reason);
  }
}

function showStreams(current: readonly StreamStatus[]): void {
  streams = current;
  const [first] = streams;
  // A restarted gateway may have other streams.
  if (requestedStream === null && first !== undefined && currentStatus() === null) watch(first.name);
  const clients = currentStatus()?.clients ?? [];
  rates.add(clients);
  returnImages.update(name, clients);
}

const following = api.follow((event) => {
  events.push(event);
  if (events.length > MAX_EVENTS) events.shift();
  // The table is updated immediately.
  schedulePoll(EVENT_POLL_MS);
});
runInBackground(following);

function currentStatus(): StreamStatus | null {
  return streams.find((stream) => stream.name === name) ?? null;
}

async function disconnect(client: ClientStatus): Promise<void> {
  problem = await api.disconnect(name, client.id);
  await poll();
}

function enlarge(client: ClientStatus): void {
  enlargedImage.open(client);
  returnImages.update(name, currentStatus()?.clients ?? []);
  update();
}

/** Uses this token from now on. */
function setToken(token: string | null): void {
  api.token = token;
  viewer.token = token;
}

async function useToken(token: string): Promise<void> {
  setToken(token);
  saveToken(token);
  await poll();
}

/** Checks a token before it is used. */
async function logIn(token: string): Promise<void> {
  const response = await fetchRights(token);
  if (response.kind === 'ok') {
    tokenForm.reset();
    await useToken(token);
  } else {
    tokenForm.refuse(response.reason ?? NO_ANSWER);
  }
}

/** Checks an administrator key before it is used. A gateway without tokens ignores an unknown key. */
async function becomeAdministrator(token: string): Promise<void> {
  const response = await fetchRights(token);
  if (response.kind !== 'ok') {
    keyForm.refuse(response.reason ?? NO_ANSWER);
  } else if (response.value.rights.includes('administer')) {
    keyForm.reset();
    await useToken(token);
  } else if (response.value.principal.endsWith('token')) {
    keyForm.refuse(`the ${response.value.principal} does not give the right to administer`);
  } else {
    keyForm.refuse('invalid key; the gateway prints another one each time it starts');
  }
}

function page(): TemplateResult {
  // Before the first stream is known, the viewer's own notice would not help the user.
  render(viewer.src === '' ? html`<p slot="connecting">Connecting…</p>` : nothing, viewer);
  const status = currentStatus();
  return html`${pageHeader(navigation(), html`<span class="summary">${summary(status)}</span>`)}
  ${apiState === 'token'
    ? html`<main class="gate"><section class="panel" aria-label="Log in">${tokenForm.element}</section></main>`
    : content(status)}`;
}

function navigation(): TemplateResult | typeof nothing {
  if (streams.length < 2) return nothing;
  const link = (stream: StreamStatus): TemplateResult =>
    html`<a
      href=${streamUrl(stream)}
      aria-current=${stream.name === name ? 'page' : nothing}
      title=${`${stream.state}: ${stream.reason}`}
      ><span class=${`dot ${stream.state}`}></span>${stream.name}</a
    >`;
  return html`<nav aria-label="Streams">${streams.map(link)}</nav>`;
}

function streamUrl(stream: StreamStatus): string {
  return `?stream=${encodeURIComponent(stream.name)}`;
}

function content(status: StreamStatus | null): TemplateResult {
  const mayAdminister = viewer.rights.includes('administer');
  const clients = clientsPanel(
    {
      status,
      rates,
      ownPort: viewer.port,
      isGone: apiState === 'gone',
      mayDisconnect: mayAdminister,
      imageOf: (id) => returnImages.of(id),
      form: administratorForm(mayAdminister),
    },
    { disconnect: (client) => runInBackground(disconnect(client)), enlarge },
  );
  const lines = connectLines(status, address.replace(/\/$/, ''), name);
  return html`${notice(status)}
    <main>
      <div class="column">
        <section class="panel picture" aria-label="Picture">${viewer}${figures()}</section>
        ${clients}${sourcePanel(status)}${portsPanel(status)}${activityPanel(events)}
      </div>
      <div class="column">${returnPanel.render()}${messagePanel()}${connectPanel(lines)}</div>
    </main>`;
}

function administratorForm(mayAdminister: boolean): TemplateResult {
  // The viewer knows its rights once it is connected.
  const isKnown = viewer.rights.length > 0;
  if (isKnown && !mayAdminister) return html`<div class="key">${keyForm.element}</div>`;
  return addClient.render(mayAdminister ? null : 'Available once the viewer is connected.');
}

function summary(status: StreamStatus | null): TemplateResult {
  if (apiState === 'gone') return html`<span class="dot bad"></span>Gateway does not answer`;
  if (status === null) {
    const text = apiState === 'token' ? 'Token required' : apiState === 'ok' ? 'No such stream' : 'Connecting…';
    return html`<span class="dot"></span>${text}`;
  }
  const clients = html`<span class="extra">, ${plural(status.clients.length, 'client')}</span>`;
  return html`<span class=${`dot ${status.state}`}></span>${status.name}${clients}`;
}

function notice(status: StreamStatus | null): TemplateResult | typeof nothing {
  if (apiState === 'gone') {
    return noticeBox(`${capitalize(goneReason ?? NO_ANSWER)}. This page reconnects automatically.`);
  }
  if (apiState === 'ok' && status === null) {
    const links = streams.map((stream) => html`<a href=${streamUrl(stream)}>Watch ${stream.name}</a> `);
    return noticeBox(html`There is no stream called ${name}. ${links}`);
  }
  if (problem === null) return nothing;
  const close = (): void => {
    problem = null;
    update();
  };
  return noticeBox(html`${problem} <button class="link" @click=${close}>Close</button>`);
}

function noticeBox(text: TemplateResult | string): TemplateResult {
  return html`<div class="notice" role="status">${text}</div>`;
}

function figures(): TemplateResult {
  const { stats, statsHistory: history } = viewer;
  const { width, height, encoding, delayMs } = stats;
  const lost = ({ dropped, skipped, failed }: ViewerStats): number => dropped + skipped + failed;
  const latency = delayMs === null ? '–' : String(Math.max(0, Math.round(delayMs)));
  const bitRate = (stats.bitsPerSecond / 1e6).toFixed(1);
  const total = `of ${formatCount(stats.received + stats.dropped)}`;
  return figureList([
    figure('Size', width === 0 ? '–' : `${width}×${height}`, '', note(encoding.toUpperCase() || '–')),
    figure('Frame rate', stats.framesPerSecond.toFixed(1), 'fps', plot(history, (reading) => reading.framesPerSecond)),
    figure('Latency', latency, 'ms', plot(history, (reading) => reading.delayMs ?? 0)),
    figure('Bit rate', bitRate, 'Mbit/s', plot(history, (reading) => reading.bitsPerSecond)),
    figure('Dropped', formatCount(lost(stats)), total, plot(history, lost)),
  ]);
}

function messagePanel(): TemplateResult {
  const frame = message === null ? '' : `frame ${formatCount(message.sequence)}`;
  const empty = message === null ? 'No frame received yet' : 'This frame has no message';
  return html`<section class="panel" aria-label="Message">
    <h2>Message <small>${frame}</small></h2>
    ${messageTree(message?.value ?? null, empty)}
  </section>`;
}

let isRendering = false;
let isStale = false;

/** The viewer fires events while it is being inserted, and Lit's `render` is not reentrant. */
function update(): void {
  isStale = true;
  if (isRendering) return;
  isRendering = true;
  try {
    while (isStale) {
      isStale = false;
      render(page(), document.body);
      enlargedImage.update(currentStatus()?.clients ?? []);
    }
  } finally {
    isRendering = false;
  }
}

loadTheme();
update();
startPoll();
// Reports a key from an earlier run of the gateway, which would otherwise be ignored silently.
if (key !== null) runInBackground(becomeAdministrator(key));
