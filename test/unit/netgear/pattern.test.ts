import { describe, expect, it } from 'vitest';
import { patternOfSocket } from '../../../gateway/netgear/pattern.ts';

describe('patternOfSocket', () => {
  it.each([
    ['REP', 'client', 'request-reply'],
    ['REQ', 'server', 'request-reply'],
    ['REQ', 'client', null],
    ['PUSH', 'client', null],
    ['', 'client', null],
  ] as const)('of %s at the side of the %s is %s', (type, side, pattern) => {
    expect(patternOfSocket(type, side)).toBe(pattern);
  });

  it.each(['__proto__', 'constructor', 'toString'])('of %s, a property of every object, is null', (type) => {
    expect([patternOfSocket(type, 'client'), patternOfSocket(type, 'server')]).toEqual([null, null]);
  });
});
