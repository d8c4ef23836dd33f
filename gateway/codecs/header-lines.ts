/** A blank line: where the line ending before it begins, and where the bytes after it begin. */
export interface BlankLine {
  readonly start: number;
  readonly end: number;
}

/** Progress of a search for a blank line in bytes that arrive in pieces; offsets in these bytes. */
export interface BlankLineSearch {
  searchedTo: number;
  /** Where the latest line ending begins, if only spaces and tabs have followed it; -1 otherwise. */
  lineEnd: number;
}

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;

/**
 * Finds the blank line after header lines: two line endings of any kind (CR LF, LF or CR), with at most spaces and tabs
 * between them. Reads each byte once, however small the pieces are.
 *
 * @param bytes all bytes so far.
 * @param search `{ searchedTo: 0, lineEnd: -1 }` for the first call; updated.
 * @param to offset of the end of the bytes that have arrived.
 * @returns null if the blank line has not arrived completely.
 */
export function findBlankLine(bytes: Uint8Array, search: BlankLineSearch, to: number): BlankLine | null {
  while (search.searchedTo < to) {
    const at = search.searchedTo;
    const byte = bytes[at];
    if (byte === CR || byte === LF) {
      // May be the first half of CR LF.
      if (byte === CR && at + 1 === to) return null;
      const end = byte === CR && bytes[at + 1] === LF ? at + 2 : at + 1;
      search.searchedTo = end;
      if (search.lineEnd >= 0) return { start: search.lineEnd, end };
      search.lineEnd = at;
      continue;
    }
    if (byte !== SPACE && byte !== TAB) search.lineEnd = -1;
    search.searchedTo = at + 1;
  }
  return null;
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
