import { blendMask, coverage, distanceToLine, type Ink, type Mask, type Raster } from './raster.ts';

/**
 * The glyphs, as the centre lines of strokes, after the lettering of DIN 1451. Capitals and digits extend from y 0 to y
 * 20 (the baseline), lower case begins at y 6, descenders end near y 26. x begins anywhere: a glyph is centred in its
 * cell by `width`.
 *
 * `M x y` moves, `L x y` draws a line, `A cx cy rx ry from to` draws an arc from one angle to another in degrees (0 is
 * right, 90 is down; decreasing angles run counter-clockwise), joined to the preceding point, and `Z` closes the path.
 * A line of no length is a dot.
 */
const GLYPHS: Readonly<Record<string, { readonly width: number; readonly path: string }>> = {
  '0': { width: 11, path: 'A 5.5 5.5 5.5 5.5 180 360 A 5.5 14.5 5.5 5.5 0 180 Z' },
  '1': { width: 6, path: 'M 0 4.6 L 5.4 0 L 5.4 20' },
  '2': { width: 11, path: 'A 5.5 5.5 5.5 5.5 186 401.5 L 0 20 L 11 20' },
  '3': { width: 11, path: 'A 5.4 4.75 4.9 4.75 192 450 L 3.9 9.5 M 5.4 9.5 A 5.4 14.75 5.6 5.25 270 527' },
  '4': { width: 11.5, path: 'M 6 0 L 0 15 L 11.5 15 M 8.4 9.5 L 8.4 20' },
  '5': { width: 11, path: 'M 10 0 L 1.3 0 L 0.7 9.4 A 5.3 13.8 5.7 6.2 226 518' },
  '6': { width: 11, path: 'M 7.6 0 A 5.5 14.5 5.5 5.5 210 -150' },
  '7': { width: 11, path: 'M 0 0 L 11 0 L 4 20' },
  '8': { width: 11, path: 'M 5.5 0 A 5.5 4.75 4.75 4.75 -90 270 M 5.5 9.5 A 5.5 14.75 5.5 5.25 -90 270' },
  '9': { width: 11, path: 'M 3.4 20 A 5.5 5.5 5.5 5.5 30 -330' },
  A: { width: 12, path: 'M 0 20 L 6 0 L 12 20 M 1.9 13.6 L 10.1 13.6' },
  B: { width: 11, path: 'M 0 9.5 L 6 9.5 A 6 14.75 5 5.25 -90 90 L 0 20 L 0 0 L 5.6 0 A 5.6 4.75 4.75 4.75 -90 90' },
  C: { width: 11, path: 'A 5.5 5.5 5.5 5.5 -12 -180 A 5.5 14.5 5.5 5.5 180 12' },
  D: { width: 11, path: 'M 0 0 L 5 0 A 5 6 6 6 -90 0 A 5 14 6 6 0 90 L 0 20 Z' },
  E: { width: 10, path: 'M 10 0 L 0 0 L 0 20 L 10 20 M 0 9.7 L 8.6 9.7' },
  F: { width: 10, path: 'M 10 0 L 0 0 L 0 20 M 0 9.9 L 8.6 9.9' },
  G: { width: 11, path: 'A 5.5 5.5 5.5 5.5 -12 -180 A 5.5 14.5 5.5 5.5 180 0 L 11 10.6 L 6.4 10.6' },
  H: { width: 11, path: 'M 0 0 L 0 20 M 11 0 L 11 20 M 0 9.7 L 11 9.7' },
  I: { width: 7, path: 'M 0 0 L 7 0 M 3.5 0 L 3.5 20 M 0 20 L 7 20' },
  J: { width: 9.5, path: 'M 9.5 0 L 9.5 15.2 A 4.75 15.2 4.75 4.8 0 168' },
  K: { width: 11, path: 'M 0 0 L 0 20 M 10.4 0 L 0 12.4 M 4.1 7.6 L 11 20' },
  L: { width: 10, path: 'M 0 0 L 0 20 L 10 20' },
  M: { width: 12, path: 'M 0 20 L 0 0 L 6 11.5 L 12 0 L 12 20' },
  N: { width: 11, path: 'M 0 20 L 0 0 L 11 20 L 11 0' },
  O: { width: 12, path: 'A 6 6 6 6 180 360 A 6 14 6 6 0 180 Z' },
  P: { width: 11, path: 'M 0 20 L 0 0 L 5.6 0 A 5.6 5.5 5.4 5.5 -90 90 L 0 11' },
  Q: { width: 12, path: 'A 6 6 6 6 180 360 A 6 14 6 6 0 180 Z M 7.6 15.4 L 12 20.4' },
  R: { width: 11, path: 'M 0 20 L 0 0 L 5.6 0 A 5.6 5.5 5.4 5.5 -90 90 L 0 11 M 5.6 11 L 11 20' },
  S: { width: 11, path: 'A 5.5 4.9 5.1 4.9 -24 -270 A 5.5 14.9 5.5 5.1 270 516' },
  T: { width: 11, path: 'M 0 0 L 11 0 M 5.5 0 L 5.5 20' },
  U: { width: 11, path: 'M 0 0 A 5.5 14.5 5.5 5.5 180 0 L 11 0' },
  V: { width: 12, path: 'M 0 0 L 6 20 L 12 0' },
  W: { width: 13, path: 'M 0 0 L 3 20 L 6.5 5 L 10 20 L 13 0' },
  X: { width: 11.5, path: 'M 0 0 L 11.5 20 M 11.5 0 L 0 20' },
  Y: { width: 12, path: 'M 0 0 L 6 10.5 L 12 0 M 6 10.5 L 6 20' },
  Z: { width: 11, path: 'M 0 0 L 11 0 L 0 20 L 11 20' },
  a: {
    width: 9.6,
    path: 'A 5.2 10.4 4.4 4.4 -156 0 L 9.6 20 M 9.6 12.4 L 4 12.4 A 4 16.2 4 3.8 -90 -270 L 5 20 A 5 15.6 4.6 4.4 90 0',
  },
  b: { width: 10, path: 'M 0 0 L 0 20 M 0 15 A 5 11 5 5 180 360 A 5 15 5 5 0 180' },
  c: { width: 9.4, path: 'A 5 11 5 5 -28 -180 A 5 15 5 5 180 28' },
  d: { width: 10, path: 'M 10 0 L 10 20 M 10 15 A 5 15 5 5 0 180 A 5 11 5 5 180 360' },
  e: { width: 10, path: 'M 0 13.2 L 10 13.2 A 5 11 5 5 0 -180 A 5 15 5 5 180 32' },
  f: { width: 9, path: 'M 9 0 L 7.6 0 A 7.6 4 3.8 4 -90 -180 L 3.8 20 M 0.4 6.6 L 8.6 6.6' },
  g: { width: 10, path: 'M 10 6 L 10 21 A 5 21 5 5 0 158 M 10 15 A 5 15 5 5 0 180 A 5 11 5 5 180 360' },
  h: { width: 10, path: 'M 0 0 L 0 20 M 0 11 A 5 11 5 5 180 360 L 10 20' },
  i: { width: 8, path: 'M 0.4 6.4 L 4.2 6.4 L 4.2 20 M 0 20 L 8 20 M 4 0.8 L 4 0.8' },
  j: { width: 7, path: 'M 2.4 6.4 L 7 6.4 L 7 22 A 3 22 4 4 0 110 M 6.8 0.8 L 6.8 0.8' },
  k: { width: 9.6, path: 'M 0 0 L 0 20 M 8.6 6 L 0 14.6 M 3.4 11.2 L 9.6 20' },
  l: { width: 8, path: 'M 0 0 L 3.8 0 A 7.2 16.4 3.4 3.6 180 90 L 8.4 20' },
  m: { width: 12, path: 'M 0 6 L 0 20 M 0 9 A 3 9 3 3 180 360 L 6 20 M 6 9 A 9 9 3 3 180 360 L 12 20' },
  n: { width: 10, path: 'M 0 6 L 0 20 M 0 11 A 5 11 5 5 180 360 L 10 20' },
  o: { width: 10, path: 'A 5 11 5 5 180 360 A 5 15 5 5 0 180 Z' },
  p: { width: 10, path: 'M 0 6 L 0 26 M 0 15 A 5 11 5 5 180 360 A 5 15 5 5 0 180' },
  q: { width: 10, path: 'M 10 6 L 10 26 M 10 15 A 5 15 5 5 0 180 A 5 11 5 5 180 360' },
  r: { width: 7.6, path: 'M 0 6 L 0 20 M 0 11 A 5.2 11.2 5.2 5.2 180 300' },
  s: { width: 9.2, path: 'A 4.6 9.4 4.2 3.4 -24 -270 A 4.6 16.4 4.6 3.6 270 516' },
  t: { width: 9, path: 'M 3.6 1.6 L 3.6 16 A 7.4 16.2 3.8 3.8 180 90 L 9 20 M 0 6.4 L 8.8 6.4' },
  u: { width: 10, path: 'M 0 6 A 5 15 5 5 180 0 M 10 6 L 10 20' },
  v: { width: 10, path: 'M 0 6 L 5 20 L 10 6' },
  w: { width: 13, path: 'M 0 6 L 3.2 20 L 6.5 8.5 L 9.8 20 L 13 6' },
  x: { width: 9.6, path: 'M 0 6 L 9.6 20 M 9.6 6 L 0 20' },
  y: { width: 10, path: 'M 0 6 L 5 20 M 10 6 L 5 20 L 2.9 26 L 1 26' },
  z: { width: 9.2, path: 'M 0 6 L 9.2 6 L 0 20 L 9.2 20' },
  ' ': { width: 0, path: '' },
  ':': { width: 0.6, path: 'A 0.3 6.6 0.3 0.3 0 360 M 0 15.4 A 0.3 15.4 0.3 0.3 0 360' },
  '.': { width: 0.6, path: 'A 0.3 19.7 0.3 0.3 0 360' },
  ',': { width: 1.4, path: 'M 1.4 19.4 L 0 23.6' },
  '-': { width: 7.6, path: 'M 0 11.4 L 7.6 11.4' },
  '+': { width: 8.4, path: 'M 0 11.4 L 8.4 11.4 M 4.2 7.2 L 4.2 15.6' },
  '=': { width: 8.4, path: 'M 0 9 L 8.4 9 M 0 14 L 8.4 14' },
  '×': { width: 8, path: 'M 0 7 L 8 15 M 8 7 L 0 15' },
  '/': { width: 9, path: 'M 0 21.6 L 9 0' },
  '(': { width: 4, path: 'A 9 11 9 14 -130 -230' },
  ')': { width: 4, path: 'A -5 11 9 14 -50 50' },
  "'": { width: 0, path: 'M 0 0 L 0 4.6' },
  _: { width: 10.4, path: 'M 0 22.6 L 10.4 22.6' },
  '?': { width: 9.6, path: 'A 4.8 4.8 4.8 4.8 190 415 L 4.8 11.4 L 4.8 14 M 4.8 19.7 L 4.8 19.7' },
  '!': { width: 0, path: 'M 0 0 L 0 13.6 M 0 19.7 L 0 19.7' },
};

/** Glyph for characters that the font does not have: an empty box. */
const MISSING = { width: 10, path: 'M 0 0 L 10 0 L 10 20 L 0 20 Z' };

/** Distance from one cell to the next, as a fraction of the height of the capitals. */
const ADVANCE = 0.72;
const CAPITAL_UNITS = 20;

/** Tolerance in pixels, below which more steps per arc would not change the result. */
const FLATNESS_PX = 0.03;

/**
 * Draws one character of a monospaced stroke font (capitals, lower case, digits, `: . , - + = × / ( ) ' _ ? !` and
 * space; a box for any other) as an anti-aliased mask: a stroke with round ends, by each pixel's distance to its
 * centre line.
 *
 * `heightPx` (whole) is the height of capitals and digits with their stroke, `strokePx` the stroke's thickness. The
 * mask is one cell: {@link advancePx} wide, and `heightPx` high, or higher if the character extends below the
 * baseline.
 */
export function renderGlyph(char: string, heightPx: number, strokePx: number): Mask {
  const glyph = GLYPHS[char] ?? MISSING;
  const width = advancePx(heightPx);
  const scale = (heightPx - strokePx) / CAPITAL_UNITS;
  const left = (width - glyph.width * scale) / 2;
  const lines = flatten(glyph.path, scale).map(([x1, y1, x2, y2]): Line => [
    left + x1 * scale,
    strokePx / 2 + y1 * scale,
    left + x2 * scale,
    strokePx / 2 + y2 * scale,
  ]);
  const bottom = lines.reduce((lowest, [, y1, , y2]) => Math.max(lowest, y1, y2), 0) + strokePx / 2;
  const height = Math.max(heightPx, Math.ceil(bottom - 0.01));
  const alpha = new Uint8Array(width * height);
  const reach = strokePx / 2 + 1;
  for (const [x1, y1, x2, y2] of lines) {
    const lastX = Math.min(width - 1, Math.ceil(Math.max(x1, x2) + reach));
    const lastY = Math.min(height - 1, Math.ceil(Math.max(y1, y2) + reach));
    for (let y = Math.max(0, Math.floor(Math.min(y1, y2) - reach)); y <= lastY; y += 1) {
      for (let x = Math.max(0, Math.floor(Math.min(x1, x2) - reach)); x <= lastX; x += 1) {
        const at = y * width + x;
        // Only the nearest line counts: adding up coverages would leave dots where lines meet.
        const covered = coverage(distanceToLine(x + 0.5, y + 0.5, x1, y1, x2, y2), strokePx);
        if (covered > (alpha[at] ?? 0)) alpha[at] = covered;
      }
    }
  }
  return { width, height, alpha };
}

/** The width of every cell of text whose capitals are `heightPx` high. */
export function advancePx(heightPx: number): number {
  return Math.round(heightPx * ADVANCE);
}

/** The stroke font in one size and thickness. Each character is rendered when it is first needed. */
export class StrokeFont {
  readonly heightPx: number;
  readonly strokePx: number;
  /** The width of every cell. */
  readonly advancePx: number;
  readonly #glyphs = new Map<string, Mask>();

  constructor(heightPx: number, strokePx: number) {
    this.heightPx = heightPx;
    this.strokePx = strokePx;
    this.advancePx = advancePx(heightPx);
  }

  /** The character's cell. The mask is shared: do not write to it. */
  glyph(char: string): Mask {
    let glyph = this.#glyphs.get(char);
    if (glyph === undefined) {
      glyph = renderGlyph(char, this.heightPx, this.strokePx);
      this.#glyphs.set(char, glyph);
    }
    return glyph;
  }

  /** The width of a line of text, in whole cells. */
  measure(text: string): number {
    return Array.from(text).length * this.advancePx;
  }

  /** Draws a line of text. `x` is the first cell's left side, `y` the top of the capitals. */
  draw(raster: Raster, text: string, x: number, y: number, textInk: Ink): void {
    let left = x;
    for (const char of text) {
      blendMask(raster, this.glyph(char), left, y, textInk);
      left += this.advancePx;
    }
  }
}

type Line = readonly [x1: number, y1: number, x2: number, y2: number];

/** Converts a path to straight lines, in glyph units. `scale` (pixels per unit) determines the resolution of arcs. */
function flatten(path: string, scale: number): Line[] {
  const lines: Line[] = [];
  const tokens = path.split(' ');
  let at = 0;
  const next = (): number => Number(tokens[at++]);
  let start: readonly [number, number] | undefined;
  let pen: readonly [number, number] | undefined;
  const move = (x: number, y: number): void => {
    start = pen = [x, y];
  };
  const draw = (x: number, y: number): void => {
    if (pen === undefined) return move(x, y);
    lines.push([...pen, x, y]);
    pen = [x, y];
  };
  while (at < tokens.length) {
    switch (tokens[at++]) {
      case 'M':
        move(next(), next());
        break;
      case 'L':
        draw(next(), next());
        break;
      case 'A': {
        const [centreX, centreY, radiusX, radiusY] = [next(), next(), next(), next()];
        const from = (next() * Math.PI) / 180;
        const to = (next() * Math.PI) / 180;
        const stepAngle = Math.acos(1 - Math.min(1, FLATNESS_PX / (Math.max(radiusX, radiusY) * scale))) * 2;
        const steps = Math.max(8, Math.ceil(Math.abs(to - from) / stepAngle));
        for (let step = 0; step <= steps; step += 1) {
          const angle = from + ((to - from) * step) / steps;
          draw(centreX + radiusX * Math.cos(angle), centreY + radiusY * Math.sin(angle));
        }
        break;
      }
      case 'Z':
        if (start !== undefined) draw(...start);
        break;
      default: // the empty path of the space
    }
  }
  return lines;
}
