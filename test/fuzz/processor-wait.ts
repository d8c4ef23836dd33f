import { readFileSync } from 'node:fs';

const INTERVAL_MS = 25;

/** Total waiting time of a process until `atMs`. */
interface Sample {
  readonly atMs: number;
  readonly waitedMs: number;
}

/**
 * Time for which the main thread of a process was ready to run and had no processor, as counted by the Linux scheduler.
 * On a shared machine, this is the part of a delay that is not caused by the process.
 */
export class ProcessorWait implements Disposable {
  readonly #samples: Sample[] = [];
  readonly #path: string;
  readonly #timer: NodeJS.Timeout;

  constructor(pid: number) {
    this.#path = `/proc/${pid}/task/${pid}/schedstat`;
    this.#timer = setInterval(() => this.sample(), INTERVAL_MS);
    this.sample();
  }

  sample(): void {
    try {
      const waitedNs = Number(readFileSync(this.#path, 'utf8').split(' ')[1]);
      this.#samples.push({ atMs: performance.now(), waitedMs: waitedNs / 1e6 });
    } catch {
      // The process has ended, and no longer waits.
      clearInterval(this.#timer);
    }
  }

  /** Milliseconds without a processor between two times. */
  between(fromMs: number, toMs: number): number {
    return Math.max(0, at(this.#samples, toMs) - at(this.#samples, fromMs));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/**
 * The total waiting time until a point in time, interpolated linearly between samples. @param samples in order of time.
 */
export function at(samples: readonly Sample[], ms: number): number {
  let low = 0;
  let high = samples.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((samples[middle]?.atMs ?? 0) <= ms) low = middle + 1;
    else high = middle;
  }
  const [before, after] = [samples[low - 1], samples[low]];
  if (before === undefined) return after?.waitedMs ?? 0;
  if (after === undefined) return before.waitedMs;
  return before.waitedMs + ((after.waitedMs - before.waitedMs) * (ms - before.atMs)) / (after.atMs - before.atMs);
}
