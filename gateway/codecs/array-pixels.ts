import type { ArrayRenderer, RenderedArray } from '../../shared/arrays/array-renderer.ts';
import { inTurns, SAMPLES_PER_TURN } from './in-turns.ts';
import type { Pixels } from './jpeg.ts';

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
  await inTurns(pixels.length, SAMPLES_PER_TURN, (from, to) => renderer.render(from, to, pixels.subarray(from)));
  return { data: new Uint8Array(pixels.buffer), width, height, channels: 4 };
}

/** One of the colour channels of gray BGRA pixels. Transparent ones are black. Yields to the event loop. */
export async function grayOf({ data, width, height }: Pixels): Promise<Pixels> {
  const gray = new Uint8Array(width * height);
  await inTurns(gray.length, SAMPLES_PER_TURN, (from, to) => {
    for (let at = from; at < to; at += 1) gray[at] = data[4 * at] ?? 0;
  });
  return { data: gray, width, height, channels: 1 };
}
