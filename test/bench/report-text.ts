import { judge, type Line, type Report, type Target } from './report.ts';
import { type Summary, summarize } from './statistics.ts';

/** A report as a terminal shows it. */
export function formatReport({ method, lines, notes }: Report, machine: string): string {
  return [method, machine, '', ...lines.flatMap((line) => [...formatLine(line), '']), LEGEND, ...notes, ''].join('\n');
}

/** A report as Markdown, for the text between the marks in docs/performance.md. */
export function formatMarkdown({ method, lines, notes }: Report, machine: string): string {
  const rows = lines.flatMap(markdownRows);
  const heading = ['Measurement', 'Gearway', 'Compared with', 'Figure', 'Target', 'Verdict'];
  const table = [heading, heading.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return [`${method} ${machine}.`, '', ...table, '', ...notes.map((note) => `- ${note}`), ''].join('\n');
}

const LEGEND = 'Median (quartiles); figure: median of the rounds [interval of the median, 95 % from 6 rounds on].';

function formatLine(line: Line): string[] {
  const rows = line.series.map(({ name, values }) => [name, formatSpread(summarize(values), line.digits)]);
  for (const target of line.targets ?? []) rows.push([nameTarget(target), formatJudgement(line, target)]);
  const width = Math.max(...rows.map(([name = '']) => name.length));
  return [`${line.what}, ${line.unit}`, ...rows.map(([name = '', text = '']) => `  ${name.padEnd(width)}  ${text}`)];
}

function nameTarget(target: Target): string {
  if (target.is === 'value') return 'target';
  return `${target.is === 'ratio' ? 'to' : 'less'} ${target.to}`;
}

function formatJudgement(line: Line, target: Target): string {
  const { figure, verdict, digits } = judge(line, target);
  return `${formatInterval(figure, digits)}, ${formatTarget(target, digits)}: ${verdict}`;
}

function markdownRows(line: Line): string[][] {
  const [ours, ...others] = line.series;
  const what = `${line.what}, ${line.unit}`;
  const spread = (values: readonly number[]): string => formatSpread(summarize(values), line.digits);
  const beside = (names: readonly string[]): string =>
    others
      .filter(({ name }) => names.includes(name))
      .map(({ name, values }) => `${name}: ${spread(values)}`)
      .join('; ');
  const targets = line.targets ?? [];
  const compared = targets.flatMap((target) => (target.is === 'value' ? [] : [target.to]));
  const rest = others.map(({ name }) => name).filter((name) => !compared.includes(name));
  const cells = targets.map((target) => {
    const { figure, verdict, digits } = judge(line, target);
    return [
      target.is === 'value' ? '' : beside([target.to]),
      formatInterval(figure, digits),
      formatTarget(target, digits),
      `**${verdict}**`,
    ];
  });
  if (rest.length > 0 || cells.length === 0) cells.push([beside(rest), '', '', '']);
  return cells.map((row, i) => [i === 0 ? what : '', i === 0 && ours !== undefined ? spread(ours.values) : '', ...row]);
}

function formatTarget(target: Target, digits: number): string {
  const [words, limit] = 'atLeast' in target ? ['at least', target.atLeast] : ['at most', target.atMost];
  return `${words} ${formatNumber(limit, Math.max(digits, decimals(limit)))}`;
}

function decimals(value: number): number {
  return String(value).split('.')[1]?.length ?? 0;
}

/** Median and, in brackets, the quartiles. */
function formatSpread({ median, lowerQuartile, upperQuartile }: Summary, digits = 0): string {
  return `${formatNumber(median, digits)} (${formatNumber(lowerQuartile, digits)}–${formatNumber(upperQuartile, digits)})`;
}

/** Median and, in brackets, its interval. */
function formatInterval({ median, interval }: Summary, digits: number): string {
  return `${formatNumber(median, digits)} [${formatNumber(interval.low, digits)}–${formatNumber(interval.high, digits)}]`;
}

/** A number of things, such as `1 viewer` or `10 viewers`. */
export function formatCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

export function formatPercent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

export function formatNumber(value: number, digits = 0): string {
  // Thin spaces would not line up in a terminal.
  return value.toFixed(digits).replace(/(?<!\.\d*)\B(?=(\d{3})+(?=$|\.))/g, ' ');
}
