import { drawBackdrop, INKS } from '../../drawing/placeholder-picture.ts';
import {
  copyRect,
  createRaster,
  fillRect,
  ink,
  strokeArc,
  strokeLine,
  type Ink,
  type Raster,
  type Rect,
} from '../../drawing/raster.ts';
import { StrokeFont } from '../../drawing/stroke-font.ts';

/** Size limits of a test picture, in pixels. */
const TEST_PICTURE_LIMITS = { minWidth: 160, minHeight: 120, maxSide: 3840 } as const;

/** Number of blocks of the data strip: one per bit of the frame number. */
const DATA_STRIP_BITS = 24;

/** Position of the data strip in a picture. Blocks are square. */
interface DataStrip {
  readonly x: number;
  readonly y: number;
  readonly blockPx: number;
  /** Blocks per row: 24 in one row, or 12 in two rows if the picture is too narrow. */
  readonly columns: number;
}

/**
 * Position of the frame number as black (0) and white (1) blocks, most significant bit first, left to right, then down.
 * A block is 16 × 16 pixels in a picture of 1280 × 720 and scales with it. Its size and position are multiples of 8, so
 * that it fills whole JPEG blocks and survives any quality. The strip is centred one block below the top edge.
 */
export function locateDataStrip(width: number, height: number): DataStrip {
  const blockPx = Math.max(8, Math.floor((16 * Math.min(width / 1280, height / 720)) / 8) * 8);
  const columns = width >= (DATA_STRIP_BITS + 2) * blockPx ? DATA_STRIP_BITS : DATA_STRIP_BITS / 2;
  const x = Math.round((width - columns * blockPx) / 2 / 8) * 8;
  return { x, y: blockPx, blockPx, columns };
}

/**
 * Reads the frame number, modulo 2^24, from the pixels of a decoded test picture (8-bit blue, green, red, no padding):
 * a block is white if the green value of its centre is 128 or more.
 */
export function readFrameNumber(bgr: Uint8Array, width: number, height: number): number {
  if (bgr.byteLength !== width * height * 3) {
    throw new RangeError(`picture is ${bgr.byteLength} bytes, expected ${width * height * 3} (${width}×${height}×3)`);
  }
  const strip = locateDataStrip(width, height);
  let frameNumber = 0;
  for (let bit = 0; bit < DATA_STRIP_BITS; bit += 1) {
    const block = dataBlock(strip, bit);
    const centre = (block.y + strip.blockPx / 2) * width + block.x + strip.blockPx / 2;
    frameNumber = frameNumber * 2 + ((bgr[centre * 3 + 1] ?? 0) >= 128 ? 1 : 0);
  }
  return frameNumber;
}

/**
 * Draws the test pattern: a data strip with the frame number for programs (see {@link readFrameNumber}), a progress
 * ring that fills once per second around the frame rate, the frame number's last six digits, the local time, colour
 * bars, a gray ramp, and a marker that moves along a scale by the same distance per frame, so that a lost or late frame
 * is visible as a jump.
 *
 * The static background is rendered once; each draw restores and redraws the changed parts.
 */
export class TestPicture {
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  readonly #layout: Layout;
  readonly #background: Raster;
  readonly #picture: Raster;
  readonly #number: TextLine;
  readonly #clock: TextLine;

  /** @throws {RangeError} for a size outside {@link TEST_PICTURE_LIMITS}, or a rate that is not a number above 0. */
  constructor(width: number, height: number, framesPerSecond: number) {
    const { minWidth, minHeight, maxSide } = TEST_PICTURE_LIMITS;
    if (!isWholeWithin(width, minWidth, maxSide) || !isWholeWithin(height, minHeight, maxSide)) {
      throw new RangeError(
        `test picture is ${width}×${height}, expected ${minWidth}×${minHeight} to ${maxSide}×${maxSide}`,
      );
    }
    if (!(framesPerSecond > 0 && framesPerSecond < Infinity))
      throw new RangeError(`rate is ${framesPerSecond}, expected a number above 0`);
    this.width = width;
    this.height = height;
    this.framesPerSecond = framesPerSecond;
    this.#layout = layOut(width, height);
    this.#background = drawBackground(width, height, framesPerSecond, this.#layout);
    this.#picture = { width, height, data: this.#background.data.slice() };
    this.#number = new TextLine(this.#layout.number, INKS.text);
    this.#clock = new TextLine(this.#layout.clock, INKS.dimText);
  }

  /**
   * Draws a frame. `timeMs` is in milliseconds since 1970, as from `Date.now()`.
   *
   * @returns the picture's `width * height * 3` bytes of blue, green, red, rows from the top. Borrowed until the next
   * draw: the memory is reused, and must not be written to.
   * @throws {RangeError} for a frame number that is not a whole number from 0, or a time that is not one.
   */
  draw(frameNumber: number, timeMs: number): Uint8Array {
    if (!isWholeWithin(frameNumber, 0, Number.MAX_SAFE_INTEGER))
      throw new RangeError(`frame number is ${frameNumber}, expected a whole number from 0`);
    const time = new Date(timeMs);
    if (Number.isNaN(time.getTime())) throw new RangeError(`time is ${timeMs}, expected milliseconds since 1970`);

    this.#number.draw(this.#background, this.#picture, String(frameNumber % 1e6).padStart(6, '0'));
    this.#clock.draw(this.#background, this.#picture, formatTimeOfDay(time));
    this.#drawDataStrip(frameNumber);
    this.#drawRing(frameNumber);
    this.#drawMarker(frameNumber);
    return this.#picture.data;
  }

  #drawDataStrip(frameNumber: number): void {
    const { strip } = this.#layout;
    for (let bit = 0; bit < DATA_STRIP_BITS; bit += 1) {
      const isSet = Math.floor(frameNumber / 2 ** (DATA_STRIP_BITS - 1 - bit)) % 2 === 1;
      fillRect(this.#picture, dataBlock(strip, bit), isSet ? WHITE : BLACK);
    }
  }

  #drawRing(frameNumber: number): void {
    const { ring } = this.#layout;
    const framesPerTurn = Math.max(1, Math.round(this.framesPerSecond));
    copyRect(this.#background, this.#picture, ring.box);
    strokeArc(
      this.#picture,
      { ...ring, turn: ((frameNumber % framesPerTurn) + 1) / framesPerTurn },
      ring.strokePx,
      INKS.accent,
    );
  }

  #drawMarker(frameNumber: number): void {
    const { ruler } = this.#layout;
    const steps = Math.max(2, Math.round(this.framesPerSecond * SWEEP_SECONDS));
    const phase = frameNumber % (2 * steps);
    const x = ruler.x + (ruler.width * (phase <= steps ? phase : 2 * steps - phase)) / steps;
    copyRect(this.#background, this.#picture, ruler.box);
    strokeLine(
      this.#picture,
      { x1: x, y1: ruler.markerTop, x2: x, y2: ruler.markerBottom },
      ruler.markerPx,
      INKS.accent,
    );
  }
}

const WHITE = ink(0xffffff);
const BLACK = ink(0x000000);

/** White, yellow, cyan, green, magenta, red, blue: falling luminance. */
const BAR_COLOURS = [0xf2f2f2, 0xe8d94c, 0x55c7d9, 0x5cc26b, 0xc86fc9, 0xd4574e, 0x4a68d1] as const;

/** Duration of one pass of the marker. */
const SWEEP_SECONDS = 2;
const RULER_STEPS = 60;
const RULER_STEPS_PER_LONG_TICK = 15;

/** A line of text of a fixed number of characters, redrawn one cell at a time. */
class TextLine {
  readonly #position: TextPosition;
  readonly #ink: Ink;
  #shown = '';

  constructor(position: TextPosition, textInk: Ink) {
    this.#position = position;
    this.#ink = textInk;
  }

  draw(background: Raster, picture: Raster, text: string): void {
    const { font, cells, y } = this.#position;
    for (const [index, x] of cells.entries()) {
      const char = text.charAt(index);
      const shown = this.#shown.charAt(index);
      if (char === shown) continue;
      // The clock's separators overlap the margins of neighbouring cells, but they never change, so they are never
      // restored.
      if (shown !== '') copyRect(background, picture, { x, y, width: font.advancePx, height: font.heightPx });
      font.draw(picture, char, x, y, this.#ink);
    }
    this.#shown = text;
  }
}

interface TextPosition {
  readonly font: StrokeFont;
  /** The left side of each character's cell. */
  readonly cells: readonly number[];
  /** The top of the digits. */
  readonly y: number;
}

/** Layout in pixels. A `box` bounds everything that may be drawn there, and is restored before each draw. */
interface Layout {
  readonly scale: number;
  readonly strip: DataStrip;
  readonly ring: {
    readonly x: number;
    readonly y: number;
    readonly radius: number;
    readonly strokePx: number;
    readonly box: Rect;
  };
  readonly number: TextPosition;
  readonly clock: TextPosition;
  readonly bars: Rect;
  readonly ramp: Rect;
  readonly ruler: {
    readonly x: number;
    readonly y: number;
    readonly width: number;
    readonly markerTop: number;
    readonly markerBottom: number;
    readonly markerPx: number;
    readonly box: Rect;
  };
}

/** The two layouts, in pixels of a picture of 1280 × 720: the ring beside the text, or above it. */
const WIDE = {
  frameWidth: 1120,
  frameHeight: 720,
  width: 960,
  height: 506,
  ringX: 132,
  textLeft: 332,
  textTop: 0,
  barsTop: 324,
} as const;
const TALL = {
  frameWidth: 720,
  frameHeight: 1000,
  width: 628,
  height: 846,
  ringX: 314,
  textLeft: 0,
  textTop: 330,
  barsTop: 664,
} as const;

/** Width of the font's digits without their stroke, relative to their height. */
const DIGIT_WIDTH = 0.55;

/** Common dimensions of both layouts, in the same pixels. */
const RING_PX = 264;
const TEXT_WIDTH_PX = 628; // Width of the number and of the clock, without the outer margins of their cells.
const NUMBER_PX = 150;
const CLOCK_PX = 80;
const CLOCK_BELOW_NUMBER_TOP = RING_PX - CLOCK_PX; // Number and clock together are as high as the ring.
const BARS_PX = 84;
const RAMP_PX = 32;
const RULER_BELOW_BARS_TOP = 146;
const MARKER_PX = 36;

function layOut(width: number, height: number): Layout {
  const strip = locateDataStrip(width, height);
  const scales = [WIDE, TALL].map(({ frameWidth, frameHeight }) => Math.min(width / frameWidth, height / frameHeight));
  const [wideScale = 1, tallScale = 1] = scales;
  const isWide = WIDE.width * WIDE.height * wideScale ** 2 >= TALL.width * TALL.height * tallScale ** 2;
  const design = isWide ? WIDE : TALL;
  const scale = isWide ? wideScale : tallScale;
  const px = (designPx: number): number => Math.round(designPx * scale);

  const stripBottom = strip.y + (DATA_STRIP_BITS / strip.columns) * strip.blockPx + strip.blockPx / 2;
  const left = Math.round((width - design.width * scale) / 2);
  const top = Math.round(stripBottom + Math.max(0, (height - stripBottom - design.height * scale) / 2));

  const ringStrokePx = Math.max(1.5, 8 * scale);
  const ring = {
    x: left + px(design.ringX),
    y: top + px(RING_PX / 2),
    radius: (RING_PX * scale - ringStrokePx) / 2,
    strokePx: ringStrokePx,
  };

  const textLeft = left + design.textLeft * scale;
  const textTop = top + px(design.textTop);

  const barsTop = top + px(design.barsTop);
  const barsWidth = px(design.width);
  const rulerTop = barsTop + px(RULER_BELOW_BARS_TOP);
  const markerPx = Math.max(2, 8 * scale);
  const markerReach = Math.ceil(markerPx / 2) + 1;
  return {
    scale,
    strip,
    ring: { ...ring, box: squareAround(ring.x, ring.y, ring.radius + ringStrokePx / 2 + 1) },
    number: layOutText('000000', textLeft, textTop, TEXT_WIDTH_PX * scale, px(NUMBER_PX), 0.12),
    clock: layOutText(
      '00:00:00.000',
      textLeft,
      textTop + px(CLOCK_BELOW_NUMBER_TOP),
      TEXT_WIDTH_PX * scale,
      px(CLOCK_PX),
      0.095,
    ),
    bars: { x: left, y: barsTop, width: barsWidth, height: px(BARS_PX) },
    ramp: { x: left, y: barsTop + px(BARS_PX), width: barsWidth, height: px(RAMP_PX) },
    ruler: {
      x: left,
      y: rulerTop + px(MARKER_PX / 2),
      width: barsWidth,
      markerTop: rulerTop + markerPx / 2,
      markerBottom: rulerTop + MARKER_PX * scale - markerPx / 2,
      markerPx,
      box: { x: left - markerReach, y: rulerTop - 1, width: barsWidth + 2 * markerReach, height: px(MARKER_PX) + 2 },
    },
  };
}

/**
 * Spreads text over a width, so that lines of different heights are aligned: `0` in the template means a digit,
 * other characters take half the width. Reduces the height until the digits' cells do not overlap, because each is
 * restored separately.
 */
function layOutText(
  template: string,
  left: number,
  y: number,
  widthPx: number,
  tallestPx: number,
  weight: number,
): TextPosition {
  const shares = Array.from(template, (char) => (char === '0' ? 1 : 0.5));
  const total = shares.reduce((sum, share) => sum + share, 0);
  for (let heightPx = tallestPx; ; heightPx -= 1) {
    const font = new StrokeFont(heightPx, Math.max(1.2, heightPx * weight));
    const digitPx = (heightPx - font.strokePx) * DIGIT_WIDTH + font.strokePx;
    const pitchPx = (widthPx - digitPx) / (total - 1);
    if (Math.floor(pitchPx) < font.advancePx && heightPx > 1) continue;
    let before = -0.5;
    const cells = shares.map((share) => {
      const centre = left + digitPx / 2 + (before + share / 2) * pitchPx;
      before += share;
      return Math.round(centre - font.advancePx / 2);
    });
    return { font, cells, y };
  }
}

/** Draws everything that does not change. */
function drawBackground(width: number, height: number, framesPerSecond: number, layout: Layout): Raster {
  const raster = createRaster(width, height);
  drawBackdrop(raster);
  drawDataStripFrame(raster, layout.strip);
  strokeArc(raster, { ...layout.ring, turn: 1 }, layout.ring.strokePx, INKS.track);
  drawRate(raster, framesPerSecond, layout);
  drawBars(raster, layout);
  drawRuler(raster, layout);
  return raster;
}

function drawDataStripFrame(raster: Raster, { x, y, blockPx, columns }: DataStrip): void {
  const width = columns * blockPx;
  const height = (DATA_STRIP_BITS / columns) * blockPx;
  const border = Math.max(1, Math.round(blockPx / 16));
  const margin = Math.round(blockPx / 4);
  fillRect(raster, grow({ x, y, width, height }, margin + border), INKS.tick);
  fillRect(raster, grow({ x, y, width, height }, margin), INKS.stage);
  for (let column = 8; column < columns; column += 8) {
    const tick = { x: x + column * blockPx - Math.ceil(border / 2), width: border, height: margin };
    fillRect(raster, { ...tick, y: y - margin }, INKS.faintText);
    fillRect(raster, { ...tick, y: y + height }, INKS.faintText);
  }
}

function drawRate(raster: Raster, framesPerSecond: number, { ring, scale }: Layout): void {
  const rate = String(Math.round(framesPerSecond * 100) / 100);
  const fullPx = 72 * scale;
  const widest = ring.radius * 1.5;
  const heightPx = Math.max(7, Math.round(Math.min(fullPx, widest / (rate.length * 0.72))));
  const font = new StrokeFont(heightPx, Math.max(1.2, heightPx * 0.125));
  const captionPx = Math.round(22 * scale);
  const hasCaption = captionPx >= 7; // Smaller text is not readable.
  const y = Math.round(ring.y - heightPx / 2 - (hasCaption ? captionPx * 0.7 : 0));
  font.draw(raster, rate, Math.round(ring.x - font.measure(rate) / 2), y, INKS.text);
  if (!hasCaption) return;
  const caption = new StrokeFont(captionPx, Math.max(1.1, captionPx * 0.11));
  caption.draw(
    raster,
    'fps',
    Math.round(ring.x - caption.measure('fps') / 2),
    y + heightPx + Math.round(captionPx * 0.9),
    INKS.dimText,
  );
}

function drawBars(raster: Raster, { bars, ramp }: Layout): void {
  const edge = (index: number): number => bars.x + Math.round((bars.width * index) / BAR_COLOURS.length);
  BAR_COLOURS.forEach((colour, index) => {
    fillRect(raster, { ...bars, x: edge(index), width: edge(index + 1) - edge(index) }, ink(colour));
  });
  for (let column = 0; column < ramp.width; column += 1) {
    const gray = Math.round((255 * column) / (ramp.width - 1));
    fillRect(raster, { ...ramp, x: ramp.x + column, width: 1 }, ink(gray * 0x010101));
  }
}

function drawRuler(raster: Raster, { ruler, scale }: Layout): void {
  const line = Math.max(1, Math.round(2 * scale));
  const hasShortTicks = ruler.width / RULER_STEPS >= 5;
  for (let step = 0; step <= RULER_STEPS; step += 1) {
    const isLong = step % RULER_STEPS_PER_LONG_TICK === 0;
    if (!isLong && !hasShortTicks) continue;
    const height = Math.max(2, Math.round((isLong ? 22 : 8) * scale));
    const x = Math.round(ruler.x + (ruler.width * step) / RULER_STEPS - line / 2);
    fillRect(
      raster,
      { x, y: ruler.y - Math.floor(height / 2), width: line, height },
      isLong ? INKS.faintText : INKS.tick,
    );
  }
}

function dataBlock({ x, y, blockPx, columns }: DataStrip, bit: number): Rect {
  return {
    x: x + (bit % columns) * blockPx,
    y: y + Math.floor(bit / columns) * blockPx,
    width: blockPx,
    height: blockPx,
  };
}

function formatTimeOfDay(time: Date): string {
  const pad = (value: number, digits: number): string => String(value).padStart(digits, '0');
  return `${pad(time.getHours(), 2)}:${pad(time.getMinutes(), 2)}:${pad(time.getSeconds(), 2)}.${pad(time.getMilliseconds(), 3)}`;
}

function squareAround(x: number, y: number, reach: number): Rect {
  const left = Math.floor(x - reach);
  const top = Math.floor(y - reach);
  return { x: left, y: top, width: Math.ceil(x + reach) - left, height: Math.ceil(y + reach) - top };
}

function grow({ x, y, width, height }: Rect, by: number): Rect {
  return { x: x - by, y: y - by, width: width + 2 * by, height: height + 2 * by };
}

function isWholeWithin(value: number, low: number, high: number): boolean {
  return Number.isSafeInteger(value) && value >= low && value <= high;
}
