/** A blank line in a text: where it begins, and where the text after it begins. */
interface BlankLine {
  readonly start: number;
  readonly end: number;
}

/** Two line endings with nothing between, of any kind: CR LF, LF or CR. */
const BLANK_LINE = /(?:\r\n|\n|\r(?!\n))[ \t]*(?:\r\n|\n|\r(?!\n))/;

/**
 * Finds the blank line after header lines.
 *
 * @returns null if it has not arrived completely.
 */
export function findBlankLine(text: string): BlankLine | null {
  const found = BLANK_LINE.exec(text);
  if (found === null) return null;
  const end = found.index + found[0].length;
  // A CR at the end may be the first half of CR LF.
  return end === text.length && text.endsWith('\r') ? null : { start: found.index, end };
}

/**
 * Parses header lines with any line endings. Lines without a name are skipped; indented lines continue the previous one.
 *
 * @returns names in lower case, and values; a name may occur several times.
 */
export function parseHeaderLines(text: string): readonly (readonly [name: string, value: string])[] {
  const headers: [name: string, value: string][] = [];
  for (const line of text.split(/[\r\n]+/)) {
    const last = headers.at(-1);
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim();
    if (/^[ \t]/.test(line) && last !== undefined) last[1] = `${last[1]} ${line.trim()}`;
    else if (name !== '') headers.push([name.toLowerCase(), line.slice(colon + 1).trim()]);
  }
  return headers;
}
