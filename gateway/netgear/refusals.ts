/** How long a refusal is shown in the status. */
const SHOWN_MS = 60_000;

/** Minimum time between two log lines. */
const LOG_INTERVAL_MS = 10_000;

/** Refused connections and messages of one address, for its status and the log. */
export class Refusals {
  readonly #log: (text: string) => void;
  #latest: { readonly reason: string; readonly atMs: number } | null = null;
  #loggedAtMs = -Infinity;
  #unlogged = 0;

  /** @param log called at most once per 10 s; the text includes the number of suppressed refusals. */
  constructor(log: (text: string) => void = () => undefined) {
    this.#log = log;
  }

  /** @param reason a sentence without a full stop. */
  note(reason: string): void {
    const now = performance.now();
    this.#latest = { reason, atMs: now };
    if (now - this.#loggedAtMs < LOG_INTERVAL_MS) {
      this.#unlogged += 1;
      return;
    }
    this.#log(this.#unlogged === 0 ? reason : `${reason} (and ${this.#unlogged} more refusals since the last line)`);
    this.#loggedAtMs = now;
    this.#unlogged = 0;
  }

  /** The latest refusal of the last minute; null if there is none. */
  get latest(): string | null {
    const latest = this.#latest;
    return latest === null || performance.now() - latest.atMs > SHOWN_MS ? null : latest.reason;
  }

  /** Appends the latest refusal of the last minute to a state. */
  append(state: string): string {
    const { latest } = this;
    return latest === null ? state : `${state}; ${latest}`;
  }

  /** Removes the latest refusal from the status. */
  clear(): void {
    this.#latest = null;
  }
}
