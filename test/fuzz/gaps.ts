/** A period without a frame, by the clock of the watching process. */
export interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Shorter gaps are ignored. */
const MIN_GAP_MS = 100;

/** Records the gaps between events. */
export class GapMeter {
  readonly gaps: Gap[] = [];
  count = 0;
  #lastMs = performance.now();

  event(nowMs = performance.now()): void {
    this.count += 1;
    if (nowMs - this.#lastMs >= MIN_GAP_MS) this.gaps.push({ fromMs: this.#lastMs, toMs: nowMs });
    this.#lastMs = nowMs;
  }

  /** Gaps that end after `sinceMs`, including an ongoing one. */
  since(sinceMs: number, nowMs = performance.now()): Gap[] {
    const open = { fromMs: this.#lastMs, toMs: nowMs };
    return [...this.gaps, open].filter(({ toMs, fromMs }) => toMs > sinceMs && toMs - fromMs >= MIN_GAP_MS);
  }
}

/** Length of the longest gap; 0 if there is none. */
export function longest(gaps: readonly Gap[]): number {
  return gaps.reduce((most, { fromMs, toMs }) => Math.max(most, toMs - fromMs), 0);
}

/**
 * Processes of one overloaded machine stall within this time of each other, but rarely at the same moment.
 */
const NEAR_MS = 1000;

/**
 * Subtracts what the machine caused: the time for which the gateway or the watching process had no processor. A gap is
 * ignored entirely if the control gateway, which is not attacked, had one at least half as long at about the same time.
 * On an idle machine, nothing is subtracted.
 *
 * @param waitedMs returns how long the gateway, and the watching process, had no processor between two times.
 * @returns milliseconds of the longest gap caused by the gateway, and of the longest observed one.
 */
export function ownGap(
  gaps: readonly Gap[],
  control: readonly Gap[],
  waitedMs: (fromMs: number, toMs: number) => number,
): { readonly ownMs: number; readonly seenMs: number } {
  const own = gaps.flatMap(({ fromMs, toMs }) => {
    const ms = toMs - fromMs - waitedMs(fromMs, toMs);
    const isCausedByMachine = control.some(
      (other) => other.toMs > fromMs - NEAR_MS && other.fromMs < toMs + NEAR_MS && other.toMs - other.fromMs >= ms / 2,
    );
    return isCausedByMachine ? [] : [ms];
  });
  return { ownMs: Math.max(0, ...own), seenMs: longest(gaps) };
}
