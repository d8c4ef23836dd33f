import { median } from './statistics.ts';

/** A frame that a viewer has drawn. */
export interface Drawn {
  /** Since the measurement began. */
  readonly atMs: number;
  /** Since the frame's arrival at the gateway. */
  readonly delayMs: number;
}

/** The median delay of the measurement's last third less that of its first: a queue that grows shows here. */
export function delayGrowth(drawn: readonly Drawn[], seconds: number): number {
  const between = (from: number, to: number): number =>
    median(drawn.filter(({ atMs }) => atMs >= from * 1000 && atMs < to * 1000).map(({ delayMs }) => delayMs));
  return between((seconds * 2) / 3, Infinity) - between(0, seconds / 3);
}
