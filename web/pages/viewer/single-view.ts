import { closeCode } from '../../../shared/close-code.ts';
import type { Fit, GearwayViewer } from '../../viewer/gearway-viewer.ts';
import type { LogInForm } from '../shared/log-in-form.ts';
import { sentence } from '../shared/text.ts';
import { linkNotice, nameLabel, pageContent, pageForm, showTitle } from './page-parts.ts';

/** Attributes of the viewer that the address can set. A boolean attribute is set by its name alone. */
const ATTRIBUTES = [
  'overlays',
  'overlay-classes',
  'overlay-min-score',
  'range',
  'colormap',
  'invert',
  'no-data',
  'nan-color',
  'below-color',
  'above-color',
  'channel-order',
  'raw',
  'unit',
  'color-bar',
  'inspector',
] as const;

/** One stream in the size of the window. */
export class SingleView {
  readonly #viewer: GearwayViewer = document.createElement('gearway-viewer');
  readonly #form: LogInForm;
  /** Whether the page links to the other pages. */
  readonly #hasLinks: boolean;
  #hasLoggedIn = false;

  /** @param isShared whether the page was opened by a link that contains a token. */
  constructor(query: URLSearchParams, token: string | null, isShared: boolean) {
    // Users of a share link may not open the console, and a page in a frame belongs to another page.
    this.#hasLinks = !isShared && window.parent === window;
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
    for (const name of ATTRIBUTES) {
      const value = query.get(name);
      if (value !== null) viewer.setAttribute(name, value);
    }
    this.#form = pageForm((entered) => {
      this.#hasLoggedIn = true;
      if (viewer.token === entered) viewer.reconnect();
      else viewer.token = entered;
    });
    this.#form.element.slot = 'refused';
    viewer.addEventListener('gearway-refused', ({ detail }) => {
      if (detail.code === closeCode.notAllowed) this.#ask(detail.reason);
      else if (this.#hasLinks) this.#explain(detail.code, detail.reason);
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
    if (this.#viewer.controls) {
      const address = this.#hasLinks ? `./?stream=${encodeURIComponent(stream)}` : null;
      this.#viewer.append(nameLabel(stream, address));
    }
    pageContent().append(this.#viewer);
  }

  /** Replaces the viewer's notice after a refusal that another attempt would not change. */
  #explain(code: number, reason: string): void {
    const notice =
      code === closeCode.unknownStream
        ? linkNotice('No such stream', sentence(reason), { text: 'All streams', href: './' })
        : code === closeCode.portOutOfRange
          ? linkNotice('No such port', sentence(reason), { text: 'Use any port', href: addressWithoutPort() })
          : null;
    if (notice === null) return;
    this.#form.element.remove();
    this.#viewer.querySelector(':scope > .on-picture')?.remove();
    notice.slot = 'refused';
    this.#viewer.append(notice);
  }

  /** Replaces the viewer's notice with the log-in form. */
  #ask(reason: string): void {
    if (this.#form.element.parentElement !== this.#viewer) this.#viewer.append(this.#form.element);
    this.#form.ask(this.#viewer.token === null && !this.#hasLoggedIn ? reason : '');
    if (this.#viewer.token !== null || this.#hasLoggedIn) this.#form.refuse(reason);
  }
}

function addressWithoutPort(): string {
  const address = new URL(location.href);
  address.searchParams.delete('port');
  return address.href;
}
