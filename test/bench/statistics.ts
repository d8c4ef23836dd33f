/** An interval that contains the true median with at least 95 % probability, or as close as few values allow. */
interface MedianInterval {
  readonly low: number;
  readonly high: number;
  /** The probability, 0 to 1. */
  readonly confidence: number;
}

/** Median, quartiles and the median's interval of some measurements. */
export interface Summary {
  readonly median: number;
  readonly lowerQuartile: number;
  readonly upperQuartile: number;
  readonly interval: MedianInterval;
}

const CONFIDENCE = 0.95;

/**
 * Thrown if a figure cannot be computed because no frame was seen, as can happen in a short measurement on a busy
 * machine.
 */
export class NoValuesError extends RangeError {
  override readonly name = 'NoValuesError';
}

/** @throws NoValuesError if there are no frames, because their rate must not be 0 if it divides another figure. */
export function requireFrames(frames: number): void {
  if (frames === 0) throw new NoValuesError('no frame was seen');
}

/** @param values at least one, in any order. */
export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    lowerQuartile: quantile(sorted, 0.25),
    upperQuartile: quantile(sorted, 0.75),
    interval: medianInterval(sorted),
  };
}

/** @param values in any order. @throws NoValuesError if there are none. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** @param values in any order. @param share 0.95 for the 95th percentile. @throws NoValuesError if there are none. */
export function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new NoValuesError('there are no values, expected at least one');
  return quantile(
    values.toSorted((a, b) => a - b),
    share,
  );
}

/**
 * The slope of a line through points, after Theil and Sen: the median of the slopes between any two. Unlike least
 * squares, it is not affected by outliers such as memory just before a garbage collection.
 *
 * @param points at least two with different x.
 */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const slopes = points.flatMap(([x, y], i) =>
    points.slice(0, i).flatMap(([x0, y0]) => (x === x0 ? [] : [(y - y0) / (x - x0)])),
  );
  return median(slopes);
}

/** Interpolates linearly between the two nearest values. */
function quantile(sorted: readonly number[], share: number): number {
  const position = (sorted.length - 1) * share;
  const below = at(sorted, Math.floor(position));
  return below + (at(sorted, Math.ceil(position)) - below) * (position % 1);
}

/**
 * Computed from order statistics, which make no assumption about the distribution. The k-th smallest and k-th largest
 * value miss the median only if fewer than k of n values are on one side of it. The probability of this is that of
 * fewer than k heads, or fewer than k tails, in n tosses of a coin. Of 10 values, the interval is from the 2nd to the
 * 9th.
 */
function medianInterval(sorted: readonly number[]): MedianInterval {
  const n = sorted.length;
  let k = 1;
  let coins = 0.5 ** n; // Probability of one sequence of n tosses, times the number of sequences with `k - 1` heads.
  let missed = 2 * coins;
  let confidence = 1 - missed;
  for (let heads = 1; heads < n / 2; heads += 1) {
    coins *= (n - heads + 1) / heads;
    missed += 2 * coins;
    if (1 - missed < CONFIDENCE) break;
    k = heads + 1;
    confidence = 1 - missed;
  }
  return { low: at(sorted, k - 1), high: at(sorted, n - k), confidence };
}

function at(values: readonly number[], index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError(`there is no value ${index} among ${values.length}`);
  return value;
}
