/** A straight line through measurements, by least squares. */
interface Regression {
  readonly slope: number;
  readonly intercept: number;
  /** Half the width of the 95 % confidence interval of the slope; Infinity with fewer than 3 points. */
  readonly slopeError: number;
  readonly points: number;
}

/** @param points at least two with different x. */
export function regress(points: readonly (readonly [x: number, y: number])[]): Regression {
  const n = points.length;
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const intercept = meanY - slope * meanX;
  const rest = points.reduce((sum, [x, y]) => sum + (y - intercept - slope * x) ** 2, 0);
  const slopeError = n < 3 ? Infinity : studentT(n - 2) * Math.sqrt(rest / (n - 2) / spread);
  return { slope, intercept, slopeError, points: n };
}

/**
 * The 97.5th percentile of Student's t distribution, by the expansion of Cornish and Fisher (exact to 1 % from 3
 * degrees of freedom on), and the exact values below.
 */
export function studentT(degrees: number): number {
  if (degrees === 1) return 12.706;
  if (degrees === 2) return 4.303;
  const z = 1.959964;
  const g1 = (z ** 3 + z) / 4;
  const g2 = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  const g3 = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384;
  return z + g1 / degrees + g2 / degrees ** 2 + g3 / degrees ** 3;
}

/**
 * Whether the values do not rise significantly: the interval of the slope contains zero, or the rise is below the
 * threshold.
 */
export function isFlat({ slope, slopeError }: Regression, negligible: number): boolean {
  return slope - slopeError <= 0 || slope < negligible;
}

export function formatSlope({ slope, slopeError, points }: Regression, unit: string): string {
  return `${slope >= 0 ? '+' : ''}${slope.toFixed(3)} ± ${slopeError.toFixed(3)} ${unit} (95 %, ${points} points)`;
}
