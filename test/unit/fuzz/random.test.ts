import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../fuzz/random.ts';

describe('Random', () => {
  it('returns the same sequence for the same key', () => {
    const draw = (random: Random): unknown[] => [
      random.uint32(),
      random.next(),
      random.below(1000),
      random.bytes(8).toString('hex'),
      random.pick(['a', 'b', 'c']),
      random.sample(fc.string()),
    ];
    expect(draw(new Random(7, 'viewer', 3))).toEqual(draw(new Random(7, 'viewer', 3)));
    expect(draw(new Random(7, 'viewer', 3))).not.toEqual(draw(new Random(7, 'viewer', 4)));
    expect(draw(new Random(7, 'viewer', 3))).not.toEqual(draw(new Random(8, 'viewer', 3)));
  });

  it('draws every number between the limits, and both limits, but none beyond them', () => {
    const random = new Random('limits');
    const drawn = new Set(Array.from({ length: 1000 }, () => random.between(3, 7)));
    expect([...drawn].sort((a, b) => a - b)).toEqual([3, 4, 5, 6, 7]);
  });

  it('draws by weight', () => {
    const random = new Random('weights');
    const heavy = Array.from({ length: 4000 }, () =>
      random.weighted([
        [3, 1],
        [1, 0],
      ]),
    ).filter((value) => value === 1).length;
    expect(heavy).toBeGreaterThan(2800);
    expect(heavy).toBeLessThan(3200);
  });
});
