import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  inverted,
  mapPoint,
  mappedRect,
  type Placement,
  pictureMatrix,
  pictureScale,
  quarterTurns,
  scaledAndMoved,
} from '../../../web/viewer/picture-geometry.ts';

/** A 4:3 picture in a box of 16:9, without any settings. */
const PLAIN: Placement = {
  boxWidth: 320,
  boxHeight: 180,
  width: 640,
  height: 480,
  fit: 'contain',
  quarterTurns: 0,
  mirror: false,
  zoom: 1,
  x: 0,
  y: 0,
};

const corners = (changes: Partial<Placement>): number[][] => {
  const placement = { ...PLAIN, ...changes };
  const matrix = pictureMatrix(placement);
  return [
    [0, 0],
    [640, 0],
    [0, 480],
  ].map(([x, y]) => {
    const point = mapPoint(matrix, { x: x!, y: y! });
    return [Math.round(point.x * 100) / 100 + 0, Math.round(point.y * 100) / 100 + 0];
  });
};

// The expected positions were computed by hand.
describe('pictureMatrix', () => {
  it.each<[string, Partial<Placement>, number[][]]>([
    [
      'fits inside',
      {},
      [
        [40, 0],
        [280, 0],
        [40, 180],
      ],
    ],
    [
      'covers',
      { fit: 'cover' },
      [
        [0, -30],
        [320, -30],
        [0, 210],
      ],
    ],
    [
      'has its own size',
      { fit: 'none' },
      [
        [-160, -150],
        [480, -150],
        [-160, 330],
      ],
    ],
    [
      'is zoomed and moved',
      { zoom: 2, x: 10, y: -20 },
      [
        [-70, -110],
        [410, -110],
        [-70, 250],
      ],
    ],
    [
      'is mirrored',
      { mirror: true },
      [
        [280, 0],
        [40, 0],
        [280, 180],
      ],
    ],
    [
      'is rotated clockwise',
      { quarterTurns: 1 },
      [
        [227.5, 0],
        [227.5, 180],
        [92.5, 0],
      ],
    ],
    [
      'is rotated by 180°',
      { quarterTurns: 2 },
      [
        [280, 180],
        [40, 180],
        [280, 0],
      ],
    ],
    [
      'is turned counter-clockwise',
      { quarterTurns: 3 },
      [
        [92.5, 180],
        [92.5, 0],
        [227.5, 180],
      ],
    ],
    [
      'is rotated, then mirrored',
      { quarterTurns: 1, mirror: true },
      [
        [92.5, 0],
        [92.5, 180],
        [227.5, 0],
      ],
    ],
    [
      'is rotated and covers the box',
      { quarterTurns: 1, fit: 'cover' },
      [
        [320, -123.33],
        [320, 303.33],
        [0, -123.33],
      ],
    ],
  ])('maps the corners of a picture that %s', (_, changes, expected) => {
    expect(corners(changes)).toEqual(expected);
  });
});

const placements = fc.record({
  boxWidth: fc.double({ min: 1, max: 4000, noNaN: true }),
  boxHeight: fc.double({ min: 1, max: 4000, noNaN: true }),
  width: fc.integer({ min: 1, max: 8000 }),
  height: fc.integer({ min: 1, max: 8000 }),
  fit: fc.constantFrom('contain' as const, 'cover' as const, 'none' as const),
  quarterTurns: fc.integer({ min: 0, max: 3 }),
  mirror: fc.boolean(),
  zoom: fc.double({ min: 1, max: 16, noNaN: true }),
  x: fc.double({ min: -1000, max: 1000, noNaN: true }),
  y: fc.double({ min: -1000, max: 1000, noNaN: true }),
});

describe('a placement', () => {
  it('maps every point back to its origin', () => {
    fc.assert(
      fc.property(
        placements,
        fc.integer({ min: -100, max: 9000 }),
        fc.integer({ min: -100, max: 9000 }),
        (placement, x, y) => {
          const matrix = scaledAndMoved(pictureMatrix(placement), 1.5, { x: 7, y: -9 });
          const back = mapPoint(inverted(matrix), mapPoint(matrix, { x, y }));
          expect(back.x).toBeCloseTo(x, 3);
          expect(back.y).toBeCloseTo(y, 3);
        },
      ),
    );
  });

  it('fits inside the box or covers it, and is centred in it', () => {
    fc.assert(
      fc.property(placements, (placement) => {
        const still = { ...placement, zoom: 1, x: 0, y: 0 };
        const rect = mappedRect(pictureMatrix(still), still);
        const { boxWidth, boxHeight } = still;
        expect(rect.x + rect.width / 2).toBeCloseTo(boxWidth / 2, 3);
        expect(rect.y + rect.height / 2).toBeCloseTo(boxHeight / 2, 3);
        const ratios = [rect.width / boxWidth, rect.height / boxHeight];
        if (still.fit === 'contain') expect(Math.max(...ratios)).toBeCloseTo(1, 6);
        if (still.fit === 'cover') expect(Math.min(...ratios)).toBeCloseTo(1, 6);
        if (still.fit === 'none') expect(rect.width * rect.height).toBeCloseTo(still.width * still.height, 3);
      }),
    );
  });

  it('scales by its zoom', () => {
    expect(pictureScale({ ...PLAIN, zoom: 4 })).toBe(1.5);
    expect(pictureScale({ ...PLAIN, fit: 'none', zoom: 4 })).toBe(4);
  });
});

describe('quarterTurns', () => {
  it.each([
    [0, 0],
    [90, 1],
    [-90, 3],
    [450, 1],
    [100, 1],
    [Number.NaN, 0],
  ])('of %d degrees is %d', (degrees, turns) => {
    expect(quarterTurns(degrees)).toBe(turns);
  });
});
