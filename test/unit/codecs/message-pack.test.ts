import { describe, expect, it } from 'vitest';
import { BytesMap, pack, type Packable, unpack, type Unpacked } from '../../../gateway/codecs/message-pack.ts';
import { PythonFloat } from '../../../gateway/codecs/python-json.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });
const float = (value: number): PythonFloat => new PythonFloat(value);

/** Values with their encoding by Python's msgpack 1.1.2. */
const WRITTEN: readonly (readonly [Packable & Unpacked, string])[] = [
  [null, 'c0'],
  [true, 'c3'],
  [false, 'c2'],
  [0, '00'],
  [127, '7f'],
  [128, 'cc80'],
  [255, 'ccff'],
  [256, 'cd0100'],
  [65_535, 'cdffff'],
  [65_536, 'ce00010000'],
  [2 ** 32 - 1, 'ceffffffff'],
  [2 ** 32, 'cf0000000100000000'],
  [2n ** 53n, 'cf0020000000000000'],
  [2n ** 64n - 1n, 'cfffffffffffffffff'],
  [-1, 'ff'],
  [-32, 'e0'],
  [-33, 'd0df'],
  [-128, 'd080'],
  [-129, 'd1ff7f'],
  [-32_769, 'd2ffff7fff'],
  [-(2 ** 31) - 1, 'd3ffffffff7fffffff'],
  [-(2n ** 63n), 'd38000000000000000'],
  [float(2), 'cb4000000000000000'],
  [float(-0), 'cb8000000000000000'],
  [float(1.5), 'cb3ff8000000000000'],
  [float(NaN), 'cb7ff8000000000000'],
  [float(Infinity), 'cb7ff0000000000000'],
  ['', 'a0'],
  ['é😀', 'a6c3a9f09f9880'],
  [[], '90'],
  [[1, [2]], '92019102'],
];

/** Lengths at the limits of each format, and the first bytes of Python's encoding. */
const LENGTHS = Object.entries({
  text: { 31: 'bf', 32: 'd920', 255: 'd9ff', 256: 'da0100', 65_535: 'daffff', 65_536: 'db00010000' },
  bytes: { 255: 'c4ff', 256: 'c50100', 65_535: 'c5ffff', 65_536: 'c600010000' },
  list: { 15: '9f', 16: 'dc0010', 65_535: 'dcffff', 65_536: 'dd00010000' },
  map: { 15: '8f', 16: 'de0010', 65_536: 'df00010000' },
}).flatMap(([kind, begins]) =>
  Object.entries(begins).map(([length, begin]) => ({ kind, length: Number(length), begin })),
);

function make(kind: string, length: number): Packable {
  const items = Array.from({ length }, (_none, n) => n % 100);
  switch (kind) {
    case 'text':
      return 'a'.repeat(length);
    case 'bytes':
      return Buffer.alloc(length);
    case 'list':
      return items;
    default:
      return Object.fromEntries(items.map((item, n) => [`k${n}`, item]));
  }
}

describe('pack', () => {
  it.each(WRITTEN)('writes %o as Python does', (value, hex) => {
    expect(pack(value).toString('hex')).toBe(hex);
  });

  it.each(LENGTHS)('writes $kind of $length', ({ kind, length, begin }) => {
    expect(pack(make(kind, length)).toString('hex').slice(0, begin.length)).toBe(begin);
  });

  it('writes maps with keys of type str or bytes', () => {
    expect(pack({ a: 1, b: null }).toString('hex')).toBe('82a16101a162c0');
    expect(
      pack(
        new BytesMap([
          ['a', 1],
          ['b', Buffer.of(0, 255)],
        ]),
      ).toString('hex'),
    ).toBe('82c4016101c40162c40200ff');
  });

  it('writes an integer of more than 64 bits as a float', () => {
    expect(pack(2n ** 64n)).toEqual(pack(float(2 ** 64)));
    expect(pack(-(2n ** 63n) - 1n)).toEqual(pack(float(-(2 ** 63))));
  });
});

describe('unpack', () => {
  it.each([
    ['numbers', '00', 1],
    ['empty lists', '90', 4],
    ['empty maps', '80', 4],
    ['maps with a key', '81a16100', 9],
  ])('reads the maximum number of elements of a browser, and not one more: %s', (_name, hex, elements) => {
    const listOf = (count: number): Buffer => {
      const head = Buffer.from('dd00000000', 'hex');
      head.writeUInt32BE(count, 1);
      return Buffer.concat([head, ...Array.from({ length: count }, () => Buffer.from(hex, 'hex'))]);
    };
    const count = Math.floor(((1 << 17) - 4) / elements);
    expect(unpack(listOf(count))).toHaveLength(count);
    expect(() => unpack(listOf(count + 1))).toThrow(coded('message-pack-too-large'));
  });

  it.each(WRITTEN)('reads %o', (value, hex) => {
    expect(unpack(Buffer.from(hex, 'hex'))).toEqual(value);
  });

  it.each(LENGTHS)('reads $kind of $length', ({ kind, length }) => {
    const value = unpack(pack(make(kind, length)), Infinity);
    expect(value instanceof Map ? value.size : (value as { length: number }).length).toBe(length);
  });

  it('reads maps in order, with keys of type str and bytes, 32-bit floats, and bytes without a copy', () => {
    expect(unpack(Buffer.from('82a16101c40162cb4000000000000000', 'hex'))).toEqual(
      new Map<string, Unpacked>([
        ['a', 1],
        ['b', float(2)],
      ]),
    );
    expect(unpack(Buffer.from('ca3fc00000', 'hex'))).toEqual(float(1.5));
    const packed = Buffer.from('c40200ff', 'hex');
    const bytes = unpack(packed) as Uint8Array;
    expect([bytes.buffer, bytes.byteOffset, bytes.byteLength]).toEqual([packed.buffer, packed.byteOffset + 2, 2]);
  });

  it('refuses truncated data', () => {
    for (const [, hex] of [...WRITTEN, [null, '82a16101c40162cb4000000000000000'] as const]) {
      const whole = Buffer.from(hex, 'hex');
      for (let end = 0; end < whole.byteLength; end += 1)
        expect(() => unpack(whole.subarray(0, end)), `${hex}, ${end} bytes`).toThrow(coded('message-pack-invalid'));
    }
  });

  it.each([
    ['more than one value', '0000'],
    ['an extension', 'd40178'],
    ['a time', 'd6ff00000001'],
    ['the unused type', 'c1'],
    ['a text that is not UTF-8', 'a1ff'],
    ['a key that is a number', '810101'],
    ['a key that is a list', '819001'],
    ['a list of 4 billion', 'ddffffffff00'],
    ['a map of 4 billion', 'dfffffffff'],
    ['bytes of 4 billion', 'c6ffffffff00'],
  ])('refuses %s', (_name, hex) => {
    expect(() => unpack(Buffer.from(hex, 'hex'))).toThrow(coded('message-pack-invalid'));
  });

  it('accepts 64 levels, but not 65', () => {
    const nested = (levels: number): Buffer => Buffer.from(`${'91'.repeat(levels - 1)}90`, 'hex');
    expect(unpack(nested(64))).toHaveLength(1);
    expect(() => unpack(nested(65))).toThrow(coded('message-pack-invalid'));
    expect(() => unpack(nested(1_000_000))).toThrow(coded('message-pack-invalid'));
  });
});
