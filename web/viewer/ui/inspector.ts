import { html, nothing, svg, type TemplateResult } from 'lit';
import type { PixelArea } from '../../../shared/arrays/inspection.ts';
import { runInBackground } from '../../background.ts';
import type { AreaInspection, PixelInspection } from '../arrays/inspection-query.ts';
import type { ShownArray } from '../arrays/shown-array.ts';
import type { Point } from '../picture-geometry.ts';
import type { ViewerStats } from '../viewer-messages.ts';
import { formatValue } from './format-value.ts';
import { drawMagnifier } from './magnifier.ts';

/** The part of the viewer's public API that is used here. */
export interface InspectedViewer extends HTMLElement {
  range: string;
  readonly unit: string;
  readonly rotate: number;
  readonly mirror: boolean;
  readonly shownArray: ShownArray | null;
  readonly stats: ViewerStats;
  toPicture(clientX: number, clientY: number): Point | null;
  toClient(x: number, y: number): Point | null;
  inspectPixel(x: number, y: number): Promise<PixelInspection | null>;
  inspectArea(area: PixelArea): Promise<AreaInspection | null>;
}

/** What a drag and the arrow keys do: move the point, select an area, or change the range. */
type Tool = 'point' | 'area' | 'range';

const ARROWS: Readonly<Record<string, Point>> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

/** Part of the range by which one px of a drag, or an arrow key, changes it. */
const RANGE_STEP = { drag: 1 / 200, key: 1 / 20 } as const;

const WITH_SHIFT = 10;

/** Values under the pointer, statistics of an area, and the range by drag. The values come from the frame's data. */
export class Inspector {
  readonly #viewer: InspectedViewer;
  readonly #stage: HTMLElement;
  readonly #onChange: () => void;
  readonly #abort = new AbortController();
  #tool: Tool = 'point';
  /** Pixel of the picture; null before the first one. */
  #point: Point | null = null;
  /** The other corner of the area. */
  #anchor: Point | null = null;
  /** The pointer's last position during a drag. */
  #drag: Point | null = null;
  #pixel: PixelInspection | null = null;
  #area: AreaInspection | null = null;
  /** Of the last frame. */
  #size: Point | null = null;
  #isBusy = false;
  #isStale = false;
  /** For screen readers: only what keys have changed. */
  #announcement = '';
  #announcesNext = false;

  /** @param onChange called when {@link render} would give something else. */
  constructor(viewer: InspectedViewer, stage: HTMLElement, onChange: () => void) {
    this.#viewer = viewer;
    this.#stage = stage;
    this.#onChange = onChange;
    const { signal } = this.#abort;
    stage.addEventListener('pointerdown', (event) => this.#onDown(event), { signal, capture: true });
    stage.addEventListener('pointermove', (event) => this.#onMove(event), { signal, capture: true });
    for (const type of ['pointerup', 'pointercancel'] as const)
      stage.addEventListener(type, () => (this.#drag = null), { signal, capture: true });
    viewer.addEventListener(
      'gearway-frame',
      ({ detail: { width, height } }) => {
        this.#size = { x: width, y: height };
        this.#refresh();
      },
      { signal },
    );
    viewer.addEventListener('gearway-view', () => onChange(), { signal });
  }

  /** Removes the listeners. Idempotent. */
  close(): void {
    this.#abort.abort();
  }

  /** @returns whether the key was handled. */
  keydown({ key, shiftKey }: KeyboardEvent): boolean {
    const arrow = ARROWS[key];
    if (arrow !== undefined) {
      const factor = shiftKey ? WITH_SHIFT : 1;
      if (this.#tool === 'range') {
        this.#changeRange(arrow.x * factor * RANGE_STEP.key, arrow.y * factor * RANGE_STEP.key);
      } else {
        this.#announcesNext = true;
        this.#moveBy(arrow.x * factor, arrow.y * factor);
      }
      return true;
    }
    if (key.toLowerCase() === 'a') this.#choose('area');
    else if (key.toLowerCase() === 'w') this.#choose('range');
    else if (key === 'Escape' && this.#tool !== 'point') this.#choose(this.#tool);
    else return false;
    return true;
  }

  render(): TemplateResult {
    const text =
      this.#pixel === null ? 'Point at the picture, or press an arrow key' : pixelText(this.#pixel, this.#viewer.unit);
    const button = (tool: Tool, label: string, key: string): TemplateResult =>
      html`<button part="button" type="button" aria-pressed=${this.#tool === tool} aria-keyshortcuts=${key} title=${`${label} (${key})`} @click=${() => this.#choose(tool)}>${label}</button>`;
    return html`${this.#marker()}
      <div part="inspector" class="inspector" role="group" aria-label="Inspector">
        <div class="reading">
          ${this.#pixel === null ? nothing : html`<canvas class="magnifier" width="9" height="9" aria-hidden="true"></canvas>`}
          <span class="value">${text}</span>
        </div>
        ${this.#area === null ? nothing : areaPanel(this.#area, this.#viewer.unit)}
        <div class="tools">
          ${button('area', 'Area', 'A')} ${this.#viewer.shownArray === null ? nothing : button('range', 'Range', 'W')}
        </div>
        <span class="announcement" role="status">${this.#announcement}</span>
      </div>`;
  }

  /** Draws the magnifier, once the result of {@link render} is in the page. */
  rendered(): void {
    const target = this.#stage.querySelector<HTMLCanvasElement>('canvas.magnifier');
    const source = this.#stage.querySelector<HTMLCanvasElement>('.picture canvas');
    const size = this.#pictureSize();
    if (target === null || source === null || size === null || this.#pixel === null) return;
    drawMagnifier(target, source, { at: this.#pixel, size, rotate: this.#viewer.rotate, mirror: this.#viewer.mirror });
  }

  /** In its own pixels; null before the first frame. */
  #pictureSize(): Point | null {
    if (this.#size !== null) return this.#size;
    // While paused, no frame arrives.
    const { width, height } = this.#viewer.stats;
    return width === 0 ? null : { x: width, y: height };
  }

  #choose(tool: Tool): void {
    this.#tool = this.#tool === tool ? 'point' : tool;
    // The area begins at the point, so that arrow keys extend it.
    this.#anchor = this.#tool === 'area' ? this.#point : null;
    if (this.#tool !== 'area') this.#area = null;
    this.#stage.classList.toggle('inspecting', this.#tool !== 'point');
    this.#refresh();
    this.#onChange();
  }

  #onDown(event: PointerEvent): void {
    if (event.button !== 0 || isControl(event)) return;
    if (this.#tool === 'point') {
      this.#moveTo(event);
      return;
    }
    // No pan and no zoom meanwhile.
    event.stopPropagation();
    event.preventDefault();
    this.#stage.setPointerCapture(event.pointerId);
    this.#drag = { x: event.clientX, y: event.clientY };
    if (this.#tool === 'area' && this.#moveTo(event)) this.#anchor = this.#point;
  }

  #onMove(event: PointerEvent): void {
    const drag = this.#drag;
    if (this.#tool === 'range') {
      if (drag === null) return;
      this.#drag = { x: event.clientX, y: event.clientY };
      this.#changeRange((event.clientX - drag.x) * RANGE_STEP.drag, (event.clientY - drag.y) * RANGE_STEP.drag);
    } else if ((this.#tool === 'point' || drag !== null) && !isControl(event)) {
      this.#moveTo(event);
    }
  }

  /** @returns whether the position is in the picture. */
  #moveTo({ clientX, clientY }: PointerEvent): boolean {
    const position = this.#viewer.toPicture(clientX, clientY);
    const size = this.#pictureSize();
    if (position === null || size === null) return false;
    const [x, y] = [Math.floor(position.x), Math.floor(position.y)];
    const isInside = x >= 0 && y >= 0 && x < size.x && y < size.y;
    if (!isInside && this.#drag === null) return false;
    this.#set({ x: clamp(x, size.x), y: clamp(y, size.y) });
    return isInside;
  }

  #moveBy(x: number, y: number): void {
    const size = this.#pictureSize();
    if (size === null) return;
    const from = this.#point ?? { x: Math.floor(size.x / 2), y: Math.floor(size.y / 2) };
    this.#set(this.#point === null ? from : { x: clamp(from.x + x, size.x), y: clamp(from.y + y, size.y) });
  }

  #set(point: Point): void {
    this.#point = point;
    this.#refresh();
  }

  /** To the right widens the range, downwards moves it up, which darkens: window and level of medical viewers. */
  #changeRange(width: number, level: number): void {
    const shown = this.#viewer.shownArray;
    if (shown === null) return;
    const extent = shown.high - shown.low || Math.abs(shown.high) || 1;
    const half = (extent * Math.max(0.1, 1 + width)) / 2;
    const centre = (shown.low + shown.high) / 2 + level * extent;
    this.#viewer.range = `${centre - half},${centre + half}`;
    this.#announcement = `Range ${formatValue(centre - half)} to ${formatValue(centre + half)}`;
  }

  /** One request at a time: what changes meanwhile is requested next. */
  #refresh(): void {
    this.#isStale = true;
    if (!this.#isBusy) runInBackground(this.#update());
  }

  async #update(): Promise<void> {
    this.#isBusy = true;
    try {
      while (this.#isStale && !this.#abort.signal.aborted) {
        this.#isStale = false;
        await this.#inspect();
        this.#onChange();
      }
    } finally {
      this.#isBusy = false;
    }
  }

  async #inspect(): Promise<void> {
    const point = this.#point;
    if (point === null) return;
    const area = this.#selected();
    // What keys change from now on is announced with the next result.
    const isAnnounced = this.#announcesNext;
    this.#announcesNext = false;
    this.#pixel = await this.#viewer.inspectPixel(point.x, point.y);
    this.#area = area && (await this.#viewer.inspectArea(area));
    if (!isAnnounced || this.#pixel === null || this.#tool === 'range') return;
    this.#announcement =
      this.#area === null ? pixelText(this.#pixel, this.#viewer.unit) : areaText(this.#area, this.#viewer.unit);
  }

  #selected(): PixelArea | null {
    const [from, to] = [this.#anchor, this.#point];
    if (this.#tool !== 'area' || from === null || to === null) return null;
    return {
      x: Math.min(from.x, to.x),
      y: Math.min(from.y, to.y),
      width: Math.abs(to.x - from.x) + 1,
      height: Math.abs(to.y - from.y) + 1,
    };
  }

  /** A frame around the inspected pixel or area. */
  #marker(): TemplateResult | typeof nothing {
    const point = this.#point;
    if (point === null) return nothing;
    const { x, y, width, height } = this.#selected() ?? { ...point, width: 1, height: 1 };
    const [from, to] = [this.#viewer.toClient(x, y), this.#viewer.toClient(x + width, y + height)];
    if (from === null || to === null) return nothing;
    const stage = this.#stage.getBoundingClientRect();
    const [left, top] = [Math.min(from.x, to.x) - stage.x, Math.min(from.y, to.y) - stage.y];
    return html`<svg class="marker" aria-hidden="true">
      ${svg`<rect x=${left - 1.5} y=${top - 1.5} width=${Math.abs(to.x - from.x) + 3} height=${Math.abs(to.y - from.y) + 3} />`}
    </svg>`;
  }
}

function isControl(event: Event): boolean {
  return event
    .composedPath()
    .some(
      (target) =>
        target instanceof HTMLElement && target.matches('button, a, input, select, .controls, .inspector, .stats'),
    );
}

function clamp(value: number, size: number): number {
  return Math.min(size - 1, Math.max(0, value));
}

/** `x 12, y 7: 1234 mm`. */
export function pixelText({ x, y, dtype, values, isNoData }: PixelInspection, unit: string): string {
  const names = dtype === 'jpeg' ? ['R', 'G', 'B'] : values.length > 1 ? ['B', 'G', 'R', 'A'] : [''];
  const text = values.map((value, channel) => `${names[channel] ?? ''} ${formatExact(value)}`.trim()).join(' ');
  return `x ${x}, y ${y}: ${isNoData ? `no data (${text})` : text}${unit === '' || dtype === 'jpeg' ? '' : ` ${unit}`}`;
}

function areaText({ area, channels }: AreaInspection, unit: string): string {
  const [first] = channels;
  if (first === undefined || first.mean === null) return `${area.width}×${area.height}: no data`;
  return `${area.width}×${area.height}: mean ${formatValue(first.mean)}, ${formatValue(first.min ?? 0)} to ${formatValue(first.max ?? 0)} ${unit}`.trim();
}

/** All digits that tell a value from its neighbours of the same type, at most nine. */
function formatExact(value: number): string {
  return Number.isInteger(value) || !Number.isFinite(value) ? String(value) : String(Number(value.toPrecision(9)));
}

function areaPanel({ area, channels }: AreaInspection, unit: string): TemplateResult {
  const cell = (value: number | null): string => (value === null ? '–' : formatValue(value));
  const [first] = channels;
  const most = Math.max(1, ...(first?.histogram ?? []));
  return html`<div class="area">
    <span>${area.width}×${area.height}${unit === '' ? '' : `, ${unit}`}</span>
    <table>
      <thead><tr><th scope="col">Mean</th><th scope="col">Min</th><th scope="col">Max</th></tr></thead>
      <tbody>${channels.map(({ mean, min, max }) => html`<tr><td>${cell(mean)}</td><td>${cell(min)}</td><td>${cell(max)}</td></tr>`)}</tbody>
    </table>
    <svg class="histogram" viewBox=${`0 0 ${first?.histogram.length ?? 1} 1`} preserveAspectRatio="none" role="img" aria-label="Histogram of the area">
      ${first?.histogram.map((count, step) => svg`<rect x=${step} y=${1 - count / most} width="0.9" height=${count / most} />`)}
    </svg>
  </div>`;
}
