import { describe, expect, it } from 'vitest';
import { BoundedMap } from '../../../shared/bounded-map.ts';

describe('BoundedMap', () => {
  it('forgets the oldest entry beyond the maximum', () => {
    const map = new BoundedMap<string, number>(2);
    map.set('a', 1).set('b', 2).set('c', 3);
    expect([...map]).toEqual([
      ['b', 2],
      ['c', 3],
    ]);
  });

  it('makes an entry the newest when it is set again', () => {
    const map = new BoundedMap<string, number>(2);
    map.set('a', 1).set('b', 2).set('a', 4).set('c', 3);
    expect([...map]).toEqual([
      ['a', 4],
      ['c', 3],
    ]);
  });

  it('keeps everything without a maximum', () => {
    const map = new BoundedMap<number, number>(Infinity);
    for (let key = 0; key < 100; key += 1) map.set(key, key);
    expect(map.size).toBe(100);
  });
});
