import type { Report } from './report.ts';
import { NoValuesError } from './statistics.ts';

/** How long a benchmark measures. */
export interface BenchEffort {
  /** Number of measurements of each candidate, in alternation. */
  readonly rounds: number;
  /** Length of one measurement. */
  readonly seconds: number;
}

/** Options of the command line for every benchmark. */
export interface BenchOptions extends BenchEffort {
  /** Numbers of viewers to measure with; null for the benchmark's own. */
  readonly viewers: readonly number[] | null;
  /** Whether the measured processes write CPU profiles to test/.artifacts/. */
  readonly cpuProfile: boolean;
}

/** One named benchmark. It measures and reports; it never passes or fails. */
export interface Bench {
  readonly name: string;
  /** One line for the usage. */
  readonly summary: string;
  /**
   * Number and length of the rounds for the published figures. One round of half a second is a trial.
   */
  readonly effort: BenchEffort;
  run(options: BenchOptions): Promise<Report>;
}

/** Duration below which a measurement is a trial, which only checks that the benchmark runs. */
const MEASURED_FROM_S = 1;

/** Maximum time to settle in a trial. */
const TRIAL_SETTLE_MS = 500;

export function isTrial({ seconds }: BenchEffort): boolean {
  return seconds < MEASURED_FROM_S;
}

/** Time to settle before or after a measurement, which is shorter in a trial. */
export function settleMs(fullMs: number, effort: BenchEffort): number {
  return isTrial(effort) ? Math.min(fullMs, TRIAL_SETTLE_MS) : fullMs;
}

/** Maximum number of repetitions of a measurement in which no frame was seen. */
const MAX_REPETITIONS = 20;

/**
 * Repeats a measurement until it has seen a frame, and reports each repetition. On a busy machine, a short measurement
 * may end before the first frame.
 *
 * @param measure rejects with a {@link NoValuesError} if there was no frame. It can then be called again.
 */
export async function measureFrames<T>(name: string, measure: () => Promise<T>): Promise<T> {
  for (let left = MAX_REPETITIONS; ; left -= 1) {
    try {
      return await measure();
    } catch (error) {
      if (!(error instanceof NoValuesError)) throw error;
      if (left === 0) throw new Error(`${name}: ${MAX_REPETITIONS + 1} measurements without a frame`, { cause: error });
      process.stderr.write(`  ${name}: ${error.message}; measuring again\n`);
    }
  }
}

/**
 * Measures several candidates in alternation: all of them in each round, every other round in reverse, so that a drift
 * of the machine favours none of them. With several rounds, the first one is a warm-up and does not count. A
 * measurement without a frame is repeated.
 *
 * @returns the measured values of each candidate, one per round.
 */
export async function alternate<K extends string, T>(
  rounds: number,
  measurements: Readonly<Record<K, () => Promise<T>>>,
): Promise<Record<K, T[]>> {
  const names = Object.keys(measurements) as K[];
  const results = Object.fromEntries(names.map((name) => [name, [] as T[]])) as Record<K, T[]>;
  const measure = (name: K): Promise<T> => measureFrames(name, measurements[name]);
  if (rounds > 1) for (const name of names) await measure(name);
  for (let round = 0; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) results[name].push(await measure(name));
  }
  return results;
}
