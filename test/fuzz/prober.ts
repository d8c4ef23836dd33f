import { Agent, get } from 'node:http';

const INTERVAL_MS = 50;

/** One answer of `/healthz`. */
export interface Probe {
  readonly atMs: number;
  readonly tookMs: number;
}

/** Requests `/healthz` 20 times per second: its response needs only one iteration of the event loop. */
export class Prober implements Disposable {
  readonly probes: Probe[] = [];
  /** Requests that failed. */
  failures = 0;
  // Only one connection: during a stall, further connections would be opened, and would count as not released.
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8, maxFreeSockets: 1 });
  readonly #timer: NodeJS.Timeout;

  constructor(port: number, from: string) {
    this.#timer = setInterval(() => {
      const atMs = performance.now();
      const request = get(
        {
          host: '127.0.0.1',
          port,
          path: '/healthz',
          agent: this.#agent,
          headers: { 'x-forwarded-for': from },
          timeout: 20_000,
        },
        (response) => {
          response.resume();
          response.on('end', () => this.probes.push({ atMs, tookMs: performance.now() - atMs }));
        },
      );
      request.on('error', () => (this.failures += 1));
    }, INTERVAL_MS);
  }

  /** Responses to requests made since this time. */
  since(ms: number): readonly Probe[] {
    return this.probes.filter(({ atMs }) => atMs >= ms);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#agent.destroy();
  }
}
