/** A picture in memory: 8-bit blue, green, red, rows from the top, no padding: `data` is `width * height * 3` bytes. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Coverage of a shape, one byte per pixel (0 outside, 255 inside), rows from the top. */
export interface Mask {
  readonly width: number;
  readonly height: number;
  readonly alpha: Uint8Array;
}

/** A rectangle in whole pixels. Parts outside the raster are not drawn. */
export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A colour as `0xrrggbb`, and its opacity (0 to 1). */
export interface Ink {
  readonly colour: number;
  readonly opacity: number;
}

/** A colour along a gradient: `at` 0 is its beginning, 1 its end. */
interface GradientStop {
  readonly at: number;
  readonly colour: number;
}

/** A black raster. */
export function createRaster(width: number, height: number): Raster {
  return { width, height, data: new Uint8Array(width * height * 3) };
}

/** An ink with full or the given opacity. */
export function ink(colour: number, opacity = 1): Ink {
  return { colour, opacity };
}

/** Copies the same rectangle from one raster to another of the same size. */
export function copyRect(from: Raster, to: Raster, rect: Rect): void {
  const { x, y, width, height } = clip(rect, to);
  for (let row = y; row < y + height; row += 1) {
    const start = (row * to.width + x) * 3;
    to.data.set(from.data.subarray(start, start + width * 3), start);
  }
}

/** Fills a rectangle. */
export function fillRect(raster: Raster, rect: Rect, { colour, opacity }: Ink): void {
  const { x, y, width, height } = clip(rect, raster);
  const alpha = Math.round(opacity * 255);
  for (let row = y; row < y + height; row += 1) {
    const end = (row * raster.width + x + width) * 3;
    for (let at = (row * raster.width + x) * 3; at < end; at += 3) blendPixel(raster.data, at, colour, alpha);
  }
}

/**
 * Fills the raster with a gradient from its top left corner to its bottom right corner. The stops ascend from 0 to 1.
 */
export function fillDiagonalGradient(raster: Raster, stops: readonly GradientStop[]): void {
  const { width, height, data } = raster;
  const lengthSquared = width * width + height * height;
  const steps = 4096; // A colour table, because mixing per pixel is slow; its resolution suffices for 8 bits.
  const table = Uint32Array.from({ length: steps + 1 }, (_, step) => colourAt(stops, step / steps));
  let at = 0;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const step = Math.round((((x + 0.5) * width + (y + 0.5) * height) / lengthSquared) * steps);
      blendPixel(data, at, table[step] ?? 0, 255);
      at += 3;
    }
  }
}

/** Draws a colour through a mask whose top left corner is at `x`, `y`. */
export function blendMask(raster: Raster, mask: Mask, x: number, y: number, { colour, opacity }: Ink): void {
  const seen = clip({ x, y, width: mask.width, height: mask.height }, raster);
  const strength = Math.round(opacity * 256);
  for (let row = seen.y; row < seen.y + seen.height; row += 1) {
    let from = (row - y) * mask.width + seen.x - x;
    let at = (row * raster.width + seen.x) * 3;
    for (let column = 0; column < seen.width; column += 1) {
      const alpha = mask.alpha[from] ?? 0;
      if (alpha !== 0) blendPixel(raster.data, at, colour, (alpha * strength) >> 8);
      from += 1;
      at += 3;
    }
  }
}

/**
 * Draws a line with round ends. Coordinates are in pixels, with pixel centres at halves; a line of no length is a dot.
 */
export function strokeLine(
  raster: Raster,
  line: { readonly x1: number; readonly y1: number; readonly x2: number; readonly y2: number },
  strokePx: number,
  { colour, opacity }: Ink,
): void {
  const reach = strokePx / 2 + 1;
  const left = Math.max(0, Math.floor(Math.min(line.x1, line.x2) - reach));
  const right = Math.min(raster.width, Math.ceil(Math.max(line.x1, line.x2) + reach));
  const top = Math.max(0, Math.floor(Math.min(line.y1, line.y2) - reach));
  const bottom = Math.min(raster.height, Math.ceil(Math.max(line.y1, line.y2) + reach));
  for (let y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1) {
      const distance = distanceToLine(x + 0.5, y + 0.5, line.x1, line.y1, line.x2, line.y2);
      const alpha = coverage(distance, strokePx, opacity);
      if (alpha !== 0) blendPixel(raster.data, (y * raster.width + x) * 3, colour, alpha);
    }
  }
}

/**
 * Draws an arc with round ends, clockwise from the top. `turn` 0.25 ends at three o'clock; 1 or more is a whole ring, 0
 * or less draws nothing. The centre and the radius (of the stroke's centre line) are in pixels, with pixel centres at
 * halves.
 */
export function strokeArc(
  raster: Raster,
  arc: { readonly x: number; readonly y: number; readonly radius: number; readonly turn: number },
  strokePx: number,
  { colour, opacity }: Ink,
): void {
  if (arc.turn <= 0) return;
  const { radius } = arc;
  const outer = radius + strokePx / 2 + 1;
  const inner = Math.max(0, radius - strokePx / 2 - 1);
  const endX = Math.sin(arc.turn * 2 * Math.PI);
  const endY = -Math.cos(arc.turn * 2 * Math.PI);
  const isWhole = arc.turn >= 1;
  const isLong = arc.turn > 0.5;
  const blend = (left: number, right: number, y: number): void => {
    const dy = y + 0.5 - arc.y;
    for (let x = Math.max(0, left); x < Math.min(raster.width, right); x += 1) {
      const dx = x + 0.5 - arc.x;
      const isBehindStart = dx >= 0; // Half-planes instead of angles avoid an arc tangent per pixel.
      const isBeforeEnd = dx * endY - dy * endX >= 0;
      const isWithin = isWhole || (isLong ? isBehindStart || isBeforeEnd : isBehindStart && isBeforeEnd);
      const distance = isWithin
        ? Math.abs(Math.sqrt(dx * dx + dy * dy) - radius)
        : Math.min(length(dx, dy + radius), length(dx - endX * radius, dy - endY * radius));
      const alpha = coverage(distance, strokePx, opacity);
      if (alpha !== 0) blendPixel(raster.data, (y * raster.width + x) * 3, colour, alpha);
    }
  };
  const bottom = Math.min(raster.height, Math.ceil(arc.y + outer));
  for (let y = Math.max(0, Math.floor(arc.y - outer)); y < bottom; y += 1) {
    const dy = y + 0.5 - arc.y;
    const outerHalf = Math.sqrt(Math.max(0, outer * outer - dy * dy));
    const innerHalf = Math.sqrt(Math.max(0, inner * inner - dy * dy));
    const left = Math.floor(arc.x - outerHalf);
    const right = Math.ceil(arc.x + outerHalf);
    // The hole is skipped. In rows where it is too narrow, the row is one run, so that no pixel is blended twice.
    const holeLeft = Math.ceil(arc.x - innerHalf);
    const holeRight = Math.floor(arc.x + innerHalf);
    if (holeRight > holeLeft) {
      blend(left, holeLeft, y);
      blend(holeRight, right, y);
    } else {
      blend(left, right, y);
    }
  }
}

/** The distance from a point to a line of finite length. */
export function distanceToLine(px: number, py: number, x1: number, y1: number, x2: number, y2: number): number {
  const dx = x2 - x1;
  const dy = y2 - y1;
  const lengthSquared = dx * dx + dy * dy;
  const along = lengthSquared === 0 ? 0 : ((px - x1) * dx + (py - y1) * dy) / lengthSquared;
  const clamped = along < 0 ? 0 : along > 1 ? 1 : along;
  return length(px - x1 - clamped * dx, py - y1 - clamped * dy);
}

/** Coverage of a pixel (0 to 255) by a stroke whose centre line is `distance` from the pixel's centre. */
export function coverage(distance: number, strokePx: number, opacity = 1): number {
  const share = strokePx / 2 - distance + 0.5;
  return share <= 0 ? 0 : share >= 1 ? Math.round(opacity * 255) : Math.round(share * opacity * 255);
}

/** Math.hypot guards against overflow and is many times slower. */
function length(x: number, y: number): number {
  return Math.sqrt(x * x + y * y);
}

/** Mixes with rounding, in integer arithmetic: `alpha * 257` is the opacity in 65536ths. */
function blendPixel(data: Uint8Array, at: number, colour: number, alpha: number): void {
  if (alpha === 255) {
    data[at] = colour;
    data[at + 1] = colour >> 8;
    data[at + 2] = colour >> 16;
    return;
  }
  const share = alpha * 257;
  const blue = data[at] ?? 0;
  const green = data[at + 1] ?? 0;
  const red = data[at + 2] ?? 0;
  data[at] = blue + ((((colour & 0xff) - blue) * share + 0x8000) >> 16);
  data[at + 1] = green + (((((colour >> 8) & 0xff) - green) * share + 0x8000) >> 16);
  data[at + 2] = red + ((((colour >> 16) - red) * share + 0x8000) >> 16);
}

function clip(rect: Rect, raster: Raster): Rect {
  const x = Math.max(0, rect.x);
  const y = Math.max(0, rect.y);
  return {
    x,
    y,
    width: Math.max(0, Math.min(raster.width, rect.x + rect.width) - x),
    height: Math.max(0, Math.min(raster.height, rect.y + rect.height) - y),
  };
}

function colourAt(stops: readonly GradientStop[], at: number): number {
  const after = stops.find((stop) => stop.at >= at) ?? stops.at(-1);
  const before = stops.findLast((stop) => stop.at <= at) ?? after;
  if (before === undefined || after === undefined) return 0;
  const share = after.at === before.at ? 0 : (at - before.at) / (after.at - before.at);
  const mix = (shift: number): number => {
    const start = (before.colour >> shift) & 0xff;
    return Math.round(start + (((after.colour >> shift) & 0xff) - start) * share) << shift;
  };
  return mix(16) | mix(8) | mix(0);
}
