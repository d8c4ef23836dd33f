import type { Value } from '../../../shared/protocol.ts';
import type { Rect } from '../picture-geometry.ts';

/**
 * Reads the runs of a mask, column by column, beginning outside of it, from one of COCO's two formats: a list of
 * lengths, or a text (pycocotools). In the text, lengths have 5 bits per character, and each length from the third on
 * is stored as its difference from the length two positions before it.
 *
 * @returns null if the lengths do not add up to this number of pixels.
 */
export function decodeRuns(counts: Value | undefined, pixels: number): readonly number[] | null {
  const runs = typeof counts === 'string' ? decodeText(counts) : counts;
  // Each pixel begins at most one run inside and one outside. Further runs are empty, and drawing them would take time
  // for each frame.
  if (!Array.isArray(runs) || runs.length > 2 * pixels + 1) return null;
  let sum = 0;
  for (const run of runs as readonly Value[]) {
    if (typeof run !== 'number' || !Number.isInteger(run) || run < 0) return null;
    sum += run;
  }
  return sum === pixels ? (runs as readonly number[]) : null;
}

function decodeText(text: string): readonly number[] {
  const runs: number[] = [];
  let [value, shift] = [0, 0];
  for (let index = 0; index < text.length; index += 1) {
    const digit = text.charCodeAt(index) - 48;
    value += (digit & 0x1f) * 2 ** shift;
    shift += 5;
    if ((digit & 0x20) !== 0) continue;
    if ((digit & 0x10) !== 0) value -= 2 ** shift;
    runs.push(runs.length > 2 ? value + (runs.at(-2) ?? 0) : value);
    [value, shift] = [0, 0];
  }
  return runs;
}

/**
 * The smallest rectangle that contains all pixels inside of the mask; null if there are none.
 *
 * @param height height of the mask.
 */
export function boundsOfRuns(runs: readonly number[], height: number): Rect | null {
  let [left, top, right, bottom] = [Infinity, height, 0, 0];
  let at = 0;
  for (const [index, run] of runs.entries()) {
    if (index % 2 === 1 && run > 0) {
      const last = at + run - 1;
      const [from, to] = [Math.floor(at / height), Math.floor(last / height)];
      left = Math.min(left, from);
      right = to + 1;
      top = from === to ? Math.min(top, at % height) : 0;
      bottom = from === to ? Math.max(bottom, (last % height) + 1) : height;
    }
    at += run;
  }
  return right === 0 ? null : { x: left, y: top, width: right - left, height: bottom - top };
}

/**
 * Fills the pixels inside of the mask with one colour.
 *
 * @param height height of the mask.
 * @param bounds rectangle of the pixels, which contains all of the mask: see {@link boundsOfRuns}.
 * @param pixels receives its rows.
 */
export function fillRuns(
  runs: readonly number[],
  height: number,
  bounds: Rect,
  pixels: Uint32Array,
  color: number,
): void {
  let [x, y] = [0, 0];
  for (const [index, run] of runs.entries()) {
    const isInside = index % 2 === 1;
    for (let left = run; left > 0;) {
      const count = Math.min(left, height - y);
      const at = (y - bounds.y) * bounds.width + x - bounds.x;
      if (isInside) for (let row = 0; row < count; row += 1) pixels[at + row * bounds.width] = color;
      left -= count;
      y += count;
      if (y === height) [x, y] = [x + 1, 0];
    }
  }
}

/** The smallest rectangle that contains all pixels that are not 0; null if there are none. */
export function boundsOfPixels(pixels: Uint32Array, width: number): Rect | null {
  let [left, top, right, bottom] = [width, Infinity, 0, 0];
  for (let at = 0, y = 0; at < pixels.length; at += width, y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (pixels[at + x] === 0) continue;
      if (x < left) left = x;
      if (x >= right) right = x + 1;
      if (y < top) top = y;
      bottom = y + 1;
    }
  }
  return right === 0 ? null : { x: left, y: top, width: right - left, height: bottom - top };
}

/**
 * Signature of a PNG file, and length and name of its first chunk, because only this chunk contains the size of the
 * picture.
 */
const PNG_START = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52] as const;

/** Size from the header of a PNG file; null if it is not one. */
export function pngSize(bytes: Uint8Array): { readonly width: number; readonly height: number } | null {
  if (bytes.byteLength < 24 || !PNG_START.every((byte, index) => bytes[index] === byte)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  return width > 0 && height > 0 ? { width, height } : null;
}
