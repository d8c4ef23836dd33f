import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { toEightBit } from '../../../gateway/codecs/eight-bit.ts';
import { itemBytes } from '../../../shared/ndarray.ts';
import type { FrameMessage } from '../../../shared/protocol.ts';
import { decodePicture } from '../../../web/viewer/painter.ts';

beforeEach(() => {
  vi.stubGlobal('ImageData', class {
    readonly data: Uint8ClampedArray;

    constructor(width: number, height: number) {
      this.data = new Uint8ClampedArray(width * height * 4);
    }
  });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const DTYPES = ['bool', 'uint8', 'int8', ...['u2', 'i2', 'f2', 'u4', 'i4', 'f4', 'u8', 'i8', 'f8'].flatMap((code) => [code, `>${code}`])];
const SHAPES = [[40, 130], [40, 130, 1], [40, 130, 3], [40, 130, 4]];

/** All kinds of values, NaN and infinities of floats included. */
function samples(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => Math.imul(at + 1, 2_654_435_761) >>> 24);
}

function frameOf(dtype: string, shape: readonly number[], payload: Uint8Array): FrameMessage {
  const [height = 0, width = 0] = shape;
  return { type: 'frame', sequence: 1, receivedAtUs: 0, width, height, encoding: { kind: 'raw', dtype, shape }, message: null, payload };
}

describe('decodePicture', () => {
  it.each(DTYPES.flatMap((dtype) => SHAPES.map((shape) => [dtype, shape] as const)))('shows %s %j as the gateway does, pixel by pixel', async (dtype, shape) => {
    const frame = frameOf(dtype, shape, samples(shape.reduce((product, size) => product * size, itemBytes(dtype)!)));
    const { source } = await decodePicture(frame);
    const shown = (source as ImageData).data;
    const { data, channels } = await toEightBit(frame);
    const [green, red] = channels === 1 ? [0, 0] : [1, 2];
    const expected = Array.from({ length: frame.width * frame.height }, (_, pixel) => [red, green, 0].map((channel) => data[pixel * channels + channel]).concat(255)).flat();
    expect(Buffer.compare(Buffer.from(shown), Buffer.from(expected as number[]))).toBe(0);
  });

  it.each([
    ['uint8', [2, 2, 2], 'channels-unsupported'],
    ['complex64', [2, 2], 'dtype-unsupported'],
  ])('says why it cannot show %s %j', async (dtype, shape, code) => {
    await expect(decodePicture(frameOf(dtype, shape, new Uint8Array(64)))).rejects.toMatchObject({ code });
  });

  it('rejects samples that do not fit the shape', async () => {
    await expect(decodePicture(frameOf('uint16', [2, 2], new Uint8Array(7)))).rejects.toThrow('the frame has 7 bytes of samples, expected 8');
  });
});
