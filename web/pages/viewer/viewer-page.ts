import './viewer-page.css';
import { runInBackground } from '../../background.ts';
import { closeCode } from '../../../shared/close-code.ts';
import type { Fit, GearwayViewer } from '../../viewer/gearway-viewer.ts';
import { loadToken, saveToken } from '../shared/page-token.ts';
import { fetchStreams } from '../shared/streams.ts';
import { TokenForm } from '../shared/token-form.ts';

const RETRY_MS = 1500;

// /viewer?stream=main&port=6007&fit=cover&rotate=90&mirror&spectate&bare: the picture only, in the size of the window.
// Without `stream`: the gateway's first stream. viewer.html loads the viewer element.
const query = new URLSearchParams(location.search);
const port = Number(query.get('port') ?? '0');

const viewer: GearwayViewer = document.createElement('gearway-viewer');
viewer.requestedPort = Number.isInteger(port) && port > 0 ? port : null;
viewer.token = loadToken();
viewer.controls = !query.has('bare');
viewer.spectate = query.has('spectate');
viewer.mirror = query.has('mirror');
viewer.rotate = Number(query.get('rotate') ?? '0');
viewer.fit = (query.get('fit') ?? 'contain') as Fit;
viewer.name = query.get('name') ?? '';
const main = document.createElement('main');
const heading = document.createElement('h1');
const noticeElement = document.createElement('p');
noticeElement.slot = 'connecting';
main.append(heading, viewer);
document.body.append(main);

/** Handles the next token that is entered. */
let onToken: (token: string) => void = () => undefined;
const form = new TokenForm({
  label: 'This gateway requires a token',
  isOnPicture: true,
  onToken: (token) => onToken(token),
});

viewer.addEventListener('gearway-refused', ({ detail }) => {
  if (detail.code !== closeCode.notAllowed) return;
  showForm('refused');
  onToken = (token) => {
    // Entering the same token again is another attempt.
    if (viewer.token === token) viewer.reconnect();
    else viewer.token = token;
  };
  if (viewer.token === null) form.ask(detail.reason);
  else form.refuse(detail.reason);
});
viewer.addEventListener('gearway-open', () => {
  form.reset();
  form.element.remove();
  if (viewer.token !== null) saveToken(viewer.token);
});

runInBackground(watch());

async function watch(): Promise<void> {
  show('Gearway', 'Connecting…');
  const stream = query.get('stream') ?? (await firstStream());
  show(`${stream}, Gearway`, '');
  viewer.src = `streams/${encodeURIComponent(stream)}`;
}

/** @param notice replaces the viewer's notice while connecting; empty for none. */
function show(title: string, notice: string): void {
  document.title = title;
  heading.textContent = title;
  noticeElement.textContent = notice;
  if (notice === '') noticeElement.remove();
  else viewer.append(noticeElement);
}

/** The gateway's first stream. Waits until the gateway responds and accepts the token. */
async function firstStream(): Promise<string> {
  for (let isAsking = false; ; ) {
    const answer = await fetchStreams(viewer.token);
    if (answer.kind === 'token') {
      show('Gearway', '');
      showForm('connecting');
      if (viewer.token !== null) form.refuse(answer.reason);
      else if (!isAsking) form.ask(answer.reason);
      isAsking = true;
      viewer.token = await new Promise<string>((resolve) => (onToken = resolve));
      continue;
    }
    const [first] = answer.kind === 'ok' ? answer.value : [];
    if (first !== undefined) {
      form.element.remove();
      return first.name;
    }
    show('Gearway', answer.kind === 'gone' && answer.reason !== null ? answer.reason : 'Connecting…');
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** Replaces the viewer's notice in this state with the token form. */
function showForm(state: 'connecting' | 'refused'): void {
  form.element.slot = state;
  if (form.element.parentElement !== viewer) viewer.append(form.element);
}
