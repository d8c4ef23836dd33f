/** What the command line gives to every benchmark. */
export interface BenchOptions {
  /** Pairs of measurements, one of ours and one of what it is compared with. */
  readonly rounds: number;
  /** Length of one measurement. */
  readonly seconds: number;
  /** Numbers of viewers to measure with; null for the benchmark's own. */
  readonly viewers: readonly number[] | null;
  /** Whether the gateway's process writes a CPU profile to test/.artifacts/. */
  readonly cpuProfile: boolean;
}

/** One named benchmark. It prints a table and writes its figures; it never passes or fails. */
export interface Bench {
  readonly name: string;
  /** One line for the usage. */
  readonly summary: string;
  run(options: BenchOptions): Promise<void>;
}
