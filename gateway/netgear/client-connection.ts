import { runInBackground } from '../../shared/background.ts';
import { errorText } from '../../shared/errors.ts';
import { ClientSocket, type HandshakeFailure } from './client-socket.ts';
import type { Security } from './curve-keys.ts';
import { encodeFrameHeader } from './frame-codec.ts';
import { formatPattern, type Pattern, patternOfSocket } from './pattern.ts';
import { HostLookup } from './host-lookup.ts';
import { probeZmtpPeer, type ZmtpProbeResult } from './zmtp-peer.ts';

/**
 * State of a connection. `connecting`: the client is not reachable (yet); `ready`: it accepts frames; `stuck`: it is
 * connected but does not answer; `refused`: it is reachable, but the two sides are incompatible.
 */
export type ConnectionState = 'connecting' | 'ready' | 'stuck' | 'refused';

export interface ClientConnectionOptions {
  /** `tcp://HOST:PORT` or `ipc://PATH:PORT` on which the client listens. */
  readonly endpoint: string;
  readonly pattern: Pattern;
  readonly security: Security | null;
  /** Timeout of a reply; 3500 by default. */
  readonly replyTimeoutMs?: number;
}

/** Callbacks of a {@link ClientConnection}. None is called after `close()`. */
interface ClientConnectionEvents {
  /** Called when the state or its reason has changed. */
  changed(state: ConnectionState, reason: string): void;
  /** Called when the client has answered the oldest frame in flight. `parts` is borrowed memory. */
  replied(parts: Uint8Array[], roundTripMs: number): void;
  failed(error: unknown): void;
}

const TICK_MS = 250;

/**
 * Default timeout of a reply, after which the socket is replaced. Three attempts fit into the 12 s of silence after
 * which a real client binds again.
 */
export const REPLY_TIMEOUT_MS = 3500;

/** A peer that accepts TCP but does not complete the handshake within this time is considered stopped. */
const STUCK_AFTER_MS = 1000;

/** Interval between attempts after a failed handshake, whose cause rarely goes away without user action. */
const RETRY_AFTER_MS = 1000;

/**
 * Interval between connections to a PAIR. A PAIR socket that has not yet released its last peer completes the handshake
 * with the next one, and then discards everything it receives.
 */
const PAIR_RETRY_AFTER_MS = 200;

/** Time without an accepted connection after which the client is reported as not listening. */
const GONE_AFTER_MS = 1500;

/**
 * The first message to a client of pattern 0 in secure mode: a black picture, small enough to arrive in one segment.
 * ZeroMQ signals such a client as readable on the first byte, because the peer's credential precedes the message. If
 * the message is not complete at that time, the client's thread ends with `zmq.error.Again` and the client never
 * answers again. Even the first frame of a real server can cause this.
 */
const OPENER_SHAPE = [16, 16, 3] as const;
const OPENER = {
  header: encodeFrameHeader({ kind: 'raw', dtype: 'uint8', shape: OPENER_SHAPE }, 'null', {
    pattern: 'pair',
    serverPort: null,
    dropMessage: true,
  }),
  payload: new Uint8Array(OPENER_SHAPE.reduce((product, size) => product * size, 1)),
} as const;

/** A socket and its frames in flight. Discarded as a whole, so that late replies are not mistaken for new ones. */
interface Link {
  readonly socket: ClientSocket;
  ready: boolean;
  readonly openedAtMs: number;
  /** When the peer's kernel accepted the connection; null while not connected. */
  acceptedAtMs: number | null;
  /** Send times of unanswered frames, oldest first. */
  readonly sentAtMs: number[];
}

/**
 * Persistent connection to one NetGear client. Reconnects until closed and reports failures as readable reasons.
 * If a frame is not answered within the timeout, the socket is discarded with all frames in flight.
 */
export class ClientConnection {
  readonly #options: ClientConnectionOptions;
  readonly #events: ClientConnectionEvents;
  readonly #replyTimeoutMs: number;
  readonly #timer: NodeJS.Timeout;
  #link: Link | null;
  #retry: NodeJS.Timeout | null = null;
  #state: ConnectionState = 'connecting';
  #reason: string;
  #handshakeFailure: HandshakeFailure | null = null;
  readonly #host: HostLookup;
  /** Whether the program at the address was found not to speak ZeroMQ. It is probed before the next connection. */
  #isForeign = false;
  readonly #closing = new AbortController();

  /** @throws {GearwayError} `keys-missing`, `keys-invalid`. */
  constructor(options: ClientConnectionOptions, events: ClientConnectionEvents) {
    this.#options = options;
    this.#events = events;
    this.#replyTimeoutMs = options.replyTimeoutMs ?? REPLY_TIMEOUT_MS;
    this.#host = new HostLookup(options.endpoint);
    this.#reason = this.#notListening();
    this.#link = this.#open();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Why the connection is in this state, as a sentence. */
  get reason(): string {
    return this.#reason;
  }

  /** Why the last handshake failed, as far as ZeroMQ reports it; null before a failure and after a success. */
  get handshakeFailure(): HandshakeFailure | null {
    return this.#handshakeFailure;
  }

  get isReady(): boolean {
    return this.#link?.ready === true;
  }

  /** Number of unanswered frames; always 0 in pattern 2. */
  get inFlight(): number {
    return this.#link?.sentAtMs.length ?? 0;
  }

  /**
   * Sends a frame, or a termination without payload. Header and payload are not copied and must never be written to
   * again.
   *
   * @returns false if the socket cannot accept it now; a later frame may succeed.
   * @throws never: a broken connection is reported in the state.
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
      // The socket is full or broken. Only pattern 2 can be full, because the others limit the frames in flight.
      if (isAnswered && this.#link === link && !this.#closed) this.#reopen('connecting', 'the connection was lost');
      return false;
    }
  }

  /** Discards the frames in flight and reconnects. */
  reset(): void {
    if (!this.#closed) this.#reopen('connecting', 'reconnecting');
  }

  /**
   * Idempotent.
   *
   * @param lingerMs how long to wait for unsent messages to be transmitted before they are discarded.
   */
  close(lingerMs = 0): void {
    if (this.#closed) return;
    this.#closing.abort();
    clearInterval(this.#timer);
    this.#drop(lingerMs);
  }

  /** Closes the socket and cancels a pending retry. */
  #drop(lingerMs = 0): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#link?.socket.close(lingerMs);
    this.#link = null;
  }

  #retryLater(afterMs = RETRY_AFTER_MS): void {
    this.#retry = setTimeout(() => this.#openAgain(), afterMs);
  }

  /** Reads the keys again, because they may have been removed or replaced in the meantime. */
  #openAgain(): void {
    this.#retry = null;
    if (this.#isForeign) {
      this.#probeForeign(() => this.#openAgain());
      return;
    }
    try {
      this.#link = this.#open();
    } catch (error) {
      this.#change('refused', errorText(error));
      if (!this.#closed && this.#retry === null) this.#retryLater();
    }
  }

  #open(): Link {
    const { endpoint, pattern, security } = this.#options;
    const needsOpener = pattern === 'pair' && security !== null;
    const begin = (): void => {
      link.ready = true;
      this.#handshakeFailure = null;
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
          if (needsOpener)
            runInBackground(this.#transmit(link, OPENER.header, OPENER.payload), (error) => this.#events.failed(error));
          else begin();
        }),
        handshakeFailed: (failure) =>
          current(() => runInBackground(this.#explain(failure), (error) => this.#events.failed(error)))(),
        disconnected: current(() => {
          link.acceptedAtMs = null;
          if (link.ready || link.sentAtMs.length > 0) this.#reopen('connecting', 'the connection was lost');
        }),
        reply: (parts) =>
          current(() => {
            const sentAtMs = link.sentAtMs.shift();
            if (!link.ready) begin();
            else if (sentAtMs !== undefined) this.#events.replied(parts, performance.now() - sentAtMs);
          })(),
        failed: (error) => current(() => this.#events.failed(error))(),
        broken: (error) =>
          current(() => {
            this.#drop();
            this.#retryLater();
            this.#change('connecting', `its socket failed: ${errorText(error)}`);
          })(),
      }),
      ready: false,
      openedAtMs: performance.now(),
      acceptedAtMs: null,
      sentAtMs: [],
    };
    return link;
  }

  #reopen(state: ConnectionState, reason: string): void {
    this.#drop();
    this.#change(state, reason);
    // The callback may have closed or reset this connection.
    if (this.#closed || this.#link !== null || this.#retry !== null) return;
    if (this.#options.pattern === 'pair') this.#retryLater(PAIR_RETRY_AFTER_MS);
    else this.#openAgain();
  }

  /** Replaces the socket, because ZeroMQ may give up after a failed handshake, and finds the reason of the failure. */
  async #explain(failure: HandshakeFailure): Promise<void> {
    this.#handshakeFailure = failure;
    this.#drop();
    this.#retryLater();
    if (failure === 'refused') {
      const { endpoint, security } = this.#options;
      const key =
        security?.mode === 'ironhouse'
          ? ', and with secure=2 only if our public_keys/client.key was among its keys when it started'
          : '';
      this.#change(
        'refused',
        `the client at ${endpoint} refuses this gateway: in secure mode it accepts only the IP address in its own options${key}`,
      );
      return;
    }
    const result = await probeZmtpPeer(this.#options.endpoint, this.#closing.signal);
    if (this.#closed || this.isReady) return;
    this.#isForeign = result.kind === 'foreign';
    if (result.kind === 'nobody') this.#change('connecting', this.#notListening());
    else this.#change('refused', this.#mismatch(result));
  }

  /** Describes how the peer differs from the one in the address. */
  #mismatch(result: Exclude<ZmtpProbeResult, { kind: 'nobody' }>): string {
    const { endpoint, pattern, security } = this.#options;
    const number = formatPattern(pattern);
    if (result.kind === 'silent') return `the program at ${endpoint} closed the connection during the handshake`;
    if (result.kind === 'foreign')
      return `the program at ${endpoint} is not a NetGear client: it does not speak ZeroMQ; list the address at which the client binds`;
    const { mechanism, socketType } = result;
    if (security === null && mechanism !== 'NULL')
      return `the client at ${endpoint} is in secure mode; add secure=1 or secure=2 to its address`;
    if (security !== null && mechanism === 'NULL') {
      return `the client at ${endpoint} is not in secure mode, or it restarted unencrypted after 12 s without data; no frames are sent`;
    }
    if (socketType === null) {
      return `the client at ${endpoint} does not accept our keys: our public_keys/server.key does not match its private_keys/server.key_secret, or its pattern is not ${number}`;
    }
    const actual = patternOfSocket(socketType);
    if (actual === pattern) return `the client at ${endpoint} closed the connection during the handshake`;
    return actual === null
      ? `the program at ${endpoint} has a ${socketType} socket, expected a NetGear client of pattern ${number}`
      : `the client at ${endpoint} has pattern ${formatPattern(actual)}, but its address specifies pattern ${number}`;
  }

  #tick(): void {
    const link = this.#link;
    if (link === null) return;
    const now = performance.now();
    const oldest = link.sentAtMs[0];
    if (oldest !== undefined && now - oldest > this.#replyTimeoutMs) this.#unanswered();
    else if (link.ready || oldest !== undefined) return;
    else if (link.acceptedAtMs !== null && now - link.acceptedAtMs > STUCK_AFTER_MS) {
      this.#change(
        'stuck',
        'accepts connections but does not complete the handshake: it is stopped, or not a NetGear client',
      );
    } else if (link.acceptedAtMs === null && now - link.openedAtMs > GONE_AFTER_MS) {
      this.#host.refresh(now);
      this.#change('connecting', this.#notListening());
    }
  }

  #notListening(): string {
    const { endpoint } = this.#options;
    return this.#host.problem === null
      ? `nothing is listening at ${endpoint}`
      : `the client at ${endpoint} cannot be reached: ${this.#host.problem}`;
  }

  /**
   * Called when the peer has not answered a frame in time: it is stuck, or libzmq mistakes it for an old ZeroMQ peer.
   */
  #unanswered(): void {
    this.#reopen('stuck', `no answer for ${this.#replyTimeoutMs / 1000} s`);
    this.#probeForeign(() => undefined);
  }

  /**
   * Checks whether the program at the address speaks ZeroMQ. libzmq mistakes the response of an HTTP server for that
   * of a peer before ZeroMQ 3, and would connect to it repeatedly.
   *
   * @param onOther called unless the program is found not to speak ZeroMQ.
   */
  #probeForeign(onOther: () => void): void {
    const probe = async (): Promise<void> => {
      const result = await probeZmtpPeer(this.#options.endpoint, this.#closing.signal);
      if (this.#closed) return;
      this.#isForeign = result.kind === 'foreign';
      if (result.kind !== 'foreign') {
        onOther();
        return;
      }
      this.#drop();
      this.#retryLater();
      this.#change('refused', this.#mismatch(result));
    };
    runInBackground(probe(), (error) => this.#events.failed(error));
  }

  #change(state: ConnectionState, reason: string): void {
    if (this.#closed || (state === this.#state && reason === this.#reason)) return;
    this.#state = state;
    this.#reason = reason;
    this.#events.changed(state, reason);
  }
}
