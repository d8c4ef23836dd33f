import { deflateSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { grayOf, renderPixels } from '../../../../gateway/codecs/array-pixels.ts';
import { packArray } from '../../../../gateway/codecs/pack-array.ts';
import { ArrayRenderer } from '../../../../shared/arrays/array-renderer.ts';
import { parseArrayStyle } from '../../../../shared/arrays/array-style.ts';
import { itemBytes } from '../../../../shared/ndarray.ts';
import type { Encoding } from '../../../../shared/frame.ts';
import type { FrameMessage, Value } from '../../../../shared/protocol.ts';
import { ArrayDecoder } from '../../../../web/viewer/arrays/array-decoder.ts';
import { ArrayPictures } from '../../../../web/viewer/arrays/array-pictures.ts';
import type { ShownArray } from '../../../../web/viewer/arrays/shown-array.ts';

beforeEach(() => {
  vi.stubGlobal(
    'ImageData',
    class {
      readonly data: Uint8ClampedArray;
      readonly width: number;
      readonly height: number;

      constructor(width: number, height: number) {
        this.data = new Uint8ClampedArray(width * height * 4);
        this.width = width;
        this.height = height;
      }
    },
  );
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const DTYPES = [
  'bool',
  'uint8',
  'int8',
  ...['u2', 'i2', 'f2', 'u4', 'i4', 'f4', 'u8', 'i8', 'f8'].flatMap((code) => [code, `>${code}`]),
];
const SHAPES = [
  [40, 130],
  [40, 130, 1],
  [40, 130, 3],
  [40, 130, 4],
];

/** All kinds of values, including NaN and infinities of floats. */
function samples(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => Math.imul(at + 1, 2_654_435_761) >>> 24);
}

function frameOf(
  dtype: string,
  shape: readonly number[],
  payload: Uint8Array,
  sequence = 1,
): FrameMessage & { readonly encoding: Encoding } {
  const [height = 0, width = 0] = shape;
  return {
    type: 'frame',
    sequence,
    receivedAtUs: 0,
    width,
    height,
    encoding: { kind: 'raw', dtype, shape },
    message: null,
    payload,
  };
}

const pixels = async (decoder: ArrayDecoder, frame: FrameMessage): Promise<number[]> => [
  ...((await decoder.decode(frame)).source as ImageData).data,
];

const ramp = (...values: number[]): FrameMessage =>
  frameOf('float32', [1, values.length], new Uint8Array(Float32Array.from(values).buffer));

describe('ArrayDecoder', () => {
  it.each(DTYPES.flatMap((dtype) => SHAPES.map((shape) => [dtype, shape] as const)))(
    'shows %s %j as the gateway does, pixel by pixel',
    async (dtype, shape) => {
      const style = { colormap: 'turbo', nanColor: '#ff00ff' };
      const frame = frameOf(dtype, shape, samples(shape.reduce((product, size) => product * size, itemBytes(dtype)!)));
      const decoder = new ArrayDecoder(() => undefined);
      decoder.setStyle(style);
      const shown = await pixels(decoder, frame);
      const { data } = await renderPixels(new ArrayRenderer(parseArrayStyle(style), 'bgra'), frame, true);
      const expected = Array.from(data, (_, at) => data[at % 4 === 3 ? at : at - (at % 4) + 2 - (at % 4)]);
      expect(Buffer.compare(Buffer.from(shown), Buffer.from(expected as number[]))).toBe(0);
      expect((await grayOf({ data, width: frame.width, height: frame.height, channels: 4 })).data.byteLength).toBe(
        40 * 130,
      );
    },
  );

  it('reports the range only when it changes', async () => {
    const seen: ShownArray[] = [];
    const decoder = new ArrayDecoder((shown) => seen.push(shown));
    for (const frame of [ramp(0, 10), ramp(0, 10), ramp(0, 20)]) await decoder.decode(frame);
    expect(
      seen.map(({ low, high, isAuto, dtype, channels, problem }) => [low, high, isAuto, dtype, channels, problem]),
    ).toEqual(
      [
        [0, 10, true, 'float32', 1, null],
        [0, 20, true, 'float32', 1, null],
      ]
        .slice(0, 1)
        .concat([[0, 11.25, true, 'float32', 1, null]]),
    );
    decoder.setStyle({ colormap: 'jet' });
    await decoder.decode(ramp(0, 20), false);
    expect(seen.at(-1)).toMatchObject({ low: 0, high: 11.25 });
    expect(seen.at(-1)?.colors[0]).toBe(0xff800000);
  });

  it('reports the unit in the message, also when only the unit changes', async () => {
    const seen: ShownArray[] = [];
    const decoder = new ArrayDecoder((shown) => seen.push(shown));
    const messages = [
      null,
      { unit: 'mm' },
      { unit: 'mm' },
      { unit: ' m\n' },
      { unit: 1 },
      ['unit'],
      { unit: 'a'.repeat(17) },
      Object.create({ unit: 'inherited' }) as Value,
    ];
    for (const message of messages) await decoder.decode({ ...ramp(0, 10), message });
    expect(seen.map(({ unit }) => unit)).toEqual(['', 'mm', 'm', '', `${'a'.repeat(15)}…`, '']);
  });

  it('uses the default style if the given one is invalid, and reports the problem', async () => {
    const seen: ShownArray[] = [];
    const decoder = new ArrayDecoder((shown) => seen.push(shown));
    decoder.setStyle({ range: '9,1' });
    await decoder.decode(ramp(1, 2));
    expect(seen[0]).toMatchObject({ low: 1, high: 2, problem: expect.stringContaining('9,1') as string });
  });

  it('uses the memory of a picture again once it is closed, and not twice', async () => {
    const decoder = new ArrayDecoder(() => undefined);
    decoder.setStyle({ range: '0,255' });
    const first = await decoder.decode(ramp(1, 2));
    const second = await decoder.decode(ramp(NaN, 3));
    expect(second.source).not.toBe(first.source);
    first.close();
    const third = await decoder.decode(ramp(NaN, 4));
    expect(third.source).toBe(first.source);
    // No pixel of the former picture remains.
    expect([...(third.source as ImageData).data]).toEqual([0, 0, 0, 0, 4, 4, 4, 255]);
    first.close();
    expect((await decoder.decode(ramp(5, 6))).source).not.toBe(third.source);
    third.close();
    expect((await decoder.decode(ramp(1, 2, 3))).source).not.toBe(third.source);
    second.close();
    decoder.reset();
    expect((await decoder.decode(ramp(1, 2))).source).not.toBe(second.source);
  });

  it('restarts the range after a reset', async () => {
    const seen: ShownArray[] = [];
    const decoder = new ArrayDecoder((shown) => seen.push(shown));
    await decoder.decode(ramp(0, 100));
    decoder.reset();
    await decoder.decode(ramp(0, 95));
    expect(seen.at(-1)).toMatchObject({ low: 0, high: 95 });
  });
});

describe('ArrayDecoder with packed arrays', () => {
  it('shows the samples, and returns the frame with them', async () => {
    const frame = frameOf('float32', [1, 3], new Uint8Array(Float32Array.of(0, 0.5, 1).buffer));
    const packed: FrameMessage = {
      ...frame,
      encoding: { kind: 'packed', dtype: 'float32', shape: [1, 3] },
      payload: await packArray('float32', [1, 3], frame.payload),
    };
    const decoder = new ArrayDecoder(() => undefined);
    const { unpacked } = await decoder.decode(packed);
    expect(unpacked?.encoding).toEqual(frame.encoding);
    expect([...(unpacked?.payload ?? [])]).toEqual([...frame.payload]);
    expect(await pixels(decoder, packed)).toEqual(await pixels(decoder, frame));
    await expect(decoder.decode({ ...packed, payload: packed.payload.subarray(0, 9) })).rejects.toThrow();
  });

  it.each([
    ['one byte more', [4, 4], 65],
    ['one byte less', [4, 4], 63],
    ['gigabytes in place of 64 bytes', [4, 4], 1 << 30],
    ['64 bytes in place of more than any frame', [1 << 14, 1 << 13], 64],
  ])('refuses %s, without unpacking it', async (_, shape, bytes) => {
    const frame = frameOf('float32', shape, new Uint8Array(0));
    // The reader stops after the first pieces of the gigabytes.
    const payload = deflateSync(Buffer.alloc(Math.min(bytes, 16 << 20)));
    const decoder = new ArrayDecoder(() => undefined);
    const inflated = vi.spyOn(Uint8Array.prototype, 'set');
    await expect(
      decoder.decode({ ...frame, encoding: { kind: 'packed', dtype: 'float32', shape }, payload }),
    ).rejects.toMatchObject({ code: 'array-misfit' });
    expect(inflated.mock.calls.length).toBeLessThan(3);
    inflated.mockRestore();
  });
});

describe('ArrayPictures', () => {
  const load = (): Promise<unknown> => Promise.resolve({ ArrayDecoder });

  it('loads the decoder once, with the first array', async () => {
    let loads = 0;
    const pictures = new ArrayPictures(
      () => ((loads += 1), load()),
      () => undefined,
    );
    await pictures.setStyle({ range: '0,1' });
    await pictures.reset();
    expect(loads).toBe(0);
    const [first] = await Promise.all([pictures.decode(ramp(0, 1)), pictures.decode(ramp(1, 0))]);
    expect([loads, [...(first.source as ImageData).data]]).toEqual([1, [0, 0, 0, 255, 255, 255, 255, 255]]);
  });

  it('forwards errors of the decoder', async () => {
    class Refusing {
      setStyle(): void {}

      decode(): never {
        throw Object.assign(new Error('no'), { code: 'dtype-unsupported' });
      }
    }
    const pictures = new ArrayPictures(
      () => Promise.resolve({ ArrayDecoder: Refusing }),
      () => undefined,
    );
    await expect(pictures.decode(ramp(1))).rejects.toMatchObject({
      name: 'GearwayError',
      code: 'dtype-unsupported',
      message: 'no',
    });
  });

  it('reports that the file cannot be loaded, and retries with the next array', async () => {
    let loads = 0;
    const pictures = new ArrayPictures(
      () => ((loads += 1) === 1 ? Promise.reject(new Error('404')) : load()),
      () => undefined,
    );
    await expect(pictures.decode(ramp(1))).rejects.toMatchObject({ code: 'arrays-unavailable' });
    await expect(pictures.decode(ramp(1))).resolves.toMatchObject({ width: 1 });
  });
});
