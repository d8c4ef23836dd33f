import { readFileSync } from 'node:fs';

/** Clock ticks per second in /proc. */
const TICKS = 100;

/** Processor time of a process, of all its threads, user and system. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS;
}

/** Divides a number of viewers among gateways. */
export function split(count: number, parts: number): readonly number[] {
  return Array.from(
    { length: parts },
    (_, index) => Math.floor((count * (index + 1)) / parts) - Math.floor((count * index) / parts),
  );
}
