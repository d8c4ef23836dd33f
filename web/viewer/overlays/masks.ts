import type { Value } from '../../../shared/protocol.ts';

/**
 * Reads the runs of a mask, column by column, beginning outside of it, from COCO's two formats: a list of lengths, or
 * text in which each length has 5 bits per character and, from the third on, is the difference to the length two before
 * (pycocotools).
 *
 * @returns null if the lengths do not add up to this number of pixels.
 */
export function decodeRuns(counts: Value | undefined, pixels: number): readonly number[] | null {
  const runs = typeof counts === 'string' ? decodeText(counts) : counts;
  // Each pixel begins at most one run inside and one outside. Further runs are empty, and would take time with each
  // frame.
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

/** Fills the pixels inside of the mask, row by row, with one colour. */
export function fillRuns(
  runs: readonly number[],
  width: number,
  height: number,
  pixels: Uint32Array,
  color: number,
): void {
  let [x, y] = [0, 0];
  for (const [index, run] of runs.entries()) {
    const isInside = index % 2 === 1;
    for (let left = run; left > 0;) {
      const count = Math.min(left, height - y);
      if (isInside) for (let row = y; row < y + count; row += 1) pixels[row * width + x] = color;
      left -= count;
      y += count;
      if (y === height) [x, y] = [x + 1, 0];
    }
  }
}

/**
 * Signature of a PNG file, and length and name of its first chunk: a size in another chunk would not be that of the
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
