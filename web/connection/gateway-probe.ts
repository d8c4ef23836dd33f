import { runInBackground } from '../background.ts';

const PROBE_TIMEOUT_MS = 2000;

/** Failed WebSockets in a row, with HTTP working, that indicate a proxy which does not forward WebSockets. */
const FAILED_UPGRADES = 2;

/** Checks a gateway over HTTP, because browsers do not report why a WebSocket could not be opened. */
export class GatewayProbe {
  readonly #address: URL;
  #explanation: string;
  /** Whether plain HTTP reaches the gateway: a Content-Security-Policy may allow only the WebSocket. */
  #isUsable = false;
  /** Number of attempts in a row whose WebSocket failed while HTTP worked. */
  #failedUpgrades = 0;
  /**
   * Number of connections made so far. The result of a request is discarded if a connection was made in the meantime.
   */
  #generation = 0;

  /** @param url URL of the stream's WebSocket. */
  constructor(url: string) {
    this.#address = new URL(url.replace(/^ws/, 'http').replace(/streams\/[^/]*\/(?:ws|publish)$/, ''));
    this.#explanation = this.#noAnswer();
  }

  /** Why the gateway cannot be reached, as far as is known, as a sentence. */
  get explanation(): string {
    return this.#explanation;
  }

  /** Called when a connection was made: clears the explanation, and checks whether plain HTTP works as well. */
  connected(): void {
    this.#generation += 1;
    this.#failedUpgrades = 0;
    this.#explanation = this.#noAnswer();
    if (this.#isUsable) return;
    runInBackground(this.#fetch('GET').then((response) => (this.#isUsable = response !== null)));
  }

  /**
   * Returns true if an attempt may succeed, or if HTTP cannot show this; false without a response; otherwise, the
   * explanation of the response.
   */
  async isUp(): Promise<boolean | string> {
    if (!this.#isUsable) return true;
    const response = await this.#fetch('GET');
    if (response === null || response.ok) return response !== null;
    return this.#explanationOf(response);
  }

  /** Finds out why a WebSocket could not be opened. @returns the new explanation; null if it has not changed. */
  async explain(): Promise<string | null> {
    const generation = this.#generation;
    // For requests to the page's own origin, browsers send the Origin header (which the gateway checks) with all
    // methods except GET.
    const response = await this.#fetch(this.#isSameOrigin() ? 'OPTIONS' : 'GET');
    if (generation !== this.#generation) return null;
    this.#failedUpgrades = response?.ok === true ? this.#failedUpgrades + 1 : 0;
    // A single failure may be due to a gateway that has just restarted.
    if (response?.ok === true && this.#failedUpgrades < FAILED_UPGRADES) return null;
    const explanation = await this.#explanationOf(response);
    if (generation !== this.#generation || explanation === this.#explanation) return null;
    this.#explanation = explanation;
    return explanation;
  }

  /** Sends the request. @returns null if there is no response, or a policy forbids the request. */
  async #fetch(method: 'GET' | 'OPTIONS'): Promise<Response | null> {
    try {
      const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
      return await fetch(new URL('healthz', this.#address), { method, cache: 'no-store', signal });
    } catch {
      return null;
    }
  }

  async #explanationOf(response: Response | null): Promise<string> {
    const { host, href } = this.#address;
    if (response === null || this.obstacle !== null) return this.#noAnswer();
    if (response.ok) {
      return (
        `the proxy in front of the gateway at ${host} does not forward WebSockets; ` +
        'add the Upgrade and Connection headers to its configuration (docs/behind-a-proxy.md)'
      );
    }
    const { code, message }: { code?: unknown; message?: unknown } = await response.json().catch(() => ({}));
    if (typeof code !== 'string' || typeof message !== 'string') {
      return `the proxy in front of the gateway at ${host} answers with status ${response.status}`;
    }
    // The gateway is not configured for the path under which a proxy serves it.
    return code === 'origin-not-allowed' && this.#isSameOrigin()
      ? `the gateway is not configured for this address; start it with --public-url ${href}`
      : message;
  }

  /**
   * Why this page cannot use the gateway, regardless of the gateway's response, as a sentence; null if no reason is
   * known.
   */
  get obstacle(): string | null {
    const { host, protocol, hostname } = this.#address;
    // The protocol of the location is not used, because it is blob: in some workers.
    if (self.origin.startsWith('https:') && protocol === 'http:' && !isLoopback(hostname)) {
      return (
        `browsers do not let a page loaded over https use a gateway over http (${host}); ` +
        'use an https address of the gateway (--tls-cert, or a proxy with TLS)'
      );
    }
    if (self.origin === 'null') {
      return (
        'this page has no origin, because it was opened as a file or in a sandboxed frame; ' +
        'serve it over HTTP, and add allow-same-origin to the frame'
      );
    }
    return null;
  }

  /** The explanation without a response: a page of another origin may have been refused for its origin. */
  #noAnswer(): string {
    const { obstacle } = this;
    if (obstacle !== null) return obstacle;
    const hint = this.#isSameOrigin() ? '' : `, or is not started with --allow-origin ${self.origin}`;
    return `the gateway at ${this.#address.host} does not answer${hint}`;
  }

  #isSameOrigin(): boolean {
    return this.#address.origin === self.origin;
  }
}

/** Loopback addresses are secure contexts: pages over https may use them over http. */
function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' || hostname.endsWith('.localhost') || hostname === '[::1]' || hostname.startsWith('127.')
  );
}
