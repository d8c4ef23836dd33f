import { describe, expect, it } from 'vitest';
import { frameOfArray, decimation } from '../../../../gateway/hub/returns/array-frame.ts';
import { grayOf, renderPixels } from '../../../../gateway/codecs/array-pixels.ts';
import { ArrayRenderer } from '../../../../shared/arrays/array-renderer.ts';
import { parseArrayStyle } from '../../../../shared/arrays/array-style.ts';
import type { NDArray } from '../../../../shared/ndarray.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

/** The visible values of an array of one row. */
const seen = async (array: NDArray): Promise<number[]> => [
  ...(
    await grayOf(
      await renderPixels(
        new ArrayRenderer(parseArrayStyle({ range: 'type' }), 'bgra'),
        await frameOfArray(array, 1),
        true,
      ),
    )
  ).data,
];

describe('frameOfArray', () => {
  // The bytes are from NumPy: np.array([...], dtype).tobytes().hex()
  it.each([
    ['uint8', '00 80 ff', 3, [0, 128, 255]],
    ['|u1', '00 80 ff', 3, [0, 128, 255]],
    ['bool', '00 01', 2, [0, 255]],
    ['uint16', '0000 0101 ffff', 3, [0, 1, 255]],
    ['>u2', '0000 0101 ffff', 3, [0, 1, 255]],
    ['>u2', '0000 8000 ffff', 3, [0, 128, 255]],
    ['float32', '00000000 0000003f 0000803f', 3, [0, 128, 255]],
    ['>f4', '00000000 3f000000 3f800000', 3, [0, 128, 255]],
    ['>f8', '0000000000000000 3ff0000000000000', 2, [0, 255]],
    ['float16', '0000 0038 003c 0080 00c0', 5, [0, 128, 255, 0, 0]],
    ['float16', '007c 007e 0100', 3, [255, 0, 0]],
    ['>f2', '3800 3c00', 2, [128, 255]],
    ['int8', '80 00 7f', 3, [0, 128, 255]],
    ['int16', '0000 0a00 1400', 3, [0, 128, 255]],
    ['int32', 'ffffffff 00000000 01000000', 3, [0, 128, 255]],
    ['uint32', '00000000 ffffffff', 2, [0, 255]],
    ['int64', 'feffffffffffffff 0000000000000000', 2, [0, 255]],
    ['>i8', 'fffffffffffffffe 0000000000000000', 2, [0, 255]],
    ['uint64', '0000000000000000 ffffffffffffffff', 2, [0, 255]],
    ['int32', '07000000 07000000', 2, [0, 0]],
  ])('shows %s %s', async (dtype, hex, width, expected) => {
    expect(await seen({ dtype, shape: [1, width], data: bytes(hex) })).toEqual(expected);
  });

  it('reads memory that is not aligned', async () => {
    const data = bytes('ff 0000 ffff').subarray(1);
    expect(await seen({ dtype: 'int16', shape: [1, 2], data })).toEqual([255, 0]);
    expect(await seen({ dtype: 'uint16', shape: [1, 2], data })).toEqual([0, 255]);
  });

  it('decimates rows and columns', async () => {
    const data = Uint8Array.from({ length: 3 * 5 * 3 }, (_, at) => at);
    const { width, height, encoding, payload } = await frameOfArray({ dtype: 'uint8', shape: [3, 5, 3], data }, 2);
    expect({ width, height, encoding }).toEqual({
      width: 3,
      height: 2,
      encoding: { kind: 'raw', dtype: 'uint8', shape: [2, 3, 3] },
    });
    expect([...payload]).toEqual([0, 1, 2, 6, 7, 8, 12, 13, 14, 30, 31, 32, 36, 37, 38, 42, 43, 44]);
  });

  it.each([[[4]], [[1, 4, 2]], [[1, 4, 1, 1]], [[0, 4]], [[4, 0]], [[]]])('refuses the shape %j', async (shape) => {
    await expect(frameOfArray({ dtype: 'uint8', shape, data: new Uint8Array(8) }, 1)).rejects.toEqual(
      expect.objectContaining({ code: 'no-picture' }),
    );
  });

  it('normalizes and decimates a large array like a small one, over its whole range', async () => {
    const [height, width] = [600, 500];
    const values = Int32Array.from({ length: height * width }, (_, at) =>
      at === 0 ? -1000 : at === 299_000 ? 1000 : 0,
    );
    const array = { dtype: 'int32', shape: [height, width], data: new Uint8Array(values.buffer) };
    const whole = (await frameOfArray(array, 1)).payload;
    expect([whole[0], whole[1], whole[299_000]]).toEqual([0, 128, 255]);
    const half = await frameOfArray(array, 2);
    expect([half.width, half.height]).toEqual([250, 300]);
    expect([half.payload[0], half.payload[1], half.payload[299 * 250]]).toEqual([0, 128, 255]);
  });
});

describe('decimation', () => {
  it.each([
    [2048, 2048, null, 1],
    [2049, 2048, null, 2],
    [4096, 4096, null, 2],
    [16_384, 1024, null, 2],
    [480, 640, 160, 2],
    [480, 639, 160, 1],
    [480, 640, 16_384, 1],
  ])('of %d × %d for a width of %s is %d', (height, columns, width, expected) => {
    expect(decimation({ dtype: 'uint8', shape: [height, columns], data: new Uint8Array(0) }, width)).toBe(expected);
  });
});
