import '../console/console.css';
import './publish-page.css';
import { html, nothing, render, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';
import { closeCode } from '../../../shared/close-code.ts';
import { groups } from '../console/text.ts';
import { loadTheme, toggleTheme } from '../console/theme.ts';
import { loadToken, saveToken } from '../shared/page-token.ts';
import type { Facing, GearwayPublisher, PictureSize, PublisherInput, PublisherStats } from '../../publisher/gearway-publisher.ts';
import { sparkline } from '../../viewer/ui/sparkline.ts';
import { fetchStreams } from '../shared/streams.ts';
import { throttled } from '../shared/throttled.ts';
import { TokenForm } from '../shared/token-form.ts';
import { ReturnedPanel } from './returned-panel.ts';
import { secureHelp } from './secure-help.ts';
import { settingsPanel } from './settings-panel.ts';

// /publish?stream=main&input=screen&facing=user&size=1080p&fps=30&quality=90&name=phone&start: without `stream`, the first that takes publishers.
// The element itself is loaded by the page (publish.html).
const UPDATE_MS = 500;

const DATA_MS = 100;

const DEFAULT_STREAM = 'main';

const query = new URLSearchParams(location.search);
const returned = new ReturnedPanel();
let stream = '';
let problem: string | null = null;

const publisher: GearwayPublisher = document.createElement('gearway-publisher');
publisher.token = loadToken();
const tokenForm = new TokenForm({
  label: 'Publishing requires a token',
  action: { text: 'Stop', run: () => publisher.stop() },
  isOnPicture: true,
  onToken: (token) => {
    // The same one again is another attempt.
    if (publisher.token === token) publisher.start();
    else publisher.token = token;
  },
});
publisher.name = query.get('name') ?? 'Browser';
publisher.input = (query.get('input') ?? 'camera') as PublisherInput;
// A phone that is put up as a camera looks away from who did it.
publisher.facing = (query.get('facing') ?? 'environment') as Facing;
if (query.has('size')) publisher.size = query.get('size') as PictureSize;
if (query.has('fps')) publisher.fps = Number(query.get('fps'));
if (query.has('quality')) publisher.quality = Number(query.get('quality'));

publisher.addEventListener('gearway-publisher-state', ({ detail }) => {
  if (detail.state === 'live') {
    problem = null;
    tokenForm.reset();
    if (publisher.token !== null) saveToken(publisher.token);
  }
  update();
});
publisher.addEventListener('gearway-publisher-failed', ({ detail }) => {
  // Where it goes on without, the picture does not say so.
  problem = publisher.state === 'failed' ? null : `${detail.reason.charAt(0).toUpperCase()}${detail.reason.slice(1)}.`;
  update();
});
publisher.addEventListener('gearway-publisher-frame-refused', ({ detail }) => {
  problem = `The gateway refused a frame: ${detail.reason}.`;
  update();
});
publisher.addEventListener('gearway-publisher-refused', ({ detail }) => {
  if (detail.code !== closeCode.notAllowed) return;
  if (publisher.token === null) tokenForm.ask(detail.reason);
  else tokenForm.refuse(detail.reason);
});
const updateSoon = throttled(update, DATA_MS);
publisher.addEventListener('gearway-publisher-data', (event) => {
  returned.add(event);
  updateSoon();
});

async function findStream(): Promise<void> {
  stream = query.get('stream') ?? (await firstForPublishers());
  document.title = `Publish to ${stream}, Gearway`;
  publisher.src = `streams/${encodeURIComponent(stream)}`;
  publisher.controls = true;
  update();
  // Where nothing can come of it, that is said at once.
  if (query.has('start') || !isSecureContext) publisher.start();
}

/** A token that lets its owner publish and no more does not show which there are. */
async function firstForPublishers(): Promise<string> {
  const answer = await fetchStreams(publisher.token);
  const first = answer.kind === 'ok' ? answer.value.find(({ source }) => source.kind === 'push') : undefined;
  return first?.name ?? DEFAULT_STREAM;
}

/** In place of the element's own words, where a token may help. */
function tokenPrompt(): TemplateResult | typeof nothing {
  return publisher.code === closeCode.notAllowed ? html`<div slot="refused">${tokenForm.element}</div>` : nothing;
}

function page(): TemplateResult {
  render(tokenPrompt(), publisher);
  const { width, height } = publisher.stats;
  // A phone held upright has an upright picture.
  if (width > 0) publisher.style.aspectRatio = `${width} / ${height}`;
  const there = `?stream=${encodeURIComponent(stream)}`;
  return html`
    <header>
      <h1 class="mark">${mark}Gearway</h1>
      ${stream === '' ? nothing : html`<nav aria-label="This stream"><a href=${`publish${there}`} aria-current="page">Publish ${stream}</a><a href=${`./${there}`}>Console</a></nav>`}
      <span class="grow"></span>
      <button class="icon" aria-label="Switch between dark and light" title="Dark or light" @click=${toggleTheme}>${moon}</button>
    </header>
    ${problem === null ? nothing : html`<div class="notice" role="status">${problem} <button class="link" @click=${() => ((problem = null), update())}>Close</button></div>`}
    <main>
      <div class="column">
        ${publisher.code === 'insecure' ? secureHelp(new URL(location.href)) : nothing}
        <section class="panel picture" aria-label="Picture">${publisher}${figures()}</section>
      </div>
      <div class="column">${settingsPanel(publisher)}${returned.render()}</div>
    </main>
  `;
}

function figures(): TemplateResult {
  const { stats, statsHistory } = publisher;
  const plot = (value: (reading: PublisherStats) => number): TemplateResult => sparkline(statsHistory.map(value));
  const note = (text: string): TemplateResult => html`<dd class="note">${text}</dd>`;
  const figure = (title: string, value: string, unit: string, below: TemplateResult): TemplateResult => html`<div>
    <dt>${title}</dt>
    <dd>${value} <small>${unit}</small></dd>
    ${below}
  </div>`;
  return html`<dl class="figures">
    ${figure('Sent', stats.sent === 0 ? '–' : stats.framesPerSecond.toFixed(1), 'fps', plot(({ framesPerSecond }) => framesPerSecond))}
    ${figure('Bit rate', stats.sent === 0 ? '–' : (stats.bitsPerSecond / 1e6).toFixed(1), 'Mbit/s', plot(({ bitsPerSecond }) => bitsPerSecond))}
    ${figure('Round trip', stats.roundTripMs === null ? '–' : String(Math.round(stats.roundTripMs)), 'ms', plot(({ roundTripMs }) => roundTripMs ?? 0))}
    ${figure('Size', stats.width === 0 ? '–' : `${stats.width}×${stats.height}`, '', note(stats.width === 0 ? '' : `JPEG, ${stats.encodeMs.toFixed(0)} ms`))}
    ${figure('Clients', stats.clients === null ? '–' : String(stats.clients), '', note(stats.clients === null ? '' : stats.clients === 0 ? 'nobody watches' : 'of this stream'))}
    ${figure('Skipped', stats.sent === 0 ? '–' : groups(stats.skipped), '', note(stats.sent === 0 ? '' : `of ${groups(stats.sent + stats.skipped)}`))}
  </dl>`;
}

const mark = html`<svg width="22" height="22" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true"><rect x="2.5" y="5" width="12" height="14" rx="2.5" /><path d="M14.5 10l7-4v12l-7-4" stroke-linejoin="round" /></svg>`;
const moon = html`<svg width="18" height="18" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true"><path d="M20 14A8 8 0 1 1 10 4a6.5 6.5 0 0 0 10 10z" /></svg>`;

function update(): void {
  render(page(), document.body);
}

loadTheme();
update();
setInterval(update, UPDATE_MS);
runInBackground(findStream());
