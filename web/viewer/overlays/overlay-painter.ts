import { errorText } from '../../../shared/errors.ts';
import { mapPoint, type Matrix } from '../picture-geometry.ts';
import { fillRuns } from './masks.ts';
import {
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

/** Colours of classes: light, because they lie on pictures and on a dark label. */
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

/** How an overlay lies on the canvas. */
export interface Drawing {
  readonly context: Context;
  /** From pixels of the picture to pixels of the canvas. */
  readonly matrix: Matrix;
  /** Pixels of the canvas per CSS px. */
  readonly pixelRatio: number;
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

/** Whether {@link decodePngMasks} has anything to do. */
export function hasPngMasks({ items }: OverlayContent): boolean {
  return items.some(({ marks }) => marks.some((mark) => mark.kind === 'mask' && mark.mask.data.kind === 'png'));
}

/** Draws overlays in the pixels of the canvas: lines and text have the same size at every zoom. */
export class OverlayPainter {
  /** Masks as pictures, for as long as their overlay is drawn again. */
  readonly #masks = new WeakMap<Mask, OffscreenCanvas>();

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
    const failures: unknown[] = [];
    for (const item of wanted) {
      if (performance.now() - startMs > TIME_LIMIT_MS) break;
      try {
        this.#drawItem(item, pngMasks, drawing);
      } catch (error) {
        // Each browser has limits of its own, such as the sides of a canvas. The frame and the others are drawn.
        failures.push(error);
        context.globalAlpha = 1;
      }
      drawn += 1;
    }
    // Above all objects.
    let labelled = 0;
    for (const item of wanted.slice(0, drawn)) {
      if (performance.now() - startMs > TIME_LIMIT_MS) break;
      if (item.label !== '') drawLabel(item, drawing);
      labelled += 1;
    }
    context.restore();
    const cut =
      labelled < wanted.length
        ? `only ${drawn} of ${wanted.length} objects, and the labels of ${labelled}, were drawn in ${TIME_LIMIT_MS} ms`
        : null;
    const failed =
      failures.length > 0 ? `${failures.length} objects could not be drawn: ${errorText(failures[0])}` : null;
    return [content.problem, failed, cut].filter((text) => text !== null).join('; ') || null;
  }

  #drawItem(item: OverlayItem, pngMasks: PngMasks, { context, matrix, pixelRatio }: Drawing): void {
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
          context.drawImage(picture, 0, 0);
          context.globalAlpha = 1;
          break;
        }
        case 'lines': {
          context.beginPath();
          for (let at = 0; at < mark.points.length; at += 2) {
            const { x, y } = mapPoint(matrix, { x: mark.points[at] ?? 0, y: mark.points[at + 1] ?? 0 });
            if (at === 0) context.moveTo(x, y);
            else context.lineTo(x, y);
          }
          if (mark.isClosed) context.closePath();
          context.globalAlpha = item.fill;
          if (mark.isClosed && item.fill > 0) context.fill();
          context.globalAlpha = 1;
          context.lineWidth = item.lineWidth * pixelRatio;
          context.stroke();
          break;
        }
        case 'dots':
          context.beginPath();
          for (let at = 0; at < mark.points.length; at += 2) {
            const { x, y } = mapPoint(matrix, { x: mark.points[at] ?? 0, y: mark.points[at + 1] ?? 0 });
            const radius = Math.max(DOT_RADIUS, item.lineWidth) * pixelRatio;
            context.moveTo(x + radius, y);
            context.arc(x, y, radius, 0, 2 * Math.PI);
          }
          context.fill();
          break;
        case 'text': {
          const { x, y } = mapPoint(matrix, mark);
          const isInSight = x >= 0 && y >= 0 && x <= context.canvas.width && y <= context.canvas.height;
          if (isInSight) drawText(mark.text, x, y - (LABEL.height / 2) * pixelRatio, color, { context, pixelRatio });
          break;
        }
        default:
          mark satisfies never;
      }
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  #maskPicture(mask: Mask, pngMasks: PngMasks, color: string): OffscreenCanvas | null {
    const known = this.#masks.get(mask);
    if (known !== undefined) return known;
    const { width, height, data } = mask;
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (context === null) return null;
    const image = context.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    if (data.kind === 'runs') {
      fillRuns(data.runs, width, height, pixels, 0xffffffff);
    } else {
      const bitmap = pngMasks.get(mask);
      if (bitmap === undefined) return null;
      context.drawImage(bitmap, 0, 0);
      bitmap.close();
      const source = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
      // Black and transparent pixels are outside. In memory, alpha is the last byte, thus the highest.
      for (let at = 0; at < source.length; at += 1) if (((source[at] ?? 0) & 0xffffff) !== 0) pixels[at] = 0xffffffff;
    }
    context.putImageData(image, 0, 0);
    context.globalCompositeOperation = 'source-in';
    context.fillStyle = color;
    context.fillRect(0, 0, width, height);
    this.#masks.set(mask, canvas);
    return canvas;
  }
}

/** The object's own colour, or that of its class if it has none, or one that the browser does not know. */
function usableColor({ color, className }: OverlayItem, context: Context): string {
  context.fillStyle = colorOfClass(className);
  if (color !== null) context.fillStyle = color;
  return context.fillStyle as string;
}

/** The same colour for the same class. */
function colorOfClass(className: string): string {
  let hash = 0;
  for (let at = 0; at < className.length; at += 1) hash = (hash * 31 + className.charCodeAt(at)) % 9973;
  return COLORS[hash % COLORS.length] ?? COLORS[0];
}

/** Above the top left of the object as it lies on the screen. Not drawn if the object is out of sight. */
function drawLabel(item: OverlayItem, drawing: Drawing): void {
  const { context, matrix, pixelRatio } = drawing;
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  const reach = (x: number, y: number): void => {
    const point = mapPoint(matrix, { x, y });
    [left, top] = [Math.min(left, point.x), Math.min(top, point.y)];
    [right, bottom] = [Math.max(right, point.x), Math.max(bottom, point.y)];
  };
  for (const mark of item.marks) {
    if (mark.kind === 'mask') {
      const [x1, y1, x2, y2] = mark.mask.box;
      reach(x1, y1);
      reach(x2, y2);
    } else if (mark.kind === 'text') {
      reach(mark.x, mark.y);
    } else {
      for (let at = 0; at < mark.points.length; at += 2) reach(mark.points[at] ?? 0, mark.points[at + 1] ?? 0);
    }
  }
  const { width, height } = context.canvas;
  const isInSight = right >= 0 && bottom >= 0 && left <= width && top <= height;
  if (isInSight) drawText(item.label, left, top - LABEL.height * pixelRatio, usableColor(item, context), drawing);
}

/**
 * Draws text on whole pixels, moved inside of the canvas where it would be cut off.
 *
 * @param left of the text's background, as `top` in pixels of the canvas.
 */
function drawText(
  text: string,
  left: number,
  top: number,
  color: string,
  { context, pixelRatio }: Pick<Drawing, 'context' | 'pixelRatio'>,
): void {
  const { height, padding, bar, background, color: textColor } = LABEL;
  const { canvas } = context;
  context.font = FONT;
  const width = Math.ceil(context.measureText(text).width) + bar + 2 * padding;
  // Of text that is wider than the canvas, the beginning is shown.
  const x = Math.max(0, Math.min(Math.round(left), canvas.width - Math.ceil(width * pixelRatio)));
  const y = Math.max(0, Math.min(Math.round(top), canvas.height - Math.ceil(height * pixelRatio)));
  context.setTransform(pixelRatio, 0, 0, pixelRatio, x, y);
  context.fillStyle = background;
  context.fillRect(0, 0, width, height);
  context.fillStyle = color;
  context.fillRect(0, 0, bar, height);
  context.fillStyle = textColor;
  context.fillText(text, bar + padding, height / 2 + 0.5);
  context.setTransform(1, 0, 0, 1, 0, 0);
}
