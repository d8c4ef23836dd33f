import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canPack, SamplePacker, unpackSamples } from '../../../../shared/arrays/packed-samples.ts';
import { itemBytes } from '../../../../shared/ndarray.ts';

const DTYPES = [
  'bool',
  'uint8',
  'int8',
  'uint16',
  'int16',
  'float16',
  'uint32',
  'int32',
  'float32',
  'uint64',
  'int64',
  'float64',
] as const;

function packed(dtype: string, shape: readonly number[], data: Uint8Array, step = Infinity): Uint8Array {
  const packer = new SamplePacker(dtype, shape, data);
  for (let from = 0; from < packer.words; from += step) packer.pack(from, Math.min(packer.words, from + step));
  return packer.planes;
}

describe('packed samples', () => {
  it('store the zigzag differences to the pixel before, in planes of bytes', () => {
    const data = new Uint8Array(Uint16Array.of(1000, 1001, 999, 0).buffer);
    // +1000, +1, -2, -999 become 2000, 2, 3, 1997.
    expect([...packed('uint16', [2, 2], data)]).toEqual([0xd0, 2, 3, 0xcd, 7, 0, 0, 7]);
  });

  it('predict each channel by the same channel', () => {
    expect([...packed('uint8', [1, 2, 3], Uint8Array.of(10, 20, 30, 11, 19, 30))]).toEqual([20, 40, 60, 2, 1, 0]);
  });

  it('predict each half of 8-byte samples by the same half', () => {
    const planes = packed('float64', [1, 3], new Uint8Array(Float64Array.of(1.5, 1.5, 1.5).buffer));
    expect(planes.filter((byte) => byte !== 0).length).toBeLessThanOrEqual(4);
  });

  it('are unpacked to the same bytes in pieces of any size, aligned or not', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...DTYPES),
        fc.constantFrom<readonly number[]>([3, 5], [3, 5, 1], [2, 3, 3], [2, 2, 4]),
        fc.nat(7),
        fc.integer({ min: 1, max: 40 }),
        fc.infiniteStream(fc.nat(255)),
        fc.constantFrom(Uint8Array, Buffer),
        (dtype, shape, offset, step, stream, Memory) => {
          const length = shape.reduce((product, side) => product * side, itemBytes(dtype) ?? 0);
          const memory = Memory.from([...stream.take(offset + length)]);
          const data = memory.subarray(offset);
          const planes = packed(dtype, shape, data, step);
          expect(planes).toHaveLength(length);
          expect(unpackSamples(dtype, shape, planes)).toEqual(Uint8Array.from(data));
        },
      ),
    );
  });

  it('exist only for little-endian types', () => {
    expect(DTYPES.filter((dtype) => !canPack(dtype))).toEqual([]);
    for (const dtype of ['>u2', '>f4', 'complex64']) {
      expect(canPack(dtype)).toBe(false);
      expect(() => new SamplePacker(dtype, [1, 1], new Uint8Array(8))).toThrow(
        expect.objectContaining({ code: 'dtype-unsupported' }) as Error,
      );
    }
  });
});
