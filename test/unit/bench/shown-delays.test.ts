import { describe, expect, it } from 'vitest';
import { NUMBERS } from '../../bench/picture-number.ts';
import { delaysOf } from '../../bench/shown-delays.ts';

describe('delaysOf', () => {
  it('measures each frame from its hand-over until it is first shown', () => {
    const handedOver = [
      { number: 7, atMs: 1000 },
      { number: 8, atMs: 1033 },
    ];
    const shown = [
      { number: 7, atMs: 1030 },
      { number: 8, atMs: 1080 },
      { number: 8, atMs: 1090 },
    ];
    expect(delaysOf(handedOver, shown)).toEqual([30, 47]);
  });

  it('omits frames that were never shown', () => {
    expect(
      delaysOf(
        [
          { number: 7, atMs: 1000 },
          { number: 8, atMs: 1033 },
        ],
        [{ number: 8, atMs: 1080 }],
      ),
    ).toEqual([47]);
  });

  it('handles numbers that start over, and ignores frames shown before their hand-over', () => {
    expect(
      delaysOf(
        [{ number: NUMBERS + 7, atMs: 1000 }],
        [
          { number: 7, atMs: 900 },
          { number: 7, atMs: 1025 },
        ],
      ),
    ).toEqual([25]);
  });
});
