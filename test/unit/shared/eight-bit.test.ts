import { describe, expect, it } from 'vitest';
import { checkShowable, EightBitConverter, rangeOfSamples } from '../../../shared/eight-bit.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

/** The same bytes at an odd offset in memory, as in a part of a larger chunk. */
const unaligned = (bytes: Uint8Array): Uint8Array => Uint8Array.of(99, ...bytes).subarray(1);

/**
 * Computed by NumPy: `rint((a.astype(float64) - low) / (high - low) * 255)`, clipped, NaN as 0; low and high are those
 * of `np.iinfo`, 0 and 1 for floats.
 */
const BY_NUMPY: readonly (readonly [dtype: string, hex: string, expected: readonly number[]])[] = [
  ['uint8', '00ff24486d91da', [0, 255, 36, 72, 109, 145, 218]],
  ['int8', '807fa4c8ed115a', [0, 255, 36, 72, 109, 145, 218]],
  ['uint16', '0000ffff92242449b66d48926cdb', [0, 255, 36, 73, 109, 146, 219]],
  ['>u2', '0000ffff249249246db69248db6c', [0, 255, 36, 73, 109, 146, 219]],
  ['int16', '0080ff7f92a424c9b6ed48126c5b', [0, 255, 36, 73, 109, 146, 219]],
  ['>i2', '80007fffa492c924edb612485b6c', [0, 255, 36, 73, 109, 146, 219]],
  ['uint32', '00000000ffffffff24499224489224496ddbb66d91244992dab66ddb', [0, 255, 36, 73, 109, 146, 219]],
  ['>u4', '00000000ffffffff24924924492492486db6db6d92492491db6db6da', [0, 255, 36, 73, 109, 146, 219]],
  ['int32', '00000080ffffff7f244992a4489224c96ddbb6ed91244912dab66d5b', [0, 255, 36, 73, 109, 146, 219]],
  ['>i4', '800000007fffffffa4924924c9249248edb6db6d124924915b6db6da', [0, 255, 36, 73, 109, 146, 219]],
  [
    'uint64',
    '0000000000000000ffffffffffffffff92244992244992242449922449922449b66ddbb66ddbb66d48922449922449926cdbb66ddbb66ddb',
    [0, 255, 36, 73, 109, 146, 219],
  ],
  [
    '>u8',
    '0000000000000000ffffffffffffffff249249249249249249249249249249246db6db6db6db6db69249249249249248db6db6db6db6db6c',
    [0, 255, 36, 73, 109, 146, 219],
  ],
  [
    'int64',
    '0000000000000080ffffffffffffff7f92244992244992a424499224499224c9b66ddbb66ddbb6ed48922449922449126cdbb66ddbb66d5b',
    [0, 255, 36, 73, 109, 146, 219],
  ],
  [
    '>i8',
    '80000000000000007fffffffffffffffa492492492492492c924924924924924edb6db6db6db6db612492492492492485b6db6db6db6db6c',
    [0, 255, 36, 73, 109, 146, 219],
  ],
  ['float16', '0000003c0034003800bc0040007e007c00fc662efc3b', [0, 255, 64, 128, 0, 255, 0, 255, 0, 25, 255]],
  ['>f2', '00003c0034003800bc0040007e007c00fc002e663bfc', [0, 255, 64, 128, 0, 255, 0, 255, 0, 25, 255]],
  [
    'float32',
    '000000000000803f0000803e0000003f000080bf000000400000c07f0000807f000080ffcdcccc3dee7c7f3f',
    [0, 255, 64, 128, 0, 255, 0, 255, 0, 26, 254],
  ],
  [
    '>f4',
    '000000003f8000003e8000003f000000bf800000400000007fc000007f800000ff8000003dcccccd3f7f7cee',
    [0, 255, 64, 128, 0, 255, 0, 255, 0, 26, 254],
  ],
  [
    'float64',
    '0000000000000000000000000000f03f000000000000d03f000000000000e03f000000000000f0bf0000000000000040000000000000f87f000000000000f07f000000000000f0ff9a9999999999b93f560e2db29defef3f',
    [0, 255, 64, 128, 0, 255, 0, 255, 0, 26, 254],
  ],
  [
    '>f8',
    '00000000000000003ff00000000000003fd00000000000003fe0000000000000bff000000000000040000000000000007ff80000000000007ff0000000000000fff00000000000003fb999999999999a3fefef9db22d0e56',
    [0, 255, 64, 128, 0, 255, 0, 255, 0, 26, 254],
  ],
  ['bool', '00010100', [0, 255, 255, 0]],
];

const convert = (dtype: string, bytes: Uint8Array, count: number): number[] => {
  const out = new Uint8ClampedArray(count);
  new EightBitConverter(dtype).convert(bytes, 0, count, out);
  return [...out];
};

describe('EightBitConverter', () => {
  it.each(BY_NUMPY)('maps %s as NumPy does, at any alignment', (dtype, hex, expected) => {
    const bytes = bytesOf(hex);
    expect(convert(dtype, bytes, expected.length)).toEqual(expected);
    expect(convert(dtype, unaligned(bytes), expected.length)).toEqual(expected);
  });

  it.each(BY_NUMPY)('converts a part of %s', (dtype, hex, expected) => {
    const out = new Uint8ClampedArray(3).fill(77);
    new EightBitConverter(dtype).convert(bytesOf(hex), 1, 3, out);
    expect([...out]).toEqual([expected[1], expected[2], 77]);
  });

  it.each([
    ['u1', '00ff', [0, 255]],
    ['|u1', '00ff', [0, 255]],
    ['<u1', '00ff', [0, 255]],
    ['>u1', '00ff', [0, 255]],
    ['|b1', '0001', [0, 255]],
    ['u2', '0080', [128]],
    ['=u2', '0080', [128]],
    ['<i2', '0080', [0]],
    ['<f4', '0000803f', [255]],
    ['>i1', '807f', [0, 255]],
  ])('reads the spelling %s', (dtype, hex, expected) => {
    expect(convert(dtype, bytesOf(hex), expected.length)).toEqual(expected);
  });

  it('maps another range: values outside are clamped', () => {
    const out = new Uint8ClampedArray(4);
    new EightBitConverter('uint16', { low: 300, high: 4000 }).convert(
      new Uint8Array(Uint16Array.of(0, 300, 2150, 9000).buffer),
      0,
      4,
      out,
    );
    expect([...out]).toEqual([0, 0, 128, 255]);
  });

  it('shows a range without extent as black', () => {
    const out = new Uint8ClampedArray(1).fill(9);
    new EightBitConverter('int32', { low: 7, high: 7 }).convert(new Uint8Array(Int32Array.of(7).buffer), 0, 1, out);
    expect([...out]).toEqual([0]);
  });

  it.each(['complex64', '<c8', 'object', '|O', '<U4', '|S3', 'float128', 'uint24', ''])('refuses %s', (dtype) => {
    expect(() => new EightBitConverter(dtype)).toThrow(coded('dtype-unsupported'));
  });
});

describe('rangeOfSamples', () => {
  it.each([
    ['int8', Int8Array.of(-3, 0, 9), { low: -3, high: 9 }],
    ['int16', Int16Array.of(-300, 0, 9), { low: -300, high: 9 }],
    ['int32', Int32Array.of(-70_000, 0, 9), { low: -70_000, high: 9 }],
    ['uint32', Uint32Array.of(5, 4_000_000_000), { low: 5, high: 4_000_000_000 }],
    ['int64', BigInt64Array.of(-5n, 2n ** 40n), { low: -5, high: 2 ** 40 }],
    ['float32', Float32Array.of(0.5, NaN, -2), { low: -2, high: 0.5 }],
    ['float64', Float64Array.of(0.25, 8), { low: 0.25, high: 8 }],
  ])('of %s', (dtype, samples, expected) => {
    expect(rangeOfSamples(dtype, new Uint8Array(samples.buffer))).toEqual(expected);
  });
});

describe('checkShowable', () => {
  const check = (dtype: string, shape: readonly number[]): number => checkShowable({ kind: 'raw', dtype, shape });

  it.each([
    [[4, 6], 1],
    [[4, 6, 1], 1],
    [[4, 6, 3], 3],
    [[4, 6, 4], 4],
  ])('shape %j has %i channels', (shape, channels) => {
    expect(check('float16', shape)).toBe(channels);
  });

  it.each([[[4, 6, 2]], [[4, 6, 5]], [[4]], [[1, 4, 6, 3]]])('refuses shape %j', (shape) => {
    expect(() => check('uint8', shape)).toThrow(coded('channels-unsupported'));
  });

  it('refuses a type that is not a real number', () => {
    expect(() => check('complex128', [4, 6])).toThrow(coded('dtype-unsupported'));
  });
});
