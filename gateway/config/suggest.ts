/**
 * The name that a misspelled one probably means; null if none is similar. Case, `-` and `_` do not matter.
 *
 * @param names the valid names.
 */
export function suggest(text: string, names: readonly string[]): string | null {
  const wanted = normalize(text);
  // Long names are skipped, because the comparison takes quadratic time.
  if (wanted.length > MAX_LENGTH) return null;
  let best: string | null = null;
  let bestDistance = Infinity;
  for (const name of names) {
    const distance = editDistance(wanted, normalize(name));
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best !== null && bestDistance <= Math.max(1, Math.floor(Math.max(wanted.length, normalize(best).length) / 3))
    ? best
    : null;
}

const MAX_LENGTH = 64;

function normalize(text: string): string {
  return text.toLowerCase().replaceAll(/[-_\s]/g, '');
}

/** Number of insertions, deletions, replacements and swaps of neighbours that change one string into the other. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let row = 1; row <= a.length; row += 1) {
    const next = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      let cost = Math.min((last[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1, (last[column - 1] ?? 0) + same);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1);
      next.push(cost);
    }
    [beforeLast, last] = [last, next];
  }
  return last[b.length] ?? 0;
}
