/** Drift allowance in milliseconds: amount by which the best round trip is increased with each ping. */
const DRIFT_MS = 0.5;

/** Estimates the gateway's clock. The offset is that of the ping with the shortest round trip. */
export class GatewayClock {
  #offsetMs: number | null = null;
  #bestRoundTripMs = Infinity;
  #roundTripMs: number | null = null;

  get roundTripMs(): number | null {
    return this.#roundTripMs;
  }

  /** Initial offset from `welcome`, biased by the one-way latency until the first pong. */
  welcome(clockUs: number): void {
    this.#offsetMs = clockUs / 1000 - performance.now();
  }

  /** @param sentAtMs `performance.now()` when the ping was sent. */
  pong(clockUs: number, sentAtMs: number): void {
    const nowMs = performance.now();
    const roundTripMs = nowMs - sentAtMs;
    this.#roundTripMs = roundTripMs;
    this.#bestRoundTripMs += DRIFT_MS;
    if (roundTripMs > this.#bestRoundTripMs) return;
    this.#bestRoundTripMs = roundTripMs;
    this.#offsetMs = clockUs / 1000 + roundTripMs / 2 - nowMs;
  }

  /** Age of a gateway timestamp; null before the welcome. */
  ageMs(clockUs: number): number | null {
    return this.#offsetMs === null ? null : performance.now() + this.#offsetMs - clockUs / 1000;
  }

  reset(): void {
    this.#offsetMs = null;
    this.#bestRoundTripMs = Infinity;
    this.#roundTripMs = null;
  }
}
