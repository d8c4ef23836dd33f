/** Hand-written bytes, according to the MessagePack specification. */
import { describe, expect, it } from 'vitest';
import { decodeMessagePack, MAX_INTEGER_BYTES, MessagePackTimestamp } from '../../../shared/message-pack.ts';

const invalid: unknown = expect.objectContaining({
  name: 'GearwayError',
  code: expect.stringMatching(/^message-pack-(?:invalid|too-large)$/) as string,
});
const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));

function decode(hex: string, { depth = 64, elements = 1000 } = {}): unknown {
  const data = bytes(hex);
  return decodeMessagePack(data, 0, data.byteLength, { depth, elements }).value;
}

describe('decodeMessagePack', () => {
  it.each<[string, unknown]>([
    ['c0', null],
    ['c2', false],
    ['c3', true],
    ['00', 0],
    ['7f', 127],
    ['e0', -32],
    ['ccff', 255],
    ['cdffff', 65_535],
    ['ceffffffff', 4_294_967_295],
    ['cf0000000000000007', 7n],
    ['cfffffffffffffffff', 2n ** 64n - 1n],
    ['d080', -128],
    ['d18000', -32_768],
    ['d280000000', -2_147_483_648],
    ['d3ffffffffffffffff', -1n],
    ['ca3fc00000', 1.5],
    ['cb3ff8000000000000', 1.5],
    ['cb7ff8000000000000', NaN],
    ['a0', ''],
    ['a3616263', 'abc'],
    ['a4c3a9c3a9', 'éé'],
    [`d930${'61'.repeat(48)}`, 'a'.repeat(48)],
    [`da0030${'61'.repeat(48)}`, 'a'.repeat(48)],
    ['db00000004f09f9880', '😀'],
    ['90', []],
    ['dc00020102', [1, 2]],
    ['dd000000020102', [1, 2]],
    ['80', {}],
    ['82a16101a16280', { a: 1, b: {} }],
    ['de0001a16101', { a: 1 }],
    ['df00000001d9016101', { a: 1 }],
    ['810102', { 1: 2 }],
    ['81a4c3a9c3a901', { éé: 1 }],
    ['c4020102', Uint8Array.of(1, 2)],
    ['d44201', 1n],
    ['d40000', undefined],
    ['c70942ff0000000000000000', -(2n ** 64n)],
    ['d6ff00000000', new MessagePackTimestamp()],
  ])('reads %s', (hex, value) => {
    expect(decode(hex)).toEqual(value);
  });

  it.each([
    ['nothing', ''],
    ['the unused type', 'c1'],
    ['bytes after the value', '0000'],
    ['a truncated text', 'a26'.padEnd(4, '1')],
    ['a truncated number', 'cb3ff80000'],
    ['a list of 2^32 - 1', 'ddffffffff00'],
    ['a map of 2^32 - 1', 'dfffffffff0000'],
    ['a map without its last value', '82a16101a162'],
    ['a string of 2^32 - 1', 'dbffffffff61'],
    ['a key that is a list', '819001'],
    ['a key that is nil', '81c001'],
    ['an unknown extension', 'd40100'],
    ['an undefined of two bytes', 'd5000000'],
    ['a long integer without bytes', 'c70042'],
  ])('rejects %s', (_name, hex) => {
    expect(() => decode(hex)).toThrow(invalid);
  });

  it('rejects every value truncated at any length', () => {
    const whole = '85a16101a162920203a16381a164c0a165cb3ff8000000000000a166c403010203';
    expect(decode(whole)).toMatchObject({ a: 1, b: [2, 3] });
    for (let length = 0; length < whole.length; length += 2)
      expect(() => decode(whole.slice(0, length)), String(length)).toThrow(invalid);
  });

  it('accepts nesting up to the limit', () => {
    expect(decode('919190', { depth: 3 })).toEqual([[[]]]);
    expect(() => decode('91919190', { depth: 3 })).toThrow(invalid);
    expect(() => decode('81a16181a16281a16380', { depth: 3 })).toThrow(invalid);
    expect(() => decode(`${'91'.repeat(1_000_000)}c0`, { elements: Infinity })).toThrow(invalid);
  });

  it('counts numbers, texts, nil and booleans as one element, and lists, maps and keys as four', () => {
    const elementsOf = (hex: string): number =>
      decodeMessagePack(bytes(hex), 0, bytes(hex).byteLength, { depth: 64, elements: 1000 }).elements;
    expect(['c0', 'c3', '07', 'a161', 'cb3ff8000000000000'].map(elementsOf)).toEqual([1, 1, 1, 1, 1]);
    expect(['90', '80', 'c40101', 'd44201'].map(elementsOf)).toEqual([4, 4, 4, 4]);
    expect(elementsOf('920102')).toBe(6);
    expect(elementsOf('81a16101')).toBe(4 + 4 + 1);
    expect(elementsOf('81d9016101')).toBe(4 + 4 + 1);
    expect(elementsOf(`c8020042${'55'.repeat(512)}`)).toBe(4 + 512 / 16);
  });

  it.each([
    ['a short text', `af${'61'.repeat(15)}`, 1],
    ['a string of 16 bytes', `b0${'61'.repeat(16)}`, 2],
    ['a string of 512 bytes', `da0200${'7f'.repeat(512)}`, 1 + 512 / 16],
    ['a key of 31 bytes', `81bf${'61'.repeat(31)}01`, 4 + 4 + 1 + 1],
    ['a key of 32 bytes', `81d920${'61'.repeat(32)}01`, 4 + 4 + 2 + 1],
  ])('counts the bytes of %s', (_name, hex, count) => {
    expect(() => decode(hex, { elements: count })).not.toThrow();
    expect(() => decode(hex, { elements: count - 1 })).toThrow(
      expect.objectContaining({ code: 'message-pack-too-large' }),
    );
  });

  it.each([
    ['numbers', 'dc000a01020304050607080900', 14],
    ['a map', '82a16101a16202', 14],
    ['empty maps', '92 80 80', 12],
    ['long integers', '91 d44201', 8],
  ])('accepts the maximum number of elements, and not one more: %s', (_name, hex, count) => {
    expect(() => decode(hex, { elements: count })).not.toThrow();
    expect(() => decode(hex, { elements: count - 1 })).toThrow(invalid);
  });

  it('accepts a long integer of the maximum size, and refuses a longer one', () => {
    const integer = (length: number): string => `c8${length.toString(16).padStart(4, '0')}42${'11'.repeat(length)}`;
    expect(typeof decode(integer(MAX_INTEGER_BYTES))).toBe('bigint');
    expect(() => decode(integer(MAX_INTEGER_BYTES + 1))).toThrow(invalid);
  });

  it('makes __proto__ a property like any other', () => {
    const value = decode('81 a95f5f70726f746f5f5f 81a17801') as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.entries(value)).toEqual([['__proto__', { x: 1 }]]);
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  it('distinguishes keys with the same hash and length', () => {
    // "Aa" and "BB" have the same hash to the base 31.
    for (let round = 0; round < 3; round += 1) expect(decode('82a2416101a2424202')).toEqual({ Aa: 1, BB: 2 });
  });

  it('reads from the middle of a larger buffer', () => {
    const data = bytes('ffff 82a16101a162cb3ff8000000000000 ffff').subarray(1);
    expect(decodeMessagePack(data, 1, data.byteLength - 2, { depth: 2, elements: 100 }).value).toEqual({
      a: 1,
      b: 1.5,
    });
  });
});
