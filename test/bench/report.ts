import { type Summary, summarize } from './statistics.ts';

/** Result of a benchmark. */
export interface Report {
  /** How it was measured, in a sentence or two. */
  readonly method: string;
  readonly lines: readonly Line[];
  /** Notes for the interpretation of the figures, one sentence each. */
  readonly notes: readonly string[];
}

/** One measured quantity, of the gateway and of the compared programs. */
export interface Line {
  /** Name of the quantity, with its condition: "100 viewers". */
  readonly what: string;
  /** "fps", "ms", "CPU µs per frame". */
  readonly unit: string;
  /** Number of decimals. */
  readonly digits?: number;
  /** Gearway first. Two series that a target compares have one value per round. */
  readonly series: readonly Series[];
  readonly targets?: readonly Target[];
}

export interface Series {
  readonly name: string;
  /** Measured values; at least one. */
  readonly values: readonly number[];
}

/** Target for the first series of a line: absolute, or relative to another series of the line. */
export type Target = ({ readonly is: 'value' } | { readonly is: 'ratio' | 'difference'; readonly to: string }) &
  ({ readonly atLeast: number } | { readonly atMost: number });

/** `undecided`: the interval of the median contains the target. */
export type Verdict = 'met' | 'missed' | 'undecided';

/** A target with the measured figure. */
interface Judgement {
  readonly figure: Summary;
  readonly verdict: Verdict;
  /** Number of decimals of the figure; a ratio always has two. */
  readonly digits: number;
}

export function judge(line: Line, target: Target): Judgement {
  const figure = summarize(compare(line, target));
  const { low, high } = figure.interval;
  const verdict =
    'atLeast' in target
      ? decide(low >= target.atLeast, high < target.atLeast)
      : decide(high <= target.atMost, low > target.atMost);
  return { figure, verdict, digits: target.is === 'ratio' ? 2 : (line.digits ?? 0) };
}

function decide(met: boolean, missed: boolean): Verdict {
  if (met) return 'met';
  return missed ? 'missed' : 'undecided';
}

/** The values for a target, one per round. */
function compare({ what, series }: Line, target: Target): readonly number[] {
  const ours = series[0]?.values ?? [];
  if (target.is === 'value') return ours;
  const theirs = series.find(({ name }) => name === target.to)?.values ?? [];
  if (theirs.length !== ours.length)
    throw new RangeError(
      `${what}: ${ours.length} rounds of ours and ${theirs.length} of ${target.to} cannot be compared`,
    );
  return ours.map((value, round) => {
    const other = theirs[round] ?? NaN;
    return target.is === 'ratio' ? value / other : value - other;
  });
}
