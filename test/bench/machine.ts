import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';

/** Description of the machine, in one line. An idle machine has a load of about 0. */
export function describeMachine(): string {
  const load = (loadavg()[0] ?? 0).toFixed(2);
  return `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} cores, ${(totalmem() / 2 ** 30).toFixed(1)} GiB, ${type()} ${release()}, Node ${process.version}, load ${load} at the start`;
}

/** Measures the share of the machine used by processes other than those of the benchmark. */
export class MachineMeter {
  #before = machineTimes();

  start(): void {
    this.#before = machineTimes();
  }

  /** @param ownMs time that the processes of the benchmark have used since the start. */
  stop(ownMs: number): number {
    const after = machineTimes();
    return Math.max(0, (after.busyMs - this.#before.busyMs - ownMs) / (after.totalMs - this.#before.totalMs));
  }
}

function machineTimes(): { busyMs: number; totalMs: number } {
  let busyMs = 0;
  let totalMs = 0;
  for (const { times } of cpus()) {
    busyMs += times.user + times.nice + times.sys + times.irq;
    totalMs += times.user + times.nice + times.sys + times.irq + times.idle;
  }
  return { busyMs, totalMs };
}
