import { ClientSocket, type HandshakeFailure } from './client-socket.ts';
import type { Security } from './curve-keys.ts';
import { encodeFrameHeader } from './frame-codec.ts';
import { formatPattern, type Pattern, patternOfSocket } from './pattern.ts';
import { lookAtZmtpPeer } from './zmtp-peer.ts';

/**
 * How it stands with the client at the other end. `connecting`: nobody is there (yet); `ready`: it takes frames; `stuck`: it is there and does not
 * answer; `refused`: it is there, and the two ends don't fit together.
 */
export type ConnectionState = 'connecting' | 'ready' | 'stuck' | 'refused';

export interface ClientConnectionOptions {
  /** `tcp://HOST:PORT` or `ipc://PATH:PORT`, where the client binds. */
  readonly endpoint: string;
  readonly pattern: Pattern;
  readonly security: Security | null;
}

/** What happens to a {@link ClientConnection}. Nothing is called after `close()`. */
export interface ClientConnectionEvents {
  /** The state or its reason has changed. */
  changed(state: ConnectionState, reason: string): void;
  /** The client's answer to the oldest frame in flight. `parts` is borrowed memory. */
  replied(parts: Uint8Array[], roundTripMs: number): void;
  failed(error: unknown): void;
}

const TICK_MS = 250;

/** A reply later than this is not waited for: the socket is closed and another made. Three of a client's own time-outs fit in. */
const REPLY_TIMEOUT_MS = 3500;

/** A peer that accepts TCP but does not shake hands is there, and stopped. */
const STUCK_AFTER_MS = 1000;

/** How long after a failed handshake the next is tried: nothing changes by itself. */
const RETRY_AFTER_MS = 1000;

/** Nobody has accepted a connection for so long: what was there is gone. */
const GONE_AFTER_MS = 1500;

/**
 * The first message to a client of pattern 0 in secure mode: a black picture, small enough to arrive in one piece. With its first byte ZeroMQ tells
 * such a client to read, ahead of the rest (the peer's credential stands before the message); finding none, the client's thread ends
 * with `zmq.error.Again`, and the client never answers again. A real server's first frame does that to it.
 */
const OPENER_SHAPE = [16, 16, 3] as const;
const OPENER = {
  header: encodeFrameHeader({ kind: 'raw', dtype: 'uint8', shape: OPENER_SHAPE }, 'null', { pattern: 'pair', serverPort: null, dropMessage: true }),
  payload: new Uint8Array(OPENER_SHAPE.reduce((product, size) => product * size, 1)),
} as const;

/** A socket and what is under way on it. Thrown away as a whole, so that nothing late is taken for something new. */
interface Link {
  readonly socket: ClientSocket;
  ready: boolean;
  readonly openedAtMs: number;
  /** Since when somebody holds the other end of the connection; null while nobody does. */
  acceptedAtMs: number | null;
  /** When each frame was sent that is not yet answered, oldest first. */
  readonly sentAtMs: number[];
}

/**
 * The way to one NetGear client, for as long as it is wanted: it connects, notices, says in words what is wrong, and connects again, for ever.
 * What is sent is either answered within 3.5 s, or the socket is thrown away with all that was in flight.
 */
export class ClientConnection {
  readonly #options: ClientConnectionOptions;
  readonly #events: ClientConnectionEvents;
  readonly #timer: NodeJS.Timeout;
  #link: Link | null;
  #retry: NodeJS.Timeout | null = null;
  #state: ConnectionState = 'connecting';
  #reason: string;
  #closed = false;

  /** @throws {GearwayError} `keys-missing`, `keys-invalid`. */
  constructor(options: ClientConnectionOptions, events: ClientConnectionEvents) {
    this.#options = options;
    this.#events = events;
    this.#reason = this.#nobody();
    this.#link = this.#open();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Why it is in this state, as a sentence. */
  get reason(): string {
    return this.#reason;
  }

  get isReady(): boolean {
    return this.#link?.ready === true;
  }

  /** Frames that are sent and not answered; always 0 in pattern 2. */
  get inFlight(): number {
    return this.#link?.sentAtMs.length ?? 0;
  }

  /**
   * Sends a frame, or a termination without payload. Header and payload are not copied and must never be written to again.
   *
   * @returns false when the socket cannot take it now: a later one may pass.
   * @throws never: a connection that breaks shows in the state.
   */
  async send(header: Uint8Array | string, payload?: Uint8Array): Promise<boolean> {
    const link = this.#link;
    return link !== null && link.ready && this.#transmit(link, header, payload);
  }

  async #transmit(link: Link, header: Uint8Array | string, payload?: Uint8Array): Promise<boolean> {
    const isAnswered = this.#options.pattern !== 'publish-subscribe';
    if (isAnswered) link.sentAtMs.push(performance.now());
    try {
      await link.socket.send(header, payload);
      return true;
    } catch {
      // Full, or broken since its last event: of the first only pattern 2 is capable, since what is in flight is counted otherwise.
      if (isAnswered && this.#link === link && !this.#closed) this.#reopen('connecting', 'its connection ended');
      return false;
    }
  }

  /** Throws away what is in flight, and connects anew. */
  reset(): void {
    if (!this.#closed) this.#reopen('connecting', 'it was connected anew');
  }

  /** Idempotent. What was not sent is thrown away. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#link?.socket.close();
    this.#link = null;
  }

  #open(): Link {
    const { endpoint, pattern, security } = this.#options;
    const needsOpener = pattern === 'pair' && security !== null;
    const begin = (): void => {
      link.ready = true;
      this.#change('ready', 'connected');
    };
    const current = (act: () => void) => () => {
      if (this.#link === link && !this.#closed) act();
    };
    const link: Link = {
      socket: new ClientSocket(endpoint, pattern, security, {
        accepted: () => {
          link.acceptedAtMs = performance.now();
        },
        ready: current(() => {
          if (needsOpener) void this.#transmit(link, OPENER.header, OPENER.payload);
          else begin();
        }),
        handshakeFailed: (failure) => current(() => void this.#explain(link, failure))(),
        disconnected: current(() => {
          link.acceptedAtMs = null;
          if (link.ready || link.sentAtMs.length > 0) this.#reopen('connecting', 'its connection ended');
        }),
        reply: (parts) =>
          current(() => {
            const sentAtMs = link.sentAtMs.shift();
            if (!link.ready) begin();
            else if (sentAtMs !== undefined) this.#events.replied(parts, performance.now() - sentAtMs);
          })(),
        failed: (error) => current(() => this.#events.failed(error))(),
      }),
      ready: false,
      openedAtMs: performance.now(),
      acceptedAtMs: null,
      sentAtMs: [],
    };
    return link;
  }

  #reopen(state: ConnectionState, reason: string): void {
    this.#link?.socket.close();
    this.#link = null;
    this.#change(state, reason);
    if (!this.#closed) this.#link ??= this.#open();
  }

  /** After a failed handshake ZeroMQ may have given up by itself. */
  async #explain(link: Link, failure: HandshakeFailure): Promise<void> {
    link.socket.close();
    this.#link = null;
    this.#retry = setTimeout(() => (this.#link = this.#open()), RETRY_AFTER_MS);
    const reason = await this.#diagnose(failure);
    // Who hung up since it went away has refused nothing.
    if (!this.#closed && !this.isReady) this.#change(reason === this.#nobody() ? 'connecting' : 'refused', reason);
  }

  async #diagnose(failure: HandshakeFailure): Promise<string> {
    const { endpoint, pattern, security } = this.#options;
    if (failure === 'refused') {
      const key = security?.mode === 'ironhouse' ? "with secure=2 it needs our public_keys/client.key among its own when it starts, and " : '';
      return `the client at ${endpoint} refuses us: ${key}in secure mode it lets in only who has the IP address that it was given itself`;
    }
    const look = await lookAtZmtpPeer(endpoint);
    switch (look.kind) {
      case 'nobody':
        return this.#nobody();
      case 'silent':
        return `what listens at ${endpoint} hung up in the handshake`;
      case 'foreign':
        return `what listens at ${endpoint} is no NetGear client: it does not speak ZeroMQ`;
      case 'zmtp': {
        const { mechanism, socketType } = look;
        if (security === null && mechanism === 'CURVE') return `the client at ${endpoint} is in secure mode; add secure=1 or secure=2 to its address`;
        if (security !== null && mechanism === 'NULL') return `the client at ${endpoint} is not in secure mode: it was never told to be, or it has bound anew after 12 s of silence, which it does without encryption; no frame is sent to it`;
        if (socketType === null) return `the client at ${endpoint} does not accept our keys: our public_keys/server.key is not the one that belongs to its private_keys/server.key_secret, or it has another pattern than ${formatPattern(pattern)}`;
        const actual = patternOfSocket(socketType);
        if (actual === pattern) return `the client at ${endpoint} hung up in the handshake`;
        return actual === null ? `what listens at ${endpoint} is a ${socketType} socket, expected a NetGear client of pattern ${formatPattern(pattern)}` : `the client at ${endpoint} has pattern ${formatPattern(actual)}, its address says pattern ${formatPattern(pattern)}`;
      }
      default:
        return look satisfies never;
    }
  }

  #tick(): void {
    const link = this.#link;
    if (link === null) return;
    const now = performance.now();
    const oldest = link.sentAtMs[0];
    if (oldest !== undefined && now - oldest > REPLY_TIMEOUT_MS) this.#reopen('stuck', `no answer for ${REPLY_TIMEOUT_MS / 1000} s`);
    else if (link.ready || oldest !== undefined) return;
    else if (link.acceptedAtMs !== null && now - link.acceptedAtMs > STUCK_AFTER_MS) this.#change('stuck', 'it holds the connection and does not shake hands: is it stopped?');
    else if (link.acceptedAtMs === null && now - link.openedAtMs > GONE_AFTER_MS) this.#change('connecting', this.#nobody());
  }

  #nobody(): string {
    return `nobody listens at ${this.#options.endpoint}`;
  }

  #change(state: ConnectionState, reason: string): void {
    if (this.#closed || (state === this.#state && reason === this.#reason)) return;
    this.#state = state;
    this.#reason = reason;
    this.#events.changed(state, reason);
  }
}
