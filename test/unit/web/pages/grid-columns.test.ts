import { describe, expect, it } from 'vitest';
import { gridColumns } from '../../../../web/pages/viewer/grid-columns.ts';

describe('gridColumns', () => {
  it.each([
    [1, 1920, 1080, 1],
    [2, 1920, 1080, 2],
    [2, 390, 844, 1],
    [4, 1920, 1080, 2],
    [9, 1920, 1080, 3],
    [6, 390, 844, 1],
    [12, 390, 844, 2],
    [4, 3840, 600, 4],
  ])('arranges %i pictures in %i×%i in %i columns', (count, width, height, columns) => {
    expect(gridColumns(count, width, height)).toBe(columns);
  });
});
