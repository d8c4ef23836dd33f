import { closeCode } from '../../../shared/close-code.ts';
import type { Fit, GearwayViewer } from '../../viewer/gearway-viewer.ts';
import type { LogInForm } from '../shared/log-in-form.ts';
import { pageContent, pageForm, showTitle } from './page-parts.ts';

/** One stream in the size of the window. */
export class SingleView {
  readonly #viewer: GearwayViewer = document.createElement('gearway-viewer');
  readonly #form: LogInForm;
  #hasLoggedIn = false;

  constructor(query: URLSearchParams, token: string | null) {
    const viewer = this.#viewer;
    const port = Number(query.get('port') ?? '0');
    viewer.requestedPort = Number.isInteger(port) && port > 0 ? port : null;
    viewer.token = token;
    viewer.controls = !query.has('bare');
    viewer.spectate = query.has('spectate');
    viewer.mirror = query.has('mirror');
    viewer.rotate = Number(query.get('rotate') ?? '0');
    viewer.fit = (query.get('fit') ?? 'contain') as Fit;
    viewer.name = query.get('name') ?? '';
    this.#form = pageForm((entered) => {
      this.#hasLoggedIn = true;
      if (viewer.token === entered) viewer.reconnect();
      else viewer.token = entered;
    });
    this.#form.element.slot = 'refused';
    viewer.addEventListener('gearway-refused', ({ detail }) => {
      if (detail.code === closeCode.notAllowed) this.#ask(detail.reason);
    });
    viewer.addEventListener('gearway-open', () => {
      this.#form.reset();
      this.#form.element.remove();
      this.#hasLoggedIn = false;
    });
  }

  open(stream: string): void {
    showTitle(`${stream}, Gearway`);
    this.#viewer.src = `streams/${encodeURIComponent(stream)}`;
    pageContent().append(this.#viewer);
  }

  /** Replaces the viewer's notice with the log-in form. */
  #ask(reason: string): void {
    if (this.#form.element.parentElement !== this.#viewer) this.#viewer.append(this.#form.element);
    this.#form.ask(this.#viewer.token === null && !this.#hasLoggedIn ? reason : '');
    if (this.#viewer.token !== null || this.#hasLoggedIn) this.#form.refuse(reason);
  }
}
