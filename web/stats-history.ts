import type { ViewerStats } from './session-messages.ts';

/** A minute, at two readings a second. */
const SIZE = 120;

/** The figures of the last minute, oldest first. */
export class StatsHistory {
  #readings: ViewerStats[] = [];

  get readings(): readonly ViewerStats[] {
    return this.#readings;
  }

  add(stats: ViewerStats): void {
    this.#readings.push(stats);
    if (this.#readings.length > SIZE) this.#readings.shift();
  }

  clear(): void {
    this.#readings = [];
  }
}
