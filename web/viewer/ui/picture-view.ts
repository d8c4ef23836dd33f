import { PIXELATED_FROM } from '../picture-geometry.ts';

const MIN_ZOOM = 1;
const MAX_ZOOM = 16;
const STEP = 1.25;

/** Minimum length of a drag. A shorter one is a click. */
const DRAG_PX = 3;

/**
 * Digital zoom and pan of a box's content, by wheel, pinch, drag and method calls. The position is relative to the box,
 * so that the same part is shown when the size of the box changes.
 */
export class PictureView {
  readonly #box: HTMLElement;
  readonly #onView: () => void;
  readonly #abort = new AbortController();
  readonly #pointers = new Map<number, { x: number; y: number }>();
  #zoom = MIN_ZOOM;
  #x = 0;
  #y = 0;
  #moved = false;

  /** @param onView called when zoom or position has changed. */
  constructor(box: HTMLElement, onView: () => void) {
    this.#box = box;
    this.#onView = onView;
    const { signal } = this.#abort;
    box.addEventListener('wheel', (event) => this.#onWheel(event), { signal, passive: false });
    box.addEventListener('pointerdown', (event) => this.#onDown(event), { signal });
    box.addEventListener('pointermove', (event) => this.#onMove(event), { signal });
    for (const type of ['pointerup', 'pointercancel'] as const) {
      box.addEventListener(type, (event) => this.#pointers.delete(event.pointerId), { signal });
    }
    // A drag ends with a click event, which must not reach the page.
    box.addEventListener('click', (event) => this.#moved && event.stopPropagation(), { signal, capture: true });
    const toggle = (event: MouseEvent): void => (this.#zoom > MIN_ZOOM ? this.reset() : this.zoomBy(2, event));
    box.addEventListener('dblclick', toggle, { signal });
  }

  /** Zoom factor; 1 shows the picture as `fit` scales it. */
  get zoom(): number {
    return this.#zoom;
  }

  /** Distance of the picture's centre from the centre of the box, as a fraction of the box's width. */
  get x(): number {
    return this.#x;
  }

  /** Like {@link x}, as a fraction of the box's height. */
  get y(): number {
    return this.#y;
  }

  /** Zooms around a point of the window, by default around the centre. */
  zoomBy(factor: number, at?: { readonly clientX: number; readonly clientY: number }): void {
    const { left, top, width, height } = this.#box.getBoundingClientRect();
    const zoom = clamp(this.#zoom * factor, MIN_ZOOM, MAX_ZOOM);
    const pointX = at === undefined ? 0 : fraction(at.clientX - left - width / 2, width);
    const pointY = at === undefined ? 0 : fraction(at.clientY - top - height / 2, height);
    const ratio = zoom / this.#zoom;
    this.#set(zoom, pointX - (pointX - this.#x) * ratio, pointY - (pointY - this.#y) * ratio);
  }

  zoomIn(): void {
    this.zoomBy(STEP);
  }

  zoomOut(): void {
    this.zoomBy(1 / STEP);
  }

  /** Moves the picture by a distance in px. */
  panBy(x: number, y: number): void {
    const { width, height } = this.#box.getBoundingClientRect();
    this.#set(this.#zoom, this.#x + fraction(x, width), this.#y + fraction(y, height));
  }

  reset(): void {
    this.#set(MIN_ZOOM, 0, 0);
  }

  /** Removes the listeners. Idempotent. */
  close(): void {
    this.#abort.abort();
  }

  #set(zoom: number, x: number, y: number): void {
    // Limits the position, so that the centre of the box always shows part of the picture.
    const max = (zoom - 1) / 2;
    this.#zoom = zoom;
    this.#x = clamp(x, -max, max);
    this.#y = clamp(y, -max, max);
    const { classList } = this.#box;
    classList.toggle('zoomed', zoom > MIN_ZOOM);
    classList.toggle('pixelated', zoom >= PIXELATED_FROM);
    this.#onView();
  }

  #onWheel(event: WheelEvent): void {
    // Until the picture is zoomed, a plain wheel scrolls the page. A trackpad's pinch sets ctrlKey.
    if (!event.ctrlKey && !event.metaKey && this.#zoom === MIN_ZOOM && document.fullscreenElement === null) return;
    event.preventDefault();
    const isLines = event.deltaMode === WheelEvent.DOM_DELTA_LINE;
    const speed = isLines ? 0.05 : event.ctrlKey ? 0.01 : 0.002;
    this.zoomBy(Math.exp(-event.deltaY * speed), event);
  }

  #onDown(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.#moved = false;
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.#zoom > MIN_ZOOM || this.#pointers.size === 2) this.#box.setPointerCapture(event.pointerId);
  }

  #onMove(event: PointerEvent): void {
    const before = this.#pointers.get(event.pointerId);
    if (before === undefined) return;
    // The button was released elsewhere.
    if (event.buttons === 0) {
      this.#pointers.delete(event.pointerId);
      return;
    }
    const [dx, dy] = [event.clientX - before.x, event.clientY - before.y];
    if (!this.#moved && Math.hypot(dx, dy) < DRAG_PX) return;
    this.#moved = true;
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other === undefined) {
      if (this.#zoom > MIN_ZOOM) this.panBy(dx, dy);
      return;
    }
    const apartBefore = Math.hypot(before.x - other.x, before.y - other.y);
    const apart = Math.hypot(event.clientX - other.x, event.clientY - other.y);
    this.panBy(dx / 2, dy / 2);
    const centre = { clientX: (event.clientX + other.x) / 2, clientY: (event.clientY + other.y) / 2 };
    if (apartBefore > 0) this.zoomBy(apart / apartBefore, centre);
  }
}

/** A fraction of the size; 0 for a hidden box, whose size is 0, so that pending events do not change the position. */
function fraction(distance: number, size: number): number {
  return size === 0 ? 0 : distance / size;
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}
