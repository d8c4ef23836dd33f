import { EightBitConverter, rangeOfSamples, type SampleRange } from '../../../shared/eight-bit.ts';
import { FRAME_LIMITS } from '../../../shared/frame.ts';
import { GearwayError } from '../../../shared/errors.ts';
import { canonicalDtype, itemBytes, type NDArray, parseDtype, pictureChannels } from '../../../shared/ndarray.ts';
import { inTurns, SAMPLES_PER_TURN } from '../../codecs/in-turns.ts';
import type { Frame } from '../frame.ts';

/** Maximum number of pixels of a frame made from an array; larger arrays are decimated. */
const MAX_PIXELS = 1 << 22;

/** Decimation step of rows and columns for a picture of this width; null for the largest picture possible. */
export function decimation({ shape: [height = 0, columns = 0] }: NDArray, width: number | null): number {
  // Keeps twice the requested width, so that scaling down afterwards still smooths the picture.
  return Math.max(
    1,
    Math.ceil(Math.sqrt((height * columns) / MAX_PIXELS)),
    width === null ? 1 : Math.floor(columns / (2 * width)),
  );
}

/**
 * Converts an array to a raw frame. Signed, 32-bit and 64-bit integers are converted to 8 bits, from the array's
 * minimum to its maximum: they are labels and differences rather than pictures. Other types stay as they are. Yields to
 * the event loop.
 *
 * @param step takes every n-th row and column.
 * @throws {GearwayError} `no-picture` if the shape is not that of a picture, `dtype-unsupported`.
 */
export async function frameOfArray({ dtype, shape, data }: NDArray, step: number): Promise<Frame> {
  const [height = 0, width = 0] = shape;
  const { side } = FRAME_LIMITS;
  if (pictureChannels(shape) === null || width > side || height > side) {
    const expected = `[height, width] or [height, width, 1, 3 or 4] with sides of at most ${side}`;
    const text = `array of shape [${shape.join(', ')}] is not a picture, expected ${expected}`;
    throw new GearwayError('no-picture', `${text}; the client's status describes the array`);
  }
  const decimated = await decimate(data, {
    height,
    width,
    pixelBytes: (itemBytes(dtype) ?? 1) * (shape[2] ?? 1),
    step,
  });
  const isNormalized = needsNormalization(dtype);
  const encoding = {
    kind: 'raw',
    dtype: isNormalized ? 'uint8' : canonicalDtype(dtype),
    shape: [decimated.height, decimated.width, ...shape.slice(2)],
  } as const;
  const payload = isNormalized ? await normalize(dtype, decimated.data) : decimated.data;
  return {
    sequence: 0,
    receivedAtUs: 0,
    width: decimated.width,
    height: decimated.height,
    encoding,
    payload,
    message: null,
    wireHeader: null,
  };
}

/** Whether an array's values hardly ever fill the range of its type. */
function needsNormalization(dtype: string): boolean {
  const type = parseDtype(dtype);
  return type !== undefined && (type.kind === 'int' || (type.kind === 'uint' && type.bytes > 2));
}

/** Maps the minimum to black and the maximum to white. */
async function normalize(dtype: string, bytes: Uint8Array): Promise<Uint8Array> {
  const sampleBytes = itemBytes(dtype) ?? 1;
  const shown = new Uint8ClampedArray(bytes.byteLength / sampleBytes);
  let range: SampleRange = { low: Infinity, high: -Infinity };
  await inTurns(shown.length, SAMPLES_PER_TURN, (from, to) => {
    const { low, high } = rangeOfSamples(dtype, bytes.subarray(from * sampleBytes, to * sampleBytes));
    range = { low: Math.min(range.low, low), high: Math.max(range.high, high) };
  });
  const converter = new EightBitConverter(dtype, range);
  await inTurns(shown.length, SAMPLES_PER_TURN, (from, to) => converter.convert(bytes, from, to, shown.subarray(from)));
  return new Uint8Array(shown.buffer);
}

interface Decimated {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

async function decimate(
  data: Uint8Array,
  { height, width, pixelBytes, step }: { height: number; width: number; pixelBytes: number; step: number },
): Promise<Decimated> {
  if (step === 1) return { data, width, height };
  const size = { width: Math.ceil(width / step), height: Math.ceil(height / step) };
  const rowBytes = size.width * pixelBytes;
  const out = new Uint8Array(rowBytes * size.height);
  const decimateRow = (row: number): void => {
    let to = row * rowBytes;
    for (let x = 0; x < width; x += step) {
      const from = (row * step * width + x) * pixelBytes;
      for (let at = 0; at < pixelBytes; at += 1) out[to + at] = data[from + at] ?? 0;
      to += pixelBytes;
    }
  };
  await inTurns(size.height, SAMPLES_PER_TURN / rowBytes, (from, to) => {
    for (let row = from; row < to; row += 1) decimateRow(row);
  });
  return { data: out, ...size };
}
