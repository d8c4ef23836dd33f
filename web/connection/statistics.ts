/** Stores the latest values, oldest first. */
export class History<Value> {
  readonly #size: number;
  #values: Value[] = [];

  /** @param size maximum number of values. */
  constructor(size: number) {
    this.#size = size;
  }

  get values(): readonly Value[] {
    return this.#values;
  }

  add(value: Value): void {
    this.#values.push(value);
    if (this.#values.length > this.#size) this.#values.shift();
  }

  clear(): void {
    this.#values = [];
  }
}

/** Number of readings that an element keeps: one minute, at two per second. */
export const ELEMENT_HISTORY = 120;

/** Weight of the newest value in a smoothed figure. */
export const SMOOTHING = 1 / 8;

/** Moving average of a rate. It falls to zero when the flow stops. */
export function average(before: number, now: number): number {
  if (now === 0) return before < 0.5 ? 0 : before / 2;
  return before === 0 ? now : before + (now - before) / 3;
}
