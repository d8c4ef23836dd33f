/**
 * Processing time without an equally long pause after it. Work that then pauses for the returned time takes at most
 * half of the event loop's time.
 */
export class WorkDebt {
  #owedMs = 0;
  #endedAtMs = 0;

  /**
   * Adds work that has just ended. The time since the previous work counts as a pause.
   *
   * @param fromMs when it began, by `performance.now()`.
   * @param maxMs maximum of the debt.
   * @returns how long to pause, in milliseconds.
   */
  worked(fromMs: number, maxMs = Infinity): number {
    const nowMs = performance.now();
    const restedMs = Math.max(0, fromMs - this.#endedAtMs);
    this.#endedAtMs = nowMs;
    this.#owedMs = Math.min(maxMs, Math.max(0, this.#owedMs - restedMs) + nowMs - fromMs);
    return this.#owedMs;
  }
}
