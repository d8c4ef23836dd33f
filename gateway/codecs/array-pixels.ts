import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ArrayRenderer, RenderedArray } from '../../shared/arrays/array-renderer.ts';
import type { Pixels } from './jpeg.ts';

/** Number of pixels rendered per iteration of the event loop: about half a millisecond. */
const PIXELS_PER_TURN = 1 << 16;

/**
 * An array as BGRA pixels, as the viewer shows it. Rendering yields to the event loop, so that it does not delay other
 * frames: the renderer must not be used in the meantime.
 *
 * @param renderer with the order `bgra`.
 * @param isNext see {@link ArrayRenderer.prepare}.
 * @throws {GearwayError} as {@link ArrayRenderer.prepare}.
 */
export async function renderPixels(renderer: ArrayRenderer, array: RenderedArray, isNext: boolean): Promise<Pixels> {
  const { width, height } = array;
  renderer.prepare(array, isNext);
  const pixels = new Uint32Array(width * height);
  for (let from = 0; from < pixels.length; from += PIXELS_PER_TURN) {
    if (from > 0) await nextTurn();
    renderer.render(from, Math.min(from + PIXELS_PER_TURN, pixels.length), pixels.subarray(from));
  }
  return { data: new Uint8Array(pixels.buffer), width, height, channels: 4 };
}

/** One of the colour channels of gray BGRA pixels. Transparent ones are black. */
export function grayOf({ data, width, height }: Pixels): Pixels {
  const gray = new Uint8Array(width * height);
  for (let at = 0; at < gray.length; at += 1) gray[at] = data[4 * at] ?? 0;
  return { data: gray, width, height, channels: 1 };
}
