import { runInBackground } from '../background.ts';
import { closeCode } from '../../shared/close-code.ts';
import { errorText } from '../../shared/errors.ts';
import { encodeMessage, type GatewayMessage, type Hello, type Pong, PROTOCOL, type PublisherAnswer, type Welcome } from '../../shared/protocol.ts';
import { GatewayClock } from './gateway-clock.ts';

const PING_INTERVAL_MS = 2000;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 1500;
const SLOW_RETRY_MS = 5000;

/** A network that was cut closes nothing: a ping that is not answered for so long shows it, and an attempt that takes so long. */
const PONG_TIMEOUT_MS = 5000;
const CONNECT_TIMEOUT_MS = 6000;
const PROBE_TIMEOUT_MS = 2000;

/** No connection was made, or it broke (RFC 6455). */
const ABNORMAL = 1006;

/** When a connection that has ended is made again. `soon`: with back-off; `later`: the gateway has said something that will hold for a while. */
export type NextAttempt = 'at-once' | 'soon' | 'later' | 'never';

/** The end of a connection. `wasOpen`: there had been a welcome. */
export interface ConnectionEnd {
  readonly code: number;
  readonly reason: string;
  readonly wasOpen: boolean;
}

/** What a connection asks, and says. `Message` is all that the gateway may send. */
export interface ConnectionEvents<Message> {
  /** What to say first on a new connection. */
  hello(): Omit<Hello, 'type'>;
  welcomed(welcome: Welcome): void;
  /** @param bytes what the message took on the wire, its payload included. */
  received(message: Exclude<Message, Welcome | Pong>, bytes: number): void;
  ended(end: ConnectionEnd): NextAttempt;
  /** Why no connection was made has become clearer: the new `explanation`. */
  explained(reason: string): void;
}

/**
 * The WebSocket to a gateway, a viewer's or a publisher's, and the next one when it ends: with back-off and jitter for ever, unless
 * that makes no sense. Keeps the gateway's clock, and notices a network that was cut.
 */
export class GatewayConnection<Message extends GatewayMessage | PublisherAnswer> {
  readonly clock = new GatewayClock();
  readonly #url: string;
  readonly #decode: (bytes: Uint8Array) => Message | undefined;
  readonly #events: ConnectionEvents<Message>;
  readonly #pinging: ReturnType<typeof setInterval>;
  readonly #pings = new Map<number, number>();
  #socket: WebSocket | null = null;
  #isOpen = false;
  /** Runs until the welcome. */
  #connecting: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #attempts = 0;
  /** Whether plain HTTP reaches the gateway from here: a policy may allow the WebSocket alone. */
  #canProbe = false;
  #explanation: string;
  /** Number of attempts in a row whose WebSocket failed while HTTP worked. */
  #failedUpgrades = 0;
  #nextPing = 1;
  #window: number | null = null;
  #closed = false;

  /**
   * @param url of the stream's WebSocket.
   * @param decode what the gateway sends there.
   */
  constructor(url: string, decode: (bytes: Uint8Array) => Message | undefined, events: ConnectionEvents<Message>) {
    this.#url = url;
    this.#explanation = noAnswer(url);
    this.#decode = decode;
    this.#events = events;
    this.#pinging = setInterval(() => this.#ping(), PING_INTERVAL_MS);
    this.#connect();
  }

  /** Whether the gateway has welcomed us on this connection. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Why there is no connection, as far as HTTP can tell: a browser does not say why a WebSocket was not opened. One sentence. */
  get explanation(): string {
    return this.#explanation;
  }

  /** How many frames the gateway lets be on their way; null before it has said so. */
  get window(): number | null {
    return this.#window;
  }

  /** Sends one message; nothing without a welcome. */
  send(message: Uint8Array<ArrayBuffer> | Blob): void {
    if (this.#isOpen) this.#socket?.send(message);
  }

  /** Makes a pending attempt at once. */
  retryNow(): void {
    if (this.#retry === null) return;
    this.#attempts = 0;
    this.#connect();
  }

  /** Ends it for good. Idempotent; nothing is said to the events afterwards. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#pinging);
    clearTimeout(this.#connecting);
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#socket?.close(1000);
  }

  #connect(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    const socket = new WebSocket(this.#url, PROTOCOL);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    const isCurrent = (): boolean => !this.#closed && this.#socket === socket;
    socket.onopen = () => socket.send(encodeMessage({ type: 'hello', ...this.#events.hello() }));
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      if (!isCurrent()) return;
      try {
        const message = this.#decode(new Uint8Array(data));
        if (message !== undefined) this.#received(message, data.byteLength);
      } catch (error) {
        socket.close(closeCode.badMessage, errorText(error).slice(0, 100));
      }
    };
    socket.onclose = ({ code, reason }) => {
      if (isCurrent()) this.#ended(code, reason);
    };
    this.#connecting = setTimeout(() => this.#abandon(), CONNECT_TIMEOUT_MS);
  }

  #received(message: Message, bytes: number): void {
    switch (message.type) {
      case 'welcome':
        this.#isOpen = true;
        this.#attempts = 0;
        this.#failedUpgrades = 0;
        this.#explanation = noAnswer(this.#url);
        clearTimeout(this.#connecting);
        this.clock.welcome(message.clockUs);
        this.#events.welcomed(message);
        this.#ping();
        if (!this.#canProbe) runInBackground(this.#knock('GET').then((response) => (this.#canProbe = response !== null)));
        return;
      case 'pong': {
        const sentAtMs = this.#pings.get(message.id);
        this.#pings.delete(message.id);
        if (sentAtMs !== undefined) this.clock.pong(message.clockUs, sentAtMs);
        this.#window = message.window ?? null;
        return;
      }
      default:
        this.#events.received(message as Exclude<Message, Welcome | Pong>, bytes);
    }
  }

  #ping(): void {
    if (!this.#isOpen) return;
    const [oldestMs] = this.#pings.values();
    if (oldestMs !== undefined && performance.now() - oldestMs > PONG_TIMEOUT_MS) {
      this.#abandon();
      return;
    }
    this.#pings.set(this.#nextPing, performance.now());
    this.send(encodeMessage({ type: 'ping', id: this.#nextPing }));
    this.#nextPing += 1;
  }

  /** The other end does not answer: its socket may take minutes to say so. */
  #abandon(): void {
    const socket = this.#socket;
    if (this.#closed || socket === null) return;
    this.#ended(ABNORMAL, '');
    socket.close();
  }

  #ended(code: number, reason: string): void {
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    this.#socket = null;
    clearTimeout(this.#connecting);
    this.#pings.clear();
    this.clock.reset();
    const next = this.#events.ended({ code, reason, wasOpen });
    if (this.#closed || next === 'never') return;
    if (!wasOpen && code === ABNORMAL) runInBackground(this.#explain());
    if (next === 'at-once') this.#connect();
    else this.#tryLater(next === 'later' ? SLOW_RETRY_MS : this.#backOff());
  }

  /** A gateway that comes back is found within 2 s; the jitter keeps many viewers from knocking at once. */
  #backOff(): number {
    const exponential = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    return exponential * (0.75 + Math.random() / 2);
  }

  #tryLater(waitMs: number): void {
    this.#retry = setTimeout(() => runInBackground(this.#connectWhenThere()), waitMs);
  }

  /**
   * Knocks by HTTP before it opens a WebSocket: after failed ones Firefox delays the next by itself, the longer the more
   * there were, and a gateway that is back would not be noticed for a while.
   */
  async #connectWhenThere(): Promise<void> {
    const pending = this.#retry;
    const isThere = !this.#canProbe || (await this.#knock('GET'))?.ok === true;
    // Meanwhile somebody may have closed us, or asked for an attempt at once.
    if (this.#closed || this.#retry !== pending) return;
    if (isThere) this.#connect();
    else this.#tryLater(this.#backOff());
  }

  /** Asks over HTTP why the WebSocket was not opened, and passes the reason on if it is a new one. */
  async #explain(): Promise<void> {
    const { origin, host } = httpAddress(this.#url);
    const isOwn = origin === self.origin;
    // A page sends its Origin, which the gateway checks, with any method but GET to its own origin, and always to others.
    const response = await this.#knock(isOwn ? 'OPTIONS' : 'GET');
    if (this.#closed || this.#isOpen) return;
    if (response?.ok === true) {
      this.#failedUpgrades += 1;
      // Once may be a gateway that has just come back.
      if (this.#failedUpgrades < 2) return;
    } else {
      this.#failedUpgrades = 0;
    }
    const explanation = response?.ok === true ? `the proxy in front of the gateway at ${host} does not forward WebSockets; add the Upgrade and Connection headers to its configuration (docs/behind-a-proxy.md)` : await refusalOf(response, this.#url);
    if (explanation === this.#explanation) return;
    this.#explanation = explanation;
    this.#events.explained(explanation);
  }

  /** Asks by HTTP whether the gateway is there; a proxy may answer for it. null when nobody answers, or a policy forbids it: which of them was found out while there was a connection. */
  async #knock(method: 'GET' | 'OPTIONS'): Promise<Response | null> {
    try {
      return await fetch(new URL('healthz', httpAddress(this.#url)), { method, cache: 'no-store', signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    } catch {
      return null;
    }
  }
}

/** The address of the gateway that has this WebSocket, with a slash at its end. */
function httpAddress(url: string): URL {
  return new URL(url.replace(/^ws/, 'http').replace(/streams\/[^/]*\/(?:ws|publish)$/, ''));
}

/** The reason that the gateway, or a proxy in its place, answers with. */
async function refusalOf(response: Response | null, url: string): Promise<string> {
  if (response === null) return noAnswer(url);
  const address = httpAddress(url);
  const { code, message }: { code?: unknown; message?: unknown } = await response.json().catch(() => ({}));
  if (typeof code !== 'string' || typeof message !== 'string') return `the proxy in front of the gateway at ${address.host} answers with status ${response.status}`;
  // The gateway does not see which path it has there.
  return code === 'origin-not-allowed' && address.origin === self.origin ? `the gateway does not know that it is reached at this address; start it with --public-url ${address.href}` : message;
}

/** What is known without asking: a page of another origin may have been refused for that. */
function noAnswer(url: string): string {
  const { host, origin } = httpAddress(url);
  return `the gateway at ${host} does not answer${origin === self.origin ? '' : `, or is not started with --allow-origin ${self.origin}`}`;
}
