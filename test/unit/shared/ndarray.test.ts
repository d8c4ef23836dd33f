import { describe, expect, it } from 'vitest';
import { arrayBytes, canonicalDtype, checkNDArray, itemBytes, pictureChannels } from '../../../shared/ndarray.ts';

const coded = (code: string): unknown => expect.objectContaining({ name: 'GearwayError', code });

describe('itemBytes', () => {
  it.each([
    ['bool', 1],
    ['uint8', 1],
    ['int8', 1],
    ['uint16', 2],
    ['int16', 2],
    ['float16', 2],
    ['uint32', 4],
    ['int32', 4],
    ['float32', 4],
    ['uint64', 8],
    ['int64', 8],
    ['float64', 8],
    ['>u2', 2],
    ['<u2', 2],
    ['=f4', 4],
    ['|u1', 1],
    ['u1', 1],
    ['>f2', 2],
    ['>f8', 8],
    ['>i8', 8],
    ['|b1', 1],
  ])('of %s is %i', (dtype, bytes) => {
    expect(itemBytes(dtype)).toBe(bytes);
  });

  it.each([
    '',
    'object',
    'complex64',
    'uint128',
    'float31',
    'UINT8',
    'u3',
    'f1',
    '>u16',
    '>>u2',
    'u2 ',
    'V8',
    'S4',
    '<U1',
    'M8[ns]',
    '__proto__',
    'toString',
  ])('is unknown for %j', (dtype) => {
    expect(itemBytes(dtype)).toBeUndefined();
  });
});

describe('canonicalDtype', () => {
  it.each([
    ['uint8', 'uint8'],
    ['u1', 'uint8'],
    ['<u1', 'uint8'],
    ['>u1', 'uint8'],
    ['|u1', 'uint8'],
    ['=i1', 'int8'],
    ['|b1', 'bool'],
    ['<u2', 'uint16'],
    ['u2', 'uint16'],
    ['=f8', 'float64'],
    ['>u2', '>u2'],
    ['>f2', '>f2'],
    ['complex64', 'complex64'],
  ])('of %s is %s', (dtype, expected) => {
    expect(canonicalDtype(dtype)).toBe(expected);
  });
});

describe('pictureChannels', () => {
  it.each([
    [[4, 6], 1],
    [[4, 6, 1], 1],
    [[4, 6, 3], 3],
    [[4, 6, 4], 4],
    [[4, 6, 2], null],
    [[4, 6, 0], null],
    [[4, 0], null],
    [[4], null],
    [[], null],
    [[1, 4, 6, 3], null],
  ])('of %j is %j', (shape, channels) => {
    expect(pictureChannels(shape)).toBe(channels);
  });
});

describe('arrayBytes', () => {
  it.each([
    ['uint8', [], 1],
    ['uint8', [720, 1280, 3], 2_764_800],
    ['float32', [4, 5], 80],
    ['>u2', [4, 6, 1], 48],
    ['float64', [0], 0],
    ['uint8', [3, 0, 5], 0],
    ['uint8', [1, 1, 1, 1, 1, 1, 1, 2], 2],
    ['uint8', [2 ** 53 - 1], 2 ** 53 - 1],
  ])('of %s %j is %i', (dtype, shape, bytes) => {
    expect(arrayBytes(dtype, shape)).toBe(bytes);
  });

  it.each([
    ['nine dimensions', [1, 1, 1, 1, 1, 1, 1, 1, 1]],
    ['a product beyond 2^53', [2 ** 53]],
    ['an infinite product', [1e200, 1e200]],
    ['infinity times zero', [1e200, 1e200, 0]],
    ['a size that is not a safe integer, times zero', [1e200, 0]],
    ['a negative size', [-1]],
    ['two negative sizes', [-2, -3]],
    ['a fraction', [1.5]],
    ['NaN', [NaN]],
    ['infinity', [Infinity]],
    ['text', ['4']],
    ['a bigint', [4n]],
    ['a list', [[4]]],
    ['null', [null]],
  ])('rejects a shape with %s', (_name, shape) => {
    expect(() => arrayBytes('uint8', shape)).toThrow(coded('shape-invalid'));
  });

  it('counts bytes, not elements, against 2^53', () => {
    expect(() => arrayBytes('float64', [2 ** 50])).toThrow(coded('shape-invalid'));
    expect(arrayBytes('float64', [2 ** 49])).toBe(2 ** 52);
  });

  it('rejects an unknown dtype', () => {
    expect(() => arrayBytes('object', [1])).toThrow(coded('dtype-unknown'));
  });
});

describe('checkNDArray', () => {
  it('accepts an array of the correct size, and rejects one with a byte more or less', () => {
    expect(() => checkNDArray({ dtype: 'float32', shape: [4, 5], data: new Uint8Array(80) })).not.toThrow();
    expect(() => checkNDArray({ dtype: 'float32', shape: [4, 5], data: new Uint8Array(79) })).toThrow(
      coded('array-misfit'),
    );
    expect(() => checkNDArray({ dtype: 'float32', shape: [4, 5], data: new Uint8Array(81) })).toThrow(
      coded('array-misfit'),
    );
    expect(() => checkNDArray({ dtype: 'float31', shape: [4, 5], data: new Uint8Array(80) })).toThrow(
      coded('dtype-unknown'),
    );
    expect(() => checkNDArray({ dtype: 'uint8', shape: [-1], data: new Uint8Array(0) })).toThrow(
      coded('shape-invalid'),
    );
  });
});
