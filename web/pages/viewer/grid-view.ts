import { closeCode } from '../../../shared/close-code.ts';
import type { Fit, GearwayViewer } from '../../viewer/gearway-viewer.ts';
import { gridColumns } from './grid-columns.ts';
import { nameLabel, pageContent, showTitle } from './page-parts.ts';

/** Several streams in a grid that fills the window, for a wall display. Its viewers are spectators without ports. */
export class GridView {
  readonly #names: readonly string[];
  readonly #viewers: readonly GearwayViewer[];
  readonly #grid = document.createElement('div');

  /** @param onRefused called when a viewer is not allowed to connect, for example because the log-in has ended. */
  constructor(names: readonly string[], query: URLSearchParams, token: string | null, onRefused: () => void) {
    this.#names = names;
    this.#viewers = names.map((name) => createViewer(name, query, token));
    for (const viewer of this.#viewers) {
      viewer.addEventListener('gearway-refused', ({ detail }) => {
        if (detail.code === closeCode.notAllowed) onRefused();
      });
    }
    this.#grid.className = 'grid';
  }

  open(): void {
    showTitle(`${this.#names.join(', ')}, Gearway`);
    this.#grid.append(...this.#viewers);
    pageContent().append(this.#grid);
    this.#arrange();
    new ResizeObserver(() => this.#arrange()).observe(this.#grid);
  }

  /** Removes the grid, and disconnects its viewers. Idempotent. */
  close(): void {
    this.#grid.remove();
  }

  #arrange(): void {
    const { clientWidth, clientHeight } = this.#grid;
    this.#grid.style.setProperty('--columns', String(gridColumns(this.#viewers.length, clientWidth, clientHeight)));
  }
}

function createViewer(name: string, query: URLSearchParams, token: string | null): GearwayViewer {
  const viewer = document.createElement('gearway-viewer');
  viewer.src = `streams/${encodeURIComponent(name)}`;
  viewer.token = token;
  viewer.spectate = true;
  viewer.controls = !query.has('bare');
  viewer.fit = (query.get('fit') ?? 'contain') as Fit;
  viewer.name = query.get('name') ?? 'Wall display';
  viewer.append(nameLabel(name, `viewer?stream=${encodeURIComponent(name)}`));
  return viewer;
}
