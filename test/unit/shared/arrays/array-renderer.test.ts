import { describe, expect, it } from 'vitest';
import { ArrayRenderer, type RenderedArray } from '../../../../shared/arrays/array-renderer.ts';
import { type ArrayStyleTexts, parseArrayStyle } from '../../../../shared/arrays/array-style.ts';

type Samples =
  | Uint8Array
  | Uint16Array
  | Int16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array;

const row = (dtype: string, samples: Samples, shape: readonly number[] = [1, samples.length]): RenderedArray => ({
  encoding: { kind: 'raw', dtype, shape },
  width: shape[1]!,
  height: shape[0]!,
  payload: new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength),
});

function rendered(array: RenderedArray, style: ArrayStyleTexts): string[] {
  const renderer = new ArrayRenderer(parseArrayStyle(style));
  renderer.prepare(array);
  const out = new Uint32Array(array.width * array.height);
  renderer.render(0, out.length, out);
  return [...out].map((pixel) =>
    [0, 8, 16, 24].map((shift) => ((pixel >>> shift) & 0xff).toString(16).padStart(2, '0')).join(''),
  );
}

const BLACK = '000000ff';
const WHITE = 'ffffffff';
const NONE = '00000000';

describe('ArrayRenderer', () => {
  it('shows depth from the minimum to the maximum measurement, with 0 transparent', () => {
    expect(rendered(row('uint16', Uint16Array.of(0, 400, 5400, 2900)), {})).toEqual([NONE, BLACK, WHITE, '808080ff']);
    expect(rendered(row('uint16', Uint16Array.of(0, 400)), { noData: 'none' })).toEqual([BLACK, WHITE]);
  });

  it('shows NaN and infinities of floats', () => {
    const special = Float32Array.of(NaN, Infinity, -Infinity, 0, 1);
    expect(rendered(row('float32', special), {})).toEqual([NONE, WHITE, BLACK, BLACK, WHITE]);
    const colors = { nanColor: '#f0f', belowColor: '#00f', aboveColor: '#f00', range: '0,1' };
    expect(rendered(row('float32', special), colors)).toEqual(['ff00ffff', 'ff0000ff', '0000ffff', BLACK, WHITE]);
  });

  it('shows a constant array in the first colour, and an array without values transparent', () => {
    expect(rendered(row('int16', Int16Array.of(7, 7)), {})).toEqual([BLACK, BLACK]);
    expect(rendered(row('int16', Int16Array.of(7, 7)), { invert: true })).toEqual([WHITE, WHITE]);
    expect(rendered(row('uint16', Uint16Array.of(0, 0)), { colormap: 'turbo' })).toEqual([NONE, NONE]);
  });

  it('does not change 8-bit values, in both channel orders', () => {
    expect(rendered(row('uint8', Uint8Array.of(0, 10, 255)), {})).toEqual([BLACK, '0a0a0aff', WHITE]);
    expect(rendered(row('uint8', Uint8Array.of(1, 2, 3), [1, 1, 3]), {})).toEqual(['030201ff']);
    expect(rendered(row('uint8', Uint8Array.of(1, 2, 3, 9), [1, 1, 4]), { channelOrder: 'rgb' })).toEqual(['010203ff']);
    expect(rendered(row('uint8', Uint8Array.of(1, 2, 3), [1, 1, 3]), { invert: true })).toEqual(['fcfdfeff']);
  });

  it('rounds half to even, as NumPy does', () => {
    // 0.5 / 255 and 1.5 / 255 of the range.
    expect(rendered(row('float64', Float64Array.of(0.5, 1.5, 2.5)), { range: '0,255' })).toEqual([
      BLACK,
      '020202ff',
      '020202ff',
    ]);
  });

  it.each([
    ['float32', Float32Array],
    ['float64', Float64Array],
    ['int32', Int32Array],
    ['uint32', Uint32Array],
  ] as const)('shows each value of %s in the nearest of 256 colours', (dtype, Samples) => {
    for (const [low, high] of [
      [0, 255],
      [400, 6000],
      [-7, 3],
      [0.1, 0.7],
      [16_777_216, 16_777_290],
    ] as const) {
      // All positions with a fraction of one half, values next to them, and many between.
      const values = Array.from({ length: 5111 }, (_, at) => low + ((high - low) * at) / 5110);
      const samples = Samples.from([...values, ...values.map((value) => value * (1 + 2 ** -52)), low, high]);
      const renderer = new ArrayRenderer(
        parseArrayStyle({ range: `${low},${high}`, belowColor: '#f00', noData: 'none' }),
      );
      renderer.prepare(row(dtype, samples));
      const out = new Uint32Array(samples.length);
      renderer.render(0, out.length, out);
      const wrong = [...samples].filter((value, at) => {
        // Rounds half to even, like NumPy's rint().
        const [level = 0] = Uint8ClampedArray.of(((value - low) / (high - low)) * 255);
        const expected = value < low ? 0xff0000ff : 0xff000000 + level * 0x010101;
        return out[at] !== expected;
      });
      expect(wrong).toEqual([]);
    }
  });

  it('shows a range whose extent is infinite', () => {
    const wild = Float64Array.of(-1.7e308, 0, 1.7e308, -Infinity, Infinity, NaN);
    const expected = [BLACK, '808080ff', WHITE, BLACK, WHITE];
    expect(rendered(row('float64', wild), { range: '-1.7e308,1.7e308' })).toEqual([...expected, NONE]);
    expect(rendered(row('float64', wild), { range: 'auto' })).toEqual([...expected, NONE]);
    const colors = Float64Array.from([...wild].flatMap((value) => [value, value, value]));
    expect(rendered(row('float64', colors, [1, 6, 3]), { range: '-1.7e308,1.7e308' })).toEqual([...expected, BLACK]);
    // Less than the smallest number between two neighbours.
    expect(rendered(row('float64', Float64Array.of(0, 5e-324)), { range: 'auto' })).toEqual([BLACK, WHITE]);
  });

  it('reads memory that is not aligned', () => {
    const bytes = Uint8Array.of(9, 1, 0, 2, 0);
    expect(
      rendered(
        { encoding: { kind: 'raw', dtype: 'uint16', shape: [1, 2] }, width: 2, height: 1, payload: bytes.subarray(1) },
        {},
      ),
    ).toEqual([BLACK, WHITE]);
    const samples = Float32Array.of(1, 2);
    // A Buffer, as the gateway receives it: its `slice()` does not copy.
    const received = Buffer.alloc(9);
    received.set(new Uint8Array(samples.buffer), 1);
    for (const moved of [received.subarray(1), new Uint8Array(received).subarray(1)])
      expect(rendered({ ...row('float32', samples), payload: moved }, {})).toEqual([BLACK, WHITE]);
  });

  it('renders a part', () => {
    const renderer = new ArrayRenderer(parseArrayStyle({ range: '0,255' }));
    renderer.prepare(row('float32', Float32Array.of(1, 2, 3)));
    const out = new Uint32Array(3);
    renderer.render(1, 2, out);
    expect([...out]).toEqual([0xff020202, 0, 0]);
  });

  it('keeps its range for an array that is shown again, and restarts with another type', () => {
    const renderer = new ArrayRenderer(parseArrayStyle({}));
    expect(renderer.prepare(row('float32', Float32Array.of(0, 10)))).toEqual({
      low: 0,
      high: 10,
      dtype: 'float32',
      channels: 1,
      isAuto: true,
    });
    expect(renderer.prepare(row('float32', Float32Array.of(0, 50)), false)).toMatchObject({ low: 0, high: 10 });
    renderer.style = parseArrayStyle({ colormap: 'jet' });
    expect(renderer.prepare(row('float32', Float32Array.of(0, 10.5)))).toMatchObject({ low: 0, high: 10 });
    expect(renderer.prepare(row('float64', Float64Array.of(0, 10.5)))).toMatchObject({ low: 0, high: 10.5 });
  });

  it('detects whether it is gray', () => {
    expect(new ArrayRenderer(parseArrayStyle({ invert: true })).isGray).toBe(true);
    expect(new ArrayRenderer(parseArrayStyle({ nanColor: '#f00' })).isGray).toBe(false);
    expect(new ArrayRenderer(parseArrayStyle({ colormap: 'magma' })).isGray).toBe(false);
  });
});
