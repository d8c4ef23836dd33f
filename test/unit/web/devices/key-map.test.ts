import { describe, expect, it } from 'vitest';
import { DEFAULT_KEYS, keyValue, parseKeyMap } from '../../../../web/devices/key-map.ts';

describe('parseKeyMap', () => {
  it('reads axes and switches', () => {
    expect([...parseKeyMap('w=y+1  S=y-0.5 space=brake')]).toEqual([
      ['w', { target: 'y', amount: 1 }],
      ['s', { target: 'y', amount: -0.5 }],
      ['space', { target: 'brake', amount: null }],
    ]);
  });

  it.each(['w', 'w=', '=y+1', 'w=y+', 'w=1'])('refuses %j', (text) => {
    expect(() => parseKeyMap(text)).toThrow(TypeError);
  });
});

describe('keyValue', () => {
  const map = parseKeyMap(`${DEFAULT_KEYS} space=brake`);

  it('is neutral without a key', () => {
    expect(keyValue(map, new Set())).toEqual({ x: 0, y: 0, brake: false });
  });

  it('limits the sum of an axis, not each addend', () => {
    const doubled = parseKeyMap('w=y+1 arrowup=y+1 s=y-1');
    expect(keyValue(doubled, new Set(['w', 'arrowup']))).toEqual({ y: 1 });
    expect(keyValue(doubled, new Set(['w', 'arrowup', 's']))).toEqual({ y: 1 });
  });

  it('adds up pressed keys, from -1 to 1', () => {
    expect(keyValue(map, new Set(['w', 'd', 'space']))).toEqual({ x: 1, y: 1, brake: true });
    expect(keyValue(map, new Set(['w', 's']))).toEqual({ x: 0, y: 0, brake: false });
    expect(keyValue(map, new Set(['w', 'arrowup']))).toEqual({ x: 0, y: 1, brake: false });
  });
});
