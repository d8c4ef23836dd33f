import type { Line, Report, Series } from './report.ts';
import { formatNumber } from './report-text.ts';
import { summarize } from './statistics.ts';

const WIDTH = 760;
const MARGIN = 16;
const NAME_WIDTH = 170;
const VALUE_WIDTH = 90;
const BAR_HEIGHT = 14;
const BAR_STEP = 20;
const HEADING_HEIGHT = 24;
const GAP = 18;

/** Style of the plot. It follows the reader's theme if the page shows the plot as a separate picture. */
const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .heading { font-weight: 600 }
  .value { font-variant-numeric: tabular-nums }
  .ours { fill: #0b7285 }
  .theirs { fill: #adb5bd }
  .interval { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .ours { fill: #3bc9db } .theirs { fill: #5c6570 } .interval { stroke: #e6edf3 } }`;

/**
 * A report as a picture: a bar for each series of each line, as long as its median, with the interval of the median.
 * Each line has its own scale.
 */
export function plotReport(title: string, { lines }: Report): string {
  let y = MARGIN;
  const parts = lines.map((line) => {
    const part = plotLine(line, y);
    y += HEADING_HEIGHT + line.series.length * BAR_STEP + GAP;
    return part;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img" aria-label="${escape(title)}">\n<style>${STYLE}\n</style>\n${parts.join('\n')}\n</svg>\n`;
}

function plotLine({ what, unit, digits, series }: Line, top: number): string {
  const most = Math.max(...series.flatMap(({ values }) => summarize(values).interval.high), Number.MIN_VALUE);
  const scale = (WIDTH - 2 * MARGIN - NAME_WIDTH - VALUE_WIDTH) / most;
  const bars = series.map((one, i) => plotBar(one, i === 0, top + HEADING_HEIGHT + i * BAR_STEP, scale, digits));
  return [`<text class="heading" x="${MARGIN}" y="${top + 14}">${escape(`${what}, ${unit}`)}</text>`, ...bars].join(
    '\n',
  );
}

function plotBar(
  { name, values }: Series,
  isOurs: boolean,
  y: number,
  scale: number,
  digits: number | undefined,
): string {
  const { median, interval } = summarize(values);
  const x = (value: number): number => Math.round((MARGIN + NAME_WIDTH + Math.max(0, value) * scale) * 10) / 10;
  const middle = y + BAR_HEIGHT / 2;
  return [
    `<text x="${MARGIN}" y="${y + 11}">${escape(name)}</text>`,
    `<rect class="${isOurs ? 'ours' : 'theirs'}" x="${x(0)}" y="${y}" width="${Math.max(1, x(median) - x(0))}" height="${BAR_HEIGHT}" rx="2"/>`,
    `<path class="interval" d="M${x(interval.low)} ${middle}H${x(interval.high)}"/>`,
    `<text class="value" x="${x(Math.max(median, interval.high)) + 8}" y="${y + 11}">${formatNumber(median, digits)}</text>`,
  ].join('\n');
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
