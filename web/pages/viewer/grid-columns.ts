/** Width-to-height ratio for which the grid is arranged. */
const RATIO = 16 / 9;

/**
 * Number of columns with which `count` pictures of 16:9 are largest in a box of this size, in pixels; the largest
 * number if several are equally good.
 */
export function gridColumns(count: number, width: number, height: number): number {
  let best = 1;
  let bestWidth = 0;
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const pictureWidth = Math.min(width / columns, (height / rows) * RATIO);
    if (pictureWidth < bestWidth) continue;
    best = columns;
    bestWidth = pictureWidth;
  }
  return best;
}
