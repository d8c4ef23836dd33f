import type { Value } from '../../../shared/protocol.ts';
import { type Fields, InvalidItemError, isFields, isList, ItemReader, numberOf } from './item-reader.ts';
import { type Mark, OVERLAY_LIMITS, type OverlayContent } from './overlay-items.ts';

/** Keys of a message in which an overlay is searched, unless a path is given. */
const USUAL_KEYS = ['overlay', 'detections'] as const;

/**
 * The part of a message that describes an overlay.
 *
 * @param path keys separated by dots; empty for the default keys.
 * @returns undefined if there is none.
 */
export function findOverlay(message: Value, path: string): Value | undefined {
  if (path === '') {
    if (isFields(message))
      return USUAL_KEYS.map((key) => ownValue(message, key)).find((value) => value !== undefined && value !== null);
    return isList(message) ? message : undefined;
  }
  let found: Value | undefined = message;
  for (const key of path.split('.')) found = isFields(found) ? ownValue(found, key) : undefined;
  return found ?? undefined;
}

function ownValue(fields: Fields, key: string): Value | undefined {
  return Object.hasOwn(fields, key) ? fields[key] : undefined;
}

/**
 * Reads an overlay in any of the formats of docs/overlays.md: Gearway's own, lists of `[x1, y1, x2, y2, score, class]`,
 * COCO, Ultralytics' `tojson()`, and supervision's `Detections`.
 *
 * @param picture size of the picture in pixels.
 */
export function readOverlay(
  value: Value,
  picture: { readonly width: number; readonly height: number },
): OverlayContent {
  if (typeof value === 'string') return readText(value, picture);
  const options: Fields = isFields(value) ? value : {};
  const scale = scaleOf(options, picture);
  // Objects at wrong positions would be worse than no objects.
  if (typeof scale === 'string') return { items: [], problem: scale };
  const reader = new ItemReader(picture, scale, options['classes'] ?? options['names']);
  if (isFields(value) && isList(value['xyxy'])) {
    readSupervision(reader, value, value['xyxy']);
  } else if (isFields(value) && isList(value['annotations'])) {
    const categories = cocoCategories(value['categories']);
    const coco = new ItemReader(picture, scale, categories);
    coco.addAll(value['annotations'], (item) => readItem(coco, item, options, categories));
    return coco.content;
  } else {
    const items = listOf(isList(value) ? value : options['items']);
    if (items === null) return { items: [], problem: 'the overlay is neither a list of objects nor a map with items' };
    reader.addAll(items, (item) => readItem(reader, item, options));
  }
  return reader.content;
}

function readText(text: string, picture: { readonly width: number; readonly height: number }): OverlayContent {
  if (text.length > OVERLAY_LIMITS.json)
    return {
      items: [],
      problem: `the overlay is text of ${text.length} characters, expected at most ${OVERLAY_LIMITS.json}`,
    };
  const parsed = parsedJson(text);
  if (parsed === undefined) return { items: [], problem: 'the overlay is text that is not JSON' };
  return typeof parsed === 'string'
    ? { items: [], problem: 'the overlay is JSON of a string' }
    : readOverlay(parsed, picture);
}

/** @returns undefined for text that is not JSON. */
function parsedJson(text: string): Value | undefined {
  try {
    return JSON.parse(text) as Value;
  } catch {
    return undefined;
  }
}

/** A list, or a string with a list as JSON, as `tojson()` of Ultralytics writes it; null for anything else. */
function listOf(value: Value | undefined): readonly Value[] | null {
  const isText = typeof value === 'string' && value.length <= OVERLAY_LIMITS.json;
  const list = isText ? parsedJson(value) : value;
  return isList(list) ? list : null;
}

/**
 * Pixels of the picture per unit: `units` is `pixels` or `normalized`, and `size` is the size to which pixels refer.
 *
 * @returns the scale, or a sentence that explains why it cannot be determined.
 */
function scaleOf(
  { units, size }: Fields,
  { width, height }: { readonly width: number; readonly height: number },
): { readonly x: number; readonly y: number } | string {
  if (units === 'normalized') return { x: width, y: height };
  if ((units ?? 'pixels') !== 'pixels') return 'units of the overlay are neither "pixels" nor "normalized"';
  if ((size ?? null) === null) return { x: 1, y: 1 };
  const [across, down] = (isList(size) ? size : []).map(numberOf);
  return across && down && across > 0 && down > 0
    ? { x: width / across, y: height / down }
    : 'size of the overlay is not a width and a height above 0';
}

/**
 * @param categories categories of COCO by `category_id`.
 * @throws {InvalidItemError}
 */
function readItem(reader: ItemReader, item: Value, options: Fields, categories: Categories = {}): void {
  if (isList(item)) {
    const [, , , , score, name] = item;
    reader.add({ score, class: name }, [reader.box(item)]);
  } else if (!isFields(item)) {
    throw new InvalidItemError('an object is neither a map nor a list [x1, y1, x2, y2, score, class]');
  } else if (isCoco(item)) {
    readCoco(reader, item, options, categories);
  } else if (isFields(item['box'])) {
    readUltralytics(reader, item, item['box'], options);
  } else {
    readOwn(reader, item, options);
  }
}

/** Reads Gearway's own format. */
function readOwn(reader: ItemReader, item: Fields, options: Fields): void {
  /** Reads a shape, unless it is missing or None. */
  const mark = (key: string, read: (value: Value) => Mark): Mark | null => {
    const value = item[key] ?? null;
    return value === null ? null : read(value);
  };
  const keypoints = item['keypoints'] ?? null;
  const marks: (Mark | null)[] = [
    mark('mask', (value) => reader.mask(value)),
    mark('box', (value) => reader.box(value)),
    mark('rotatedBox', (value) => reader.rotatedBox(value)),
    mark('polygon', (value) => reader.lines(value, 'polygon', true)),
    mark('line', (value) => reader.lines(value, 'line', false)),
    mark('points', (value) => reader.dots(value)),
    mark('text', (value) => reader.text(value, item['at'])),
    ...(keypoints === null
      ? []
      : reader.keypoints(lists(keypoints, 'keypoints'), item['skeleton'] ?? options['skeleton'])),
  ];
  if (marks.every((mark) => mark === null))
    throw new InvalidItemError('an object has none of box, rotatedBox, polygon, line, points, text, mask, keypoints');
  reader.add(item, marks);
}

/** Whether an object has one of the shapes of COCO's results: those of segmentation and keypoints have no `bbox`. */
function isCoco({ bbox, box, segmentation, keypoints }: Fields): boolean {
  const isFlat = isList(keypoints) && keypoints.length > 0 && !isList(keypoints[0]);
  return isList(bbox) || isList(segmentation) || isFields(segmentation) || (isFlat && box === undefined);
}

/**
 * Reads COCO's results and annotations: `bbox` by corner and size, `category_id`, `segmentation`, `keypoints` as one
 * list.
 */
function readCoco(reader: ItemReader, item: Fields, options: Fields, categories: Categories): void {
  const { bbox, segmentation, keypoints } = item;
  const className = item['category_id'] ?? item['class'];
  const polygons = isList(segmentation)
    ? segmentation.map((polygon) => reader.lines(polygon, 'segmentation', true))
    : [];
  if (isList(keypoints) && keypoints.length % 3 !== 0)
    throw new InvalidItemError('keypoints of COCO are not a list x, y, visibility, x, y, visibility, …');
  const triples = isList(keypoints)
    ? Array.from({ length: Math.floor(keypoints.length / 3) }, (_, index) => keypoints.slice(index * 3, index * 3 + 3))
    : [];
  const skeleton = options['skeleton'] ?? categories[keyOf(className)]?.skeleton;
  const marks = [
    ...(isFields(segmentation) ? [reader.mask(segmentation)] : polygons),
    isList(bbox) ? reader.sizedBox(bbox) : null,
    ...(triples.length === 0 ? [] : reader.keypoints(triples, skeleton)),
  ];
  reader.add({ class: className, score: item['score'], id: item['track_id'] }, marks);
}

/** Number or name of a class as a key; empty for anything else. */
function keyOf(value: Value | undefined): string {
  return typeof value === 'number' || typeof value === 'string' ? String(value) : '';
}

/** Categories of COCO by their id. */
type Categories = { readonly [id: string]: { readonly name: Value; readonly skeleton: Value } };

/** @param value list of maps with `id`, `name` and, for keypoints, `skeleton`: pairs of numbers from 1. */
function cocoCategories(value: Value | undefined): Categories {
  const list = isList(value) ? value.filter(isFields) : [];
  const fromZero = (bone: Value): Value =>
    isList(bone) ? bone.map((index) => (typeof index === 'number' ? index - 1 : index)) : bone;
  return Object.fromEntries(
    list.map(({ id, name = null, skeleton }) => [
      keyOf(id),
      { name, skeleton: isList(skeleton) ? skeleton.map(fromZero) : null },
    ]),
  );
}

/** Reads Ultralytics' `results.tojson()`: `box` by named corners, `segments` and `keypoints` by axis. */
function readUltralytics(reader: ItemReader, item: Fields, box: Fields, options: Fields): void {
  const { x1, y1, x2, y2, x3, y3, x4, y4 } = box;
  const pairs = (value: Value | undefined): (readonly Value[])[] => {
    if (!isFields(value) || !isList(value['x']) || !isList(value['y'])) return [];
    const { y: downs, visible } = value as { readonly y: readonly Value[]; readonly visible?: readonly Value[] };
    return value['x'].map((across, index) => [across, downs[index] ?? null, visible?.[index] ?? 1]);
  };
  const outline = pairs(item['segments']);
  const found = pairs(item['keypoints']);
  const corners =
    x3 === undefined
      ? reader.box([x1 ?? null, y1 ?? null, x2 ?? null, y2 ?? null])
      : reader.lines(
          [x1, y1, x2, y2, x3, y3, x4, y4].map((number) => number ?? null),
          'box',
          true,
        );
  const marks = [
    outline.length === 0 ? null : reader.lines(outline, 'segments', true),
    corners,
    ...(found.length === 0 ? [] : reader.keypoints(found, item['skeleton'] ?? options['skeleton'])),
  ];
  reader.add({ class: item['name'] ?? item['class'], score: item['confidence'], id: item['track_id'] }, marks);
}

/**
 * Reads supervision's `Detections` as a map of lists: `xyxy`, `confidence`, `class_id`, `tracker_id`,
 * `data.class_name`, and `mask` with the masks of our own format, because its boolean arrays are too large for a message.
 */
function readSupervision(reader: ItemReader, value: Fields, boxes: readonly Value[]): void {
  const column = (list: Value | undefined, index: number): Value | undefined =>
    isList(list) ? list[index] : undefined;
  const data = isFields(value['data']) ? value['data'] : {};
  reader.addAll(
    boxes.map((_, index) => index),
    (index) => {
      const at = Number(index);
      const name = column(data['class_name'], at) ?? column(value['class_id'], at);
      const mask = column(value['mask'], at);
      reader.add({ class: name, score: column(value['confidence'], at), id: column(value['tracker_id'], at) }, [
        isFields(mask) ? reader.mask(mask) : null,
        reader.box(boxes[at]),
      ]);
    },
  );
}

/** @throws {InvalidItemError} */
function lists(value: Value, name: string): (readonly Value[])[] {
  if (!isList(value) || value.length > OVERLAY_LIMITS.points || !value.every(isList))
    throw new InvalidItemError(`${name} is not a list of lists`);
  return [...value];
}
