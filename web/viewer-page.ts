import './viewer-page.css';
import { closeCode } from '../shared/close-code.ts';
import type { Fit, GearwayViewer } from './gearway-viewer.ts';
import { loadToken, saveToken } from './page-token.ts';

// /viewer?stream=main&port=6007&fit=cover&rotate=90&mirror&spectate&bare: the picture alone, as large as the window.
// The element itself is loaded by the page (viewer.html).
const query = new URLSearchParams(location.search);
const stream = query.get('stream') ?? 'main';
const port = Number(query.get('port') ?? '0');

const viewer: GearwayViewer = document.createElement('gearway-viewer');
viewer.src = `streams/${encodeURIComponent(stream)}`;
viewer.requestedPort = Number.isInteger(port) && port > 0 ? port : null;
viewer.token = loadToken();
viewer.controls = !query.has('bare');
viewer.spectate = query.has('spectate');
viewer.mirror = query.has('mirror');
viewer.rotate = Number(query.get('rotate') ?? '0');
viewer.fit = (query.get('fit') ?? 'contain') as Fit;
viewer.name = query.get('name') ?? '';
document.title = `${stream}, Gearway`;
const main = document.createElement('main');
const heading = document.createElement('h1');
heading.textContent = document.title;
main.append(heading, viewer);
document.body.append(main);

viewer.addEventListener('gearway-refused', ({ detail }) => {
  if (detail.code !== closeCode.notAllowed || document.querySelector('form') !== null) return;
  const form = document.createElement('form');
  form.slot = 'refused';
  form.innerHTML = '<label>This gateway asks for its token <input name="token" type="password" autocomplete="off" required></label><button>Continue</button>';
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const token = new FormData(form).get('token');
    if (typeof token !== 'string' || token === '') return;
    saveToken(token);
    form.remove();
    viewer.token = token;
  });
  viewer.append(form);
});
