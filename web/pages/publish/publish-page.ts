import './publish-page.css';
import { html, nothing, render, type TemplateResult } from 'lit';
import { runInBackground } from '../../background.ts';
import { closeCode } from '../../../shared/close-code.ts';
import type { RightsStatus } from '../../../shared/status.ts';
import type { Facing, GearwayPublisher, PictureSize, PublisherInput } from '../../publisher/gearway-publisher.ts';
import { figure, figureList, note, plot } from '../shared/figures.ts';
import { LogInForm } from '../shared/log-in-form.ts';
import { account, pageHeader } from '../shared/page-header.ts';
import { loadToken } from '../shared/page-token.ts';
import { fetchSession, logOut } from '../shared/session.ts';
import { fetchRights, fetchStreams } from '../shared/streams.ts';
import { formatCount, sentence } from '../shared/text.ts';
import { loadTheme } from '../shared/theme.ts';
import { throttled } from '../shared/throttled.ts';
import { chooseTarget, lacksRight, obstacleNotice, type PublishTarget } from './publish-target.ts';
import { ReturnedPanel } from './returned-panel.ts';
import { secureHelp } from './secure-help.ts';
import { settingsPanel } from './settings-panel.ts';

// /publish?stream=main&input=screen&facing=user&size=1080p&fps=30&quality=90&name=phone&start
// Without `stream`: the first stream that accepts publishers. publish.html loads the publisher element.

/** Interval between updates of the figures. */
const UPDATE_MS = 500;

/** Minimum interval between updates of the return data. */
const DATA_MS = 100;

const query = new URLSearchParams(location.search);
const returned = new ReturnedPanel();
/** Null before it is known. */
let target: PublishTarget | null = null;
let problem: string | null = null;
/** Name of the user who is logged in by a session; null if nobody is. */
let user: string | null = null;
let hasLoggedIn = false;
/** Whether the user may not publish to the stream. The page then asks for another log-in before the start. */
let mustLogIn = false;

const publisher: GearwayPublisher = document.createElement('gearway-publisher');
publisher.token = loadToken();
const form = new LogInForm({
  label: 'Publishing requires a token',
  title: 'Log in to publish',
  right: 'publish',
  action: { text: 'Stop', run: () => publisher.stop() },
  isOnPicture: true,
  onLogIn: (token) => {
    hasLoggedIn = true;
    runInBackground(startAgain(token));
  },
});
publisher.name = query.get('name') ?? 'Browser';
publisher.input = (query.get('input') ?? 'camera') as PublisherInput;
// A phone that is used as a camera usually faces away from its user.
publisher.facing = (query.get('facing') ?? 'environment') as Facing;
if (query.has('size')) publisher.size = query.get('size') as PictureSize;
if (query.has('fps')) publisher.fps = Number(query.get('fps'));
if (query.has('quality')) publisher.quality = Number(query.get('quality'));

publisher.addEventListener('gearway-publisher-state', ({ detail }) => {
  if (detail.state === 'live') {
    problem = null;
    form.reset();
    hasLoggedIn = false;
    mustLogIn = false;
  }
  update();
});
publisher.addEventListener('gearway-publisher-failed', ({ detail }) => {
  // The element itself shows the reason, unless it continues with the previous camera.
  problem = publisher.state === 'failed' ? null : sentence(detail.reason);
  update();
});
publisher.addEventListener('gearway-publisher-frame-refused', ({ detail }) => {
  problem = `The gateway refused a frame: ${detail.reason}.`;
  update();
});
publisher.addEventListener('gearway-publisher-refused', ({ detail }) => {
  if (detail.code !== closeCode.notAllowed) return;
  mustLogIn = true;
  const isRefused = publisher.token !== null || hasLoggedIn;
  form.ask(isRefused ? '' : detail.reason);
  if (isRefused) form.refuse(detail.reason);
  runInBackground(findUser());
});
const updateSoon = throttled(update, DATA_MS);
publisher.addEventListener('gearway-publisher-data', (event) => {
  returned.add(event);
  updateSoon();
});

/**
 * The rights of the user; null if they are not known, because a token that grants publishing only does not allow
 * requesting its rights.
 */
async function findRights(): Promise<Pick<RightsStatus, 'rights' | 'streams'> | null> {
  const answer = await fetchRights(publisher.token);
  if (answer.kind === 'ok') return answer.value;
  if (answer.kind === 'gone' || publisher.token !== null) return null;
  const session = await fetchSession();
  return session.kind === 'ok' ? (session.value.user ?? { rights: [], streams: null }) : null;
}

/** Chooses the stream to publish to. A token that grants publishing only does not allow listing the streams. */
async function findStream(): Promise<void> {
  const [answer, rights] = await Promise.all([fetchStreams(publisher.token), findRights(), findUser()]);
  const isFirst = target === null;
  target = chooseTarget(query.get('stream'), answer.kind === 'ok' ? answer.value : null);
  const { stream, obstacle } = target;
  document.title = stream === null ? 'Publish, Gearway' : `Publish to ${stream}, Gearway`;
  publisher.src = stream === null ? '' : `streams/${encodeURIComponent(stream)}`;
  publisher.controls = true;
  mustLogIn = obstacle === null && lacksRight(target, rights);
  if (mustLogIn) form.ask(logInHint(stream));
  update();
  // On an insecure page, this shows the help immediately, because a log-in would be of no use.
  const isStarted = query.has('start') && !mustLogIn;
  if (isFirst && obstacle === null && (isStarted || !isSecureContext)) publisher.start();
}

function logInHint(stream: string | null): string {
  const remedy = 'an administrator of this gateway can give you access';
  return user === null ? remedy : `${user} may not publish to ${stream}; ${remedy}`;
}

/** Called after a log-in, which may allow the page to request more information about the stream. */
async function startAgain(token: string | null): Promise<void> {
  const isSame = publisher.token === token;
  const wasStarted = publisher.started;
  publisher.token = token;
  await findStream();
  if (target?.obstacle !== null || mustLogIn) publisher.stop();
  else if (wasStarted ? isSame : query.has('start')) publisher.start();
}

async function findUser(): Promise<void> {
  const answer = await fetchSession();
  if (answer.kind === 'ok') user = answer.value.user?.principal ?? null;
  update();
}

async function endSession(): Promise<void> {
  publisher.stop();
  const reason = await logOut();
  publisher.token = null;
  problem = reason === null ? null : sentence(reason);
  await findStream();
}

/** Replaces the element's notice when a log-in may help, or when the stream accepts no publishers. */
function slottedNotice(): TemplateResult | typeof nothing {
  const isRefused = publisher.code === closeCode.notAllowed;
  if (isRefused || (mustLogIn && publisher.state === 'idle')) {
    form.showAction(isRefused);
    return html`<div slot=${isRefused ? 'refused' : 'idle'}>${form.element}</div>`;
  }
  return target === null ? nothing : obstacleNotice(target);
}

function page(): TemplateResult {
  render(slottedNotice(), publisher);
  const { width, height } = publisher.stats;
  // A phone in portrait orientation has a portrait picture.
  if (width > 0) publisher.style.aspectRatio = `${width} / ${height}`;
  return html`${pageHeader(
    navigation(),
    nothing,
    account(user, () => runInBackground(endSession())),
  )} ${notice()}
    <main>
      <div class="column">
        ${publisher.code === 'insecure' ? secureHelp(new URL(location.href)) : nothing}
        <section class="panel picture" aria-label="Picture">${publisher}${figures()}</section>
      </div>
      <div class="column">${settingsPanel(publisher)}${returned.render()}</div>
    </main>`;
}

function navigation(): TemplateResult | typeof nothing {
  const stream = target?.stream ?? null;
  if (stream === null) return nothing;
  const parameters = `?stream=${encodeURIComponent(stream)}`;
  return html`<nav aria-label="This stream">
    <a href=${`publish${parameters}`} aria-current="page">Publish ${stream}</a
    ><a href=${`./${parameters}`}>Console</a>
  </nav>`;
}

function notice(): TemplateResult | typeof nothing {
  if (problem === null) return nothing;
  const close = (): void => {
    problem = null;
    update();
  };
  return html`<div class="notice toast" role="status">${problem} <button class="link" @click=${close}>Close</button></div>`;
}

function figures(): TemplateResult {
  const { stats, statsHistory: history } = publisher;
  const { sent, skipped, roundTripMs, clients, width, height } = stats;
  const hasSent = sent > 0;
  const rate = hasSent ? stats.framesPerSecond.toFixed(1) : '–';
  const bitRate = hasSent ? (stats.bitsPerSecond / 1e6).toFixed(1) : '–';
  const roundTrip = roundTripMs === null ? '–' : String(Math.round(roundTripMs));
  const size = width === 0 ? '–' : `${width}×${height}`;
  const sizeNote = width === 0 ? '' : `JPEG, ${stats.encodeMs.toFixed(0)} ms`;
  const clientsNote = clients === null ? '' : clients === 0 ? 'no viewers' : 'of this stream';
  const skippedNote = hasSent ? `of ${formatCount(sent + skipped)}` : '';
  return figureList([
    figure(
      'Sent',
      rate,
      'fps',
      plot(history, (reading) => reading.framesPerSecond),
    ),
    figure(
      'Bit rate',
      bitRate,
      'Mbit/s',
      plot(history, (reading) => reading.bitsPerSecond),
    ),
    figure(
      'Round trip',
      roundTrip,
      'ms',
      plot(history, (reading) => reading.roundTripMs ?? 0),
    ),
    figure('Size', size, '', note(sizeNote)),
    figure('Clients', clients === null ? '–' : String(clients), '', note(clientsNote)),
    figure('Skipped', hasSent ? formatCount(skipped) : '–', '', note(skippedNote)),
  ]);
}

function update(): void {
  render(page(), document.body);
}

loadTheme();
update();
setInterval(update, UPDATE_MS);
runInBackground(findStream());
