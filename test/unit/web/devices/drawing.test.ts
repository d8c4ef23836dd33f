import { describe, expect, it } from 'vitest';
import { Drawing, MAX_POINTS, type Position, positionIn } from '../../../../web/devices/drawing.ts';

describe('positionIn', () => {
  it.each([
    ['inside', { x: 12.3456, y: 7 }, [12.34, 7]],
    ['just inside of the far corner', { x: 639.9999, y: 479.9999 }, [639.99, 479.99]],
    ['beyond the near corner', { x: -3, y: -0.001 }, [0, 0]],
    ['beyond the far corner', { x: 700, y: 480.5 }, [640, 480]],
  ])('returns the nearest position in the picture, %s', (_, point, expected) => {
    expect(positionIn(point, { width: 640, height: 480 })).toEqual(expected);
  });
});

describe('Drawing', () => {
  describe('of a click', () => {
    it('is complete with each point', () => {
      const drawing = new Drawing('click');
      expect(drawing.add([3, 4], 0)).toEqual({ points: [[3, 4]] });
      expect(drawing.isEmpty).toBe(true);
      expect(drawing.add([3, 4], 5)).toEqual({ points: [[3, 4]] });
    });
  });

  describe('of a drag', () => {
    it('is a line from the beginning of the drag, and never complete', () => {
      const drawing = new Drawing('drag');
      expect(drawing.upTo([1, 1])).toBeNull();
      expect(drawing.add([3, 4], 0)).toBeNull();
      expect(drawing.upTo([9, 1])).toEqual({
        line: [
          [3, 4],
          [9, 1],
        ],
      });
      expect(drawing.finish()).toBeNull();
      drawing.cancel();
      expect(drawing.upTo([9, 1])).toBeNull();
    });
  });

  describe('of a box', () => {
    it.each<[Position, Position]>([
      [
        [10, 20],
        [30, 60],
      ],
      [
        [30, 60],
        [10, 20],
      ],
      [
        [30, 20],
        [10, 60],
      ],
      [
        [10, 60],
        [30, 20],
      ],
    ])('from %j to %j is sorted', (from, to) => {
      const drawing = new Drawing('box');
      expect(drawing.add(from, 0)).toBeNull();
      expect(drawing.upTo(to)).toEqual({ box: [10, 20, 30, 60] });
      expect(drawing.add(to, 0)).toEqual({ box: [10, 20, 30, 60] });
      expect(drawing.isEmpty).toBe(true);
    });

    it('waits for another corner if the second one is at the first, or the box would have no area', () => {
      const drawing = new Drawing('box');
      drawing.add([10, 20], 3);
      for (const second of [
        [10, 20],
        [12, 22],
        [10, 90],
        [90, 20],
      ] as const) {
        expect(drawing.add(second, 3)).toBeNull();
        expect(drawing.isEmpty).toBe(false);
      }
      expect(drawing.add([14, 24], 3)).toEqual({ box: [10, 20, 14, 24] });
    });

    it('restarts after its corner was removed or cancelled', () => {
      const drawing = new Drawing('box');
      for (const remove of [() => drawing.undo(), () => drawing.cancel()]) {
        drawing.add([10, 20], 0);
        remove();
        expect(drawing.isEmpty).toBe(true);
        expect(drawing.upTo([1, 1])).toBeNull();
      }
      drawing.add([1, 2], 0);
      expect(drawing.add([3, 4], 0)).toEqual({ box: [1, 2, 3, 4] });
    });
  });

  describe('of a polygon', () => {
    const CORNERS: readonly Position[] = [
      [0, 0],
      [100, 0],
      [100, 50],
      [40, 80],
    ];
    const begun = (count: number): Drawing => {
      const drawing = new Drawing('polygon');
      for (const corner of CORNERS.slice(0, count)) expect(drawing.add(corner, 3)).toBeNull();
      return drawing;
    };

    it.each<[string, (drawing: Drawing, last: Position) => unknown]>([
      ['a point at the first one', (drawing) => drawing.add([2, 1], 3)],
      ['a second point at the last one, as in a double click', (drawing, [x, y]) => drawing.add([x + 1, y - 1], 3)],
      ['finish()', (drawing) => drawing.finish()],
    ])('is completed by %s, once it has three points', (_, complete) => {
      for (const count of [1, 2]) {
        const drawing = begun(count);
        const before = drawing.upTo([7, 7]);
        expect(complete(drawing, CORNERS[count - 1]!)).toBeNull();
        expect(drawing.upTo([7, 7])).toEqual(before);
      }
      const drawing = begun(4);
      expect(complete(drawing, CORNERS[3]!)).toEqual({ polygon: CORNERS });
      expect(drawing.isEmpty).toBe(true);
      expect(drawing.finish()).toBeNull();
    });

    it('shows the position of the next point, and removes its last point', () => {
      const drawing = begun(2);
      expect(drawing.upTo([9, 9])).toEqual({
        polygon: [
          [0, 0],
          [100, 0],
          [9, 9],
        ],
      });
      drawing.undo();
      expect(drawing.upTo([9, 9])).toEqual({
        polygon: [
          [0, 0],
          [9, 9],
        ],
      });
      drawing.undo();
      drawing.undo();
      expect(drawing.isEmpty).toBe(true);
    });

    it('is completed by its last possible point', () => {
      const drawing = new Drawing('polygon');
      const corners = Array.from({ length: MAX_POINTS }, (_, index): Position => [index * 10, (index % 2) * 10]);
      for (const corner of corners.slice(0, -1)) expect(drawing.add(corner, 3)).toBeNull();
      expect(drawing.add(corners.at(-1)!, 3)).toEqual({ polygon: corners });
    });
  });
});
