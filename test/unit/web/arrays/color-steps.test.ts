import { describe, expect, it } from 'vitest';
import { ArrayRenderer, type SampleMapping } from '../../../../shared/arrays/array-renderer.ts';
import { type ArrayStyleTexts, parseArrayStyle } from '../../../../shared/arrays/array-style.ts';
import { parseDtype, type SampleType } from '../../../../shared/ndarray.ts';
import { createColorSteps, MAX_STEPS, STEP_WORDS } from '../../../../web/viewer/arrays/color-steps.ts';

const DTYPES = [
  'bool',
  'uint8',
  'int8',
  ...['u2', 'i2', 'f2', 'u4', 'i4', 'f4', 'u8', 'i8', 'f8'].flatMap((code) => [code, `>${code}`]),
];

const SPECIAL_COLORS = { nanColor: '#ff00ff', belowColor: '#0000ff', aboveColor: '#ff0000' };
const STYLES: readonly ArrayStyleTexts[] = [
  {},
  { colormap: 'turbo', range: 'type', noData: 'none' },
  { colormap: 'viridis', range: '0,100', noData: '0', ...SPECIAL_COLORS },
  { colormap: 'jet', range: '-0.5,5.5', noData: '3', invert: true, ...SPECIAL_COLORS },
  { colormap: '#000,#fff', range: '-1e308,1e308', noData: '-1' },
  { colormap: 'magma', range: '9007199254740990,9007199254740995', noData: '9007199254740992' },
  { range: '1e-45,2e-45', ...SPECIAL_COLORS },
];

/** Samples at which colours may change: numbers around zero, ends of types and ranges, and many others. */
function interestingSamples({ kind, bytes, isBigEndian }: SampleType): Uint8Array {
  const last = (1n << BigInt(8 * bytes)) - 1n;
  const sign = 1n << BigInt(8 * bytes - 1);
  const infinity = { 1: 0n, 2: 0x7c00n, 4: 0x7f800000n, 8: 0x7ff0000000000000n }[bytes];
  const around = [0n, sign, last, infinity, infinity | sign, 3n, 100n, 1n << BigInt(4 * bytes)];
  if (bytes === 8) around.push(2n ** 53n, last - 2n ** 53n);
  const bits = around.flatMap((center) => [-3n, -2n, -1n, 0n, 1n, 2n, 3n].map((offset) => center + offset));
  let random = 1n;
  for (let count = 0; count < 600; count += 1) {
    random = BigInt.asUintN(64, random * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n);
    // Half of the numbers are small.
    bits.push(random >> (count % 2 === 0 ? 0n : BigInt(64 - 4 * bytes)));
  }
  if (kind === 'float' && bytes > 2)
    for (let value = -10; value <= 10; value += 1 / 64) bits.push(floatBits(value, bytes as 4 | 8));
  const view = new DataView(new ArrayBuffer(8));
  const samples = new Uint8Array(bits.length * bytes);
  for (const [at, value] of bits.entries()) {
    view.setBigUint64(0, BigInt.asUintN(8 * bytes, value), !isBigEndian);
    samples.set(new Uint8Array(view.buffer, isBigEndian ? 8 - bytes : 0, bytes), at * bytes);
  }
  return samples;
}

function floatBits(value: number, bytes: 4 | 8): bigint {
  const view = new DataView(new ArrayBuffer(8));
  if (bytes === 8) view.setFloat64(0, value);
  else view.setFloat32(4, value);
  return view.getBigUint64(0);
}

/** The keys of samples, computed like in the fragment shader. */
function keysOf({ kind, bytes, isBigEndian }: SampleType, samples: Uint8Array): bigint[] {
  const sign = 1n << BigInt(8 * bytes - 1);
  const cell = new DataView(new ArrayBuffer(8));
  return Array.from({ length: samples.byteLength / bytes }, (_, at) => {
    new Uint8Array(cell.buffer).set(samples.subarray(at * bytes, (at + 1) * bytes), isBigEndian ? 8 - bytes : 0);
    const bits = cell.getBigUint64(0, !isBigEndian);
    if (kind === 'int') return bits ^ sign;
    if (kind !== 'float') return bits;
    return (bits & sign) === 0n ? bits | sign : BigInt.asUintN(8 * bytes, ~bits);
  });
}

/** Returns the function that finds the colour of a key. */
function readSteps(words: Uint32Array): (key: bigint) => number {
  const steps = Array.from({ length: words.length / STEP_WORDS }, (_, step) => {
    const [upper, lower, color] = words.subarray(step * STEP_WORDS) as unknown as [number, number, number];
    return { start: (BigInt(upper) << 32n) | BigInt(lower), color };
  });
  expect(steps.length).toBeLessThanOrEqual(MAX_STEPS);
  expect(steps[0]?.start).toBe(0n);
  return (key) => {
    let [first, end] = [0, steps.length];
    while (end - first > 1) {
      const middle = (first + end) >> 1;
      if (steps[middle]!.start <= key) first = middle;
      else end = middle;
    }
    return steps[first]!.color;
  };
}

function mappingOf(renderer: ArrayRenderer): SampleMapping {
  const { mapping } = renderer;
  if (mapping === null) throw new Error('the renderer has no array');
  return mapping;
}

describe('the steps of a mapping', () => {
  it.each(DTYPES)('have the colours of the CPU for all kinds of values of %s', (dtype) => {
    const type = parseDtype(dtype)!;
    const payload = interestingSamples(type);
    const width = payload.byteLength / type.bytes;
    const keys = keysOf(type, payload);
    const wrong: string[] = [];
    let compared = 0;
    for (const style of STYLES) {
      const renderer = new ArrayRenderer(parseArrayStyle(style));
      renderer.prepare({ encoding: { kind: 'raw', dtype, shape: [1, width] }, width, height: 1, payload });
      const expected = new Uint32Array(width);
      renderer.render(0, width, expected);
      const colorOf = readSteps(createColorSteps(mappingOf(renderer)));
      const hex = (at: number): string =>
        Buffer.from(payload.subarray(at * type.bytes, (at + 1) * type.bytes)).toString('hex');
      for (const [at, key] of keys.entries())
        if (colorOf(key) !== expected[at]) wrong.push(`${hex(at)} with ${JSON.stringify(style)}`);
      compared += width;
    }
    expect(wrong).toEqual([]);
    expect(compared).toBe(STYLES.length * width);
  });

  it.each(DTYPES)('have the shades of gray of the CPU for colours of %s', (dtype) => {
    const type = parseDtype(dtype)!;
    const payload = interestingSamples(type);
    const samples = payload.subarray(0, payload.byteLength - (payload.byteLength % (3 * type.bytes)));
    const width = samples.byteLength / (3 * type.bytes);
    const keys = keysOf(type, samples);
    for (const style of [{}, { range: '-2,7', invert: true }, { range: '-1e308,1e308' }] satisfies ArrayStyleTexts[]) {
      const renderer = new ArrayRenderer(parseArrayStyle(style));
      renderer.prepare({ encoding: { kind: 'raw', dtype, shape: [1, width, 3] }, width, height: 1, payload: samples });
      const expected = new Uint32Array(width);
      renderer.render(0, width, expected);
      const colorOf = readSteps(createColorSteps(mappingOf(renderer)));
      const shown = Uint32Array.from({ length: width }, (_, pixel) => {
        const [blue = 0, green = 0, red = 0] = keys.slice(3 * pixel, 3 * pixel + 3).map((key) => colorOf(key) & 0xff);
        return (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
      });
      expect(shown, JSON.stringify(style)).toEqual(expected);
    }
  });

  it('are computed once for arrays that differ only in their samples', () => {
    const renderer = new ArrayRenderer(parseArrayStyle({ range: '0,9' }));
    const show = (...values: number[]): SampleMapping => {
      const payload = new Uint8Array(Float32Array.from(values).buffer);
      const [width, height] = [values.length, 1];
      renderer.prepare({ encoding: { kind: 'raw', dtype: 'float32', shape: [1, width] }, width, height, payload });
      return mappingOf(renderer);
    };
    const first = show(1, 2);
    expect(show(3, 4)).toBe(first);
    renderer.style = parseArrayStyle({ range: '0,10' });
    expect(show(3, 4)).not.toBe(first);
  });
});
