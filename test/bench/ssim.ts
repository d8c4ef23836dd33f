/** A gray picture, one byte per pixel. */
export interface Gray {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Constants of the paper: a Gaussian window of 11x11 with this standard deviation, for values up to 255. */
const RADIUS = 5;
const DEVIATION = 1.5;
const C1 = (0.01 * 255) ** 2;
const C2 = (0.03 * 255) ** 2;

const WINDOW = gaussian();

/**
 * Structural similarity, the mean over all windows: Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality
 * assessment: from error visibility to structural similarity", IEEE Transactions on Image Processing, 2004. 1 for equal
 * pictures.
 *
 * @param b of the same size as `a`, at least 11x11.
 */
export function ssim(a: Gray, b: Gray): number {
  const { width, height } = a;
  if (b.width !== width || b.height !== height || Math.min(width, height) <= 2 * RADIUS)
    throw new RangeError(
      `pictures of ${width}x${height} and ${b.width}x${b.height} cannot be compared: expected the same size, at least 11x11`,
    );
  const mean = (value: (at: number) => number): Float64Array => windowMeans(value, width, height);
  const [x, y] = [a.data, b.data] as const;
  const meanX = mean((at) => x[at] ?? 0);
  const meanY = mean((at) => y[at] ?? 0);
  const meanXX = mean((at) => (x[at] ?? 0) ** 2);
  const meanYY = mean((at) => (y[at] ?? 0) ** 2);
  const meanXY = mean((at) => (x[at] ?? 0) * (y[at] ?? 0));
  let sum = 0;
  for (let at = 0; at < meanX.length; at += 1) {
    const [mx, my] = [meanX[at] ?? 0, meanY[at] ?? 0];
    const variances = (meanXX[at] ?? 0) - mx * mx + (meanYY[at] ?? 0) - my * my;
    const covariance = (meanXY[at] ?? 0) - mx * my;
    sum += ((2 * mx * my + C1) * (2 * covariance + C2)) / ((mx * mx + my * my + C1) * (variances + C2));
  }
  return sum / meanX.length;
}

/** Weighted means of all windows that are completely inside the picture: the rows first, then the columns. */
function windowMeans(value: (at: number) => number, width: number, height: number): Float64Array {
  const [columns, rows] = [width - 2 * RADIUS, height - 2 * RADIUS];
  const values = Float64Array.from({ length: width * height }, (_, at) => value(at));
  const across = new Float64Array(columns * height);
  for (let y = 0; y < height; y += 1) weigh(values, y * width, 1, across, y * columns, columns);
  const means = new Float64Array(columns * rows);
  for (let y = 0; y < rows; y += 1) weigh(across, y * columns, columns, means, y * columns, columns);
  return means;
}

/** Writes weighted sums of values at intervals of `step`, for `count` neighbouring positions. */
function weigh(from: Float64Array, begin: number, step: number, to: Float64Array, at: number, count: number): void {
  for (let index = 0; index < count; index += 1) {
    let sum = 0;
    for (let tap = 0; tap < WINDOW.length; tap += 1)
      sum += (WINDOW[tap] ?? 0) * (from[begin + index + tap * step] ?? 0);
    to[at + index] = sum;
  }
}

function gaussian(): Float64Array {
  const weights = Float64Array.from({ length: 2 * RADIUS + 1 }, (_, index) =>
    Math.exp(-((index - RADIUS) ** 2) / (2 * DEVIATION ** 2)),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}
