/** Fractional part of the golden ratio: its multiples cover 0 to 1 evenly, regardless of their number. */
const GOLDEN = 0.6180339887;
const REFRESH_MS = 1000 / 60;

/** Times at which frames are due. Equivalent to `Pace` of bench_picture.py, which explains them. */
export class Pace {
  readonly #periodMs: number;
  readonly #startMs = performance.now();
  #count = 0;

  constructor(fps: number) {
    this.#periodMs = 1000 / fps;
  }

  /** Time until the next frame. Frames that are late by more than one interval are skipped. */
  waitMs(): number {
    const lateMs = performance.now() - this.#startMs;
    this.#count = Math.max(this.#count + 1, Math.floor(lateMs / this.#periodMs));
    return Math.max(0, this.#count * this.#periodMs + ((this.#count * GOLDEN) % 1) * REFRESH_MS - lateMs);
  }
}
