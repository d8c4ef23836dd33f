import type { Report } from './report.ts';

/** How long a benchmark measures. */
export interface BenchEffort {
  /** Measurements of each of those compared, in alternation. */
  readonly rounds: number;
  /** Length of one measurement. */
  readonly seconds: number;
}

/** What the command line gives to every benchmark. */
export interface BenchOptions extends BenchEffort {
  /** Numbers of viewers to measure with; null for the benchmark's own. */
  readonly viewers: readonly number[] | null;
  /** Whether the processes measured write CPU profiles to test/.artifacts/. */
  readonly cpuProfile: boolean;
}

/** One named benchmark. It measures and says what it saw; it never passes or fails. */
export interface Bench {
  readonly name: string;
  /** One line for the usage. */
  readonly summary: string;
  /**
   * What its figures are published with. With one round of half a second it takes seconds: it runs, and proves nothing.
   */
  readonly effort: BenchEffort;
  run(options: BenchOptions): Promise<Report>;
}

/**
 * Measures several things in alternation: each round all of them, every other round in reverse, so that a drift of the
 * machine favours none. A first round is not counted when there is more than one: code is compiled, caches are filled.
 *
 * @returns what each of them measured, a value of each round.
 */
export async function alternate<K extends string, T>(
  rounds: number,
  measurements: Readonly<Record<K, () => Promise<T>>>,
): Promise<Record<K, T[]>> {
  const names = Object.keys(measurements) as K[];
  const results = Object.fromEntries(names.map((name) => [name, [] as T[]])) as Record<K, T[]>;
  if (rounds > 1) for (const name of names) await measurements[name]();
  for (let round = 0; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) results[name].push(await measurements[name]());
  }
  return results;
}
