/** Upper bounds of the buckets, in milliseconds; a last bucket counts all longer durations. */
export const LATENCY_BOUNDS_MS: readonly number[] = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/** Distribution of durations since the gateway started. Constant memory; an observation takes a few comparisons. */
export class LatencyHistogram {
  readonly #counts = new Float64Array(LATENCY_BOUNDS_MS.length + 1);
  #sumMs = 0;

  observe(ms: number): void {
    let bucket = 0;
    while (bucket < LATENCY_BOUNDS_MS.length && ms > (LATENCY_BOUNDS_MS[bucket] ?? 0)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sumMs += ms;
  }

  /** Number of durations per bucket of {@link LATENCY_BOUNDS_MS}, the last one above all bounds; not cumulative. */
  get counts(): readonly number[] {
    return [...this.#counts];
  }

  get sumMs(): number {
    return this.#sumMs;
  }
}
