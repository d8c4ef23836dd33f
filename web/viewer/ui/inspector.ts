import { html, nothing, svg, type TemplateResult } from 'lit';
import type { PixelArea } from '../../../shared/arrays/inspection.ts';
import { runInBackground } from '../../background.ts';
import type { AreaInspection, DistanceInspection, PixelInspection } from '../arrays/inspection-query.ts';
import type { ShownArray } from '../arrays/shown-array.ts';
import type { Point } from '../picture-geometry.ts';
import { formatValue } from './format-value.ts';
import { drawMagnifier } from './magnifier.ts';

/** The part of the viewer's public API that is used here. */
export interface InspectedViewer extends HTMLElement {
  range: string;
  readonly unit: string;
  readonly rotate: number;
  readonly mirror: boolean;
  readonly shownArray: ShownArray | null;
  readonly pictureRect: DOMRect | null;
  toPicture(clientX: number, clientY: number): Point | null;
  toClient(x: number, y: number): Point | null;
  inspectPixel(x: number, y: number): Promise<PixelInspection | null>;
  inspectArea(area: PixelArea): Promise<AreaInspection | null>;
  inspectDistance(from: Point, to: Point): Promise<DistanceInspection | null>;
}

/**
 * Unit of the values: the viewer's, or that of the message. Empty without a unit, and for pictures that are not arrays.
 */
export function shownUnit({ unit, shownArray }: Pick<InspectedViewer, 'unit' | 'shownArray'>): string {
  return shownArray === null ? '' : unit || shownArray.unit;
}

/** Effect of a drag and the arrow keys: move the point, select an area, measure a distance, or change the range. */
type Tool = 'point' | keyof typeof TOOLS;

/** Label, key, and icon in a box of 24×24. */
const TOOLS = {
  area: ['Area', 'A', svg`<path d="M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4" />`],
  distance: ['Distance', 'D', svg`<path d="M3 17 17 3l4 4L7 21zM8 12l2 2M12 8l2 2" />`],
  range: ['Range', 'W', svg`<circle cx="12" cy="12" r="8" /><path d="M12 4a8 8 0 0 1 0 16z" fill="currentColor" />`],
} as const;

/** Width of the viewer, in CSS px, from which the histogram of an area is open at first. */
const WIDE_PX = 520;

const ARROWS: Readonly<Record<string, Point>> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

/** Fraction of the range by which one px of a drag, or an arrow key, changes it. */
const RANGE_STEP = { drag: 1 / 200, key: 1 / 20 } as const;

const WITH_SHIFT = 10;

/** Maximum length of a click, in CSS px. */
const CLICK_PX = 4;

/** Shows values under the pointer and statistics of an area, both from the frame's data, and changes the range by drags. */
export class Inspector {
  readonly #viewer: InspectedViewer;
  readonly #stage: HTMLElement;
  readonly #onChange: () => void;
  readonly #abort = new AbortController();
  #tool: Tool = 'point';
  /** Inspected pixel of the picture; null before the first one. */
  #point: Point | null = null;
  /** The other corner of the area, or the other end of the distance. */
  #anchor: Point | null = null;
  /** The pointer's last position during a drag. */
  #drag: Point | null = null;
  /** Position at which the drag began. */
  #dragStart: Point = { x: 0, y: 0 };
  /** Whether the next click sets the other end of the distance, after a click has set the first. */
  #awaitsEnd = false;
  /** Whether the pressed pointer sets the other end. */
  #isEnd = false;
  #pixel: PixelInspection | null = null;
  #area: AreaInspection | null = null;
  #distance: DistanceInspection | null = null;
  #isHistogramOpen = false;
  /** Whether the inspector is in the upper half of the viewer, away from the point. */
  #isAbove = false;
  #isBusy = false;
  #isStale = false;
  /** Text for screen readers, which only describes changes made by keys. */
  #announcement = '';
  #announcesNext = false;

  /** @param onChange called when the result of {@link render} would change. */
  constructor(viewer: InspectedViewer, stage: HTMLElement, onChange: () => void) {
    this.#viewer = viewer;
    this.#stage = stage;
    this.#onChange = onChange;
    const { signal } = this.#abort;
    stage.addEventListener('pointerdown', (event) => this.#onDown(event), { signal, capture: true });
    stage.addEventListener('pointermove', (event) => this.#onMove(event), { signal, capture: true });
    for (const type of ['pointerup', 'pointercancel'] as const)
      stage.addEventListener(type, (event) => this.#onUp(event), { signal, capture: true });
    viewer.addEventListener('gearway-frame', () => this.#refresh(), { signal });
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
    if (key === 'Escape' && this.#tool !== 'point') {
      this.#choose(this.#tool);
      return true;
    }
    const tool = this.#tools().find((name) => TOOLS[name][1] === key.toUpperCase());
    if (tool === undefined) return false;
    this.#choose(tool);
    return true;
  }

  render(): TemplateResult {
    const unit = shownUnit(this.#viewer);
    const text = this.#pixel === null ? hint() : pixelText(this.#pixel, unit);
    const button = (tool: keyof typeof TOOLS): TemplateResult => {
      const [label, key, icon] = TOOLS[tool];
      return html`<button part="button" type="button" aria-pressed=${this.#tool === tool} aria-keyshortcuts=${key} title=${`${label} (${key})`} @click=${() => this.#choose(tool)}><svg viewBox="0 0 24 24" aria-hidden="true">${icon}</svg><span>${label}</span></button>`;
    };
    return html`${this.#marker()}
      <div part="inspector" class=${this.#isAbove ? 'inspector above' : 'inspector'} role="group" aria-label="Inspector">
        ${this.#pixel === null ? nothing : html`<canvas class="magnifier" width="9" height="9" aria-hidden="true"></canvas>`}
        <div class="reading">
          <div class="value">${text}</div>
          ${this.#area === null ? nothing : areaPanel(this.#area, unit, this.#isHistogramOpen)}
          ${this.#tool === 'distance' ? html`<div class="distance">${distanceText(this.#distance)}</div>` : nothing}
        </div>
        <div class="tools">${this.#tools().map(button)}</div>
        <span class="announcement" role="status">${this.#announcement}</span>
      </div>`;
  }

  /** Draws the magnifier, once the result of {@link render} is in the page. */
  rendered(): void {
    const target = this.#stage.querySelector<HTMLCanvasElement>('canvas.magnifier');
    const box = this.#stage.querySelector('.picture');
    // With a callback for overlays, the page draws on a canvas of its own.
    const source = box?.querySelector<HTMLCanvasElement>(box.matches('.called') ? 'canvas.page' : 'canvas') ?? null;
    const size = this.#pictureSize();
    const at = this.#pixel;
    if (target === null || source === null || size === null || at === null) return;
    const across = target.width;
    const { rotate, mirror } = this.#viewer;
    const centre = this.#viewer.toClient(at.x + 0.5, at.y + 0.5);
    const next = this.#viewer.toClient(at.x + 1.5, at.y + 0.5);
    if (box?.matches('.composed, .called') !== true || centre === null || next === null) {
      const [x, y] = [source.width / size.x, source.height / size.y];
      const part = { centre: { x: (at.x + 0.5) * x, y: (at.y + 0.5) * y }, size: { x: across * x, y: across * y } };
      drawMagnifier(target, source, { ...part, rotate, mirror });
      return;
    }
    // The canvas with overlays is the whole box, in which the picture is already rotated and mirrored.
    const { left, top, width } = source.getBoundingClientRect();
    const scale = source.width / width;
    const side = across * scale * Math.hypot(next.x - centre.x, next.y - centre.y);
    drawMagnifier(target, source, {
      centre: { x: (centre.x - left) * scale, y: (centre.y - top) * scale },
      size: { x: side, y: side },
      rotate: 0,
      mirror: false,
    });
  }

  /** Size of the source's frame, in its pixels; null before the first frame. */
  #pictureSize(): Point | null {
    const rect = this.#viewer.pictureRect;
    // Opposite corners remain opposite in every rotation.
    const from = rect && this.#viewer.toPicture(rect.left, rect.top);
    const to = rect && this.#viewer.toPicture(rect.right, rect.bottom);
    return from && to && { x: Math.round(Math.abs(to.x - from.x)), y: Math.round(Math.abs(to.y - from.y)) };
  }

  #tools(): (keyof typeof TOOLS)[] {
    const isMeasurable = this.#pixel?.hasIntrinsics === true || this.#tool === 'distance';
    return [
      'area',
      ...(isMeasurable ? (['distance'] as const) : []),
      ...(this.#viewer.shownArray === null ? [] : (['range'] as const)),
    ];
  }

  #choose(tool: Tool): void {
    this.#tool = this.#tool === tool ? 'point' : tool;
    // Area and distance start at the point, so that arrow keys extend them.
    this.#anchor = this.#tool === 'area' || this.#tool === 'distance' ? this.#point : null;
    this.#awaitsEnd = false;
    if (this.#tool !== 'area') this.#area = null;
    this.#isHistogramOpen = this.#stage.clientWidth >= WIDE_PX;
    this.#distance = null;
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
    // Prevents pan and zoom during the drag.
    event.stopPropagation();
    event.preventDefault();
    this.#stage.setPointerCapture(event.pointerId);
    this.#drag = { x: event.clientX, y: event.clientY };
    this.#dragStart = this.#drag;
    if (this.#tool === 'range' || !this.#moveTo(event)) return;
    this.#isEnd = this.#awaitsEnd;
    this.#awaitsEnd = false;
    if (!this.#isEnd) this.#anchor = this.#point;
  }

  #onUp({ clientX, clientY, type }: PointerEvent): void {
    const isClick = Math.hypot(clientX - this.#dragStart.x, clientY - this.#dragStart.y) < CLICK_PX;
    if (this.#tool === 'distance' && this.#drag !== null && type === 'pointerup' && isClick)
      this.#awaitsEnd = !this.#isEnd;
    this.#drag = null;
  }

  #onMove(event: PointerEvent): void {
    const drag = this.#drag;
    if (this.#tool === 'range') {
      if (drag === null) return;
      this.#drag = { x: event.clientX, y: event.clientY };
      this.#changeRange((event.clientX - drag.x) * RANGE_STEP.drag, (event.clientY - drag.y) * RANGE_STEP.drag);
    } else if ((this.#tool === 'point' || drag !== null || this.#awaitsEnd) && !isControl(event)) {
      this.#moveTo(event);
    }
  }

  /** @returns whether the position is in the picture. */
  #moveTo({ clientX, clientY, pointerType }: PointerEvent): boolean {
    const position = this.#viewer.toPicture(clientX, clientY);
    const size = this.#pictureSize();
    if (position === null || size === null) return false;
    const [x, y] = [Math.floor(position.x), Math.floor(position.y)];
    const isInside = x >= 0 && y >= 0 && x < size.x && y < size.y;
    if (!isInside && this.#drag === null) return false;
    // Without a pressed button, the mouse may be moving to a button of the inspector, so the inspector must not move
    // away.
    this.#set({ x: clamp(x, size.x), y: clamp(y, size.y) }, pointerType !== 'mouse' || this.#drag !== null);
    return isInside;
  }

  #moveBy(x: number, y: number): void {
    const size = this.#pictureSize();
    if (size === null) return;
    const from = this.#point ?? { x: Math.floor(size.x / 2), y: Math.floor(size.y / 2) };
    this.#set(this.#point === null ? from : { x: clamp(from.x + x, size.x), y: clamp(from.y + y, size.y) }, true);
  }

  /** @param avoids whether the inspector moves to the other half of the viewer. */
  #set(point: Point, avoids: boolean): void {
    this.#point = point;
    const client = this.#viewer.toClient(point.x + 0.5, point.y + 0.5);
    const { top, height } = this.#stage.getBoundingClientRect();
    if (avoids && client !== null) this.#isAbove = client.y > top + height / 2;
    this.#refresh();
  }

  /**
   * A drag to the right widens the range; a drag downwards moves the range up, which darkens the picture, like window
   * and level in medical viewers.
   */
  #changeRange(width: number, level: number): void {
    const shown = this.#viewer.shownArray;
    if (shown === null) return;
    const extent = shown.high - shown.low || Math.abs(shown.high) || 1;
    const half = (extent * Math.max(0.1, 1 + width)) / 2;
    const centre = (shown.low + shown.high) / 2 + level * extent;
    const [low, high] = [roundTo(centre - half, extent), roundTo(centre + half, extent)];
    // Otherwise, the drag has reached the precision or the limit of numbers.
    if (!(low < high && Number.isFinite(low) && Number.isFinite(high))) return;
    this.#viewer.range = `${low},${high}`;
    this.#announcement = `Range ${formatValue(low)} to ${formatValue(high)}`;
  }

  /** Requests one result at a time. Changes in the meantime cause the next request. */
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
    // Further changes by key are announced with the next result.
    const isAnnounced = this.#announcesNext;
    this.#announcesNext = false;
    this.#pixel = await this.#viewer.inspectPixel(point.x, point.y);
    this.#area = area && (await this.#viewer.inspectArea(area));
    const anchor = this.#tool === 'distance' ? this.#anchor : null;
    this.#distance = anchor && (await this.#viewer.inspectDistance(anchor, point));
    if (!isAnnounced || this.#pixel === null || this.#tool === 'range') return;
    const unit = shownUnit(this.#viewer);
    if (this.#tool === 'distance') this.#announcement = distanceText(this.#distance);
    else this.#announcement = this.#area === null ? pixelText(this.#pixel, unit) : areaText(this.#area, unit);
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

  /** A line between the centres of two pixels, with a cross at each. */
  #line(...ends: readonly Point[]): TemplateResult | typeof nothing {
    const stage = this.#stage.getBoundingClientRect();
    const [from, to] = ends
      .map(({ x, y }) => this.#viewer.toClient(x + 0.5, y + 0.5))
      .map((end) => end && { x: end.x - stage.x, y: end.y - stage.y });
    if (!from || !to) return nothing;
    const cross = ({ x, y }: Point): string => `M${x - 6} ${y}h12M${x} ${y - 6}v12`;
    return html`<svg class="marker" aria-hidden="true">
      ${svg`<path d=${`M${from.x} ${from.y}L${to.x} ${to.y}${cross(from)}${cross(to)}`} />`}
    </svg>`;
  }

  /** A frame around the inspected pixel or area, or a line between two pixels. */
  #marker(): TemplateResult | typeof nothing {
    const point = this.#point;
    if (point === null) return nothing;
    const anchor = this.#tool === 'distance' ? this.#anchor : null;
    if (anchor !== null) return this.#line(anchor, point);
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

/** Instruction for reading a pixel. */
function hint(): string {
  return matchMedia('(any-pointer: fine)').matches
    ? 'Point at the picture, or press an arrow key'
    : 'Tap the picture, or press an arrow key';
}

function isControl(event: Event): boolean {
  return event
    .composedPath()
    .some(
      (target) =>
        target instanceof HTMLElement && target.matches('button, a, input, select, .controls, .inspector, .stats'),
    );
}

/** Rounds a value to about a hundred-thousandth of the extent of a range. */
function roundTo(value: number, extent: number): number {
  const digits = Math.min(100, Math.max(0, Math.ceil(5 - Math.log10(extent))));
  return Number(value.toFixed(digits));
}

function clamp(value: number, size: number): number {
  return Math.min(size - 1, Math.max(0, value));
}

/** Names of encodings whose values are red, green and blue as the browser decodes them. */
const PICTURES: Readonly<Record<string, string>> = { jpeg: 'JPEG', h264: 'H.264' };

/** `x 12, y 7: 1234 mm`, or `x 12, y 7: R 1 G 2 B 3 in H.264 of 640×360`. */
export function pixelText({ x, y, dtype, values, isNoData, rendition }: PixelInspection, unit: string): string {
  const picture = PICTURES[dtype];
  const names = picture !== undefined ? ['R', 'G', 'B'] : values.length > 1 ? ['B', 'G', 'R', 'A'] : [''];
  const text = values.map((value, channel) => `${names[channel] ?? ''} ${formatExact(value)}`.trim()).join(' ');
  const origin = rendition === null ? '' : ` in ${picture} of ${rendition.width}×${rendition.height}`;
  const withUnit = unit === '' || picture !== undefined ? '' : ` ${unit}`;
  return `x ${x}, y ${y}: ${isNoData ? `no data (${text})` : text}${withUnit}${origin}`;
}

/** `1.234 m`, or why there is none. */
function distanceText(distance: DistanceInspection | null): string {
  if (distance === null) return 'Pick two points, or drag from one to the other';
  const { from, to, meters, reason } = distance;
  if (meters === null) return `No distance: ${reason}`;
  return `${formatDistance(meters)} from x ${from.x}, y ${from.y} to x ${to.x}, y ${to.y}`;
}

/** Metres with three decimals; below a metre, four significant digits. */
function formatDistance(meters: number): string {
  return `${meters >= 1 ? meters.toFixed(3) : Number(meters.toPrecision(4))} m`;
}

function areaText({ area, channels }: AreaInspection, unit: string): string {
  const [first] = channels;
  if (first === undefined || first.mean === null) return `${area.width}×${area.height}: no data`;
  return `${area.width}×${area.height}: mean ${formatValue(first.mean)}, ${formatValue(first.min ?? 0)} to ${formatValue(first.max ?? 0)} ${unit}`.trim();
}

/** All digits that distinguish a value from its neighbours of the same type, at most nine. */
function formatExact(value: number): string {
  return Number.isInteger(value) || !Number.isFinite(value) ? String(value) : String(Number(value.toPrecision(9)));
}

/** The summary shows {@link areaText}; the details contain the rest. */
function areaPanel(inspection: AreaInspection, unit: string, isOpen: boolean): TemplateResult {
  const { channels } = inspection;
  const cell = (value: number | null): string => (value === null ? '–' : formatValue(value));
  const [first] = channels;
  const most = Math.max(1, ...(first?.histogram ?? []));
  return html`<details class="area" ?open=${isOpen}>
    <summary>${areaText(inspection, unit)}</summary>
    <table>
      <thead><tr><th scope="col">Mean</th><th scope="col">Min</th><th scope="col">Max</th></tr></thead>
      <tbody>${channels.map(({ mean, min, max }) => html`<tr><td>${cell(mean)}</td><td>${cell(min)}</td><td>${cell(max)}</td></tr>`)}</tbody>
    </table>
    <svg class="histogram" viewBox=${`0 0 ${first?.histogram.length ?? 1} 1`} preserveAspectRatio="none" role="img" aria-label="Histogram of the area">
      ${first?.histogram.map((count, step) => svg`<rect x=${step} y=${1 - count / most} width="0.9" height=${count / most} />`)}
    </svg>
  </details>`;
}
