import './gearway-viewer.ts';
import './viewer-page.css';
import { closeCode } from '../shared/protocol.ts';
import { loadToken, saveToken } from './page-token.ts';

// /viewer?stream=main&port=6007: the picture alone, as large as the window.
const query = new URLSearchParams(location.search);
const stream = query.get('stream') ?? 'main';
const port = Number(query.get('port') ?? '0');

const viewer = document.createElement('gearway-viewer');
viewer.src = `/streams/${encodeURIComponent(stream)}`;
viewer.requestedPort = Number.isInteger(port) && port > 0 ? port : null;
viewer.token = loadToken();
document.title = `${stream}, Gearway`;
document.body.append(viewer);

viewer.addEventListener('gearway-refused', ({ detail }) => {
  if (detail.code !== closeCode.notAllowed || document.querySelector('form') !== null) return;
  const form = document.createElement('form');
  form.innerHTML = '<label>This gateway asks for its token <input name="token" type="password" autocomplete="off" required></label><button>Continue</button>';
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const token = new FormData(form).get('token');
    if (typeof token !== 'string' || token === '') return;
    saveToken(token);
    form.remove();
    viewer.token = token;
  });
  document.body.append(form);
});
