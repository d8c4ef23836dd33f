/**
 * Minimizes a failing list (delta debugging, Zeller and Hildebrandt): removes parts as long as the rest still fails.
 *
 * @param fails runs the items; called at most `maxRuns` times.
 * @returns a failing list in the same order; the whole one if nothing smaller fails.
 */
export async function minimize<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
  maxRuns: number,
): Promise<readonly T[]> {
  let smallest = items;
  let pieces = 2;
  for (let runs = 0; smallest.length > 1 && runs < maxRuns;) {
    const size = Math.ceil(smallest.length / pieces);
    let found: readonly T[] | null = null;
    for (let start = 0; start < smallest.length && runs < maxRuns && found === null; start += size) {
      // With two parts, removing one part is the same as keeping the other.
      const rest = [...smallest.slice(0, start), ...smallest.slice(start + size)];
      runs += 1;
      if (await fails(rest)) found = rest;
    }
    if (found !== null) {
      smallest = found;
      pieces = Math.max(2, pieces - 1);
    } else if (size === 1) break;
    else pieces = Math.min(smallest.length, pieces * 2);
  }
  return smallest;
}
