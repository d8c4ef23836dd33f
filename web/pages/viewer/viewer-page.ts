import './viewer-page.css';
import { runInBackground } from '../../background.ts';
import { loadToken, tokenOfAddress } from '../shared/page-token.ts';
import { fetchStreams } from '../shared/streams.ts';
import { sentence } from '../shared/text.ts';
import { GridView } from './grid-view.ts';
import { SingleView } from './single-view.ts';
import { pageContent, pageForm, showTitle } from './page-parts.ts';

const RETRY_MS = 1500;

// /viewer?stream=main&port=6007&fit=cover&rotate=90&mirror&spectate&bare: the picture only, in the size of the window.
// Further attributes of the viewer, such as &range=400,6000&colormap=turbo&color-bar&inspector&overlays.
// Several streams, stream=a,b,c,d: a grid. Without `stream`: the gateway's first one. viewer.html loads the viewer
// element.
const query = new URLSearchParams(location.search);
const addressToken = tokenOfAddress();
const pageToken = addressToken ?? loadToken();
// If another link is opened in the same tab, browsers do not reload the page if only the fragment differs.
addEventListener('hashchange', () => location.reload());
const notice = document.createElement('p');
notice.className = 'notice';

/** The script of the page runs before the element's file is loaded. */
const elementDefined = customElements.whenDefined('gearway-viewer');

runInBackground(open());

async function open(): Promise<void> {
  const names = [...new Set((query.get('stream') ?? '').split(',').filter((name) => name !== ''))];
  const [name] = names;
  if (name !== undefined && names.length === 1) {
    await elementDefined;
    new SingleView(query, pageToken, addressToken !== null).open(name);
    return;
  }
  // The page logs in once, instead of each viewer separately.
  const [{ token, first }] = await Promise.all([accessibleStreams(), elementDefined]);
  if (name === undefined) new SingleView(query, token, addressToken !== null).open(first);
  else openGrid(names, token);
}

function openGrid(names: readonly string[], token: string | null): void {
  let isChecking = false;
  const grid = new GridView(names, query, token, () => {
    if (isChecking) return;
    isChecking = true;
    runInBackground(checkLogIn().finally(() => (isChecking = false)));
  });
  grid.open();

  /** Asks for another log-in if this one has ended. A viewer may also have been refused because of its stream. */
  async function checkLogIn(): Promise<void> {
    if ((await fetchStreams(token)).kind !== 'token') return;
    grid.close();
    await open();
  }
}

/** Waits until the gateway responds and accepts the log-in. @returns the token, and the name of the first stream. */
async function accessibleStreams(): Promise<{ readonly token: string | null; readonly first: string }> {
  showTitle('Gearway');
  let token = pageToken;
  let enter: (token: string | null) => void = () => undefined;
  const form = pageForm((entered) => enter(entered));
  for (let hasEntered = false; ;) {
    const answer = await fetchStreams(token);
    if (answer.kind === 'token') {
      notice.remove();
      pageContent().append(form.element);
      const isRefused = token !== null || hasEntered;
      form.ask(isRefused ? '' : answer.reason);
      if (isRefused) form.refuse(answer.reason);
      token = await new Promise<string | null>((resolve) => (enter = resolve));
      hasEntered = true;
      continue;
    }
    const [first] = answer.kind === 'ok' ? answer.value : [];
    if (first !== undefined) {
      form.element.remove();
      notice.remove();
      return { token, first: first.name };
    }
    notice.textContent = answer.kind === 'gone' && answer.reason !== null ? sentence(answer.reason) : 'Connecting…';
    pageContent().append(notice);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
