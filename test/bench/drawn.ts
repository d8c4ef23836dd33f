import { median } from './statistics.ts';

/** A frame that a viewer has drawn. */
export interface Drawn {
  /** Time since the measurement began. */
  readonly atMs: number;
  /** Time since the frame's arrival at the gateway. */
  readonly delayMs: number;
}

/** Median latency of the last third minus that of the first, which shows a growing queue. */
export function delayGrowth(drawn: readonly Drawn[], seconds: number): number {
  const between = (from: number, to: number): number =>
    median(drawn.filter(({ atMs }) => atMs >= from * 1000 && atMs < to * 1000).map(({ delayMs }) => delayMs));
  return between((seconds * 2) / 3, Infinity) - between(0, seconds / 3);
}
