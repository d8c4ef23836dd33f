import type { Value } from '../../../shared/protocol.ts';
import {
  type Coordinates,
  type Mark,
  type Mask,
  OVERLAY_LIMITS,
  type OverlayContent,
  type OverlayItem,
} from './overlay-items.ts';
import { decodeRuns, pngSize } from './masks.ts';

export type Fields = { readonly [key: string]: Value };

/** Error for an object that cannot be drawn; the others are still drawn. */
export class InvalidItemError extends Error {}

export function isFields(value: Value | undefined): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isList(value: Value | undefined): value is readonly Value[] {
  return Array.isArray(value);
}

/** Properties of an object that all formats have in common, before they are checked. */
export interface ItemFields {
  readonly class?: Value | undefined;
  readonly score?: Value | undefined;
  readonly label?: Value | undefined;
  /** Number or name of a track. */
  readonly id?: Value | undefined;
  readonly color?: Value | undefined;
  readonly width?: Value | undefined;
  readonly fill?: Value | undefined;
}

/** Reads the objects of one message within the limits, and records why some of them are not drawn. */
export class ItemReader {
  readonly #scaleX: number;
  readonly #scaleY: number;
  readonly #width: number;
  readonly #height: number;
  readonly #classes: Value | undefined;
  readonly #items: OverlayItem[] = [];
  #points = 0;
  #maskPixels = 0;
  #pngBytes = 0;
  #invalid = 0;
  #firstInvalid = '';
  #beyond = 0;

  /**
   * @param picture size of the picture in pixels.
   * @param scale pixels of the picture per unit of the coordinates.
   * @param classes names, or maps with `name` and `color`, by number: a list or a map.
   */
  constructor(
    picture: { readonly width: number; readonly height: number },
    scale: { readonly x: number; readonly y: number },
    classes: Value | undefined,
  ) {
    this.#width = picture.width;
    this.#height = picture.height;
    this.#scaleX = scale.x;
    this.#scaleY = scale.y;
    this.#classes = classes;
  }

  get content(): OverlayContent {
    const problems = [
      ...(this.#invalid > 0 ? [`${this.#invalid} objects are invalid; the first: ${this.#firstInvalid}`] : []),
      ...(this.#beyond > 0
        ? [
            `${this.#beyond} objects are beyond the limits of ${OVERLAY_LIMITS.items} objects, ${OVERLAY_LIMITS.points} points and ${OVERLAY_LIMITS.maskPixels >> 20} million mask pixels`,
          ]
        : []),
    ];
    return { items: this.#items, problem: problems.length === 0 ? null : problems.join('; ') };
  }

  /**
   * Adds one object per value, as far as the limits allow. Invalid objects count towards the limits, because a message
   * can contain a million of them.
   */
  addAll(values: readonly Value[], add: (value: Value) => void): void {
    for (const [index, value] of values.entries()) {
      if (index >= OVERLAY_LIMITS.items || this.#points >= OVERLAY_LIMITS.points) {
        this.#beyond += values.length - index;
        return;
      }
      try {
        add(value);
      } catch (error) {
        if (!(error instanceof InvalidItemError)) throw error;
        this.#invalid += 1;
        if (this.#invalid === 1) this.#firstInvalid = error.message;
      }
    }
  }

  /** @throws {InvalidItemError} */
  add(fields: ItemFields, marks: readonly (Mark | null)[]): void {
    const drawn = marks.filter((mark) => mark !== null);
    if (drawn.length === 0) return;
    const { name, color } = this.#classOf(fields.class);
    const score = numberOf(fields.score);
    const track = isText(fields.id) ? `#${shortText(fields.id)}` : '';
    const percent = score === null ? '' : `${Math.round(score * 100)} %`;
    const label =
      fields.label === undefined || fields.label === null
        ? [name, track, percent].filter(Boolean).join(' ')
        : shortText(fields.label);
    this.#items.push({
      className: name,
      score,
      label,
      color: isText(fields.color) ? shortText(fields.color) : color,
      lineWidth: within(fields.width, 0.5, 20, 2),
      fill: within(fields.fill, 0, 1, 0),
      marks: drawn,
    });
  }

  /** A box by two corners: x1, y1, x2, y2. @throws {InvalidItemError} */
  box(value: Value | undefined): Mark {
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = this.#coordinates(this.#numbers(value, 'box', 4).slice(0, 4));
    return { kind: 'lines', points: [x1, y1, x2, y1, x2, y2, x1, y2], isClosed: true };
  }

  /** A box by corner and size: x, y, width, height. @throws {InvalidItemError} */
  sizedBox(value: Value | undefined): Mark {
    const [x = 0, y = 0, width = 0, height = 0] = this.#numbers(value, 'bbox', 4);
    return this.box([x, y, x + width, y + height]);
  }

  /** A box by centre, size and clockwise angle in degrees: x, y, width, height, angle. @throws {InvalidItemError} */
  rotatedBox(value: Value | undefined): Mark {
    const [x = 0, y = 0, width = 0, height = 0, degrees = 0] = this.#numbers(value, 'rotatedBox', 5);
    const [cosine, sine] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
    const corners = [
      [-1, -1],
      [1, -1],
      [1, 1],
      [-1, 1],
    ].flatMap(([across = 0, down = 0]) => {
      const [dx, dy] = [(across * width) / 2, (down * height) / 2];
      return [x + dx * cosine - dy * sine, y + dx * sine + dy * cosine];
    });
    return { kind: 'lines', points: this.#coordinates(corners), isClosed: true };
  }

  /** @throws {InvalidItemError} */
  lines(value: Value | undefined, name: string, isClosed: boolean): Mark {
    return { kind: 'lines', points: this.#coordinates(this.#pairs(value, name)), isClosed };
  }

  /** @throws {InvalidItemError} */
  dots(value: Value | undefined): Mark {
    return { kind: 'dots', points: this.#coordinates(this.#pairs(value, 'points')) };
  }

  /** @throws {InvalidItemError} */
  text(value: Value, at: Value | undefined): Mark {
    const [x = 0, y = 0] = this.#coordinates(this.#numbers(at, 'at', 2).slice(0, 2));
    return { kind: 'text', x, y, text: shortText(value) };
  }

  /**
   * Keypoints, and the lines between them.
   *
   * @param points x, y and, if known, visibility or score of each point; points with 0 are not drawn.
   * @param skeleton pairs of indexes from 0.
   * @throws {InvalidItemError}
   */
  keypoints(points: readonly (readonly Value[])[], skeleton: Value | undefined): Mark[] {
    const found = points.map((point) => {
      const [x, y, visible = 1] = [numberOf(point[0]), numberOf(point[1]), numberOf(point[2]) ?? undefined];
      if (x === null || y === null)
        throw new InvalidItemError('a keypoint is not a list of numbers [x, y] or [x, y, visibility]');
      return visible === 0 || (x === 0 && y === 0) ? null : this.#coordinates([x, y]);
    });
    const bones = isList(skeleton) ? skeleton : [];
    this.#count(bones.length);
    const lines = bones.flatMap((bone): Mark[] => {
      if (!isList(bone) || typeof bone[0] !== 'number' || typeof bone[1] !== 'number')
        throw new InvalidItemError('skeleton is not a list of pairs of indexes');
      const [from, to] = [found[bone[0]], found[bone[1]]];
      return from && to ? [{ kind: 'lines', points: [...from, ...to], isClosed: false }] : [];
    });
    return [...lines, { kind: 'dots', points: found.flatMap((point) => point ?? []) }];
  }

  /**
   * A mask as runs (`size`: height and width, `counts`) or as PNG (`png`: base64), in `box` or the whole picture.
   *
   * @throws {InvalidItemError}
   */
  mask(value: Value): Mark {
    if (!isFields(value)) throw new InvalidItemError('mask is not a map');
    const whole = [0, 0, this.#width, this.#height] as const;
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] =
      value['box'] === undefined ? whole : this.#coordinates(this.#numbers(value['box'], 'box of a mask', 4));
    const box = [x1, y1, x2, y2] as const;
    if (typeof value['png'] === 'string') return { kind: 'mask', mask: this.#png(value['png'], box) };
    const [height = 0, width = 0] = this.#numbers(value['size'], 'size of a mask', 2);
    if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0))
      throw new InvalidItemError('size of a mask is not a height and a width');
    this.#countMask(width * height);
    const runs = decodeRuns(value['counts'], width * height);
    if (runs === null) throw new InvalidItemError(`counts of a mask are not runs of ${width * height} pixels in total`);
    return { kind: 'mask', mask: { width, height, data: { kind: 'runs', runs }, box } };
  }

  #png(base64: string, box: Mask['box']): Mask {
    this.#pngBytes += base64.length;
    if (this.#pngBytes > OVERLAY_LIMITS.pngBytes)
      throw new InvalidItemError(`PNG masks take more than ${OVERLAY_LIMITS.pngBytes >> 20} MiB`);
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      const text = atob(base64);
      bytes = new Uint8Array(text.length);
      // `Uint8Array.from()` would take 20 times as long.
      for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
    } catch {
      throw new InvalidItemError('png of a mask is not base64');
    }
    // Checked before decoding: a small PNG can decode to gigabytes.
    const size = pngSize(bytes);
    if (size === null) throw new InvalidItemError('png of a mask is not a PNG file');
    this.#countMask(size.width * size.height);
    return { ...size, data: { kind: 'png', bytes }, box };
  }

  #classOf(value: Value | undefined): { readonly name: string; readonly color: string | null } {
    if (!isText(value)) return { name: '', color: null };
    const key = shortText(value);
    const classes = this.#classes;
    const found = isList(classes)
      ? classes[Number(key)]
      : isFields(classes) && Object.hasOwn(classes, key)
        ? classes[key]
        : undefined;
    if (isFields(found))
      return {
        name: isText(found['name']) ? shortText(found['name']) : key,
        color: isText(found['color']) ? shortText(found['color']) : null,
      };
    return { name: isText(found) ? shortText(found) : key, color: null };
  }

  #countMask(pixels: number): void {
    if (this.#maskPixels + pixels > OVERLAY_LIMITS.maskPixels)
      throw new InvalidItemError(`masks have more than ${OVERLAY_LIMITS.maskPixels >> 20} million pixels`);
    this.#maskPixels += pixels;
  }

  #numbers(value: Value | undefined, name: string, count: number): number[] {
    const numbers = isList(value) ? value.slice(0, count).map(numberOf) : [];
    if (numbers.length < count || !areNumbers(numbers))
      throw new InvalidItemError(`${name} is not a list of ${count} numbers`);
    return numbers;
  }

  /** Reads points as pairs or as one list. */
  #pairs(value: Value | undefined, name: string): number[] {
    if (!isList(value)) throw new InvalidItemError(`${name} is not a list of points`);
    const isPairs = isList(value[0]);
    // Valid points are counted with their coordinates. Lists that are too long are not read.
    this.#checkCount(isPairs ? value.length : value.length / 2);
    const flat = isPairs ? value.flatMap((point) => (isList(point) ? [point[0], point[1]] : [null])) : value;
    const numbers = flat.map(numberOf);
    if (numbers.length < 2 || numbers.length % 2 !== 0 || !areNumbers(numbers))
      throw new InvalidItemError(`${name} is not a list of points [x, y]`);
    return numbers;
  }

  /** Converts to pixels of the picture. */
  #coordinates(numbers: readonly number[]): Coordinates {
    this.#count(numbers.length / 2);
    return numbers.map((number, index) => {
      const scaled = number * (index % 2 === 0 ? this.#scaleX : this.#scaleY);
      if (!(Math.abs(scaled) <= OVERLAY_LIMITS.coordinate)) throw new InvalidItemError(`a coordinate is ${number}`);
      return scaled;
    });
  }

  #count(points: number): void {
    this.#checkCount(points);
    this.#points += points;
  }

  #checkCount(points: number): void {
    if (this.#points + points > OVERLAY_LIMITS.points)
      throw new InvalidItemError(`objects have more than ${OVERLAY_LIMITS.points} points`);
  }
}

/** Reads a number, or a string with a number, as `json.dumps(…, default=str)` writes NumPy's numbers; null for NaN. */
export function numberOf(value: Value | undefined): number | null {
  if (typeof value === 'string' && value.trim() === '') return null;
  const number = typeof value === 'number' || typeof value === 'string' ? Number(value) : NaN;
  return Number.isNaN(number) ? null : number;
}

function areNumbers(values: readonly (number | null)[]): values is number[] {
  return values.every((value) => value !== null);
}

function isText(value: Value | undefined): value is string | number | bigint {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint';
}

function shortText(value: Value): string {
  const text = isText(value) ? String(value) : '';
  return text.length <= OVERLAY_LIMITS.text ? text : `${text.slice(0, OVERLAY_LIMITS.text - 1)}…`;
}

function within(value: Value | undefined, min: number, max: number, otherwise: number): number {
  return typeof value === 'number' && value >= min && value <= max ? value : otherwise;
}
