import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';

/** Usage of a process in a measuring window. */
export interface Usage {
  readonly elapsedMs: number;
  /** User and system time of all threads. */
  readonly cpuUs: number;
  /** Time for which garbage collection blocked the event loop, in total and the longest pause. */
  readonly gcMs: number;
  readonly longestGcMs: number;
  /** Lateness of a timer of 1 ms, 99th percentile. */
  readonly loopDelayMs: number;
}

/** Measures the process that it runs in. */
export class UsageMeter {
  readonly #loopDelay = monitorEventLoopDelay({ resolution: 1 });
  readonly #garbage = new PerformanceObserver((list) => this.#collected(list.getEntries()));
  #startedAtMs = 0;
  #cpu = process.cpuUsage();
  #gcMs = 0;
  #longestGcMs = 0;

  start(): void {
    this.#gcMs = 0;
    this.#longestGcMs = 0;
    this.#garbage.observe({ entryTypes: ['gc'] });
    this.#loopDelay.reset();
    this.#loopDelay.enable();
    this.#startedAtMs = performance.now();
    this.#cpu = process.cpuUsage();
  }

  stop(): Usage {
    const { user, system } = process.cpuUsage(this.#cpu);
    const elapsedMs = performance.now() - this.#startedAtMs;
    this.#loopDelay.disable();
    this.#collected(this.#garbage.takeRecords());
    this.#garbage.disconnect();
    return {
      elapsedMs,
      cpuUs: user + system,
      gcMs: this.#gcMs,
      longestGcMs: this.#longestGcMs,
      loopDelayMs: Math.max(0, this.#loopDelay.percentile(99) / 1e6 - 1),
    };
  }

  #collected(entries: readonly { readonly duration: number }[]): void {
    for (const { duration } of entries) {
      this.#gcMs += duration;
      this.#longestGcMs = Math.max(this.#longestGcMs, duration);
    }
  }
}
