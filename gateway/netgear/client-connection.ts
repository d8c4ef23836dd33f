import { runInBackground } from '../../shared/background.ts';
import { errorText } from '../../shared/errors.ts';
import { ClientSocket, type HandshakeFailure } from './client-socket.ts';
import type { Security } from './curve-keys.ts';
import { encodeFrameHeader } from './frame-codec.ts';
import { formatPattern, type Pattern, patternOfSocket } from './pattern.ts';
import { lookAtZmtpPeer, type ZmtpLook } from './zmtp-peer.ts';

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
  /** After how long an answer is not waited for any longer; 3.5 s unless given. */
  readonly replyTimeoutMs?: number;
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

/**
 * A reply later than this is not waited for: the socket is closed and another made. Three tries fit into the 12 s of silence after which a real
 * client binds anew.
 */
export const REPLY_TIMEOUT_MS = 3500;

/** A peer that accepts TCP but does not shake hands is there, and stopped. */
const STUCK_AFTER_MS = 1000;

/** How long after a failed handshake the next is tried: nothing changes by itself. */
const RETRY_AFTER_MS = 1000;

/**
 * A PAIR socket that has not yet let go of its last peer takes the next one's connection, shakes hands, and then loses everything that it is sent.
 */
const PAIR_RETRY_AFTER_MS = 200;

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
 * What is sent is either answered in time (3.5 s), or the socket is thrown away with all that was in flight.
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
  readonly #closing = new AbortController();

  /** @throws {GearwayError} `keys-missing`, `keys-invalid`. */
  constructor(options: ClientConnectionOptions, events: ClientConnectionEvents) {
    this.#options = options;
    this.#events = events;
    this.#replyTimeoutMs = options.replyTimeoutMs ?? REPLY_TIMEOUT_MS;
    this.#reason = this.#nobody();
    this.#link = this.#open();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Why it is in this state, as a sentence. */
  get reason(): string {
    return this.#reason;
  }

  /** Why the last handshake failed, as far as ZeroMQ tells; null before one has, and once one has succeeded. */
  get handshakeFailure(): HandshakeFailure | null {
    return this.#handshakeFailure;
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

  /**
   * Idempotent.
   *
   * @param lingerMs for how long what was sent and has not left yet may still leave; it is thrown away otherwise.
   */
  close(lingerMs = 0): void {
    if (this.#closed) return;
    this.#closing.abort();
    clearInterval(this.#timer);
    this.#drop(lingerMs);
  }

  /** Throws the socket away, and the plan to make another. */
  #drop(lingerMs = 0): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#link?.socket.close(lingerMs);
    this.#link = null;
  }

  #retryLater(afterMs = RETRY_AFTER_MS): void {
    this.#retry = setTimeout(() => this.#openAgain(), afterMs);
  }

  /** The keys are read anew, and may have gone or been exchanged meanwhile. */
  #openAgain(): void {
    this.#retry = null;
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
          if (needsOpener) runInBackground(this.#transmit(link, OPENER.header, OPENER.payload), (error) => this.#events.failed(error));
          else begin();
        }),
        handshakeFailed: (failure) => current(() => runInBackground(this.#explain(failure), (error) => this.#events.failed(error)))(),
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
    // Who hears of the change may have closed us, or have had us connect anew.
    if (this.#closed || this.#link !== null || this.#retry !== null) return;
    if (this.#options.pattern === 'pair') this.#retryLater(PAIR_RETRY_AFTER_MS);
    else this.#openAgain();
  }

  /** After a failed handshake ZeroMQ may have given up by itself. */
  async #explain(failure: HandshakeFailure): Promise<void> {
    this.#handshakeFailure = failure;
    this.#drop();
    this.#retryLater();
    if (failure === 'refused') {
      const { endpoint, security } = this.#options;
      const key = security?.mode === 'ironhouse' ? 'with secure=2 it needs our public_keys/client.key among its own when it starts, and ' : '';
      this.#change('refused', `the client at ${endpoint} refuses us: ${key}in secure mode it lets in only who has the IP address that it was given itself`);
      return;
    }
    const look = await lookAtZmtpPeer(this.#options.endpoint, this.#closing.signal);
    if (this.#closed || this.isReady) return;
    if (look.kind === 'nobody') this.#change('connecting', this.#nobody());
    else this.#change('refused', this.#misfit(look));
  }

  /** What does not fit between the address and who is there. */
  #misfit(look: Exclude<ZmtpLook, { kind: 'nobody' }>): string {
    const { endpoint, pattern, security } = this.#options;
    if (look.kind === 'silent') return `what listens at ${endpoint} hung up in the handshake`;
    if (look.kind === 'foreign') return `what listens at ${endpoint} is no NetGear client: it does not speak ZeroMQ`;
    const { mechanism, socketType } = look;
    if (security === null && mechanism !== 'NULL') return `the client at ${endpoint} is in secure mode; add secure=1 or secure=2 to its address`;
    if (security !== null && mechanism === 'NULL') return `the client at ${endpoint} is not in secure mode: it was never told to be, or it has bound anew after 12 s of silence, which it does without encryption; no frame is sent to it`;
    if (socketType === null) return `the client at ${endpoint} does not accept our keys: our public_keys/server.key is not the one that belongs to its private_keys/server.key_secret, or it has another pattern than ${formatPattern(pattern)}`;
    const actual = patternOfSocket(socketType);
    if (actual === pattern) return `the client at ${endpoint} hung up in the handshake`;
    return actual === null ? `what listens at ${endpoint} is a ${socketType} socket, expected a NetGear client of pattern ${formatPattern(pattern)}` : `the client at ${endpoint} has pattern ${formatPattern(actual)}, its address says pattern ${formatPattern(pattern)}`;
  }

  #tick(): void {
    const link = this.#link;
    if (link === null) return;
    const now = performance.now();
    const oldest = link.sentAtMs[0];
    if (oldest !== undefined && now - oldest > this.#replyTimeoutMs) this.#reopen('stuck', `no answer for ${this.#replyTimeoutMs / 1000} s`);
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
