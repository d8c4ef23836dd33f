import type { Figures } from './judge.ts';
import { formatSlope, regress } from './regression.ts';

/** One attack. */
export interface Row {
  readonly target: string;
  readonly seed: number;
  readonly inputs: number;
  readonly answers: Readonly<Record<string, number>>;
  /** null if the gateway has ended. */
  readonly figures: Figures | null;
}

/** The attacks on each target together, as a table in Markdown. @param memory minutes and MiB after each attack. */
export function formatTable(
  rows: readonly Row[],
  memory: readonly (readonly [minutes: number, mib: number])[],
): string {
  const targets = [...new Set(rows.map(({ target }) => target))];
  const lines = targets.map((target) => {
    const own = rows.filter((row) => row.target === target);
    const figures = own.flatMap((row) => (row.figures === null ? [] : [row.figures]));
    const most = (read: (figures: Figures) => number): string =>
      figures.length === 0 ? '–' : Math.max(...figures.map(read)).toFixed();
    const [first, last] = [figures[0], figures.at(-1)];
    return [
      target,
      own.reduce((sum, { inputs }) => sum + inputs, 0),
      formatAnswers(own),
      `${most((f) => f.healthP50Ms)}, ${most((f) => f.healthP99Ms)}, ${most((f) => f.healthMaxMs)}; ${most((f) => f.ownHealthMs)} (${most((f) => f.controlHealthMaxMs)})`,
      `${most((f) => f.gapMs)}, ${most((f) => f.otherGapMs)} (${most((f) => f.seenGapMs)})`,
      first === undefined || last === undefined
        ? '–'
        : `${first.residentMiB[0].toFixed()} → ${last.residentMiB[1].toFixed()}`,
      first === undefined || last === undefined ? '–' : `${first.descriptors[0]} → ${last.descriptors[1]}`,
    ];
  });
  const header = [
    'target',
    'inputs',
    'answers',
    'healthz ms: p50, p99, max; its own (control)',
    'longest gap ms: attacked, other (as seen)',
    'RSS MiB',
    'descriptors',
  ];
  const table = [header, header.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  const slope = memory.length < 6 ? '' : `\nRSS after each attack: ${formatSlope(regress(memory), 'MiB/min')}`;
  return `\n${table}${slope}`;
}

function formatAnswers(rows: readonly Row[]): string {
  const all = new Map<string, number>();
  for (const { answers } of rows)
    for (const [name, count] of Object.entries(answers)) all.set(name, (all.get(name) ?? 0) + count);
  return [...all]
    .sort(([, a], [, b]) => b - a)
    .slice(0, 12)
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ');
}
