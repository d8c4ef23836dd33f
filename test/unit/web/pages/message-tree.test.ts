import { describe, expect, it } from 'vitest';
import type { Value } from '../../../../shared/protocol.ts';
import { messageTree } from '../../../../web/pages/console/message-tree.ts';

/** The static and dynamic texts of a template, one after another. */
function textOf(part: unknown): string {
  if (Array.isArray(part)) return part.map(textOf).join('');
  if (typeof part !== 'object' || part === null || !('strings' in part)) return String(part);
  const { strings, values } = part as unknown as { strings: readonly string[]; values: readonly unknown[] };
  return strings.map((text, index) => text + (index < values.length ? textOf(values[index]) : '')).join('');
}

const treeOf = (value: Value): string => textOf(messageTree(value, 'none'));
const linesOf = (value: Value): number => treeOf(value).split('<li').length - 1;

describe('messageTree', () => {
  it('has a line for each property, and one for each short list of numbers', () => {
    const text = treeOf({ n: 1, ok: true, box: [1, 2, 3, 4], by: { name: 'arm' }, nothing: null });
    expect(text.replaceAll(/<[^>]*>|\s+/g, ' ').replaceAll(/\s+/g, ' ')).toContain(
      'n 1 ok true box [ 1 , 2 , 3 , 4 ] by {1} name "arm" nothing None',
    );
    expect(linesOf({ n: 1, by: { name: 'arm' } })).toBe(3);
  });

  it('has at most 50 lines for a list, about 500 in total, and shows the number of missing ones', () => {
    expect(treeOf(Array.from({ length: 1_000_000 }, () => 0))).toContain('… 999950 more');
    const wide = (depth: number): Value =>
      Array.from({ length: 40 }, () => (depth === 0 ? 7 : wide(depth - 1))) as Value;
    // 64 000 numbers in 1 641 lists.
    expect(linesOf(wide(2))).toBeLessThan(600);
  });

  it('shortens texts, keys and numbers', () => {
    const long = 'x'.repeat(1_000_000);
    expect(treeOf({ [long]: long, n: (10n ** 5000n) as unknown as Value }).length).toBeLessThan(3000);
  });

  it('ends at a depth of 8', () => {
    let value: Value = { leaf: 1 };
    for (let depth = 0; depth < 500; depth += 1) value = { a: value };
    expect(linesOf(value)).toBe(8);
    expect(treeOf(value)).not.toContain('leaf');
  });
});
