import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BlankLine, findBlankLine } from '../../../gateway/codecs/header-lines.ts';

/** Passes a text in pieces. @returns the result of the first piece that has one, and the number of bytes until then. */
function find(pieces: readonly string[]): { blank: BlankLine; arrived: number } | null {
  const bytes = Buffer.from(pieces.join(''), 'latin1');
  const search = { searchedTo: 0, lineEnd: -1 };
  let arrived = 0;
  for (const piece of pieces) {
    arrived += piece.length;
    const blank = findBlankLine(bytes, search, arrived);
    if (blank !== null) return { blank, arrived };
  }
  return null;
}

describe('findBlankLine', () => {
  it.each<[string, number, number]>([
    ['a: b\r\n\r\nbody', 4, 8],
    ['a: b\n\nbody', 4, 6],
    ['a: b\r\rbody', 4, 6],
    ['a: b\r\n \t\r\nbody', 4, 10],
    ['a: b\n\r\n', 4, 7],
    ['\r\n\r\n', 0, 4],
    ['a\r\nb\r\n\n\n', 4, 7],
  ])('finds it in %j', (text, start, end) => {
    expect(find([text])?.blank).toEqual({ start, end });
  });

  it.each(['', 'a: b', 'a: b\r\n', 'a: b\r\n\r', 'a: b\r\nc\r\n', 'a: b\n c\n'])('does not find it in %j', (text) => {
    expect(find([text])).toBeNull();
  });

  it('finds the same one in pieces of any size, as soon as it has arrived', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.array(fc.constantFrom('\r', '\n', ' ', '\t', 'x'), { maxLength: 4 }).map((bytes) => bytes.join('')),
        ),
        (pieces) => {
          const text = pieces.join('');
          const found = /(?:\r\n|\n|\r(?!\n))[ \t]*(?:\r\n|\n|\r(?!\n|$))/.exec(text);
          const expected = found === null ? null : { start: found.index, end: found.index + found[0].length };
          expect(find(pieces)?.blank ?? null).toEqual(expected);
          // A CR is complete with the byte after it.
          const single = find(text.split(''));
          expect(single?.blank ?? null).toEqual(expected);
          if (single !== null && expected !== null) expect(single.arrived - expected.end).toBeLessThan(2);
        },
      ),
    );
  });

  it.each(['x', ' ', '\n'])('examines each byte a fixed number of times, in pieces of one byte (%j)', (byte) => {
    const count = 1000;
    let reads = 0;
    const bytes = new Proxy(Buffer.from(`\n${byte === '\n' ? 'x\n'.repeat(count / 2) : byte.repeat(count)}`), {
      get(target, key) {
        reads += 1;
        return Reflect.get(target, key) as unknown;
      },
    });
    const search = { searchedTo: 0, lineEnd: -1 };
    for (let to = 1; to <= count; to += 1) expect(findBlankLine(bytes, search, to)).toBeNull();
    expect(reads).toBeLessThanOrEqual(2 * count);
  });
});
