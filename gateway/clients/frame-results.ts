import { BoundedMap } from '../../shared/bounded-map.ts';
import type { Frame } from '../hub/frame.ts';

/** Results of work on frames, computed once per frame and key for all requests, and released with the frame. */
export class FrameResults<T> {
  readonly #results = new WeakMap<Frame, BoundedMap<string, Promise<T>>>();
  readonly #maxPerFrame: number;

  /** @param maxPerFrame maximum number of results per frame; beyond it the oldest one is discarded. */
  constructor(maxPerFrame = Infinity) {
    this.#maxPerFrame = maxPerFrame;
  }

  /** @param make may throw; then no result is cached. */
  get(frame: Frame, key: string, make: () => Promise<T>): Promise<T> {
    const results = this.#results.get(frame) ?? new BoundedMap<string, Promise<T>>(this.#maxPerFrame);
    const known = results.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.#results.set(frame, results.set(key, made));
    return made;
  }
}
