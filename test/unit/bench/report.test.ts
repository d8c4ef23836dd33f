import { describe, expect, it } from 'vitest';
import { alternate } from '../../bench/bench.ts';
import { judge, type Line, type Target } from '../../bench/report.ts';
import { plotReport } from '../../bench/report-plot.ts';
import { formatMarkdown, formatNumber, formatReport } from '../../bench/report-text.ts';
import { summarize } from '../../bench/statistics.ts';

const rounds = (from: number): number[] => Array.from({ length: 10 }, (_, i) => from + i);

const line = (ours: readonly number[], theirs: readonly number[], ...targets: Target[]): Line => ({
  what: '10 viewers',
  unit: 'fps',
  series: [
    { name: 'Gearway', values: ours },
    { name: 'raw <sockets>', values: theirs },
  ],
  targets,
});

describe('judge', () => {
  it.each([
    [100, { is: 'value', atLeast: 101 }, 'met'],
    [100, { is: 'value', atLeast: 102 }, 'undecided'],
    [100, { is: 'value', atLeast: 108 }, 'undecided'],
    [100, { is: 'value', atLeast: 109 }, 'missed'],
    [100, { is: 'value', atMost: 108 }, 'met'],
    [100, { is: 'value', atMost: 107 }, 'undecided'],
    [100, { is: 'value', atMost: 100 }, 'missed'],
  ] as const)('of ten rounds from %d on, %o: %s', (from, target, verdict) => {
    // The interval of the median of ten values extends from the second to the ninth.
    expect(judge(line(rounds(from), rounds(0), target), target).verdict).toBe(verdict);
  });

  it('compares round by round', () => {
    const ours = [10, 40, 90];
    const theirs = [10, 20, 30];
    expect(judge(line(ours, theirs), { is: 'ratio', to: 'raw <sockets>', atLeast: 1 }).figure.median).toBe(2);
    expect(judge(line(ours, theirs), { is: 'difference', to: 'raw <sockets>', atMost: 1 }).figure.median).toBe(20);
    expect(() => judge(line(ours, [1]), { is: 'ratio', to: 'raw <sockets>', atLeast: 1 })).toThrow(
      '3 rounds of ours and 1 of raw <sockets>',
    );
  });
});

describe('summarize', () => {
  it('returns median, quartiles, and an interval that contains the median with 95 % probability', () => {
    expect(summarize(rounds(1).toReversed())).toEqual({
      median: 5.5,
      lowerQuartile: 3.25,
      upperQuartile: 7.75,
      interval: { low: 2, high: 9, confidence: expect.closeTo(0.979, 3) as number },
    });
    expect(summarize([7]).interval).toEqual({ low: 7, high: 7, confidence: 0 });
  });
});

describe('a report', () => {
  const report = {
    method: 'Measured.',
    lines: [line(rounds(20_000), rounds(10_000), { is: 'ratio', to: 'raw <sockets>', atLeast: 0.85 })],
    notes: ['Quiet.'],
  };

  it('prints figures, targets and verdicts in a terminal', () => {
    const text = formatReport(report, 'a machine');
    expect(text).toContain('10 viewers, fps\n  Gearway           20 005 (20 002–20 007)\n');
    expect(text).toContain('to raw <sockets>  2.00 [2.00–2.00], at least 0.85: met');
  });

  it('has the same content in Markdown', () => {
    expect(formatMarkdown(report, 'A machine')).toContain(
      '| 10 viewers, fps | 20 005 (20 002–20 007) | raw <sockets>: 10 005 (10 002–10 007) | 2.00 [2.00–2.00] | at least 0.85 | **met** |',
    );
  });

  it('is plotted, with names escaped', () => {
    const svg = plotReport('fan-out', report);
    expect(svg).toContain('raw &lt;sockets>');
    const [ours, theirs] = [...svg.matchAll(/<rect[^>]* width="([\d.]+)"/g)].map(([, width]) => Number(width));
    expect(ours! / theirs!).toBeCloseTo(2, 1);
  });

  it('groups thousands before the point only', () => {
    expect([formatNumber(1234567.1234, 4), formatNumber(-1234), formatNumber(999)]).toEqual([
      '1 234 567.1234',
      '-1 234',
      '999',
    ]);
  });
});

describe('alternate', () => {
  it('makes one uncounted measurement, and then alternates the order', async () => {
    const order: string[] = [];
    const measure = (name: string) => async (): Promise<number> => order.push(name);
    const results = await alternate(2, { a: measure('a'), b: measure('b') });
    expect(order.join('')).toBe('ababba');
    expect(results).toEqual({ a: [3, 6], b: [4, 5] });
  });
});
