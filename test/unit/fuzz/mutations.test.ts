import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mutate, mutations } from '../../fuzz/mutations.ts';

describe('mutate', () => {
  const bytes = Buffer.from('0123456789');

  it.each([
    [{ kind: 'truncate', at: 0.5 }, '01234'],
    [{ kind: 'flip', at: 0, mask: 1 }, '1123456789'],
    [{ kind: 'set', at: 0.9, value: 0x58 }, '012345678X'],
    [{ kind: 'number', at: 0, width: 2, value: 0x4142n, littleEndian: false }, 'AB23456789'],
    [{ kind: 'number', at: 0, width: 2, value: 0x4142n, littleEndian: true }, 'BA23456789'],
    [{ kind: 'insert', at: 0.5, bytes: Buffer.from('ab') }, '01234ab56789'],
    [{ kind: 'remove', at: 0.5, length: 3 }, '0123489'],
    [{ kind: 'copy', from: 0, length: 2, to: 0.5 }, '012340156789'],
    [{ kind: 'repeat', at: 0.9, length: 1, times: 3 }, '0123456789999'],
  ] as const)('applies %o', (change, expected) => {
    expect(mutate(bytes, [change]).toString()).toBe(expected);
  });

  it('accepts bytes of any length, does not change its input, and returns small output', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 50 }), mutations, (input, changes) => {
        const before = Buffer.from(input);
        expect(mutate(input, changes).length).toBeLessThan(1 << 20);
        expect(Buffer.from(input).equals(before)).toBe(true);
      }),
      { seed: 1 },
    );
  });
});
