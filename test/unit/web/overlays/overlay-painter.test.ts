import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Value } from '../../../../shared/protocol.ts';
import { readOverlay } from '../../../../web/viewer/overlays/overlay-forms.ts';
import { type Context, OverlayPainter } from '../../../../web/viewer/overlays/overlay-painter.ts';
import { mapPoint, type Matrix, type Rect } from '../../../../web/viewer/picture-geometry.ts';

const [WIDTH, HEIGHT] = [640, 480];

interface DrawnText {
  readonly text: string;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  /** Colour of the bar. */
  readonly color: string;
}

/**
 * A canvas that records the positions of each text, of its background and of its bar. Each character is 7.3 px wide.
 */
class TextRecorder {
  readonly canvas = { width: WIDTH, height: HEIGHT };
  readonly texts: DrawnText[] = [];
  #matrix: Matrix = [1, 0, 0, 1, 0, 0];
  fillStyle = '#000';
  #background: Omit<DrawnText, 'text' | 'color'> | null = null;
  #color = '';

  static context(): { context: Context; texts: DrawnText[] } {
    const recorder = new TextRecorder();
    const context = new Proxy(recorder, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value === 'function') return value.bind(target) as unknown;
        return value ?? (() => undefined);
      },
      // Like a browser, it ignores values that are not colours.
      set: (target, name, value) => {
        if (name === 'fillStyle' && /^#[\da-f]+$/.test(String(value))) target.fillStyle = String(value);
        return true;
      },
    });
    return { context: context as unknown as Context, texts: recorder.texts };
  }

  setTransform(...matrix: Matrix): void {
    this.#matrix = matrix;
  }

  measureText(text: string): { width: number } {
    return { width: text.length * 7.3 };
  }

  fillRect(x: number, y: number, width: number, height: number): void {
    const from = mapPoint(this.#matrix, { x, y });
    const to = mapPoint(this.#matrix, { x: x + width, y: y + height });
    this.#background ??= { left: from.x, top: from.y, right: to.x, bottom: to.y };
    // The bar is drawn last.
    this.#color = this.fillStyle;
  }

  fillText(text: string, x: number): void {
    const { left = 0, top = 0, right = 0, bottom = 0 } = this.#background ?? {};
    this.#background = null;
    const from = mapPoint(this.#matrix, { x, y: 0 });
    expect(from.x).toBeGreaterThan(left);
    expect(from.x + text.length * 7.3 * this.#matrix[0]).toBeLessThanOrEqual(right);
    this.texts.push({ text, left, top, right, bottom, color: this.#color });
  }
}

function draw(
  overlay: Value,
  matrix: Matrix = [1, 0, 0, 1, 0, 0],
  pixelRatio = 1,
  chip: Rect | null = null,
): DrawnText[] {
  const { context, texts } = TextRecorder.context();
  const problem = new OverlayPainter().draw(readOverlay(overlay, { width: WIDTH, height: HEIGHT }), new Map(), {
    context,
    matrix,
    pixelRatio,
    chip,
    filter: { classes: null, minScore: 0 },
  });
  expect(problem).toBeNull();
  return texts;
}

/** The picture unmodified, mirrored, rotated, and zoomed to its lower right quarter. */
const MATRICES: Readonly<Record<string, Matrix>> = {
  whole: [1, 0, 0, 1, 0, 0],
  mirrored: [-1, 0, 0, 1, WIDTH, 0],
  'turned by 90°': [0, 0.75, -0.75, 0, 500, 0],
  'upside down': [-1, 0, 0, -1, WIDTH, HEIGHT],
  zoomed: [2, 0, 0, 2, -WIDTH, -HEIGHT],
};

// Drawing has a time limit.
beforeEach(() => void vi.spyOn(performance, 'now').mockReturnValue(0));
afterEach(() => void vi.restoreAllMocks());

describe('labels', () => {
  it.each(Object.entries(MATRICES))('are completely visible at every edge and corner: %s', (_name, matrix) => {
    for (const pixelRatio of [1, 1.5, 3]) {
      const objects = [0, 5, 330, 635, 639].flatMap((x) =>
        [0, 4, 250, 475, 479].flatMap((y) => [
          { box: [x, y, x + 20, y + 15], class: 'a long name of a class' },
          { points: [[x, y]], class: 'a dot' },
          { text: 'a text', at: [x, y] },
          { polygon: [x, y, x + 9, y, x, y + 9], label: 'a polygon' },
        ]),
      );
      const texts = draw(objects, matrix, pixelRatio);
      expect(texts.length).toBeGreaterThan(objects.length / 5);
      for (const { text, left, top, right, bottom } of texts) {
        expect(Math.min(left, top), text).toBeGreaterThanOrEqual(0);
        expect(right, text).toBeLessThanOrEqual(WIDTH);
        expect(bottom, text).toBeLessThanOrEqual(HEIGHT);
        // Text is drawn on whole pixels, so that it is equally sharp everywhere.
        expect([left % 1, top % 1]).toEqual([0, 0]);
      }
    }
  });

  it.each([1, 1.5, 3])('are not below the status chip, with %d pixels of the canvas per CSS px', (pixelRatio) => {
    const chip = { x: 12, y: 12, width: 90, height: 24 };
    const [right, bottom] = [102, 36].map((end) => end * pixelRatio) as [number, number];
    const isCovered = (text: DrawnText): boolean =>
      text.right > 12 * pixelRatio && text.left < right && text.bottom > 12 * pixelRatio && text.top < bottom;
    const objects = [0, 10, 60, 101, 110, 300].flatMap((x) =>
      [0, 10, 20, 35, 40, 60].flatMap((y) => [
        { box: [x, y, x + 200, y + 100], class: 'car' },
        { text: 'a text', at: [x, y] },
      ]),
    );
    const scaled: Matrix = [pixelRatio, 0, 0, pixelRatio, 0, 0];
    const free = draw(objects, scaled, pixelRatio);
    const texts = draw(objects, scaled, pixelRatio, chip);
    expect(free.filter(isCovered).length).toBeGreaterThan(10);
    expect(texts.filter(isCovered)).toEqual([]);
    expect(texts).toHaveLength(free.length);
    // The others stay where they are.
    for (const [index, text] of texts.entries()) if (!isCovered(free[index]!)) expect(text).toEqual(free[index]);
  });

  it('stay inside the canvas if it has no room below the chip', () => {
    const chip = { x: 12, y: 12, width: 90, height: HEIGHT - 20 };
    expect(draw([{ box: [20, 100, 60, 200], label: 'car' }], undefined, 1, chip)[0]!.bottom).toBeLessThanOrEqual(
      HEIGHT,
    );
  });

  it('are above their objects, or inside of them at the top edge', () => {
    const [free, top] = draw([
      { box: [100, 100, 200, 200], label: 'free' },
      { box: [100, 3, 200, 200], label: 'top' },
    ]);
    expect(free).toMatchObject({ left: 100, bottom: 100 });
    expect(top).toMatchObject({ left: 100, top: 0 });
    // A label does not cover its dot, whose radius is 3.
    expect(draw([{ points: [[100, 100]], label: 'dot' }])[0]).toMatchObject({ left: 97, bottom: 97 });
  });

  it('show their beginning if they are wider than the canvas', () => {
    expect(draw([{ box: [600, 100, 630, 200], label: 'x'.repeat(100) }])[0]).toMatchObject({ left: 0 });
  });

  it('have the colour of the class if the object has no valid colour', () => {
    const box = [100, 100, 200, 200];
    const [known, , fromClass] = draw([
      { box, class: 'car', color: '#123456' },
      { box, class: 'dog' },
      { box, class: 'car', color: 'banana' },
      { box, class: 'car' },
    ]).map(({ color }) => color);
    const colors = draw([{ box, class: 'car' }]).map(({ color }) => color);
    expect(known).toBe('#123456');
    expect([fromClass]).toEqual(colors);
  });

  it('of objects outside of the visible part are not drawn', () => {
    const beyond = [
      [-200, 100],
      [700, 100],
      [300, -100],
      [300, 520],
    ].flatMap(([x = 0, y = 0]) => [
      { box: [x, y, x + 50, y + 50], class: 'out' },
      { text: 'out', at: [x, y] },
    ]);
    expect(draw(beyond)).toEqual([]);
    expect(draw([{ box: [-200, -100, 900, 600], class: 'all around' }])).toHaveLength(1);
  });
});

describe('an overlay that would take seconds', () => {
  /** Number of strokes and fills, and the problem. */
  const drawn = (overlay: Value): { strokes: number; fills: number; problem: string | null } => {
    let [strokes, fills] = [0, 0];
    const { context } = TextRecorder.context();
    const counted = new Proxy(context, {
      get: (target, name) => {
        if (name === 'stroke') return () => (strokes += 1);
        if (name === 'fill') return () => (fills += 1);
        return Reflect.get(target, name) as unknown;
      },
    });
    const problem = new OverlayPainter().draw(readOverlay(overlay, { width: WIDTH, height: HEIGHT }), new Map(), {
      context: counted,
      matrix: [1, 0, 0, 1, 0, 0],
      pixelRatio: 1,
      chip: null,
      filter: { classes: null, minScore: 0 },
    });
    return { strokes, fills, problem };
  };
  /** A line from corner to corner and back. */
  const zigzag = (points: number): Value =>
    Array.from({ length: points }, (_, index) => (index % 2 === 0 ? [0, 0] : [WIDTH, HEIGHT]));
  const circle = Array.from({ length: 45_000 }, (_, index) => {
    const angle = (index / 45_000) * 2 * Math.PI;
    return [320 + 200 * Math.cos(angle), 240 + 200 * Math.sin(angle)];
  });

  it('is drawn up to a length of lines, and reported', () => {
    const box = { box: [1, 2, 3, 4] };
    expect(drawn([box, { line: zigzag(2400) }, box])).toMatchObject({ problem: null });
    expect(drawn([box, { line: zigzag(2600) }, box])).toEqual({
      strokes: 1,
      fills: 0,
      problem: 'only 1 of 3 objects, and the labels of 1, were drawn with lines of 2000000 px',
    });
    expect(drawn([{ polygon: zigzag(1500), fill: 0.5 }]).problem).not.toBeNull();
    expect(drawn([{ points: circle }])).toMatchObject({ fills: 0 });
    expect(drawn([{ points: circle.slice(0, 20_000) }])).toEqual({ strokes: 0, fills: 20_000, problem: null });
  });

  it('is drawn up to an area, and to a number of edges of filled polygons', () => {
    const filled = { box: [0, 0, WIDTH, HEIGHT], fill: 0.5 };
    expect(drawn(Array<Value>(500).fill(filled))).toMatchObject({ fills: 500, problem: null });
    expect(drawn(Array<Value>(2000).fill(filled)).fills).toBeLessThan(1000);
    // Most of it is not visible.
    expect(drawn(Array<Value>(2000).fill({ ...filled, box: [-1e5, -1e5, 20, 20] }))).toMatchObject({ problem: null });
    // A comb of vertical lines.
    const comb = (teeth: number): Value =>
      Array.from({ length: 2 * teeth }, (_, at) => [
        (Math.floor(at / 2) * WIDTH) / teeth,
        (at + 1) % 4 < 2 ? 0 : HEIGHT,
      ]);
    expect(drawn([{ polygon: comb(500), fill: 0.5 }])).toMatchObject({ fills: 1, problem: null });
    expect(drawn([{ polygon: comb(20_000), fill: 0.5 }])).toMatchObject({ fills: 0 });
    expect(drawn([{ polygon: comb(20_000) }])).toMatchObject({ problem: null });
  });

  it('may have many points in a small outline, and many boxes', () => {
    expect(drawn([{ polygon: circle, fill: 0.5 }])).toMatchObject({ fills: 1, problem: null });
    expect(drawn(Array.from({ length: 2000 }, () => [0, 0, WIDTH, HEIGHT]))).toEqual({
      strokes: 2000,
      fills: 0,
      problem: null,
    });
    // A line far outside of the visible part is not expensive either.
    const far = zigzag(9000) as [number, number][];
    expect(drawn([{ line: far.map(([x, y]) => [x + 9000, y + 9000]) }]).problem).toBeNull();
  });

  it('draws long lines completely, in pieces', () => {
    expect(drawn([{ line: circle.slice(0, 256) }]).strokes).toBe(1);
    expect(drawn([{ line: circle.slice(0, 257) }]).strokes).toBe(2);
    expect(drawn([{ line: circle.slice(0, 511) }]).strokes).toBe(2);
    // A polygon has one more side, from its last point to its first.
    expect(drawn([{ polygon: circle.slice(0, 511) }]).strokes).toBe(3);
  });
});
