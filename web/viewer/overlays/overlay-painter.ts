import { errorText } from '../../../shared/errors.ts';
import { mapPoint, type Matrix, type Point, type Rect } from '../picture-geometry.ts';
import { boundsOfPixels, boundsOfRuns, fillRuns } from './masks.ts';
import {
  type Coordinates,
  isWanted,
  type Mask,
  maskMatrix,
  type OverlayContent,
  type OverlayFilter,
  type OverlayItem,
} from './overlay-items.ts';

export type Context = OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D;

/** Maximum time to draw one overlay. Remaining objects are not drawn, but reported. */
const TIME_LIMIT_MS = 30;

/**
 * Maximum length of all oblique lines of one overlay, in CSS px; dots and filled areas count as lines. Remaining
 * objects are not drawn, but reported. This limit is needed in addition to the time limit, because browsers draw shapes
 * after the time has been measured. In Chromium without a GPU, this length takes about 0.1 s.
 */
const LENGTH_LIMIT = 2_000_000;

/** Length of a line that takes as long to draw as a dot, in CSS px. */
const DOT_LENGTH = 100;

/** Number of filled pixels of the canvas that take as long to draw as 1 CSS px of a line. */
const PIXELS_PER_LENGTH = 180;

/**
 * Maximum number of points per piece. Lines with more points are drawn in pieces, because the time grows with the
 * square of the number of points.
 */
const PIECE_POINTS = 256;

/** Colours of classes. They are light, because they are drawn on pictures and on dark labels. */
const COLORS = [
  '#ffb454',
  '#4db8ff',
  '#3ddc97',
  '#ff6b6b',
  '#c792ff',
  '#ffe14d',
  '#5ff0e0',
  '#ff9ed2',
  '#a3d955',
  '#8fa8ff',
  '#ffc9a3',
  '#d9d9d9',
] as const;

const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const LABEL = { height: 18, padding: 5, bar: 3, background: '#05070acc', color: '#fff' } as const;
const DOT_RADIUS = 3;
const MASK_ALPHA = 0.45;

/** Position and scale of an overlay on the canvas. */
export interface Drawing {
  readonly context: Context;
  /** Maps pixels of the picture to pixels of the canvas. */
  readonly matrix: Matrix;
  /** Pixels of the canvas per CSS px. */
  readonly pixelRatio: number;
  /** The status chip above the canvas, in CSS px: texts are drawn below it. null for none. */
  readonly chip: Rect | null;
  readonly filter: OverlayFilter;
}

/** Decoded PNG masks. */
export type PngMasks = ReadonlyMap<Mask, ImageBitmap>;

/** Decodes the PNG masks of an overlay. Omits damaged ones. */
export async function decodePngMasks({ items }: OverlayContent): Promise<PngMasks> {
  const masks = items.flatMap(({ marks }) => marks.flatMap((mark) => (mark.kind === 'mask' ? [mark.mask] : [])));
  const decoded = await Promise.all(
    masks.map(async (mask): Promise<readonly (readonly [Mask, ImageBitmap])[]> => {
      if (mask.data.kind !== 'png') return [];
      const blob = new Blob([mask.data.bytes], { type: 'image/png' });
      const bitmap = await createImageBitmap(blob).catch(() => null);
      return bitmap === null ? [] : [[mask, bitmap] as const];
    }),
  );
  return new Map(decoded.flat());
}

/** Whether the overlay has PNG masks for {@link decodePngMasks}. */
export function hasPngMasks({ items }: OverlayContent): boolean {
  return items.some(({ marks }) => marks.some((mark) => mark.kind === 'mask' && mark.mask.data.kind === 'png'));
}

/** The smallest part of a mask that contains all pixels inside of the mask, as a picture. */
interface MaskPicture {
  readonly canvas: OffscreenCanvas;
  /** Position and size in the mask. */
  readonly bounds: Rect;
}

/** Draws overlays in the pixels of the canvas: lines and text have the same size at every zoom. */
export class OverlayPainter {
  /** Masks as pictures, cached while their overlay is redrawn. */
  readonly #masks = new WeakMap<Mask, MaskPicture>();

  /** @returns why something is not drawn, as a sentence; null if everything is. */
  draw(content: OverlayContent, pngMasks: PngMasks, drawing: Drawing): string | null {
    const { context, filter } = drawing;
    const startMs = performance.now();
    const wanted = content.items.filter((item) => isWanted(filter, item));
    context.save();
    context.lineJoin = 'round';
    context.lineCap = 'round';
    context.textBaseline = 'middle';
    let drawn = 0;
    let length = 0;
    const failures: unknown[] = [];
    for (const item of wanted) {
      length += lengthOf(item, drawing);
      if (length > LENGTH_LIMIT || performance.now() - startMs > TIME_LIMIT_MS) break;
      try {
        this.#drawItem(item, pngMasks, drawing);
      } catch (error) {
        // Browsers have their own limits, such as the sides of a canvas. The frame and the other objects are still
        // drawn.
        failures.push(error);
        context.globalAlpha = 1;
      }
      drawn += 1;
    }
    // Labels are drawn above all objects.
    let labelled = 0;
    for (const item of wanted.slice(0, drawn)) {
      if (performance.now() - startMs > TIME_LIMIT_MS) break;
      if (item.label !== '') this.#drawLabel(item, drawing);
      labelled += 1;
    }
    context.restore();
    const limit = length > LENGTH_LIMIT ? `with lines of ${LENGTH_LIMIT} px` : `in ${TIME_LIMIT_MS} ms`;
    const cut =
      labelled < wanted.length
        ? `only ${drawn} of ${wanted.length} objects, and the labels of ${labelled}, were drawn ${limit}`
        : null;
    const failed =
      failures.length > 0 ? `${failures.length} objects could not be drawn: ${errorText(failures[0])}` : null;
    return [content.problem, failed, cut].filter((text) => text !== null).join('; ') || null;
  }

  #drawItem(item: OverlayItem, pngMasks: PngMasks, drawing: Drawing): void {
    const { context, matrix, pixelRatio } = drawing;
    const color = usableColor(item, context);
    for (const mark of item.marks) {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.strokeStyle = color;
      context.fillStyle = color;
      switch (mark.kind) {
        case 'mask': {
          const picture = this.#maskPicture(mark.mask, pngMasks, color);
          if (picture === null) break;
          context.setTransform(...matrix);
          context.transform(...maskMatrix(mark.mask));
          context.imageSmoothingEnabled = false;
          context.globalAlpha = MASK_ALPHA;
          context.drawImage(picture.canvas, picture.bounds.x, picture.bounds.y);
          context.globalAlpha = 1;
          break;
        }
        case 'lines': {
          const points = mapped(mark.points, matrix);
          context.lineWidth = item.lineWidth * pixelRatio;
          if (mark.isClosed && item.fill > 0) {
            addPath(context, points, 0, points.length);
            context.globalAlpha = item.fill;
            context.fill();
            context.globalAlpha = 1;
          }
          if (points.length <= PIECE_POINTS) {
            addPath(context, points, 0, points.length);
            if (mark.isClosed) context.closePath();
            context.stroke();
            break;
          }
          if (mark.isClosed) points.push(points[0] ?? { x: 0, y: 0 });
          for (let from = 0; from < points.length - 1; from += PIECE_POINTS - 1) {
            addPath(context, points, from, from + PIECE_POINTS);
            context.stroke();
          }
          break;
        }
        case 'dots': {
          const radius = radiusOf(item, pixelRatio);
          for (const { x, y } of mapped(mark.points, matrix)) {
            context.beginPath();
            context.arc(x, y, radius, 0, 2 * Math.PI);
            context.fill();
          }
          break;
        }
        case 'text': {
          const { x, y } = mapPoint(matrix, mark);
          const isInSight = x >= 0 && y >= 0 && x <= context.canvas.width && y <= context.canvas.height;
          if (isInSight) drawText(mark.text, x, y - (LABEL.height / 2) * pixelRatio, color, drawing);
          break;
        }
        default:
          mark satisfies never;
      }
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  /** @returns null for a mask without pixels inside, and for a damaged PNG. */
  #maskPicture(mask: Mask, pngMasks: PngMasks, color: string): MaskPicture | null {
    const known = this.#masks.get(mask);
    if (known !== undefined) return known;
    const pixels = mask.data.kind === 'runs' ? runPixels(mask, mask.data.runs) : pngPixels(mask, pngMasks);
    if (pixels === null) return null;
    const { width, height } = pixels.bounds;
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (context === null) return null;
    context.putImageData(pixels.image, 0, 0);
    context.globalCompositeOperation = 'source-in';
    context.fillStyle = color;
    context.fillRect(0, 0, width, height);
    const picture = { canvas, bounds: pixels.bounds };
    this.#masks.set(mask, picture);
    return picture;
  }

  /**
   * Draws the label above the top left corner of the object on the screen. Nothing is drawn if the object is out of
   * view.
   */
  #drawLabel(item: OverlayItem, drawing: Drawing): void {
    const { context, matrix, pixelRatio } = drawing;
    let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
    /** @param radius of a dot, in pixels of the canvas. */
    const reach = (x: number, y: number, radius = 0): void => {
      const point = mapPoint(matrix, { x, y });
      [left, top] = [Math.min(left, point.x - radius), Math.min(top, point.y - radius)];
      [right, bottom] = [Math.max(right, point.x + radius), Math.max(bottom, point.y + radius)];
    };
    for (const mark of item.marks) {
      if (mark.kind === 'mask') {
        // The pixels inside, because the mask itself is often as large as the picture.
        const bounds = this.#masks.get(mark.mask)?.bounds;
        if (bounds === undefined) continue;
        const from = mapPoint(maskMatrix(mark.mask), bounds);
        const to = mapPoint(maskMatrix(mark.mask), { x: bounds.x + bounds.width, y: bounds.y + bounds.height });
        reach(from.x, from.y);
        reach(to.x, to.y);
      } else if (mark.kind === 'text') {
        reach(mark.x, mark.y);
      } else {
        const radius = mark.kind === 'dots' ? radiusOf(item, pixelRatio) : 0;
        for (let at = 0; at < mark.points.length; at += 2)
          reach(mark.points[at] ?? 0, mark.points[at + 1] ?? 0, radius);
      }
    }
    const { width, height } = context.canvas;
    const isInSight = right >= 0 && bottom >= 0 && left <= width && top <= height;
    if (isInSight) drawText(item.label, left, top - LABEL.height * pixelRatio, usableColor(item, context), drawing);
  }
}

/** Pixels of a part of a mask: opaque white inside, transparent outside. */
interface MaskPixels {
  readonly bounds: Rect;
  readonly image: ImageData;
}

const INSIDE = 0xffffffff;

function runPixels({ height }: Mask, runs: readonly number[]): MaskPixels | null {
  const bounds = boundsOfRuns(runs, height);
  if (bounds === null) return null;
  const image = new ImageData(bounds.width, bounds.height);
  fillRuns(runs, height, bounds, new Uint32Array(image.data.buffer), INSIDE);
  return { bounds, image };
}

function pngPixels(mask: Mask, pngMasks: PngMasks): MaskPixels | null {
  const { width, height } = mask;
  const bitmap = pngMasks.get(mask);
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (bitmap === undefined || context === null) return null;
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const whole = context.getImageData(0, 0, width, height);
  const pixels = new Uint32Array(whole.data.buffer);
  // Black and transparent pixels are outside. In memory, alpha is the last byte, thus the highest.
  for (let at = 0; at < pixels.length; at += 1) pixels[at] = ((pixels[at] ?? 0) & 0xffffff) === 0 ? 0 : INSIDE;
  const bounds = boundsOfPixels(pixels, width);
  if (bounds === null) return null;
  context.putImageData(whole, 0, 0);
  return { bounds, image: context.getImageData(bounds.x, bounds.y, bounds.width, bounds.height) };
}

/** Radius of a dot, in pixels of the canvas. */
function radiusOf({ lineWidth }: OverlayItem, pixelRatio: number): number {
  return Math.max(DOT_RADIUS, lineWidth) * pixelRatio;
}

/** Points in pixels of the canvas. */
function mapped(points: Coordinates, matrix: Matrix): Point[] {
  return Array.from({ length: points.length / 2 }, (_, index) =>
    mapPoint(matrix, { x: points[2 * index] ?? 0, y: points[2 * index + 1] ?? 0 }),
  );
}

/** Begins a path with the points from one index (inclusive) to another (exclusive). */
function addPath(context: Context, points: readonly Point[], from: number, to: number): void {
  context.beginPath();
  for (const { x, y } of points.slice(from, to)) context.lineTo(x, y);
}

/**
 * The length that an object counts towards {@link LENGTH_LIMIT}. Horizontal and vertical lines do not count, because
 * they are drawn much faster, except as edges of a filled area: each row of pixels crosses them.
 */
function lengthOf({ marks, fill }: OverlayItem, { context, matrix, pixelRatio }: Drawing): number {
  const { width, height } = context.canvas;
  let [length, filled] = [0, 0];
  for (const mark of marks) {
    if (mark.kind === 'dots') length += (mark.points.length / 2) * DOT_LENGTH * pixelRatio;
    if (mark.kind !== 'lines') continue;
    const isFilled = mark.isClosed && fill > 0;
    let before: Point | null = null;
    let [left, top, right, bottom] = [width, height, 0, 0];
    for (const { x, y } of mapped(mark.points, matrix)) {
      // Approximates the visible part.
      const point: Point = { x: Math.min(width, Math.max(0, x)), y: Math.min(height, Math.max(0, y)) };
      if (before !== null) {
        const [across, down] = [Math.abs(point.x - before.x), Math.abs(point.y - before.y)];
        if (across > 0.5 && down > 0.5) length += Math.hypot(across, down);
        if (isFilled) length += 2 * down;
      }
      before = point;
      [left, top, right, bottom] = [
        Math.min(left, point.x),
        Math.min(top, point.y),
        Math.max(right, point.x),
        Math.max(bottom, point.y),
      ];
    }
    if (isFilled) filled += Math.max(0, right - left) * Math.max(0, bottom - top);
  }
  return length / pixelRatio + filled / PIXELS_PER_LENGTH;
}

/** The object's own colour, or the colour of its class if the object has no colour that the browser supports. */
function usableColor({ color, className }: OverlayItem, context: Context): string {
  context.fillStyle = colorOfClass(className);
  if (color !== null) context.fillStyle = color;
  return context.fillStyle as string;
}

/** Returns the same colour for the same class. */
function colorOfClass(className: string): string {
  let hash = 0;
  for (let at = 0; at < className.length; at += 1) hash = (hash * 31 + className.charCodeAt(at)) % 9973;
  return COLORS[hash % COLORS.length] ?? COLORS[0];
}

/**
 * Draws text on whole pixels, moved inside of the canvas where it would be cut off, and below the status chip where
 * that would cover it.
 *
 * @param left of the text's background, as `top` in pixels of the canvas.
 */
function drawText(
  text: string,
  left: number,
  top: number,
  color: string,
  { context, pixelRatio, chip }: Drawing,
): void {
  const { height, padding, bar, background, color: textColor } = LABEL;
  const { canvas } = context;
  context.font = FONT;
  const width = Math.ceil(context.measureText(text).width) + bar + 2 * padding;
  // If the text is wider than the canvas, its beginning is shown.
  const x = Math.max(0, Math.min(Math.round(left), canvas.width - Math.ceil(width * pixelRatio)));
  const lowest = canvas.height - Math.ceil(height * pixelRatio);
  const inside = Math.max(0, Math.min(Math.round(top), lowest));
  const isCovered = chip !== null && overlaps({ x, y: inside, width, height }, chip, pixelRatio);
  // A picture that is hardly higher than the chip has no room below the chip.
  const y = isCovered ? Math.max(inside, Math.min(Math.ceil((chip.y + chip.height + 2) * pixelRatio), lowest)) : inside;
  context.setTransform(pixelRatio, 0, 0, pixelRatio, x, y);
  context.fillStyle = background;
  context.fillRect(0, 0, width, height);
  context.fillStyle = color;
  context.fillRect(0, 0, bar, height);
  context.fillStyle = textColor;
  context.fillText(text, bar + padding, height / 2 + 0.5);
  context.setTransform(1, 0, 0, 1, 0, 0);
}

/** Whether a text covers any of the chip. @param text position in pixels of the canvas, size in CSS px. */
function overlaps(text: Rect, chip: Rect, pixelRatio: number): boolean {
  const [left, top] = [text.x / pixelRatio, text.y / pixelRatio];
  return (
    left < chip.x + chip.width && left + text.width > chip.x && top < chip.y + chip.height && top + text.height > chip.y
  );
}
