/** What a process has used in a measuring window. */
export interface Usage {
  readonly elapsedMs: number;
  /** User and system time of all threads. */
  readonly cpuUs: number;
}

/** Measures the process that it runs in. */
export class UsageMeter {
  #startedAtMs = 0;
  #cpu = process.cpuUsage();

  start(): void {
    this.#startedAtMs = performance.now();
    this.#cpu = process.cpuUsage();
  }

  stop(): Usage {
    const { user, system } = process.cpuUsage(this.#cpu);
    return { elapsedMs: performance.now() - this.#startedAtMs, cpuUs: user + system };
  }
}
