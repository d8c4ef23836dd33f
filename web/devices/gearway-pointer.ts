import { css, html, nothing, type TemplateResult } from 'lit';
import { runInBackground } from '../background.ts';
import type { GearwayViewer } from '../viewer/gearway-viewer.ts';
import { DeviceElement } from './device-element.ts';
import { deviceStyles } from './device-styles.ts';
import type { PointerTool, Position, Shape } from './drawing.ts';
import { type PointedFrame, PointerMode, type PointerOwner } from './pointer-mode.ts';

/**
 * A shape in pixels of the frame. `number` counts the shapes of the element. `sequence` is the number of the frame that
 * was on screen at the last point, and `capturedAtMs` when it was captured, if that is known.
 */
export type PointerValue = Shape & {
  readonly number: number;
  readonly sequence: number;
  readonly capturedAtMs?: number;
};

const LABELS: Readonly<Record<PointerTool, string>> = {
  click: 'Point',
  drag: 'Drag',
  box: 'Box',
  polygon: 'Polygon',
};

const HINTS: Readonly<Record<PointerTool, string>> = {
  click: 'Click the picture',
  drag: 'Drag in the picture',
  box: 'Drag a box in the picture',
  polygon: 'Click the corners, then the first one again',
};

/**
 * A tool that draws on the picture: its value is the last shape, in pixels of the frame, regardless of the fit, zoom
 * and rotation of the viewer. While it is active, drags draw instead of moving the picture, unless the Shift key is
 * held; the wheel and two fingers zoom. Arrow keys move a cursor, Enter sets a point, Backspace removes one, and Escape
 * cancels.
 *
 * @tag gearway-pointer
 * @summary Points, boxes and polygons on the picture as return data.
 * @attr {string} name - key of its value in the viewer's return data
 * @attr {string} viewer - id of the viewer; the first of the page by default
 * @attr {boolean} disabled - cannot be used
 * @attr {'click' | 'drag' | 'box' | 'polygon'} tool - kind of shape; `click` by default
 * @attr {boolean} active - draws on the picture; the button switches this on and off. One tool per viewer is active
 * @fires {GearwayInputEvent} gearway-input - its value has changed
 * @slot - label of the button
 * @csspart button - the button that switches the tool on and off
 * @csspart status - an instruction, or the last shape
 */
export class GearwayPointer extends DeviceElement {
  static override styles = [
    deviceStyles,
    css`
      .status {
        font-variant-numeric: tabular-nums;
      }
    `,
  ];
  static override properties = { tool: { type: String }, active: { type: Boolean } };

  declare tool: PointerTool;
  declare active: boolean;
  #viewer: GearwayViewer | null = null;
  #frame: PointedFrame | null = null;
  #mode: PointerMode | null = null;
  /** Viewer and tool of the current mode. */
  #modeOf: readonly [GearwayViewer, PointerTool] | null = null;
  #value: PointerValue | null = null;
  #number = 0;
  #cursor: Position | null = null;

  constructor() {
    super();
    this.tool = 'click';
    this.active = false;
  }

  /** The last shape; null before the first one, and, with the tool `drag`, while there is no drag. */
  override get value(): PointerValue | null {
    return this.#value;
  }

  /** Discards the last shape: the value is null until the next one. */
  clear(): void {
    this.#mode?.cancel();
    if (this.#value === null) return;
    this.#value = null;
    this.report(false);
  }

  protected override reset(): void {
    // A complete shape is kept, and an incomplete one can be continued. A drag must start again.
    if (!this.isHeld) return;
    this.#value = null;
    this.#mode?.drop();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#endMode();
  }

  protected override joined(viewer: GearwayViewer): () => void {
    const abort = new AbortController();
    this.#viewer = viewer;
    // While a viewer is paused, no frame arrives.
    const { sequence, width, height } = viewer.stats;
    if (width > 0) this.#frame = { sequence, width, height, capturedAtMs: null };
    viewer.addEventListener('gearway-frame', ({ detail }) => (this.#frame = detail), abort);
    return () => {
      abort.abort();
      this.#viewer = null;
      this.#frame = null;
      this.#endMode();
    };
  }

  protected override updated(changed: ReadonlyMap<PropertyKey, unknown>): void {
    super.updated(changed);
    const { isConnected, active, disabled } = this;
    const viewer = isConnected && active && !disabled ? this.#viewer : null;
    const [tool, label] = [this.#validTool(), LABELS[this.#validTool()]];
    if (viewer === (this.#modeOf?.[0] ?? null) && (viewer === null || tool === this.#modeOf?.[1])) return;
    this.#endMode();
    if (viewer === null) return;
    this.#modeOf = [viewer, tool];
    this.#mode = new PointerMode(viewer, tool, `${this.name}: ${label}. ${HINTS[tool]}`, this.#owner);
  }

  protected override render(): TemplateResult {
    const tool = this.#validTool();
    return html`<div class="row">
      <button
        part="button"
        type="button"
        aria-pressed=${this.active ? 'true' : 'false'}
        ?disabled=${!this.isUsable && !this.active}
        @click=${this.#onClick}
      >
        <slot>${LABELS[tool]}</slot>
      </button>
      <span part="status" class="status" role="status">${this.active ? this.#statusText(tool) : nothing}</span>
    </div>`;
  }

  readonly #onClick = (event: MouseEvent): void => {
    this.active = !this.active;
    // If the button was pressed by a key, further keys apply to the picture.
    if (event.detail === 0) runInBackground(this.updateComplete.then(() => this.#mode?.focus()));
  };

  readonly #owner: PointerOwner = {
    isUsable: () => this.isUsable,
    frame: () => this.#frame,
    completed: (shape, frame) => this.#set(shape, frame, false),
    dragged: (shape, frame) => this.#set(shape, frame, true),
    moved: (cursor) => {
      this.#cursor = cursor;
      this.requestUpdate();
    },
    ended: (isByKey) => {
      this.active = false;
      if (isByKey) this.renderRoot.querySelector('button')?.focus();
    },
  };

  #set(shape: Shape | null, { sequence, capturedAtMs }: PointedFrame, isDrag: boolean): void {
    this.#cursor = null;
    if (shape === null) {
      this.letGo();
      return;
    }
    if (!this.isHeld) this.#number += 1;
    const captured = capturedAtMs === null ? {} : { capturedAtMs };
    this.#value = { ...shape, number: this.#number, sequence, ...captured };
    this.report(isDrag);
  }

  #endMode(): void {
    this.#mode?.close();
    this.#mode = null;
    this.#modeOf = null;
  }

  #validTool(): PointerTool {
    return Object.hasOwn(LABELS, this.tool) ? this.tool : 'click';
  }

  #statusText(tool: PointerTool): string {
    if (!this.isUsable) return 'Not available now';
    if (this.#cursor !== null) return `x ${Math.floor(this.#cursor[0])}, y ${Math.floor(this.#cursor[1])}`;
    return this.#value === null ? HINTS[tool] : shapeText(this.#value);
  }
}

/** `Box 12, 40 to 80, 95`. */
function shapeText(shape: Shape): string {
  const text = (...values: readonly number[]): string => values.map(Math.floor).join(', ');
  if ('points' in shape) return `Point ${text(...shape.points[0])}`;
  if ('line' in shape) return `From ${text(...shape.line[0])} to ${text(...shape.line[1])}`;
  if ('polygon' in shape) return `Polygon with ${shape.polygon.length} corners`;
  const [x1, y1, x2, y2] = shape.box;
  return `Box ${text(x1, y1)} to ${text(x2, y2)}`;
}
