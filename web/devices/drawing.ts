import type { Point } from '../viewer/gearway-viewer.ts';

/** Kind of shape that is drawn on the picture. */
export type PointerTool = 'click' | 'drag' | 'box' | 'polygon';

/** Position in the picture, in its pixels from its top left corner. */
export type Position = readonly [x: number, y: number];

/** A shape in pixels of the picture, in the format of an overlay's object. */
export type Shape =
  | { readonly points: readonly [Position] }
  | { readonly line: readonly [from: Position, to: Position] }
  | { readonly box: readonly [x1: number, y1: number, x2: number, y2: number] }
  | { readonly polygon: readonly Position[] };

/** Maximum number of points of a polygon; the last one completes it. */
export const MAX_POINTS = 200;

const MIN_POINTS = 3;

/**
 * Truncates coordinates: precise enough for hand input, short on the wire, and a point inside the picture stays inside.
 */
const STEPS_PER_PIXEL = 100;

/** The nearest position in a picture of this size, including its edges. */
export function positionIn(
  { x, y }: Point,
  { width, height }: { readonly width: number; readonly height: number },
): Position {
  return [within(x, width), within(y, height)];
}

function within(value: number, size: number): number {
  return Math.max(0, Math.min(size, Math.floor(value * STEPS_PER_PIXEL) / STEPS_PER_PIXEL));
}

/** A shape while it is drawn, point by point. */
export class Drawing {
  readonly tool: PointerTool;
  #points: readonly Position[] = [];

  constructor(tool: PointerTool) {
    this.tool = tool;
  }

  /** Whether no point was set after the last shape. */
  get isEmpty(): boolean {
    return this.#points.length === 0;
  }

  /**
   * Sets a point: the only point of a click, the first or the opposite corner of a box, the next corner of a polygon,
   * or the first point of a drag. A point at the first or last point of a polygon completes it, like a double click.
   *
   * @param tolerance distance in pixels of the picture within which two points are the same.
   * @returns the shape that this point completes; null if it is not complete.
   */
  add(point: Position, tolerance: number): Shape | null {
    switch (this.tool) {
      case 'click':
        return { points: [point] };
      case 'drag':
        this.#points = [point];
        return null;
      case 'box':
        return this.#addCorner(point, tolerance);
      case 'polygon':
        return this.#addVertex(point, tolerance);
      default:
        return this.tool satisfies never;
    }
  }

  /** Completes a polygon. @returns null if it has too few points. */
  finish(): Shape | null {
    if (this.tool !== 'polygon' || this.#points.length < MIN_POINTS) return null;
    return this.#completed({ polygon: this.#points });
  }

  /** Removes the last point. */
  undo(): void {
    this.#points = this.#points.slice(0, -1);
  }

  cancel(): void {
    this.#points = [];
  }

  /** The unfinished shape with this position as its next point; null before the first point. */
  upTo(position: Position): Shape | null {
    const [first] = this.#points;
    if (first === undefined) return null;
    switch (this.tool) {
      case 'click':
        return null;
      case 'drag':
        return { line: [first, position] };
      case 'box':
        return boxOf(first, position);
      case 'polygon':
        return { polygon: [...this.#points, position] };
      default:
        return this.tool satisfies never;
    }
  }

  #addCorner(point: Position, tolerance: number): Shape | null {
    const [first] = this.#points;
    if (first === undefined) {
      this.#points = [point];
      return null;
    }
    const [x1, y1, x2, y2] = boxOf(first, point).box;
    // A press and a release at the same position set one corner; the next ones set the other.
    if (isNear(first, point, tolerance) || x1 === x2 || y1 === y2) return null;
    return this.#completed({ box: [x1, y1, x2, y2] });
  }

  #addVertex(point: Position, tolerance: number): Shape | null {
    const ends = [this.#points[0], this.#points.at(-1)];
    if (ends.some((end) => end !== undefined && isNear(end, point, tolerance))) return this.finish();
    this.#points = [...this.#points, point];
    return this.#points.length === MAX_POINTS ? this.finish() : null;
  }

  #completed(shape: Shape): Shape {
    this.#points = [];
    return shape;
  }
}

function boxOf([x1, y1]: Position, [x2, y2]: Position): { readonly box: readonly [number, number, number, number] } {
  return { box: [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)] };
}

function isNear([x1, y1]: Position, [x2, y2]: Position, tolerance: number): boolean {
  return Math.hypot(x2 - x1, y2 - y1) <= tolerance;
}
