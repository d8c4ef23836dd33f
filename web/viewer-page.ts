import './viewer-page.css';
import { runInBackground } from '../shared/background.ts';
import { closeCode } from '../shared/close-code.ts';
import type { Fit, GearwayViewer } from './gearway-viewer.ts';
import { loadToken, saveToken } from './page-token.ts';
import { fetchStreams } from './streams.ts';

const RETRY_MS = 1500;

// /viewer?stream=main&port=6007&fit=cover&rotate=90&mirror&spectate&bare: the picture alone, as large as the window. Without `stream`, the gateway's first.
// The element itself is loaded by the page (viewer.html).
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
main.append(heading, viewer);
document.body.append(main);

viewer.addEventListener('gearway-refused', ({ detail }) => {
  if (detail.code === closeCode.notAllowed) askForToken('refused', () => undefined);
});

runInBackground(watch(), reportError);

async function watch(): Promise<void> {
  show('Gearway', 'Connecting');
  const stream = query.get('stream') ?? (await firstStream());
  show(`${stream}, Gearway`, '');
  viewer.src = `streams/${encodeURIComponent(stream)}`;
}

function show(title: string, waiting: string): void {
  document.title = title;
  heading.textContent = title;
  viewer.querySelector('p')?.remove();
  if (waiting === '') return;
  const text = document.createElement('p');
  text.slot = 'connecting';
  text.textContent = waiting;
  viewer.append(text);
}

/** The first one that the gateway has; waits until it answers, and lets us know. */
async function firstStream(): Promise<string> {
  for (;;) {
    const answer = await fetchStreams(viewer.token);
    if (answer.kind === 'token') {
      show('Gearway', '');
      await new Promise<void>((resolve) => askForToken('connecting', resolve));
      continue;
    }
    const [first] = answer.kind === 'ok' ? answer.streams : [];
    if (first !== undefined) return first.name;
    show('Gearway', answer.kind === 'gone' && answer.reason !== null ? answer.reason : 'Connecting');
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** In place of what the viewer says in this state. */
function askForToken(state: 'connecting' | 'refused', given: () => void): void {
  if (document.querySelector('form') !== null) return;
  const form = document.createElement('form');
  form.slot = state;
  form.innerHTML = '<label>This gateway asks for its token <input name="token" type="password" autocomplete="off" required></label><button>Continue</button>';
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const token = new FormData(form).get('token');
    if (typeof token !== 'string' || token === '') return;
    saveToken(token);
    form.remove();
    viewer.token = token;
    given();
  });
  viewer.append(form);
}
