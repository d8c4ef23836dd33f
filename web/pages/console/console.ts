import './console.css';
import { html, nothing, render, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';
import type { StreamStatus } from '../../../shared/status.ts';
import { streamHealth } from '../shared/health.ts';
import { moveFocus } from '../shared/focus.ts';
import { account, pageHeader } from '../shared/page-header.ts';
import { loadToken, takeKey } from '../shared/page-token.ts';
import { capitalize, plural } from '../shared/text.ts';
import { loadTheme } from '../shared/theme.ts';
import { Api } from './api.ts';
import { clusterNotice } from './cluster-notice.ts';
import { GatewayFeed } from './gateway-feed.ts';
import { LogIn } from './log-in.ts';
import { WallPage } from '../wall/wall-page.ts';
import { StreamDialog } from './stream-dialog.ts';
import { StreamPage } from './stream-page.ts';

// index.html loads the viewer element.

/** The stream named in the page's address; null for the only stream, or for all streams. */
const requestedStream = new URLSearchParams(location.search).get('stream');
/**
 * Element for Lit's content. Lit removes all nodes after its content when the template changes, and dialogs are
 * appended to the body.
 */
const root = document.createElement('div');
document.body.append(root);
const api = new Api(loadToken());
const logIn = new LogIn(api, changeUser);
const feed = new GatewayFeed(api, { onChange: receive, onToken: (reason) => logIn.ask(reason) });
const streamDialog = new StreamDialog(feed);
let streamPage: StreamPage | null = null;
/** Why the log-out failed; null if it has not failed. */
let problem: string | null = null;
/** The wall, which is shown while no stream page is open. Created when it is first shown. */
let wallPage: WallPage | null = null;

// Entering the administrator address in an open page does not reload it.
addEventListener('hashchange', () => {
  const entered = takeKey();
  if (entered !== null) runInBackground(logIn.becomeAdministrator(entered));
});

function openStream(name: string): StreamPage {
  return new StreamPage(name, feed, logIn, streamDialog, update);
}

async function changeUser(): Promise<void> {
  streamPage?.changeUser();
  await feed.refresh();
}

async function logOut(): Promise<void> {
  problem = await logIn.logOut();
  update();
}

/** Called when the feed has new data. */
function receive(): void {
  if (requestedStream === null) choosePage();
  streamPage?.receive();
  wallPage?.receive();
  update();
}

/** Without a name in the address: the only stream, or the wall. A restarted gateway may have other streams. */
function choosePage(): void {
  const [first, second] = feed.streams;
  if (first === undefined) return;
  const only = second === undefined ? first.name : null;
  if (only === null) wallPage ??= new WallPage(feed, streamDialog, update);
  if ((streamPage?.name ?? null) === only) return;
  streamPage?.close();
  streamPage = only === null ? null : openStream(only);
}

function page(): TemplateResult {
  const status = streamPage === null ? null : feed.stream(streamPage.name);
  // The token of the tab, or the session.
  const user = api.token === null ? logIn.user : (feed.rights?.principal ?? null);
  const header = pageHeader(
    navigation(),
    html`<span class="summary">${summary(status)}</span>`,
    account(user, () => runInBackground(logOut())),
  );
  if (feed.state.kind === 'token') return html`${header}${logIn.renderCard()}`;
  const name = streamPage?.name;
  if (feed.state.kind === 'ok' && status === null && name !== undefined) return html`${header}${unknownStream(name)}`;
  return html`${header}${notice()}${(streamPage ?? wallPage)?.render() ?? html`<main class="empty">Connecting…</main>`}`;
}

function navigation(): TemplateResult | typeof nothing {
  if (feed.streams.length < 2 || streamPage === null) return nothing;
  const link = (stream: StreamStatus): TemplateResult => {
    const { tone, label, problem } = streamHealth(stream);
    return html`<a
      href=${streamUrl(stream)}
      aria-current=${stream.name === streamPage?.name ? 'page' : nothing}
      title=${problem === '' ? label : `${label}: ${problem}`}
      ><span class=${`dot ${tone}`}></span>${stream.name}</a
    >`;
  };
  return html`<nav aria-label="Streams"><a class="all" href="./">All streams</a>${feed.streams.map(link)}</nav>`;
}

let shownInNavigation = '';

/** Scrolls the navigation to the stream of the page, once per width of the window, because phones can be rotated. */
function showInNavigation(): void {
  const link = root.querySelector('nav [aria-current]');
  if (link === null || streamPage === null) return;
  const shown = `${streamPage.name} ${innerWidth}`;
  if (shown === shownInNavigation) return;
  shownInNavigation = shown;
  link.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

function streamUrl(stream: StreamStatus): string {
  return `?stream=${encodeURIComponent(stream.name)}`;
}

function summary(status: StreamStatus | null): TemplateResult {
  if (feed.state.kind === 'gone') return html`<span class="dot bad"></span>Gateway does not answer`;
  if (feed.state.kind === 'token') return html`<span class="dot"></span>Log-in required`;
  if (wallPage !== null && streamPage === null)
    return html`${plural(
      feed.streams.reduce((sum, { clients }) => sum + clients.length, 0),
      'client',
    )}`;
  if (status === null)
    return html`<span class="dot"></span>${feed.state.kind === 'ok' ? 'No such stream' : 'Connecting…'}`;
  const dot = html`<span class=${`dot ${streamHealth(status).tone}`}></span>`;
  const clients = plural(status.clients.length, 'client');
  // The navigation already shows the name.
  if (feed.streams.length > 1) return html`<span class="extra">${dot}${clients}</span>`;
  return html`${dot}<span class="stream-name" title=${status.name}>${status.name}</span><span class="extra">, ${clients}</span>`;
}

function notice(): TemplateResult | typeof nothing {
  if (feed.state.kind === 'gone') {
    return toast(
      `${capitalize(feed.state.reason ?? 'the gateway does not answer')}. This page reconnects automatically.`,
    );
  }
  return html`${actionNotice()}${configurationNotice()}${clusterNotice(feed.gateway?.cluster)}`;
}

/** Why the last action failed. */
function actionNotice(): TemplateResult | typeof nothing {
  const text = problem ?? streamPage?.problem ?? null;
  if (text === null) return nothing;
  const close = (event: Event): void => {
    problem = null;
    streamPage?.forgetProblem();
    update();
    moveFocus(event, 'header .icon');
  };
  return toast(html`${capitalize(text)} <button class="link" @click=${close}>Close</button>`);
}

/** For administrators: why the current content of the configuration file was not applied. */
function configurationNotice(): TemplateResult | typeof nothing {
  const fault = feed.gateway?.configuration?.problem ?? null;
  return fault === null
    ? nothing
    : html`<div class="notice" role="status">The configuration file was not applied: ${fault}</div>`;
}

function unknownStream(name: string): TemplateResult {
  return html`<main class="gate">
    <section class="panel" aria-label="No such stream">
      <h2>There is no stream called ${name}</h2>
      <ul class="links">
        ${feed.streams.map((stream) => html`<li><a href=${streamUrl(stream)}>Watch ${stream.name}</a></li>`)}
      </ul>
    </section>
  </main>`;
}

function toast(text: TemplateResult | string): TemplateResult {
  return html`<div class="notice toast" role="status">${text}</div>`;
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
      render(page(), root);
      streamPage?.updateDialogs();
      showInNavigation();
    }
  } finally {
    isRendering = false;
  }
}

/** Logs in before the viewer connects, which would otherwise have to connect again. */
async function start(): Promise<void> {
  const key = takeKey();
  // Reports a key from an earlier run of the gateway, which the gateway would otherwise silently ignore.
  if (key === null) runInBackground(logIn.refresh().then(update));
  else await logIn.becomeAdministrator(key);
  if (requestedStream !== null) streamPage ??= openStream(requestedStream);
  update();
  feed.start();
}

loadTheme();
update();
runInBackground(start());
