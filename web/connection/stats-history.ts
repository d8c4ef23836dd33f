/** A minute, at two readings a second. */
const SIZE = 120;

/** The figures of the last minute, oldest first. */
export class StatsHistory<Stats> {
  #readings: Stats[] = [];

  get readings(): readonly Stats[] {
    return this.#readings;
  }

  add(stats: Stats): void {
    this.#readings.push(stats);
    if (this.#readings.length > SIZE) this.#readings.shift();
  }

  clear(): void {
    this.#readings = [];
  }
}
