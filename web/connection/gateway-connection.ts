import { runInBackground } from '../background.ts';
import { closeCode } from '../../shared/close-code.ts';
import { errorText } from '../../shared/errors.ts';
import {
  encodeMessage,
  type GatewayMessage,
  type Hello,
  type Pong,
  PROTOCOL,
  type PublisherAnswer,
  type Welcome,
} from '../../shared/protocol.ts';
import { GatewayClock } from './gateway-clock.ts';
import { GatewayProbe } from './gateway-probe.ts';

const PING_INTERVAL_MS = 2000;
const TICK_INTERVAL_MS = 500;

/** Back-off between attempts: doubles from the first value up to the maximum, with jitter. */
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 1500;

/** Interval between attempts after a refusal that may pass. */
const SLOW_RETRY_MS = 5000;

/**
 * An interrupted network does not close sockets. It is detected by an unanswered ping, or by a connection attempt
 * without a result.
 */
const PONG_TIMEOUT_MS = 5000;
const CONNECT_TIMEOUT_MS = 6000;

/** Close code of a connection that could not be made, or was lost (RFC 6455). */
const ABNORMAL = 1006;

/** Refusals that the gateway would repeat: no further attempt until something changes. */
const FINAL_CODES: ReadonlySet<number> = new Set([
  closeCode.badMessage,
  closeCode.takenOver,
  closeCode.portOutOfRange,
  closeCode.notAllowed,
  closeCode.sentAway,
]);

/** Refusals that may pass: further attempts are made, at a longer interval. */
const SLOW_CODES: ReadonlySet<number> = new Set([
  closeCode.unknownStream,
  closeCode.portTaken,
  closeCode.tooMuch,
  closeCode.publisherPresent,
  closeCode.notForPublishers,
]);

/** How a connection ended. `wasOpen`: the gateway had sent a welcome. */
export interface ConnectionEnd {
  readonly code: number;
  readonly reason: string;
  readonly wasOpen: boolean;
  readonly isRefused: boolean;
}

/** A retry that replaces the standard reaction to a close code. `reason` is reported; null reports nothing. */
export interface Retry {
  readonly delay: 'none' | 'back-off';
  readonly reason: string | null;
}

/** State of the connection, for the element. */
export type ConnectionReport =
  | { readonly kind: 'state'; readonly state: 'connecting' | 'refused'; readonly reason: string }
  | { readonly kind: 'refused'; readonly code: number; readonly reason: string };

/** The session that a connection belongs to. `Message` is the union of all messages that the gateway may send. */
interface ConnectionOwner<Message> {
  /** Content of the first message on each connection. */
  hello(): Omit<Hello, 'type'>;
  welcomed(welcome: Welcome): void;
  /** @param bytes size of the message on the wire, including its payload. */
  received(message: Exclude<Message, Welcome | Pong>, bytes: number): void;
  /** Called before the end of a connection is reported. @returns null for the standard reaction. */
  ended(end: ConnectionEnd): Retry | null;
  report(report: ConnectionReport): void;
  /** Called twice per second, whether connected or not. */
  tick(): void;
}

/**
 * Persistent WebSocket connection of a viewer or publisher. Reconnects with back-off and jitter until it is closed or
 * refused permanently, reports its state, estimates the gateway's clock, and detects an interrupted network.
 */
export class GatewayConnection<Message extends GatewayMessage | PublisherAnswer> {
  readonly clock = new GatewayClock();
  readonly #url: string;
  readonly #decode: (bytes: Uint8Array) => Message | undefined;
  readonly #owner: ConnectionOwner<Message>;
  readonly #probe: GatewayProbe;
  readonly #intervals: readonly ReturnType<typeof setInterval>[];
  /** Time of sending by id, for unanswered pings. */
  readonly #pings = new Map<number, number>();
  #socket: WebSocket | null = null;
  #isOpen = false;
  /** Timeout of the welcome. */
  #connecting: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #attempts = 0;
  #nextPing = 1;
  #window: number | null = null;
  #closed = false;

  /**
   * @param url URL of the stream's WebSocket.
   * @param decode decodes the gateway's messages; returns undefined for a message to ignore.
   */
  constructor(url: string, decode: (bytes: Uint8Array) => Message | undefined, owner: ConnectionOwner<Message>) {
    this.#url = url;
    this.#decode = decode;
    this.#owner = owner;
    this.#probe = new GatewayProbe(url);
    this.#intervals = [
      setInterval(() => this.#ping(), PING_INTERVAL_MS),
      setInterval(() => owner.tick(), TICK_INTERVAL_MS),
    ];
    this.#connect();
  }

  /** Whether the gateway has sent its welcome on this connection. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Maximum number of frames in flight that the gateway allows; null before it is known. */
  get window(): number | null {
    return this.#window;
  }

  /** Sends one message. Does nothing before the welcome. */
  send(message: Uint8Array<ArrayBuffer>): void {
    if (this.#isOpen) this.#socket?.send(message);
  }

  /** Makes a pending attempt immediately. */
  retryNow(): void {
    if (this.#retry === null) return;
    this.#attempts = 0;
    this.#connect();
  }

  /** Closes the connection permanently. Idempotent; the owner is not called afterwards. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const interval of this.#intervals) clearInterval(interval);
    clearTimeout(this.#connecting);
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#socket?.close(1000);
  }

  #connect(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    const socket = this.#openSocket();
    if (socket === null) return;
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    const isCurrent = (): boolean => !this.#closed && this.#socket === socket;
    socket.onopen = () => socket.send(encodeMessage({ type: 'hello', ...this.#owner.hello() }));
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

  /** @returns null if the browser forbids this WebSocket: further attempts would fail, too. */
  #openSocket(): WebSocket | null {
    try {
      return new WebSocket(this.#url, PROTOCOL);
    } catch (error) {
      const reason = this.#probe.obstacle ?? `the browser does not allow this connection: ${errorText(error)}`;
      // Reported asynchronously, because the constructor calls this method before the session is complete.
      setTimeout(() => {
        if (!this.#closed) this.#owner.report({ kind: 'state', state: 'refused', reason });
      });
      return null;
    }
  }

  #received(message: Message, bytes: number): void {
    switch (message.type) {
      case 'welcome':
        this.#isOpen = true;
        this.#attempts = 0;
        clearTimeout(this.#connecting);
        this.clock.welcome(message.clockUs);
        this.#owner.welcomed(message);
        this.#ping();
        this.#probe.connected();
        return;
      case 'pong': {
        const sentAtMs = this.#pings.get(message.id);
        this.#pings.delete(message.id);
        if (sentAtMs !== undefined) this.clock.pong(message.clockUs, sentAtMs);
        this.#window = message.window ?? null;
        return;
      }
      default:
        this.#owner.received(message as Exclude<Message, Welcome | Pong>, bytes);
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

  /** Called when the gateway does not respond. The socket might not report this for minutes. */
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
    const isRefused = FINAL_CODES.has(code) || SLOW_CODES.has(code);
    const retry = this.#owner.ended({ code, reason, wasOpen, isRefused });
    if (retry !== null) {
      if (retry.reason !== null) this.#reportConnecting(retry.reason);
      if (retry.delay === 'back-off') this.#retryIn(this.#backOffMs());
      else if (!this.#closed) this.#connect();
    } else if (isRefused) {
      this.#owner.report({ kind: 'refused', code, reason });
      this.#owner.report({ kind: 'state', state: 'refused', reason: reason || `closed with code ${code}` });
      if (SLOW_CODES.has(code)) this.#retryIn(SLOW_RETRY_MS);
    } else {
      this.#reportConnecting(wasOpen ? 'the connection to the gateway was lost' : this.#probe.explanation);
      this.#retryIn(this.#backOffMs());
      if (!wasOpen && code === ABNORMAL) runInBackground(this.#explain());
    }
  }

  #reportConnecting(reason: string): void {
    this.#owner.report({ kind: 'state', state: 'connecting', reason });
  }

  /**
   * Schedules the next attempt. A gateway that has restarted is found within 2 s. The jitter spreads the attempts of
   * many viewers.
   */
  #backOffMs(): number {
    const exponential = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#attempts);
    this.#attempts += 1;
    return exponential * (0.75 + Math.random() / 2);
  }

  #retryIn(delayMs: number): void {
    if (this.#closed) return;
    this.#retry = setTimeout(() => runInBackground(this.#connectWhenUp()), delayMs);
  }

  /**
   * Probes the gateway over HTTP before it opens a WebSocket. After failures, Firefox delays each further WebSocket
   * for longer, so that a restarted gateway would be noticed late.
   */
  async #connectWhenUp(): Promise<void> {
    const pending = this.#retry;
    const isUp = await this.#probe.isUp();
    // In the meantime, the connection may have been closed, or an immediate attempt requested.
    if (this.#closed || this.#retry !== pending) return;
    if (isUp === true) {
      this.#connect();
      return;
    }
    if (isUp !== false) this.#reportConnecting(isUp);
    this.#retryIn(this.#backOffMs());
  }

  async #explain(): Promise<void> {
    const explanation = await this.#probe.explain();
    if (explanation !== null && !this.#closed && !this.#isOpen) this.#reportConnecting(explanation);
  }
}
