import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { Packr as Reference } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { decodeMessagePack } from '../../../shared/message-pack.ts';
import { Packr } from '../../../web/connection/message-pack-writer.ts';

// The options of shared/protocol.ts.
const reference = new Reference({
  useRecords: false,
  mapsAsObjects: true,
  useBigIntExtension: true,
  structuredClone: false,
  variableMapSize: true,
});
const writer = new Packr();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const read = (bytes: Uint8Array): unknown =>
  decodeMessagePack(bytes, 0, bytes.byteLength, { depth: 512, elements: Infinity }).value;

describe('the MessagePack writer of the browser', () => {
  it.each<[unknown, string]>([
    // github.com/msgpack/msgpack/blob/master/spec.md
    [null, 'c0'],
    [true, 'c3'],
    [127, '7f'],
    [128, 'cc80'],
    [-1, 'ff'],
    [-33, 'd0df'],
    [65_536, 'ce00010000'],
    [-32_769, 'd2ffff7fff'],
    [1.5, 'cb3ff8000000000000'],
    ['é', 'a2c3a9'],
    [[1, 'a'], '9201a161'],
    [{ a: null }, '81a161c0'],
    [Uint8Array.of(1, 2), 'c4020102'],
    [2n ** 64n, 'c70942010000000000000000'],
    [-(2n ** 63n), 'd38000000000000000'],
    [undefined, 'd40000'],
  ])('writes %s as specified', (value, expected) => {
    expect(hex(writer.pack(value))).toBe(expected);
  });

  const lengths = [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536];
  it.each(lengths)('writes texts, bytes, lists and maps of %d', (length) => {
    const map = Object.fromEntries(Array.from({ length }, (_, index) => [`k${index}`, index]));
    for (const value of ['x'.repeat(length), new Uint8Array(length).fill(7), Array.from({ length }, () => 1), map])
      expect(isDeepStrictEqual(read(writer.pack(value)), value)).toBe(true);
  });

  it('writes integers of any length, which msgpackr pads to a multiple of 64 bits', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 2100n), max: 2n ** 2100n }), (value) => {
        expect(BigInt(read(writer.pack(value)) as bigint)).toBe(value);
      }),
    );
    for (const value of [2n ** 71n, -(2n ** 71n), 2n ** 71n - 1n, -(2n ** 71n) - 1n])
      expect(read(writer.pack(value))).toBe(value);
  });

  it('writes the same bytes as msgpackr', () => {
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, true, false, undefined, NaN, Infinity, -0),
        fc.integer(),
        fc.integer({ min: -300, max: 70_000 }),
        fc.double(),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
        fc.string({ unit: 'grapheme', maxLength: 40 }),
        fc.array(tie('value'), { maxLength: 20 }),
        fc.dictionary(fc.string({ maxLength: 5 }), tie('value'), { maxKeys: 20 }),
      ),
    })).value;
    fc.assert(
      fc.property(value, (each) => {
        expect(hex(writer.pack(each))).toBe(hex(reference.pack(each)));
      }),
      { numRuns: 500 },
    );
  });
});
