import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Value } from '../../../../shared/protocol.ts';
import { boundsOfPixels, boundsOfRuns, decodeRuns, fillRuns, pngSize } from '../../../../web/viewer/overlays/masks.ts';
import { findOverlay, readOverlay } from '../../../../web/viewer/overlays/overlay-forms.ts';
import {
  isWanted,
  type Mark,
  OVERLAY_LIMITS,
  type OverlayItem,
} from '../../../../web/viewer/overlays/overlay-items.ts';

const PICTURE = { width: 640, height: 480 };
const read = (value: Value): { items: readonly OverlayItem[]; problem: string | null } => readOverlay(value, PICTURE);
/** The only object of an overlay without problems. */
const only = (value: Value): OverlayItem => {
  const { items, problem } = read(value);
  expect(problem).toBeNull();
  expect(items).toHaveLength(1);
  return items[0]!;
};
const BOX = { kind: 'lines', points: [10, 20, 110, 20, 110, 220, 10, 220], isClosed: true };

describe('findOverlay', () => {
  it.each<[Value, string, Value | undefined]>([
    [{ overlay: 1, detections: 2 }, '', 1],
    [{ detections: 2 }, '', 2],
    [{ speed: 1 }, '', undefined],
    [[[1, 2, 3, 4]], '', [[1, 2, 3, 4]]],
    [{ a: { b: 3 } }, 'a.b', 3],
    [{ a: 4 }, 'a.b', undefined],
    [{}, 'constructor', undefined],
    [null, '', undefined],
    ['text', '', undefined],
  ])('finds in %j at %j: %j', (message, path, expected) => {
    expect(findOverlay(message, path)).toEqual(expected);
  });
});

describe('readOverlay', () => {
  it('reads its own format: boxes, rotated boxes, polygons, lines, points, texts', () => {
    const { items, problem } = read({
      items: [
        { box: [10, 20, 110, 220], label: 'Anna', class: 'person', score: 0.9, color: '#f00', width: 4, fill: 0.5 },
        { rotatedBox: [100, 100, 40, 20, 90] },
        {
          polygon: [
            [0, 0],
            [10, 0],
            [10, 10],
          ],
        },
        { line: [0, 0, 5, 5] },
        {
          points: [
            [1, 2],
            [3, 4],
          ],
        },
        { text: 'dock', at: [7, 8] },
      ],
    });
    expect(problem).toBeNull();
    expect(items[0]).toEqual({
      className: 'person',
      score: 0.9,
      label: 'Anna',
      color: '#f00',
      lineWidth: 4,
      fill: 0.5,
      marks: [BOX],
    });
    const turned = items[1]!.marks[0]! as Extract<Mark, { kind: 'lines' }>;
    // A box of 40 × 20, rotated by 90° clockwise: its top left corner is at the top right.
    expect(turned.points.map((value) => Math.round(value))).toEqual([110, 80, 110, 120, 90, 120, 90, 80]);
    expect(items.slice(2).map(({ marks }) => marks)).toEqual([
      [{ kind: 'lines', points: [0, 0, 10, 0, 10, 10], isClosed: true }],
      [{ kind: 'lines', points: [0, 0, 5, 5], isClosed: false }],
      [{ kind: 'dots', points: [1, 2, 3, 4] }],
      [{ kind: 'text', x: 7, y: 8, text: 'dock' }],
    ]);
  });

  it('labels an object by class, track and score', () => {
    expect(only([{ box: [10, 20, 110, 220], class: 'car', id: 7, score: 0.876 }]).label).toBe('car #7 88 %');
    expect(only([{ box: [10, 20, 110, 220] }]).label).toBe('');
  });

  it('names and colours classes by number', () => {
    const item = { box: [10, 20, 110, 220], class: 1 };
    expect(only({ items: [item], classes: ['person', 'car'] })).toMatchObject({ className: 'car', color: null });
    expect(only({ items: [item], classes: { 1: { name: 'lorry', color: 'lime' } } })).toMatchObject({
      className: 'lorry',
      color: 'lime',
    });
    expect(only([item]).className).toBe('1');
  });

  it('scales normalised coordinates, and those of another size', () => {
    const marks = [{ kind: 'lines', points: [320, 120, 640, 120, 640, 480, 320, 480], isClosed: true }];
    expect(only({ units: 'normalized', items: [{ box: [0.5, 0.25, 1, 1] }] }).marks).toEqual(marks);
    expect(only({ size: [1280, 960], items: [{ box: [640, 240, 1280, 960] }] }).marks).toEqual(marks);
  });

  it('connects keypoints that are visible by their skeleton', () => {
    const item = only([
      {
        keypoints: [
          [1, 2],
          [3, 4, 0.9],
          [5, 6, 0],
          [0, 0, 2],
        ],
        skeleton: [
          [0, 1],
          [1, 2],
        ],
      },
    ]);
    expect(item.marks).toEqual([
      { kind: 'lines', points: [1, 2, 3, 4], isClosed: false },
      { kind: 'dots', points: [1, 2, 3, 4] },
    ]);
  });

  it('reads masks as runs, and as PNG', () => {
    const runs = only([{ mask: { size: [2, 3], counts: [1, 2, 3] }, class: 'road' }]).marks[0];
    expect(runs).toEqual({
      kind: 'mask',
      mask: { width: 3, height: 2, data: { kind: 'runs', runs: [1, 2, 3] }, box: [0, 0, 640, 480] },
    });
    // A PNG of 1 × 1 pixel, made by libpng.
    const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==';
    expect(only([{ mask: { png, box: [0, 0, 10, 10] } }]).marks[0]).toMatchObject({
      kind: 'mask',
      mask: { width: 1, height: 1, box: [0, 0, 10, 10], data: { kind: 'png' } },
    });
  });

  it('reads lists of [x1, y1, x2, y2, score, class]', () => {
    expect(only([[10, 20, 110, 220, 0.5, 'dog']])).toMatchObject({
      className: 'dog',
      score: 0.5,
      label: 'dog 50 %',
      marks: [BOX],
    });
    expect(only([[10, 20, 110, 220]])).toMatchObject({ className: '', score: null, marks: [BOX] });
  });

  it('reads results and annotations of COCO', () => {
    const result = { image_id: 1, category_id: 18, bbox: [10, 20, 100, 200], score: 0.5 };
    expect(only([result])).toMatchObject({ className: '18', score: 0.5, marks: [BOX] });
    const annotation = { ...result, segmentation: [[0, 0, 5, 0, 5, 5]], keypoints: [1, 2, 2, 0, 0, 0] };
    const item = only({ annotations: [annotation], categories: [{ id: 18, name: 'dog' }] });
    expect(item.className).toBe('dog');
    expect(item.marks).toEqual([
      { kind: 'lines', points: [0, 0, 5, 0, 5, 5], isClosed: true },
      BOX,
      { kind: 'dots', points: [1, 2] },
    ]);
    expect(only([{ ...result, segmentation: { size: [2, 3], counts: '132' } }]).marks).toHaveLength(2);
  });

  it('reads results of COCO without bbox: segmentation and keypoints', () => {
    // cocodataset.org/#format-results: only those of detection have bbox.
    const result = { image_id: 1, category_id: 1, score: 0.5 };
    expect(only([{ ...result, segmentation: { size: [2, 3], counts: '132' } }]).marks).toMatchObject([
      { kind: 'mask' },
    ]);
    const pose = { ...result, keypoints: [1, 2, 1, 3, 4, 1, 5, 6, 0] };
    expect(only([pose]).marks).toEqual([{ kind: 'dots', points: [1, 2, 3, 4] }]);
    // The skeletons of COCO's categories count from 1.
    const categories = [
      {
        id: 1,
        name: 'person',
        keypoints: ['nose', 'left_eye', 'right_eye'],
        skeleton: [
          [1, 2],
          [1, 3],
        ],
      },
    ];
    expect(only({ annotations: [pose], categories })).toMatchObject({
      className: 'person',
      marks: [
        { kind: 'lines', points: [1, 2, 3, 4], isClosed: false },
        { kind: 'dots', points: [1, 2, 3, 4] },
      ],
    });
    // Objects of our own format are not converted.
    expect(only([{ box: [10, 20, 110, 220], keypoints: [] }]).marks).toContainEqual(BOX);
    expect(read([{ box: [10, 20, 110, 220], keypoints: [1, 2, 2] }]).problem).toContain('keypoints is not a list');
  });

  it("reads Ultralytics' tojson(), as text and as a list", () => {
    // As documented by Ultralytics 8.3 for Results.to_json().
    const list = [
      {
        name: 'person',
        class: 0,
        confidence: 0.9,
        box: { x1: 10, y1: 20, x2: 110, y2: 220 },
        track_id: 3,
        keypoints: { x: [1, 3], y: [2, 4], visible: [1, 0] },
      },
      { name: 'plane', class: 0, confidence: 0.8, box: { x1: 0, y1: 0, x2: 4, y2: 0, x3: 4, y3: 4, x4: 0, y4: 4 } },
      {
        name: 'car',
        class: 2,
        confidence: 0.7,
        box: { x1: 10, y1: 20, x2: 110, y2: 220 },
        segments: { x: [1, 2, 3], y: [4, 5, 6] },
      },
    ];
    const { items, problem } = read(JSON.stringify(list));
    expect(problem).toBeNull();
    expect(read(list as unknown as Value).items).toEqual(items);
    expect(items.map(({ label, marks }) => [label, marks])).toEqual([
      ['person #3 90 %', [BOX, { kind: 'dots', points: [1, 2] }]],
      ['plane 80 %', [{ kind: 'lines', points: [0, 0, 4, 0, 4, 4, 0, 4], isClosed: true }]],
      ['car 70 %', [{ kind: 'lines', points: [1, 4, 2, 5, 3, 6], isClosed: true }, BOX]],
    ]);
  });

  it('reads items that are JSON text, with their common properties', () => {
    // results[0].tojson(normalize=True)
    const items = JSON.stringify([
      { name: 'person', class: 0, confidence: 0.9, box: { x1: 0.5, y1: 0.25, x2: 1, y2: 1 } },
    ]);
    expect(only({ units: 'normalized', items }).marks).toEqual([
      { kind: 'lines', points: [320, 120, 640, 120, 640, 480, 320, 480], isClosed: true },
    ]);
    for (const text of ['{', '{}', '3']) expect(read({ items: text }).problem).toContain('neither a list');
  });

  it("reads supervision's Detections", () => {
    const value = {
      xyxy: [[10, 20, 110, 220]],
      confidence: [0.5],
      class_id: [2],
      tracker_id: [9],
      data: { class_name: ['bus'] },
    };
    expect(only(value)).toMatchObject({ className: 'bus', score: 0.5, label: 'bus #9 50 %', marks: [BOX] });
    expect(only({ ...value, data: {} }).className).toBe('2');
    const mask = [{ size: [2, 3], counts: [1, 2, 3] }];
    expect(only({ ...value, mask }).marks).toMatchObject([{ kind: 'mask' }, BOX]);
  });
});

describe('hostile overlays', () => {
  it('are drawn up to the limits, and report objects beyond them', () => {
    const { items, problem } = read(Array.from({ length: OVERLAY_LIMITS.items + 5 }, () => [0, 0, 1, 1]));
    expect(items).toHaveLength(OVERLAY_LIMITS.items);
    expect(problem).toContain('5 objects are beyond the limits');
    // Each invalid object costs as much as a valid one.
    expect(read(Array.from({ length: OVERLAY_LIMITS.items + 5 }, () => null)).problem).toMatch(
      /^2000 objects are invalid.*; 5 objects are beyond the limits/,
    );
    for (const shape of ['points', 'line', 'polygon']) {
      const pairs = Array.from({ length: OVERLAY_LIMITS.points }, () => [1, 2]);
      expect(read([{ [shape]: pairs }, { box: [1, 2, 3, 4] }]).items).toHaveLength(1);
      expect(read([{ [shape]: pairs.flat() }]).items).toHaveLength(1);
      // An object with too many points does not hide the others.
      expect(read([{ [shape]: [...pairs, [1, 2]] }, { box: [1, 2, 3, 4] }]).items).toHaveLength(1);
    }
    expect(read([{ points: Array.from({ length: OVERLAY_LIMITS.points + 1 }, () => [0, 0]) }]).items).toEqual([]);
    expect(read([{ box: [0, 0, 1, 1], label: 'x'.repeat(1000) }]).items[0]!.label).toHaveLength(OVERLAY_LIMITS.text);
  });

  it.each<[string, Value]>([
    ['a number', 5],
    ['coordinates beyond any picture', [[0, 0, 1e9, 1]]],
    ['no number', [[0, 0, Number.NaN, 1]]],
    ['a box of texts', [{ box: ['a', 'b', 'c', 'd'] }]],
    ['a mask of another size', [{ mask: { size: [2, 2], counts: [5] } }]],
    ['a mask of gigabytes', [{ mask: { size: [65_535, 65_535], counts: [65_535 * 65_535] } }]],
    [
      'a PNG of gigabytes',
      [
        {
          mask: {
            png: Buffer.from('89504e470d0a1a0a0000000d494844520000ffff0000ffff0806000000', 'hex').toString('base64'),
          },
        },
      ],
    ],
    // A chunk that decoders skip, before the one with the size of the picture.
    [
      'a PNG that hides its size',
      [
        {
          mask: {
            png: Buffer.from('89504e470d0a1a0a000000087a7a5a7a000000010000000100000000', 'hex').toString('base64'),
          },
        },
      ],
    ],
    ['a mask that is not PNG', [{ mask: { png: 'AAAA' } }]],
    ['a skeleton without indices', [{ keypoints: [[0, 1]], skeleton: [['a', 'b']] }]],
    ['a class that has no text', { annotations: [{ bbox: [{}], category_id: { toString: 1, valueOf: 1 } }] }],
    ['text that is not JSON', '[1, 2'],
    ['empty text', ''],
    ['an empty map', {}],
    ['None instead of a box', [{ box: null, class: 'car' }]],
    ['too few numbers', [[1, 2, 3]]],
    ['a batch of lists', [[[1, 2, 3, 4, 0.9, 0]]]],
    ['unknown units', { units: 'normalised', items: [[0, 0, 1, 1]] }],
    ['a size of zero', { size: [0, 480], items: [[0, 0, 1, 1]] }],
    ['a size in words', { size: 'large', items: [[0, 0, 1, 1]] }],
    ['a mask that is a list', [{ box: [0, 0, 1, 1], mask: [[1, 0]] }]],
    ['more runs than pixels', [{ mask: { size: [1, 2], counts: [2, 0, 0, 0, 0, 0] } }]],
    ['a bbox of nothing', [{ bbox: [], category_id: 1 }]],
    ['a bbox without a number', [{ bbox: [1, 2, NaN, 4] }]],
    ['a bbox with names', [{ bbox: { x: 1, y: 2, width: 3, height: 4 } }]],
    ['keypoints of COCO that are pairs', [{ bbox: [1, 2, 3, 4], keypoints: [1, 2, 3, 4] }]],
    ['a box of Ultralytics without a corner', [{ name: 'car', confidence: 0.5, box: { x1: 1, y1: 2, x2: 3 } }]],
    [
      'segments of Ultralytics that do not match',
      [{ box: { x1: 1, y1: 2, x2: 3, y2: 4 }, segments: { x: [1, 2], y: [1] } }],
    ],
    ['supervision with a box of nothing', { xyxy: [[]], confidence: [0.5] }],
    ['supervision with a number as a box', { xyxy: [7], confidence: null }],
    ['JSON of JSON', '"[]"'],
  ])('report %s and draw nothing', (_, value) => {
    const { items, problem } = read(value);
    expect(items).toEqual([]);
    expect(problem).not.toBeNull();
  });

  it.each<[string, Value]>([
    ['no objects', []],
    ['no objects, as text', '[]'],
    ['no objects of COCO', { annotations: [], categories: [] }],
    ['no objects of supervision', { xyxy: [], confidence: [], class_id: [] }],
    ['an object of a shape without points', [{ keypoints: [] }]],
  ])('report nothing about %s', (_, value) => {
    expect(read(value).problem).toBeNull();
  });

  it.each<[string, Value]>([
    ['a list', [['1', '2', '3.0', '4e0', '0.5', 'car']]],
    [
      'its own format',
      [{ box: ['1', ' 2', '3', '4'], score: '0.5', class: 'car', polygon: null, mask: null, text: null }],
    ],
    ['COCO', [{ bbox: ['1', '2', '2', '2'], score: '0.5', class: 'car', segmentation: null, keypoints: null }]],
    [
      'Ultralytics',
      [{ name: 'car', class: 2, confidence: '0.5', box: { x1: '1', y1: '2', x2: '3', y2: '4' }, segments: null }],
    ],
    [
      'supervision',
      { xyxy: [['1', '2', '3', '4']], confidence: ['0.5'], class_id: null, data: { class_name: ['car'] } },
    ],
  ])("read NumPy's numbers as text, and None: %s", (_, value) => {
    expect(only(value)).toMatchObject({
      className: 'car',
      score: 0.5,
      label: 'car 50 %',
      marks: [{ kind: 'lines', points: [1, 2, 3, 2, 3, 4, 1, 4] }],
    });
  });

  it.each<[string, Value]>([
    ['a list', [[0, 0, 1, 1, NaN, 0]]],
    ['supervision with fewer scores than boxes', { xyxy: [[0, 0, 1, 1]], confidence: [], class_id: [0] }],
    ['text', [{ box: [0, 0, 1, 1], class: 0, score: 'high' }]],
  ])('draw an object without a usable score as one without a score: %s', (_, value) => {
    const item = only(value);
    expect(item).toMatchObject({ score: null, label: '0' });
    expect(isWanted({ classes: null, minScore: 0.9 }, item)).toBe(true);
  });

  it('take no longer than the limits allow', () => {
    const many = 200_000;
    const boxes = Array.from({ length: many }, () => [0, 0, 1, 1]);
    expect(read({ xyxy: boxes, confidence: [] }).items).toHaveLength(OVERLAY_LIMITS.items);
    expect(read(boxes).problem).toContain(`${many - OVERLAY_LIMITS.items} objects are beyond the limits`);
    const long = Array.from({ length: many }, () => 1);
    for (const item of [
      { polygon: long },
      { keypoints: long.map(() => [1, 1]) },
      { keypoints: [[1, 1]], skeleton: long.map(() => [0, 0]) },
      { bbox: [0, 0, 1, 1], keypoints: long.slice(0, 180_000) },
      { box: { x1: 0, y1: 0, x2: 1, y2: 1 }, segments: { x: long, y: long } },
    ]) {
      const { items, problem } = read([item]);
      expect(items).toEqual([]);
      expect(problem).toMatch(/^1 objects are invalid/);
    }
  });

  it('do not affect other objects', () => {
    const { items, problem } = read([[0, 0, 1, 1], null, { box: [1] }, [2, 2, 3, 3]]);
    expect(items).toHaveLength(2);
    expect(problem).toMatch(/^2 objects are invalid/);
  });

  it('never throw', () => {
    const keys = fc.constantFrom(
      'box',
      'bbox',
      'points',
      'mask',
      'size',
      'counts',
      'png',
      'keypoints',
      'skeleton',
      'items',
      'xyxy',
      'classes',
      'annotations',
      'categories',
      'segments',
      'x',
      'y',
      'data',
      'label',
      'units',
      '__proto__',
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'medium' },
        fc.integer(),
        fc.double(),
        fc.string(),
        fc.constant(null),
        fc.boolean(),
        fc.array(tie('value')),
        fc.dictionary(keys, tie('value')),
      ),
    }));
    fc.assert(
      fc.property(value, (hostile) => void read(hostile as Value)),
      { numRuns: 2000 },
    );
  });
});

describe('decodeRuns', () => {
  it('reads lengths, and their text', () => {
    expect(decodeRuns([6, 20, 4, 17], 47)).toEqual([6, 20, 4, 17]);
    // Hand-written: 6, 20 in two characters, 4, and 17 as the difference -3 to 20.
    expect(decodeRuns('6d04M', 47)).toEqual([6, 20, 4, 17]);
  });

  it.each<[Value, number]>([
    [[1, 2], 4],
    [[-1, 5], 4],
    [[0.5, 3.5], 4],
    ['', 4],
    [5, 5],
    ['~~~', 3],
  ])('refuses %j for %d pixels', (counts, pixels) => {
    expect(decodeRuns(counts, pixels)).toBeNull();
  });
});

describe('masks', () => {
  it('are filled column by column, in their bounds only', () => {
    const pixels = new Uint32Array(6);
    fillRuns([1, 2, 1, 2], 2, { x: 0, y: 0, width: 3, height: 2 }, pixels, 1);
    // Columns of 2 pixels: 0 1, 1 0, 1 1.
    expect([...pixels]).toEqual([0, 1, 1, 1, 0, 1]);
  });

  it('have the same pixels in their bounds as in the whole picture, and none outside', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 7 }),
        fc.array(fc.nat(9), { minLength: 1, maxLength: 9 }),
        (height, runs) => {
          const total = runs.reduce((sum, run) => sum + run, 0);
          const width = Math.ceil((total + 1) / height);
          // Column by column, as COCO defines it.
          const inside = new Set<number>();
          let at = 0;
          for (const [index, run] of runs.entries())
            for (let end = at + run; at < end; at += 1) if (index % 2 === 1) inside.add(at);
          const expected = Uint32Array.from({ length: width * height }, (_, pixel) =>
            inside.has((pixel % width) * height + Math.floor(pixel / width)) ? 1 : 0,
          );
          const bounds = boundsOfRuns(runs, height);
          expect(bounds).toEqual(boundsOfPixels(expected, width));
          if (bounds === null) {
            expect(inside.size).toBe(0);
            return;
          }
          const pixels = new Uint32Array(bounds.width * bounds.height);
          fillRuns(runs, height, bounds, pixels, 1);
          const found = Uint32Array.from(expected, (_, pixel) => {
            const [x, y] = [(pixel % width) - bounds.x, Math.floor(pixel / width) - bounds.y];
            return x >= 0 && y >= 0 && x < bounds.width && y < bounds.height ? pixels[y * bounds.width + x]! : 0;
          });
          expect(found).toEqual(expected);
          // No row or column at the edge is empty.
          expect(boundsOfPixels(pixels, bounds.width)).toEqual({ ...bounds, x: 0, y: 0 });
        },
      ),
    );
  });
});

describe('pngSize', () => {
  it('refuses data that is not a PNG', () => {
    expect(pngSize(new Uint8Array(100))).toBeNull();
    expect(pngSize(Uint8Array.from([0x89, 0x50]))).toBeNull();
  });
});

describe('isWanted', () => {
  const item = (className: string, score: number | null): OverlayItem => ({
    className,
    score,
    label: '',
    color: null,
    lineWidth: 1,
    fill: 0,
    marks: [],
  });
  it('filters by class and score', () => {
    const filter = { classes: new Set(['car']), minScore: 0.5 };
    expect(
      [item('car', 0.5), item('car', 0.4), item('car', null), item('dog', 0.9)].map((one) => isWanted(filter, one)),
    ).toEqual([true, false, true, false]);
    expect(isWanted({ classes: null, minScore: 0 }, item('dog', 0))).toBe(true);
    // An attribute that is not a number.
    expect(isWanted({ classes: null, minScore: NaN }, item('dog', 0.1))).toBe(true);
  });
});
