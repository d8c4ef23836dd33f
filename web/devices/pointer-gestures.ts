import type { Point } from '../viewer/gearway-viewer.ts';

/** Minimum length of a drag, in CSS px. A shorter one is a tap. */
export const DRAG_PX = 3;

/** Actions of gestures on the picture. Positions are in CSS px of the window. */
export interface GestureActions {
  /**
   * Called when the main button, or a finger, is pressed. @returns whether a drag begins; otherwise it may become a
   * tap.
   */
  press(at: Point): boolean;
  /** Called when a drag moves, or a pointer without a pressed button. */
  move(at: Point): void;
  /** Called when a drag ends. */
  release(at: Point): void;
  /** Called when a drag is interrupted, for example by a second finger. */
  cancel(): void;
  /** Called when the pointer was pressed and released at the same position. */
  tap(at: Point): void;
}

/**
 * Detects presses, drags and taps on the picture of a viewer. The viewer's own gestures still work: the wheel and two
 * fingers zoom, and a drag that {@link GestureActions.press} does not accept, or a drag with the Shift key, moves the
 * picture.
 */
export class PointerGestures {
  readonly #actions: GestureActions;
  readonly #abort = new AbortController();
  /** Ids of the pointers that are pressed on the picture. */
  readonly #pressed = new Set<number>();
  #press: { readonly id: number; readonly at: Point; readonly isDrag: boolean } | null = null;

  constructor(viewer: HTMLElement, actions: GestureActions) {
    this.#actions = actions;
    const { signal } = this.#abort;
    // These listeners run before the viewer's own, and during a drag also outside of the viewer.
    const options = { signal, capture: true };
    viewer.addEventListener('pointerdown', (event) => this.#onDown(event), options);
    window.addEventListener('pointermove', (event) => this.#onMove(event), options);
    window.addEventListener('pointerup', (event) => this.#onUp(event, true), options);
    window.addEventListener('pointercancel', (event) => this.#onUp(event, false), options);
    // The tool handles clicks, and a double click must not zoom.
    for (const type of ['click', 'dblclick'] as const)
      viewer.addEventListener(type, (event) => isOnPicture(event) && event.stopPropagation(), options);
    // A drag must not select text or move the focus.
    viewer.addEventListener('mousedown', (event) => this.#press?.isDrag === true && event.preventDefault(), options);
  }

  /** Removes the listeners; a drag ends without a result. Idempotent. */
  close(): void {
    this.#abort.abort();
    this.#interrupt();
  }

  #onDown(event: PointerEvent): void {
    if (event.button !== 0 || !isOnPicture(event)) return;
    this.#pressed.add(event.pointerId);
    if (this.#pressed.size > 1) {
      this.#interrupt();
      return;
    }
    if (event.shiftKey) return;
    const at = positionOf(event);
    this.#press = { id: event.pointerId, at, isDrag: this.#actions.press(at) };
  }

  #onMove(event: PointerEvent): void {
    const press = this.#press;
    if (press === null || press.id !== event.pointerId) {
      if (event.buttons === 0 && isOnPicture(event)) this.#actions.move(positionOf(event));
      return;
    }
    if (!press.isDrag) {
      // The viewer moves the picture if it is zoomed.
      if (distance(press.at, positionOf(event)) >= DRAG_PX) this.#press = null;
      return;
    }
    // The release event of the button may get lost.
    if ((event.buttons & 1) === 0) {
      this.#interrupt();
      return;
    }
    event.stopPropagation();
    this.#actions.move(positionOf(event));
  }

  #onUp(event: PointerEvent, isReleased: boolean): void {
    this.#pressed.delete(event.pointerId);
    const press = this.#press;
    if (press?.id !== event.pointerId) return;
    if (!isReleased) {
      this.#interrupt();
      return;
    }
    this.#press = null;
    if (press.isDrag) this.#actions.release(positionOf(event));
    else this.#actions.tap(press.at);
  }

  #interrupt(): void {
    const wasDrag = this.#press?.isDrag === true;
    this.#press = null;
    if (wasDrag) this.#actions.cancel();
  }
}

/** Whether an event is on the picture itself, and not on a control or on HTML over the picture. */
function isOnPicture(event: Event): boolean {
  return event.composedPath().some((target) => target instanceof Element && target.matches('[part~=picture]'));
}

function positionOf({ clientX, clientY }: MouseEvent): Point {
  return { x: clientX, y: clientY };
}

function distance(a: Point, b: Point): number {
  return Math.hypot(b.x - a.x, b.y - a.y);
}
