import { createRaster, fillDiagonalGradient, fillRect, ink, strokeArc, strokeLine, type Raster } from './raster.ts';
import { advancePx, StrokeFont } from './stroke-font.ts';

/** Colours of pictures that the gateway draws itself. */
export const INKS = {
  text: ink(0xffffff),
  dimText: ink(0xffffff, 0.7),
  faintText: ink(0xffffff, 0.45),
  accent: ink(0x4db8ff),
  track: ink(0xffffff, 0.14),
  grid: ink(0xffffff, 0.08),
  tick: ink(0xffffff, 0.3),
  stage: ink(0x05070a),
} as const;

/** Grid cells along the longer side. */
const GRID_CELLS = 16;
const MIN_CELL_PX = 20;

/** Draws the background: a dark blue gradient and a faint, centred grid. */
export function drawBackdrop(raster: Raster): void {
  const { width, height } = raster;
  fillDiagonalGradient(raster, [
    { at: 0, colour: 0x10243a },
    { at: 0.55, colour: 0x16324a },
    { at: 1, colour: 0x0b1622 },
  ]);
  const cell = Math.max(MIN_CELL_PX, Math.round(Math.max(width, height) / GRID_CELLS));
  const line = Math.max(1, Math.round(cell / 80));
  for (let x = Math.floor((width % cell) / 2) || cell; x < width; x += cell)
    fillRect(raster, { x, y: 0, width: line, height }, INKS.grid);
  for (let y = Math.floor((height % cell) / 2) || cell; y < height; y += cell)
    fillRect(raster, { x: 0, y, width, height: line }, INKS.grid);
}

/** Dimensions of the placeholder's parts, from top to bottom, relative to the title's height unless noted. */
const LAYOUT = {
  /** Width of the title, relative to the picture's width. */
  textWidth: 0.84,
  /** Height of the title, relative to the picture's height. */
  titleHeight: 0.06,
  heightLimit: 0.9,
  ring: 3,
  gapBelowRing: 1.2,
  gapBelowTitle: 1,
  sentenceHeight: 0.5,
  /** Line pitch of the sentence, relative to its height. */
  lineHeight: 1.9,
} as const;

const MIN_SENTENCE_PX = 7;
const MIN_TITLE_PX = 8;

/**
 * Draws a placeholder: a ring, a title in one line and a sentence that wraps. Both texts shrink to fit while they stay
 * readable; the rest is clipped. The supported characters are those of {@link StrokeFont}.
 *
 * @returns the pixels of a {@link Raster}, `width * height * 3` bytes of blue, green, red; the caller owns them.
 */
export function drawPlaceholder(width: number, height: number, title: string, sentence: string): Uint8Array {
  const raster = createRaster(width, height);
  drawBackdrop(raster);

  const textWidth = Math.floor(width * LAYOUT.textWidth);
  const { titlePx, sentencePx, lines } = fitText(textWidth, height, title, sentence);
  const titleFont = new StrokeFont(titlePx, Math.max(1.2, titlePx * 0.12));
  const sentenceFont = new StrokeFont(sentencePx, Math.max(1.1, sentencePx * 0.1));

  const ringPx = titlePx * LAYOUT.ring;
  const lineHeightPx = Math.round(sentencePx * LAYOUT.lineHeight);
  let y = Math.max(0, Math.round((height - layoutHeight(titlePx, sentencePx, lines.length)) / 2));
  drawRing(raster, width / 2, y + ringPx / 2, ringPx);
  y += Math.round(ringPx + titlePx * LAYOUT.gapBelowRing);
  titleFont.draw(raster, title, Math.round((width - titleFont.measure(title)) / 2), y, INKS.text);
  y += Math.round(titlePx + titlePx * LAYOUT.gapBelowTitle);
  for (const line of lines) {
    sentenceFont.draw(raster, line, Math.round((width - sentenceFont.measure(line)) / 2), y, INKS.dimText);
    y += lineHeightPx;
  }
  return raster.data;
}

/** Draws a ring with three dots, as a waiting symbol. */
function drawRing(raster: Raster, x: number, y: number, sizePx: number): void {
  const strokePx = Math.max(1.5, sizePx * 0.035);
  const radius = (sizePx - strokePx) / 2;
  strokeArc(raster, { x, y, radius, turn: 1 }, strokePx, INKS.track);
  strokeArc(raster, { x, y, radius, turn: 0.25 }, strokePx, INKS.accent);
  for (const step of [-1, 0, 1]) {
    const dotX = x + step * radius * 0.42;
    strokeLine(raster, { x1: dotX, y1: y, x2: dotX, y2: y }, Math.max(2, sizePx * 0.09), INKS.dimText);
  }
}

interface FittedText {
  readonly titlePx: number;
  readonly sentencePx: number;
  readonly lines: readonly string[];
}

function fitText(textWidth: number, height: number, title: string, sentence: string): FittedText {
  let titlePx = Math.max(MIN_TITLE_PX, Math.round(height * LAYOUT.titleHeight));
  while (titlePx > MIN_TITLE_PX && Array.from(title).length * advancePx(titlePx) > textWidth) titlePx -= 1;
  for (;;) {
    const sentencePx = Math.max(MIN_SENTENCE_PX, Math.round(titlePx * LAYOUT.sentenceHeight));
    const lines = wrap(sentence, Math.floor(textWidth / advancePx(sentencePx)));
    const fits = layoutHeight(titlePx, sentencePx, lines.length) <= height * LAYOUT.heightLimit;
    if (fits || titlePx <= MIN_TITLE_PX) return { titlePx, sentencePx, lines };
    titlePx -= 1;
  }
}

function layoutHeight(titlePx: number, sentencePx: number, lineCount: number): number {
  const above = titlePx * (LAYOUT.ring + LAYOUT.gapBelowRing + 1);
  if (lineCount === 0) return above;
  return (
    above + titlePx * LAYOUT.gapBelowTitle + (lineCount - 1) * Math.round(sentencePx * LAYOUT.lineHeight) + sentencePx
  );
}

/** Wraps text at spaces into lines of similar length. A word longer than a line gets its own line and is clipped. */
function wrap(text: string, columns: number): string[] {
  const words = text.split(/\s+/).filter((word) => word !== '');
  const lineCount = fillLines(words, columns).length;
  let width = columns;
  // The narrowest block with the same number of lines, to avoid a last line with a single word.
  while (width > 1 && fillLines(words, width - 1).length === lineCount && words.every((word) => word.length < width))
    width -= 1;
  return fillLines(words, width);
}

function fillLines(words: readonly string[], columns: number): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
