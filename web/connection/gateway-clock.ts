/** The gateway's clock as seen from here: its offset is taken from the ping with the shortest round trip. */
export class GatewayClock {
  #offsetMs: number | null = null;
  #bestRoundTripMs = Infinity;
  #roundTripMs: number | null = null;

  get roundTripMs(): number | null {
    return this.#roundTripMs;
  }

  /** A first idea, from the `welcome`: late by the way that it took, until the first pong knows better. */
  welcome(clockUs: number): void {
    this.#offsetMs = clockUs / 1000 - performance.now();
  }

  /** @param sentAtMs `performance.now()` when the ping left. */
  pong(clockUs: number, sentAtMs: number): void {
    const nowMs = performance.now();
    const roundTripMs = nowMs - sentAtMs;
    this.#roundTripMs = roundTripMs;
    // Clocks drift: an old best is believed a little less with every ping.
    this.#bestRoundTripMs += 0.5;
    if (roundTripMs > this.#bestRoundTripMs) return;
    this.#bestRoundTripMs = roundTripMs;
    this.#offsetMs = clockUs / 1000 + roundTripMs / 2 - nowMs;
  }

  /** How long ago the gateway's clock showed this; null before the welcome. */
  ageMs(clockUs: number): number | null {
    return this.#offsetMs === null ? null : performance.now() + this.#offsetMs - clockUs / 1000;
  }

  reset(): void {
    this.#offsetMs = null;
    this.#bestRoundTripMs = Infinity;
    this.#roundTripMs = null;
  }
}
