import type { Fit } from './fit.ts';

/** Point or distance; the context defines its unit. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Rect extends Point {
  readonly width: number;
  readonly height: number;
}

/** Placement of a picture in its box. */
export interface Placement {
  /** Size of the box, in CSS px. */
  readonly boxWidth: number;
  readonly boxHeight: number;
  /** Size of the picture, in its own pixels. */
  readonly width: number;
  readonly height: number;
  readonly fit: Fit;
  /** Number of clockwise quarter turns, 0 to 3. */
  readonly quarterTurns: number;
  /** Whether left and right of the rotated picture are swapped. */
  readonly mirror: boolean;
  /** Zoom factor; 1 shows the picture as `fit` scales it. */
  readonly zoom: number;
  /** Distance of the picture's centre from the centre of the box, in CSS px. */
  readonly x: number;
  readonly y: number;
}

/** A picture that is neither zoomed nor moved. */
export const WHOLE_VIEW: Pick<Placement, 'zoom' | 'x' | 'y'> = { zoom: 1, x: 0, y: 0 };

/** Zoom from which pixels are shown with sharp edges instead of smoothed. */
export const PIXELATED_FROM = 4;

/**
 * Affine map of points, in the order of `CanvasRenderingContext2D.setTransform()`: x' = a·x + c·y + e, y' = b·x + d·y +
 * f.
 */
export type Matrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

const COSINES = [1, 0, -1, 0] as const;
const SINES = [0, 1, 0, -1] as const;

/** Number of clockwise quarter turns, 0 to 3, of a rotation in degrees. */
export function quarterTurns(degrees: number): number {
  return ((Math.round((degrees || 0) / 90) % 4) + 4) % 4;
}

/** CSS px per pixel of the picture, with zoom. */
export function pictureScale({
  boxWidth,
  boxHeight,
  width,
  height,
  fit,
  quarterTurns: turns,
  zoom,
}: Placement): number {
  if (fit === 'none') return zoom;
  const [across, down] = turns % 2 === 0 ? [boxWidth, boxHeight] : [boxHeight, boxWidth];
  const scales = [across / width, down / height] as const;
  return zoom * (fit === 'cover' ? Math.max(...scales) : Math.min(...scales));
}

/** Map from pixels of the picture to CSS px of the box, both from their top left corner. */
export function pictureMatrix(placement: Placement): Matrix {
  const { boxWidth, boxHeight, width, height, mirror, quarterTurns: turns, x, y } = placement;
  const scale = pictureScale(placement);
  const [cosine, sine] = [scale * (COSINES[turns] ?? 1), scale * (SINES[turns] ?? 0)];
  const [a, b, c, d] = mirror ? [-cosine, sine, sine, cosine] : [cosine, sine, -sine, cosine];
  // The centre of the picture is at a distance from the centre of the box.
  return [
    a,
    b,
    c,
    d,
    boxWidth / 2 + x - (a * width + c * height) / 2,
    boxHeight / 2 + y - (b * width + d * height) / 2,
  ];
}

export function mapPoint([a, b, c, d, e, f]: Matrix, { x, y }: Point): Point {
  return { x: a * x + c * y + e, y: b * x + d * y + f };
}

/** The inverse map. A picture or box without a size has none: the results are not finite. */
export function inverted([a, b, c, d, e, f]: Matrix): Matrix {
  const determinant = a * d - b * c;
  return [
    d / determinant,
    -b / determinant,
    -c / determinant,
    a / determinant,
    (c * f - d * e) / determinant,
    (b * e - a * f) / determinant,
  ];
}

/** Map that scales first, then moves. */
export function scaledAndMoved([a, b, c, d, e, f]: Matrix, scale: number, { x, y }: Point): Matrix {
  return [a * scale, b * scale, c * scale, d * scale, e * scale + x, f * scale + y];
}

/**
 * Rectangle around an area of this size, whose top left corner is the origin. The map may rotate only by multiples of
 * 90°.
 */
export function mappedRect(matrix: Matrix, { width, height }: Pick<Rect, 'width' | 'height'>): Rect {
  const from = mapPoint(matrix, { x: 0, y: 0 });
  const to = mapPoint(matrix, { x: width, y: height });
  const [x, y] = [Math.min(from.x, to.x), Math.min(from.y, to.y)];
  return { x, y, width: Math.abs(to.x - from.x), height: Math.abs(to.y - from.y) };
}
