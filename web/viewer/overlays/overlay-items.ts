import type { Matrix } from '../picture-geometry.ts';

/** Limits per message. Objects beyond them are not drawn, but reported. */
export const OVERLAY_LIMITS = {
  items: 2000,
  points: 50_000,
  /** Maximum length of a label, text, class or colour, in characters. */
  text: 100,
  /** Maximum number of pixels of all masks. */
  maskPixels: 8 << 20,
  /** Maximum size of all PNG masks in bytes, as base64. */
  pngBytes: 2 << 20,
  /** Maximum length of a message that is JSON text, in characters. */
  json: 1 << 20,
  /** Maximum absolute coordinate, in pixels. */
  coordinate: 1e6,
} as const;

/** Coordinates in pixels of the picture: x, y, x, y, … */
export type Coordinates = readonly number[];

/** A shape to draw. Widths and radii are in CSS px, regardless of the zoom. */
export type Mark =
  | { readonly kind: 'lines'; readonly points: Coordinates; readonly isClosed: boolean }
  | { readonly kind: 'dots'; readonly points: Coordinates }
  | { readonly kind: 'text'; readonly x: number; readonly y: number; readonly text: string }
  | { readonly kind: 'mask'; readonly mask: Mask };

export interface Mask {
  /** Number of pixels of the mask itself. */
  readonly width: number;
  readonly height: number;
  readonly data:
    /** Lengths of runs outside and inside of the mask, in turn, column by column as in COCO. */
    | { readonly kind: 'runs'; readonly runs: readonly number[] }
    /** Pixels that are neither black nor transparent are inside. */
    | { readonly kind: 'png'; readonly bytes: Uint8Array<ArrayBuffer> };
  /** Box of the mask in the picture: x1, y1, x2, y2. */
  readonly box: readonly [number, number, number, number];
}

/** One object of an overlay. */
export interface OverlayItem {
  /** Name of the class, for the filter and the colour; empty for none. */
  readonly className: string;
  /** Score, 0 to 1; null for none. */
  readonly score: number | null;
  /** Text at the object; empty for none. */
  readonly label: string;
  /** CSS colour; null for that of the class. */
  readonly color: string | null;
  readonly lineWidth: number;
  /** Opacity of the area, 0 to 1. */
  readonly fill: number;
  readonly marks: readonly Mark[];
}

/** The overlay of one message. */
export interface OverlayContent {
  readonly items: readonly OverlayItem[];
  /** Why something is not drawn, as a sentence; null if everything is. */
  readonly problem: string | null;
}

/** Which objects of an overlay are drawn. */
export interface OverlayFilter {
  /** Names of classes; null for all. */
  readonly classes: ReadonlySet<string> | null;
  /** Objects without a score are always drawn. */
  readonly minScore: number;
}

export function isWanted({ classes, minScore }: OverlayFilter, { className, score }: OverlayItem): boolean {
  return (classes === null || classes.has(className)) && (score === null || !(score < minScore));
}

/** Map from the pixels of a mask to those of the picture. */
export function maskMatrix({ width, height, box: [x1, y1, x2, y2] }: Mask): Matrix {
  return [(x2 - x1) / width, 0, 0, (y2 - y1) / height, x1, y1];
}
