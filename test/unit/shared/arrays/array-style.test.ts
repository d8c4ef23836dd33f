import { describe, expect, it } from 'vitest';
import { noDataOf, parseArrayStyle, usesAutoRange } from '../../../../shared/arrays/array-style.ts';
import { parseDtype } from '../../../../shared/ndarray.ts';

describe('parseArrayStyle', () => {
  it('has a default for each setting', () => {
    const { colormap, ...style } = parseArrayStyle({});
    expect(style).toEqual({
      range: 'default',
      invert: false,
      noData: 'default',
      nanColor: 0,
      belowColor: null,
      aboveColor: null,
      channelOrder: 'bgr',
    });
    expect(colormap[255]).toBe(0xffffffff);
  });

  it.each([
    ['auto', 'auto'],
    ['type', 'type'],
    ['400,6000', { low: 400, high: 6000 }],
    [' -1.5 , 2e3 ', { low: -1.5, high: 2000 }],
  ])('reads the range %s', (range, expected) => {
    expect(parseArrayStyle({ range }).range).toEqual(expected);
  });

  it.each([
    ['0', 0],
    ['-1', -1],
    ['none', 'none'],
    ['', 'default'],
  ])('reads the value without a measurement %s', (noData, expected) => {
    expect(parseArrayStyle({ noData }).noData).toBe(expected);
  });

  it.each([
    { range: '1' },
    { range: '2,1' },
    { range: '1,1' },
    { range: '1,2,3' },
    { range: 'a,b' },
    { range: '0,Infinity' },
    { range: '0x1,3' },
    { range: '1,1e999' },
    { noData: 'nan' },
    { colormap: 'plasma?' },
    { nanColor: 'red' },
    { belowColor: '#1' },
    { aboveColor: '#1' },
    { channelOrder: 'gbr' },
    { range: '.,1' },
    { range: 'e1,1' },
  ])('refuses %j', (texts) => {
    expect(() => parseArrayStyle(texts)).toThrow(expect.objectContaining({ code: 'style-invalid' }));
  });

  it.each(['range', 'noData', 'colormap', 'nanColor', 'belowColor', 'aboveColor', 'channelOrder'])(
    'refuses a long text for %s immediately, with a short message',
    (name) => {
      // A pattern in which a digit can match in two ways would need hours for a million of them.
      expect(() => parseArrayStyle({ [name]: `${'1'.repeat(1_000_000)}x` })).toThrow(/^.{40,200}$/);
    },
  );
});

const type = (dtype: string): NonNullable<ReturnType<typeof parseDtype>> => parseDtype(dtype)!;

describe('noDataOf', () => {
  it.each([
    ['default', 'uint16', 1, 0],
    ['default', '>u2', 1, 0],
    ['default', 'uint16', 3, null],
    ['default', 'uint8', 1, null],
    ['default', 'int16', 1, null],
    ['default', 'float32', 1, null],
    ['none', 'uint16', 1, null],
    [-1, 'float32', 1, -1],
    [-1, 'float32', 4, null],
  ] as const)('%s is, for %s with %i channels, %s', (noData, dtype, channels, expected) => {
    expect(noDataOf({ noData }, type(dtype), channels)).toBe(expected);
  });
});

describe('usesAutoRange', () => {
  it.each([
    ['default', 'uint8', 1, false],
    ['default', 'int8', 1, false],
    ['default', 'bool', 1, false],
    ['default', 'uint16', 1, true],
    ['default', 'float16', 1, true],
    ['default', 'int64', 1, true],
    ['default', 'uint16', 3, false],
    ['default', 'float32', 4, false],
    ['auto', 'uint8', 3, true],
    ['type', 'float32', 1, false],
  ] as const)('%s of %s with %i channels: %s', (range, dtype, channels, expected) => {
    expect(usesAutoRange({ range }, type(dtype), channels)).toBe(expected);
  });

  it('reports the number of colours of a table that is too long, not the table', () => {
    expect(() => parseArrayStyle({ colormap: Array.from({ length: 257 }, () => '#000').join() })).toThrow(
      /^colormap is a table of 257 colours, expected gray, .* or 2 to 256 colours/,
    );
    expect(() => parseArrayStyle({ colormap: 'x'.repeat(1_000_000) })).toThrow(/^colormap is "x{40}", expected/);
  });
});
