import type { Line, Target } from './report.ts';
import { formatPercent } from './report-text.ts';
import type { ShownDelays } from './shown-delays.ts';
import { median, percentile } from './statistics.ts';

/** Below this share of shown frames, the latency is not representative. */
const MOST_SHOWN = 0.95;

type Measured = Readonly<Record<string, readonly ShownDelays[]>>;

/** Median and 95th percentile of the frames, one value per round. */
export function delayLines(what: string, measured: Measured, targets: readonly Target[]): Line[] {
  const series = (of: (delaysMs: readonly number[]) => number): Line['series'] =>
    Object.entries(measured).map(([name, rounds]) => ({ name, values: rounds.map(({ delaysMs }) => of(delaysMs)) }));
  return [
    { what: `${what}, median frame`, unit: 'ms', digits: 1, series: series(median), targets },
    {
      what: `${what}, 95 % of the frames within`,
      unit: 'ms',
      digits: 1,
      series: series((delaysMs) => percentile(delaysMs, 0.95)),
    },
  ];
}

export function delayNotes(measured: Measured): string[] {
  return Object.entries(measured).flatMap(([name, rounds]) => {
    const share = median(rounds.map(({ delaysMs, handedOver }) => delaysMs.length / handedOver));
    return share >= MOST_SHOWN
      ? []
      : [
          `${name}: ${formatPercent(share)} of the frames were seen on the screen; the latency is that of these frames.`,
        ];
  });
}
