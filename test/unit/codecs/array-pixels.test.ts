import { describe, expect, it } from 'vitest';
import { grayOf, renderPixels } from '../../../gateway/codecs/array-pixels.ts';
import { ArrayRenderer, type RenderedArray } from '../../../shared/arrays/array-renderer.ts';
import { type ArrayStyleTexts, parseArrayStyle } from '../../../shared/arrays/array-style.ts';

function array(dtype: string, shape: number[], samples: Uint8Array | Uint16Array | Float32Array): RenderedArray {
  const [height = 0, width = 0] = shape;
  return {
    width,
    height,
    encoding: { kind: 'raw', dtype, shape },
    payload: new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength),
  };
}

const renderer = (style: ArrayStyleTexts = {}): ArrayRenderer => new ArrayRenderer(parseArrayStyle(style), 'bgra');

describe('renderPixels', () => {
  it('converts gray values to BGRA', async () => {
    const { data, width, height, channels } = await renderPixels(
      renderer({ range: '0,255', colormap: '#102030,#ffffff' }),
      array('float32', [1, 2], Float32Array.of(0, 255)),
      true,
    );
    expect([[...data], width, height, channels]).toEqual([[0x30, 0x20, 0x10, 255, 255, 255, 255, 255], 2, 1, 4]);
  });

  it('keeps the order of three and four channels, and makes the pixels opaque', async () => {
    expect([
      ...(await renderPixels(renderer(), array('uint16', [1, 1, 3], Uint16Array.of(257, 514, 771)), true)).data,
    ]).toEqual([1, 2, 3, 255]);
    expect([
      ...(await renderPixels(renderer(), array('bool', [1, 1, 4], Uint8Array.of(1, 0, 1, 0)), true)).data,
    ]).toEqual([255, 0, 255, 255]);
  });

  it.each([[[700, 500]], [[700, 500, 3]], [[700, 400, 4]]])(
    'renders a large picture of shape %j in several iterations of the event loop, completely and in order',
    async (shape) => {
      const samples = Uint16Array.from(
        { length: shape.reduce((product, size) => product * size, 1) },
        (_, at) => (at % 251) * 257,
      );
      let turns = 0;
      let counting = setImmediate(function count() {
        turns += 1;
        counting = setImmediate(count);
      });
      const channels = shape[2] ?? 1;
      const { data } = await renderPixels(
        renderer({ range: 'type', noData: 'none' }),
        array('uint16', shape, samples),
        true,
      );
      clearImmediate(counting);
      expect(turns).toBeGreaterThan(0);
      const wrong = [...data].findIndex((value, at) => {
        const sample = Math.floor(at / 4) * channels + Math.min(at % 4, channels - 1);
        return value !== (at % 4 === 3 ? 255 : sample % 251);
      });
      expect(wrong).toBe(-1);
    },
  );

  it.each([
    ['uint8', [1, 2, 2], 'channels-unsupported'],
    ['complex64', [1, 1], 'dtype-unsupported'],
    ['uint16', [2, 2], 'array-misfit'],
  ])('refuses %s %j', async (dtype, shape, code) => {
    await expect(renderPixels(renderer(), array(dtype, shape, new Uint8Array(7)), true)).rejects.toMatchObject({
      code,
    });
  });

  it('refuses a JPEG', async () => {
    await expect(
      renderPixels(renderer(), { ...array('uint8', [1, 1], Uint8Array.of(1)), encoding: { kind: 'jpeg' } }, true),
    ).rejects.toMatchObject({ code: 'frame-encoded' });
  });
});

describe('grayOf', () => {
  it('extracts one channel; transparent pixels are black', async () => {
    expect(await grayOf({ data: Uint8Array.of(7, 7, 7, 255, 0, 0, 0, 0), width: 2, height: 1, channels: 4 })).toEqual({
      data: Uint8Array.of(7, 0),
      width: 2,
      height: 1,
      channels: 1,
    });
  });
});
