/** Minimum of the last 5 to 10 seconds, in constant memory: two buckets of 5 s each. */
export class WindowedMinimum {
  readonly #bucketMs = 5000;
  #bucketStart = -Infinity;
  #current = Infinity;
  #previous = Infinity;

  add(value: number, nowMs: number): void {
    this.#turn(nowMs);
    this.#current = Math.min(this.#current, value);
  }

  /** The minimum; undefined if there was no value in that time. */
  get(nowMs: number): number | undefined {
    this.#turn(nowMs);
    const minimum = Math.min(this.#current, this.#previous);
    return minimum === Infinity ? undefined : minimum;
  }

  #turn(nowMs: number): void {
    const elapsed = nowMs - this.#bucketStart;
    if (elapsed < this.#bucketMs) return;
    this.#previous = elapsed < 2 * this.#bucketMs ? this.#current : Infinity;
    this.#current = Infinity;
    this.#bucketStart = nowMs;
  }
}
