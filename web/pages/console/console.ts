import './console.css';
import { html, nothing, render, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';
import type { Value } from '../../../shared/protocol.ts';
import type { ClientStatus, GatewayEvent, StreamStatus } from '../../../shared/status.ts';
import type { GearwayViewer } from '../../viewer/gearway-viewer.ts';
import { loadToken, saveToken, takeKey } from '../shared/page-token.ts';
import type { ViewerStats } from '../../viewer/viewer-messages.ts';
import { sparkline } from '../../viewer/ui/sparkline.ts';
import { fetchRights } from '../shared/streams.ts';
import { throttled } from '../shared/throttled.ts';
import { TokenForm } from '../shared/token-form.ts';
import { activityPanel } from './activity-panel.ts';
import { AddClient } from './add-client.ts';
import { Api } from './api.ts';
import { ClientRates, clientsPanel } from './clients-panel.ts';
import { connectLines } from './connect-lines.ts';
import { connectPanel } from './connect-panel.ts';
import { EnlargedPicture } from './enlarged-picture.ts';
import { messageTree } from './message-tree.ts';
import { portsPanel } from './ports-panel.ts';
import { ReturnPanel } from './return-panel.ts';
import { ReturnedPictures } from './returned-pictures.ts';
import { sourcePanel } from './source-panel.ts';
import { groups } from './text.ts';
import { loadTheme, toggleTheme } from './theme.ts';

// The element itself is loaded by the page (index.html).
const POLL_MS = 1000;
const MESSAGE_MS = 100;
const MAX_EVENTS = 64;

/** The stream that the address names; null: the gateway's first, whatever its name. */
const asked = new URLSearchParams(location.search).get('stream');
const key = takeKey();
if (key !== null) saveToken(key);
const api = new Api(key ?? loadToken());
const rates = new ClientRates();
const events: GatewayEvent[] = [];

/** The stream on this page; empty while the gateway has not said which there are. */
let name = asked ?? '';
/** What the API said last; `loading` before it has said anything. */
let answer: 'loading' | 'ok' | 'token' | 'gone' = 'loading';
/** Why the API does not answer as it should, where that is known. */
let gone: string | null = null;
/** Address of the gateway for others: the public one behind a proxy, otherwise that of this page. */
let address = new URL('.', document.baseURI).href;
let streams: readonly StreamStatus[] = [];
let message: { readonly sequence: number; readonly value: Value } | null = null;
let problem: string | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
/** Questions to the API, and the latest of them whose answer is shown. */
let questions = 0;
let answered = 0;

const viewer: GearwayViewer = document.createElement('gearway-viewer');
viewer.token = api.token;
viewer.name = 'Console';
viewer.controls = true;
if (asked !== null) watch(asked);
const returnPanel = new ReturnPanel(viewer, update);
const returnedPictures = new ReturnedPictures(api, update);
const enlarged = new EnlargedPicture(returnedPictures);
const addClient = new AddClient(async (address) => {
  const reason = await api.addClient(name, address);
  await poll();
  return reason;
}, update);

/** Shown in place of the page while the gateway requires a token. */
const tokenForm = new TokenForm({ label: 'This gateway requires a token', onToken: (token) => runInBackground(logIn(token)) });
/** Shown in place of what only administrators may use. */
const keyForm = new TokenForm({
  label: 'Administrator key',
  hint: 'To add or disconnect clients, open the administrator address that the gateway printed, or enter its key or token.',
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
for (const type of ['gearway-state', 'gearway-open', 'gearway-close'] as const) viewer.addEventListener(type, () => update());
document.addEventListener('visibilitychange', startPoll);
// The administrator address was entered while the page was open: that loads nothing.
addEventListener('hashchange', () => {
  const entered = takeKey();
  if (entered !== null) runInBackground(becomeAdministrator(entered));
});

/** Asks for the state of the streams, and again until the page is hidden. A failure does not end that. */
function startPoll(): void {
  runInBackground(poll(), (error) => {
    reportError(error);
    clearTimeout(timer);
    timer = setTimeout(startPoll, POLL_MS);
  });
}

async function poll(): Promise<void> {
  clearTimeout(timer);
  if (document.hidden) return;
  questions += 1;
  const question = questions;
  const sent = api.token;
  const said = await api.streams();
  // Another token was entered meanwhile: this is the answer to the former one.
  if (sent !== api.token) return;
  // An event asks again while an answer is on its way, and that one may come last.
  if (question < answered) return;
  answered = question;
  if (said.kind === 'ok' && answer !== 'ok') runInBackground(api.publicUrl().then((url) => (address = url ?? address)));
  const wasAsking = answer === 'token';
  answer = said.kind;
  gone = said.kind === 'gone' ? said.reason : null;
  if (said.kind === 'token') {
    // A refused token is not sent again: each time would count as a failed log-in.
    if (api.token !== null) {
      use(null);
      saveToken(null);
      tokenForm.refuse(said.reason);
    } else if (!wasAsking) {
      tokenForm.ask(said.reason);
    }
  }
  if (said.kind === 'ok') {
    streams = said.value;
    const [first] = streams;
    // A gateway that was started again may have others.
    if (asked === null && first !== undefined && current() === null) watch(first.name);
    const clients = current()?.clients ?? [];
    rates.add(clients);
    returnedPictures.show(name, clients);
  }
  update();
  clearTimeout(timer);
  timer = setTimeout(startPoll, POLL_MS);
}

const following = api.follow((event) => {
  events.push(event);
  if (events.length > MAX_EVENTS) events.shift();
  // Somebody came or went: the table shows it at once.
  clearTimeout(timer);
  timer = setTimeout(startPoll, 50);
});
runInBackground(following);

function current(): StreamStatus | null {
  return streams.find((stream) => stream.name === name) ?? null;
}

async function sendAway(client: ClientStatus): Promise<void> {
  problem = await api.sendAway(name, client.id);
  await poll();
}

function enlarge(client: ClientStatus): void {
  enlarged.open(client);
  returnedPictures.show(name, current()?.clients ?? []);
  update();
}

/** Sends this token from now on. */
function use(token: string | null): void {
  api.token = token;
  viewer.token = token;
}

/** Tries a token once before it is used. */
async function logIn(token: string): Promise<void> {
  const said = await fetchRights(token);
  if (said.kind === 'ok') {
    tokenForm.reset();
    use(token);
    saveToken(token);
    await poll();
  } else {
    tokenForm.refuse(said.reason ?? 'the gateway does not answer');
  }
}

/** The same, for a page that works without it: a gateway without a token ignores an unknown key. */
async function becomeAdministrator(token: string): Promise<void> {
  const said = await fetchRights(token);
  if (said.kind === 'ok' && said.value.rights.includes('administer')) {
    keyForm.reset();
    use(token);
    saveToken(token);
    await poll();
  } else if (said.kind === 'ok' && said.value.principal.endsWith('token')) {
    keyForm.refuse(`the ${said.value.principal} does not give the right to administer`);
  } else {
    keyForm.refuse(said.kind !== 'ok' ? (said.reason ?? 'the gateway does not answer') : 'invalid key; the gateway prints another one each time it starts');
  }
}

function page(): TemplateResult {
  // No stream yet is nothing that a reader can do something about.
  render(viewer.src === '' ? html`<p slot="connecting">Connecting</p>` : nothing, viewer);
  const status = current();
  const mayAdminister = viewer.rights.includes('administer');
  // The viewer knows its rights once it is connected.
  const form = viewer.rights.length > 0 && !mayAdminister ? html`<div class="key">${keyForm.element}</div>` : addClient.render(mayAdminister ? null : 'Available when the picture is connected.');
  return html`
    <header>
      <h1 class="mark">${mark}Gearway</h1>
      ${streams.length > 1 ? html`<nav aria-label="Streams">${streams.map((stream) => html`<a href=${`?stream=${encodeURIComponent(stream.name)}`} aria-current=${stream.name === name ? 'page' : nothing} title=${`${stream.state}: ${stream.reason}`}><span class=${`dot ${stream.state}`}></span>${stream.name}</a>`)}</nav>` : nothing}
      <span class="grow"></span>
      <span class="summary">${summary(status)}</span>
      <button class="icon" aria-label="Switch between dark and light" title="Dark or light" @click=${toggleTheme}>${moon}</button>
    </header>
    ${answer === 'token' ? html`<main class="gate"><section class="panel" aria-label="Log in">${tokenForm.element}</section></main>` : content(status, mayAdminister, form)}
  `;
}

function content(status: StreamStatus | null, mayAdminister: boolean, form: TemplateResult): TemplateResult {
  return html`${notice(status)}
    <main>
      <div class="column">
        <section class="panel picture" aria-label="Picture">${viewer}${figures()}</section>
        ${clientsPanel(
          { status, rates, ownPort: viewer.port, isGone: answer === 'gone', maySendAway: mayAdminister, pictureOf: (id) => returnedPictures.of(id), form },
          { sendAway: (client) => runInBackground(sendAway(client)), enlarge },
        )}
        ${sourcePanel(status)}
        ${portsPanel(status)}
        ${activityPanel(events)}
      </div>
      <div class="column">${returnPanel.render()}${messagePanel()}${connectPanel(connectLines(status, address.replace(/\/$/, ''), name))}</div>
    </main>`;
}

function summary(status: StreamStatus | null): TemplateResult {
  if (answer === 'gone') return html`<span class="dot bad"></span>Gateway does not answer`;
  if (status === null) return html`<span class="dot"></span>${answer === 'token' ? 'Token required' : answer === 'ok' ? 'No such stream' : 'Connecting'}`;
  const count = status.clients.length;
  return html`<span class=${`dot ${status.state}`}></span>${status.name}<span class="extra">, ${count} ${count === 1 ? 'client' : 'clients'}</span>`;
}

function notice(status: StreamStatus | null): TemplateResult | typeof nothing {
  if (answer === 'gone') return html`<div class="notice" role="status">${gone === null ? 'The gateway does not answer' : `${gone.charAt(0).toUpperCase()}${gone.slice(1)}`}. This page reconnects automatically.</div>`;
  if (answer === 'ok' && status === null) {
    return html`<div class="notice" role="status">There is no stream called ${name}. ${streams.map((stream) => html`<a href=${`?stream=${encodeURIComponent(stream.name)}`}>Watch ${stream.name}</a> `)}</div>`;
  }
  if (problem !== null) return html`<div class="notice" role="status">${problem} <button class="link" @click=${() => ((problem = null), update())}>Close</button></div>`;
  return nothing;
}

function figures(): TemplateResult {
  const { stats, statsHistory } = viewer;
  const lost = ({ dropped, skipped, failed }: ViewerStats): number => dropped + skipped + failed;
  const plot = (value: (reading: ViewerStats) => number): TemplateResult => sparkline(statsHistory.map(value));
  const figure = (title: string, value: string, unit: string, below: TemplateResult): TemplateResult => html`<div>
    <dt>${title}</dt>
    <dd>${value} <small>${unit}</small></dd>
    ${below}
  </div>`;
  return html`<dl class="figures">
    ${figure('Size', stats.width === 0 ? '–' : `${stats.width}×${stats.height}`, '', html`<dd class="note">${stats.encoding === '' ? '–' : stats.encoding.toUpperCase()}</dd>`)}
    ${figure('Rate', stats.framesPerSecond.toFixed(1), 'fps', plot(({ framesPerSecond }) => framesPerSecond))}
    ${figure('Delay', stats.delayMs === null ? '–' : String(Math.max(0, Math.round(stats.delayMs))), 'ms', plot(({ delayMs }) => delayMs ?? 0))}
    ${figure('Bit rate', (stats.bitsPerSecond / 1e6).toFixed(1), 'Mbit/s', plot(({ bitsPerSecond }) => bitsPerSecond))}
    ${figure('Dropped', groups(lost(stats)), `of ${groups(stats.received + stats.dropped)}`, plot(lost))}
  </dl>`;
}

function messagePanel(): TemplateResult {
  return html`<section class="panel" aria-label="Message">
    <h2>Message <small>${message === null ? '' : `with frame ${groups(message.sequence)}`}</small></h2>
    ${messageTree(message?.value ?? null, message === null ? 'No frame has come yet' : 'No message came with this frame')}
  </section>`;
}

const mark = html`<svg width="22" height="22" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true"><rect x="2.5" y="5" width="12" height="14" rx="2.5" /><path d="M14.5 10l7-4v12l-7-4" stroke-linejoin="round" /></svg>`;
const moon = html`<svg width="18" height="18" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true"><path d="M20 14A8 8 0 1 1 10 4a6.5 6.5 0 0 0 10 10z" /></svg>`;

let isRendering = false;
let isStale = false;

/** The viewer reports its state while it is being inserted, and Lit's `render` is not reentrant: it would go on with the page that it has just replaced. */
function update(): void {
  isStale = true;
  if (isRendering) return;
  isRendering = true;
  try {
    while (isStale) {
      isStale = false;
      render(page(), document.body);
      enlarged.show(current()?.clients ?? []);
    }
  } finally {
    isRendering = false;
  }
}

loadTheme();
update();
startPoll();
// An old key in the address would otherwise go unnoticed.
if (key !== null) runInBackground(becomeAdministrator(key));
