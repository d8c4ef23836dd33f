import { describe, expect, it } from 'vitest';
import { toEightBit } from '../../../gateway/codecs/eight-bit.ts';
import type { Frame } from '../../../gateway/hub/frame.ts';

function frame(dtype: string, shape: number[], samples: Uint8Array | Uint16Array | Float32Array | Float64Array | Uint32Array): Frame {
  const [height = 0, width = 0] = shape;
  const payload = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  return { sequence: 1, receivedAtUs: 0, width, height, encoding: { kind: 'raw', dtype, shape }, payload, message: null, wireHeader: null };
}

/** The same frame one byte further on in memory, as a part of a larger chunk may lie. */
function unaligned(aligned: Frame): Frame {
  const chunk = new Uint8Array(aligned.payload.byteLength + 1);
  chunk.set(aligned.payload, 1);
  return { ...aligned, payload: chunk.subarray(1) };
}

describe('toEightBit', () => {
  it.each([[[1, 4]], [[1, 4, 1]], [[1, 1, 4]]])('leaves 8-bit samples of shape %j where they are', async (shape) => {
    const image = frame('uint8', shape, Uint8Array.of(0, 1, 128, 255));
    const pixels = await toEightBit(image);
    expect(pixels.data).toBe(image.payload);
    expect(pixels).toMatchObject({ width: shape[1], height: 1, channels: shape[2] ?? 1 });
  });

  it.each([
    ['uint16', Uint16Array.of(0, 128, 129, 257, 32_896, 65_406, 65_407, 65_535), [0, 0, 1, 1, 128, 254, 255, 255]],
    ['float32', Float32Array.of(-1, 0, 0.5, 0.25, 1, 2, NaN, Infinity), [0, 0, 128, 64, 255, 255, 0, 255]],
    ['float64', Float64Array.of(-0.1, 0, 0.5, 0.1, 0.999, 1.001, -Infinity, 1), [0, 0, 128, 26, 255, 255, 0, 255]],
    ['bool', Uint8Array.of(0, 1, 1, 0, 0, 0, 1, 1), [0, 255, 255, 0, 0, 0, 255, 255]],
  ])('converts %s linearly', async (dtype, samples, expected) => {
    const image = frame(dtype, [2, 4], samples);
    for (const each of [image, unaligned(image)]) expect(await toEightBit(each)).toEqual({ data: Uint8Array.from(expected), width: 4, height: 2, channels: 1 });
  });

  it('keeps the order of three and four channels', async () => {
    expect(await toEightBit(frame('uint16', [1, 1, 3], Uint16Array.of(257, 514, 771)))).toEqual({ data: Uint8Array.of(1, 2, 3), width: 1, height: 1, channels: 3 });
    expect(await toEightBit(frame('bool', [1, 1, 4], Uint8Array.of(1, 0, 1, 1)))).toEqual({ data: Uint8Array.of(255, 0, 255, 255), width: 1, height: 1, channels: 4 });
  });

  it.each([[[1, 2, 2]], [[1, 2, 5]]])('refuses samples of shape %j', async (shape) => {
    await expect(toEightBit(frame('uint8', shape, new Uint8Array(10)))).rejects.toEqual(expect.objectContaining({ code: 'channels-unsupported' }));
  });

  it.each(['complex64', 'object', '<U1'])('refuses %s', async (dtype) => {
    await expect(toEightBit(frame(dtype, [1, 1], Uint32Array.of(1)))).rejects.toEqual(expect.objectContaining({ code: 'dtype-unsupported' }));
  });

  it('refuses a JPEG', async () => {
    await expect(toEightBit({ ...frame('uint8', [1, 1], Uint8Array.of(1)), encoding: { kind: 'jpeg' } })).rejects.toEqual(expect.objectContaining({ code: 'frame-encoded' }));
  });

  it.each([[[700, 500]], [[300, 500, 3]], [[300, 400, 4]]])('converts a large picture of shape %j in turns, whole and in order', async (shape) => {
    const samples = Uint16Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, at) => (at % 251) * 257);
    let turns = 0;
    let counting = setImmediate(function count() {
      turns += 1;
      counting = setImmediate(count);
    });
    const { data, channels } = await toEightBit(frame('uint16', shape, samples));
    clearImmediate(counting);
    expect(turns).toBeGreaterThan(0);
    expect(channels).toBe(shape[2] ?? 1);
    expect(data.every((value, at) => value === at % 251)).toBe(true);
  });
});
