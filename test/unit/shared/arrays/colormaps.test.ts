import { describe, expect, it } from 'vitest';
import {
  COLORMAP_NAMES,
  colormapOf,
  packColor,
  parseColor,
  swapRedAndBlue,
} from '../../../../shared/arrays/colormaps.ts';

const rgb = (color: number | undefined): number[] => [color! & 0xff, (color! >>> 8) & 0xff, (color! >>> 16) & 0xff];

describe('colormapOf', () => {
  // Colours from OpenCV's applyColorMap.
  it.each([
    ['gray', [0, 0, 0], [128, 128, 128], [255, 255, 255]],
    ['turbo', [48, 18, 59], [164, 252, 60], [122, 4, 3]],
    ['viridis', [68, 1, 84], [33, 145, 140], [253, 231, 37]],
    ['inferno', [0, 0, 4], [188, 55, 84], [252, 255, 164]],
    ['magma', [0, 0, 4], [183, 55, 121], [252, 253, 191]],
    ['jet', [0, 0, 128], [130, 255, 126], [128, 0, 0]],
  ])('%s has the colours of OpenCV', (name, first, middle, last) => {
    const colors = colormapOf(name);
    expect(colors).toHaveLength(256);
    expect([rgb(colors[0]), rgb(colors[128]), rgb(colors[255])]).toEqual([first, middle, last]);
    expect(colors.every((color) => color >>> 24 === 255)).toBe(true);
  });

  it('recognizes each listed name in upper case, too', () => {
    for (const name of COLORMAP_NAMES) expect(colormapOf(name.toUpperCase())).toEqual(colormapOf(name));
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'refuses %s, a property of every object, like any other unknown name',
    (name) => {
      expect(() => colormapOf(name)).toThrow(
        expect.objectContaining({ name: 'GearwayError', code: 'style-invalid' }) as Error,
      );
    },
  );

  it('interpolates a custom table', () => {
    const colors = colormapOf('#000, ff0000 ,#fff');
    expect([0, 51, 127, 128, 255].map((index) => rgb(colors[index]))).toEqual([
      [0, 0, 0],
      [102, 0, 0],
      [254, 0, 0],
      [255, 1, 1],
      [255, 255, 255],
    ]);
  });

  it.each(['rainbow', '#000', '', '#000,#12', '#000,,#fff', Array.from({ length: 257 }, () => '#000').join()])(
    'refuses %s',
    (text) => {
      expect(() => colormapOf(text)).toThrow(expect.objectContaining({ code: 'style-invalid' }));
    },
  );
});

describe('parseColor', () => {
  it.each([
    ['#0f8', packColor(0, 255, 136)],
    ['102030', packColor(16, 32, 48)],
    ['#10203080', packColor(16, 32, 48, 128)],
    ['#10203000', 0],
    ['transparent', 0],
  ])('reads %s', (text, color) => {
    expect(parseColor(text, 'it')).toBe(color);
  });

  it.each(['red', '#12345', 'rgb(0 0 0)', ''])('refuses %s', (text) => {
    expect(() => parseColor(text, 'it')).toThrow(expect.objectContaining({ code: 'style-invalid' }));
  });
});

describe('swapRedAndBlue', () => {
  it('keeps green and alpha', () => {
    expect(swapRedAndBlue(packColor(1, 2, 3, 4))).toBe(packColor(3, 2, 1, 4));
  });
});
