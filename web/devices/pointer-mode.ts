import type { GearwayViewer, Point } from '../viewer/gearway-viewer.ts';
import { Drawing, type PointerTool, type Position, positionIn, type Shape } from './drawing.ts';
import { HeldKeys, keyName } from './held-keys.ts';
import { isUsedByTarget } from './key-map.ts';
import { DRAG_PX, PointerGestures } from './pointer-gestures.ts';
import { PointerOverlay } from './pointer-overlay.ts';

const ARROWS: Readonly<Record<string, Point>> = {
  arrowleft: { x: -1, y: 0 },
  arrowright: { x: 1, y: 0 },
  arrowup: { x: 0, y: -1 },
  arrowdown: { x: 0, y: 1 },
};

const WITH_SHIFT = 10;

/** The frame on screen. `width` and `height` are its size in pixels. */
export interface PointedFrame {
  readonly sequence: number;
  readonly capturedAtMs: number | null;
  readonly width: number;
  readonly height: number;
}

/** Interface between a tool and its element. */
export interface PointerOwner {
  /** Whether shapes can be drawn now. */
  isUsable(): boolean;
  /** The frame on screen; null before the first one. */
  frame(): PointedFrame | null;
  /** @param frame the frame that was on screen at the last point. */
  completed(shape: Shape, frame: PointedFrame): void;
  /** Called with a drag while it is held; null at its end. */
  dragged(shape: Shape | null, frame: PointedFrame): void;
  /** Called when keys have moved the cursor. */
  moved(cursor: Position): void;
  /** Called when the user, or another tool on the same picture, has ended the mode. */
  ended(isByKey: boolean): void;
}

/** The mode in which a pointer tool draws on the picture of a viewer. A viewer has at most one such mode at a time. */
export class PointerMode {
  static readonly #current = new WeakMap<GearwayViewer, PointerMode>();

  readonly #viewer: GearwayViewer;
  readonly #owner: PointerOwner;
  readonly #drawing: Drawing;
  readonly #overlay: PointerOverlay;
  readonly #gestures: PointerGestures;
  readonly #abort = new AbortController();
  readonly #keys = new HeldKeys(() => this.#endDrag());
  readonly #styleBefore: { readonly cursor: string; readonly touchAction: string };
  #cursor: Position | null = null;
  /** Whether the cursor was last moved by keys. */
  #isByKeys = false;
  /** The frame that was on screen at the last point. */
  #frame: PointedFrame | null = null;
  /** Size of the picture to which the unfinished shape belongs. */
  #size = '';

  /** @param label name of the tool for assistive technologies. */
  constructor(viewer: GearwayViewer, tool: PointerTool, label: string, owner: PointerOwner) {
    const before = PointerMode.#current.get(viewer);
    if (before !== undefined) {
      before.close();
      before.#owner.ended(false);
    }
    PointerMode.#current.set(viewer, this);
    this.#viewer = viewer;
    this.#owner = owner;
    this.#drawing = new Drawing(tool);
    this.#overlay = new PointerOverlay(viewer, label);
    const { cursor, touchAction } = viewer.style;
    this.#styleBefore = { cursor, touchAction };
    viewer.style.cursor = 'crosshair';
    // A drag must not scroll the page, and a double tap must not zoom it.
    viewer.style.touchAction = this.#isDragged ? 'none' : 'manipulation';
    this.#gestures = new PointerGestures(viewer, {
      press: (at) => this.#onPress(at),
      move: (at) => this.#onMove(at),
      release: (at) => this.#onRelease(at),
      cancel: () => this.cancel(),
      tap: (at) => this.#onTap(at),
    });
    const { signal } = this.#abort;
    const options = { signal, capture: true };
    window.addEventListener('keydown', (event) => this.#onKeyDown(event), options);
    window.addEventListener('keyup', (event) => this.#onKeyUp(event), options);
    this.#overlay.element.addEventListener('blur', () => this.#onBlur(), { signal });
    viewer.addEventListener('pointerleave', () => this.#hideCursor(), { signal });
    viewer.addEventListener('gearway-frame', () => this.#checkSize(), { signal });
    this.#show();
  }

  /** Whether the tool uses drags; otherwise it uses clicks. */
  get #isDragged(): boolean {
    return this.#drawing.tool === 'drag' || this.#drawing.tool === 'box';
  }

  /** Focuses the picture, and shows the cursor, which arrow keys move. */
  focus(): void {
    this.#cursor ??= this.#centre();
    this.#isByKeys = true;
    this.#show();
    this.#overlay.element.focus({ preventScroll: true });
  }

  /** Discards the unfinished shape, and ends a drag. */
  cancel(): void {
    this.#endDrag();
    this.drop();
  }

  /** Discards the unfinished shape without reporting it. */
  drop(): void {
    this.#drawing.cancel();
    this.#show();
  }

  /** Ends a drag. Idempotent. */
  close(): void {
    if (this.#abort.signal.aborted) return;
    this.#abort.abort();
    this.#gestures.close();
    this.#keys.clear();
    this.#endDrag();
    this.#overlay.close();
    Object.assign(this.#viewer.style, this.#styleBefore);
    if (PointerMode.#current.get(this.#viewer) === this) PointerMode.#current.delete(this.#viewer);
  }

  #onPress(at: Point): boolean {
    this.#frame = this.#owner.frame();
    const position = this.#positionAt(at, this.#drawing.tool === 'drag');
    if (!this.#isDragged || !this.#owner.isUsable() || position === null) return false;
    this.#moveTo(position);
    if (this.#drawing.isEmpty) this.#drawing.add(position, 0);
    this.#drag();
    this.#show();
    return true;
  }

  #onMove(at: Point): void {
    const position = this.#positionAt(at, false);
    if (position === null) return;
    this.#moveTo(position);
    this.#drag();
    this.#show();
  }

  #onRelease(at: Point): void {
    const position = this.#positionAt(at, false);
    if (this.#drawing.tool === 'drag' || position === null) this.cancel();
    else if (!this.#drawing.isEmpty) this.#add(position, this.#tolerance(), this.#owner.frame());
  }

  #onTap(at: Point): void {
    const position = this.#positionAt(at, this.#drawing.tool === 'click');
    if (this.#isDragged || !this.#owner.isUsable() || position === null) return;
    this.#moveTo(position);
    // The shape belongs to the frame that was on screen at the press.
    this.#add(position, this.#tolerance(), this.#frame);
  }

  #onKeyDown(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [target] = event.composedPath();
    const key = keyName(event.key);
    const isFocused = target === this.#overlay.element;
    // A shape that is drawn with the mouse can be finished and cancelled regardless of the focus.
    if (!isFocused && (this.#drawing.isEmpty || isUsedByTarget(target, key))) return;
    if (!this.#handleKey(event, key, isFocused)) return;
    event.preventDefault();
    event.stopPropagation();
    this.#show();
  }

  /** @returns whether the tool uses the key. */
  #handleKey(event: KeyboardEvent, key: string, isFocused: boolean): boolean {
    const arrow = ARROWS[key];
    if (key === 'escape') {
      if (this.#drawing.isEmpty) this.#owner.ended(true);
      else this.cancel();
    } else if (key === 'backspace') {
      if (this.#drawing.tool !== 'drag') this.#drawing.undo();
    } else if (key === 'enter') {
      this.#keys.down(event);
      if (!event.repeat && this.#owner.isUsable()) this.#enter();
    } else if (arrow !== undefined && isFocused) {
      this.#keys.down(event);
      this.#moveBy(arrow, event.shiftKey ? WITH_SHIFT : 1);
    } else {
      return false;
    }
    return true;
  }

  #onKeyUp(event: KeyboardEvent): void {
    if (this.#keys.up(event) && keyName(event.key) === 'enter') this.#endDrag();
  }

  #enter(): void {
    const frame = this.#owner.frame();
    if (!this.#isByKeys) {
      this.#complete(this.#drawing.finish(), frame);
      return;
    }
    const cursor = this.#cursor ?? this.#centre();
    if (cursor === null) return;
    this.#cursor = cursor;
    this.#add(cursor, 0, frame);
    this.#drag();
  }

  #moveBy({ x, y }: Point, pixels: number): void {
    const frame = this.#owner.frame();
    const from = this.#cursor ?? this.#centre();
    if (frame === null || from === null) return;
    this.#cursor = positionIn({ x: from[0] + x * pixels, y: from[1] + y * pixels }, frame);
    this.#isByKeys = true;
    this.#drag();
    this.#owner.moved(this.#cursor);
  }

  #moveTo(position: Position): void {
    this.#cursor = position;
    this.#isByKeys = false;
  }

  #add(position: Position, tolerance: number, frame: PointedFrame | null): void {
    this.#complete(this.#drawing.add(position, tolerance), frame);
    this.#show();
  }

  #complete(shape: Shape | null, frame: PointedFrame | null): void {
    if (shape === null || frame === null) return;
    this.#owner.completed(shape, frame);
    this.#overlay.flash(shape);
  }

  /** Reports the drag in progress. */
  #drag(): void {
    const frame = this.#owner.frame();
    if (this.#drawing.tool !== 'drag' || this.#drawing.isEmpty || this.#cursor === null || frame === null) return;
    // The viewer was stopped, or has lost its port.
    if (!this.#owner.isUsable()) this.cancel();
    else this.#owner.dragged(this.#drawing.upTo(this.#cursor), frame);
  }

  #endDrag(): void {
    const frame = this.#owner.frame();
    if (this.#drawing.tool !== 'drag' || this.#drawing.isEmpty) return;
    this.#drawing.cancel();
    if (frame !== null) this.#owner.dragged(null, frame);
    this.#show();
  }

  #onBlur(): void {
    this.#keys.clear();
    this.#endDrag();
    this.#hideCursor();
  }

  #hideCursor(): void {
    if (!this.#drawing.isEmpty) return;
    this.#cursor = null;
    this.#show();
  }

  /** Discards the unfinished shape if the size of the picture has changed, because its position would be wrong. */
  #checkSize(): void {
    const before = this.#size;
    this.#show();
    if (before !== '' && before !== this.#size) {
      this.#cursor = null;
      this.cancel();
    }
  }

  #show(): void {
    const frame = this.#owner.frame();
    if (frame === null) return;
    const { width, height } = frame;
    this.#size = `${width}x${height}`;
    const shape = this.#cursor === null ? null : this.#drawing.upTo(this.#cursor);
    this.#overlay.show({ width, height, shape, cursor: this.#cursor });
  }

  /**
   * @param isInside whether to return null for a position outside of the picture; otherwise, the nearest position in
   * the picture is returned.
   */
  #positionAt({ x, y }: Point, isInside: boolean): Position | null {
    const position = this.#viewer.toPicture(x, y);
    const frame = this.#owner.frame();
    if (position === null || frame === null) return null;
    const isOutside = position.x < 0 || position.y < 0 || position.x >= frame.width || position.y >= frame.height;
    return isInside && isOutside ? null : positionIn(position, frame);
  }

  #centre(): Position | null {
    const frame = this.#owner.frame();
    return frame === null ? null : positionIn({ x: frame.width / 2, y: frame.height / 2 }, frame);
  }

  /** Minimum length of a drag, in pixels of the picture. */
  #tolerance(): number {
    const frame = this.#owner.frame();
    const { pictureRect: rect } = this.#viewer;
    if (frame === null || rect === null) return 0;
    return (DRAG_PX * Math.max(frame.width, frame.height)) / Math.max(rect.width, rect.height);
  }
}
