import { Context, Pair, Pull, Reply, Subscriber } from 'zeromq';
import { Authenticator } from './authenticator.ts';
import { openReceiverKeys, type Security } from './curve-keys.ts';
import { DEFAULT_FRAME_LIMITS } from './frame-codec.ts';
import { type AsyncPattern, formatPattern } from './pattern.ts';

/** What happens to a {@link ServerSocket}. */
export interface ServerSocketEvents {
  /** How many servers are connected. One that says nothing yet is no proof of frames. */
  peers(count: number): void;
  /** Somebody came and was not let in, or could not be understood: why, as a sentence. */
  refused(reason: string): void;
}

/** A kernel buffer for a server that sends faster than we read, and waits for no answer: more is delay that nobody sees. It doubles the figure. */
const SUBSCRIBER_RECEIVE_BUFFER_BYTES = 256 << 10;

/** A server that is refused comes again within this time, and then may be the first to hang up: it is known why. */
const EXPLAINED_FOR_MS = 1000;

/**
 * The receiving side towards one NetGear server, which connects: we bind. In secure mode we are the CURVE server, with an authenticator of our own.
 * Iterate over it for messages; answer each with {@link reply} before asking for the next (not in patterns 2 and 3).
 */
export class ServerSocket {
  readonly #socket: Reply | Pair | Subscriber | Pull;
  readonly #authenticator: Authenticator | null;
  #closed = false;
  #closing: Promise<void> | null = null;

  /** @throws {GearwayError} `keys-missing`, `keys-invalid`. */
  constructor(pattern: AsyncPattern, security: Security | null, events: ServerSocketEvents) {
    // An authenticator decides for a whole context, so that each secure socket has one of its own.
    const context = security === null ? null : new Context();
    this.#authenticator = security === null || context === null ? null : new Authenticator(context, security, (reason) => events.refused(reason));
    const options = {
      linger: 0,
      heartbeatInterval: 500,
      heartbeatTimeout: 1500,
      maxMessageSize: DEFAULT_FRAME_LIMITS.payloadBytes,
      ...(context === null ? {} : { context }),
      ...curveOptions(security),
    };
    switch (pattern) {
      case 'pair':
        this.#socket = new Pair({ ...options, receiveHighWaterMark: 2, sendHighWaterMark: 2, sendTimeout: 0 });
        break;
      case 'request-reply':
        this.#socket = new Reply({ ...options, receiveHighWaterMark: 2, sendHighWaterMark: 2, sendTimeout: 0 });
        break;
      case 'publish-subscribe': {
        const subscriber = new Subscriber({ ...options, receiveHighWaterMark: 8, receiveBufferSize: SUBSCRIBER_RECEIVE_BUFFER_BYTES });
        subscriber.subscribe();
        this.#socket = subscriber;
        break;
      }
      case 'push-pull':
        this.#socket = new Pull({ ...options, receiveHighWaterMark: 2, receiveBufferSize: SUBSCRIBER_RECEIVE_BUFFER_BYTES });
        break;
      default:
        pattern satisfies never;
        throw new TypeError(`no pattern: ${String(pattern)}`);
    }
    this.#listen(pattern, security, events);
  }

  /** @throws when the address is in use or not ours. */
  async bind(endpoint: string): Promise<void> {
    await this.#authenticator?.open();
    // Only where it is asked for: it would make every IPv4 peer `::ffff:…` to the authenticator.
    this.#socket.ipv6 = endpoint.startsWith('tcp://[');
    await this.#socket.bind(endpoint);
  }

  /** The parts of each message, in the order in which they came. Ends when the socket is closed. */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array[]> {
    return this.#socket[Symbol.asyncIterator]();
  }

  /** Answers the message that came last; does nothing in patterns 2 and 3, which have no answers. Rejects when the server is gone. */
  async reply(parts: (string | Uint8Array)[]): Promise<void> {
    if (!(this.#socket instanceof Subscriber || this.#socket instanceof Pull)) await this.#socket.send(parts);
  }

  /**
   * Resolves when the address is free again. Idempotent.
   *
   * @param lingerMs for how long a reply that has not left yet may still leave; it is thrown away otherwise.
   */
  close(lingerMs = 0): Promise<void> {
    this.#closed = true;
    this.#closing ??= this.#close(lingerMs);
    return this.#closing;
  }

  async #close(lingerMs: number): Promise<void> {
    this.#socket.linger = lingerMs;
    await this.#unbind();
    this.#socket.close();
    this.#authenticator?.close();
  }

  /** libzmq closes a listener in a thread of its own, some time after it was told to. For it, to unbind and to disconnect are one; zeromq 6.8's `unbindSync` binds. */
  async #unbind(): Promise<void> {
    const endpoint = this.#socket.lastEndpoint;
    if (endpoint === null) return;
    await new Promise<void>((resolve) => {
      this.#socket.events.on('close', () => resolve());
      this.#socket.disconnect(endpoint);
    });
  }

  #listen(pattern: AsyncPattern, security: Security | null, events: ServerSocketEvents): void {
    const monitor = this.#socket.events;
    /** Connections, and those of them whose handshake is not done. The monitor does not say which connection it speaks of. */
    let connections = 0;
    let pending = 0;
    let explainedAtMs = -Infinity;
    const count = (connectionsChange: number, pendingChange: number): void => {
      connections = Math.max(0, connections + connectionsChange);
      pending = Math.max(0, pending + pendingChange);
      if (!this.#closed) events.peers(Math.max(0, connections - pending));
    };
    const refuse = (reason: string): void => {
      explainedAtMs = performance.now();
      if (!this.#closed) events.refused(reason);
    };
    monitor.on('accept', () => count(1, 1));
    monitor.on('handshake', () => count(0, -1));
    monitor.on('handshake:error:auth', () => (explainedAtMs = performance.now())); // by the authenticator, with its reason
    monitor.on('handshake:error:protocol', ({ error }) => {
      if ('code' in error && error.code === 'ERR_ZMTP_CRYPTOGRAPHIC') refuse('a server was refused: its public_keys/server.key is not the one that belongs to our private_keys/server.key_secret');
      else refuse(security === null ? 'a server was refused: it uses secure mode; add secure=1 or secure=2 to the address' : 'a server was refused: it does not use secure mode');
    });
    monitor.on('disconnect', () => {
      const wasPending = pending > 0;
      count(-1, -1);
      if (wasPending && performance.now() - explainedAtMs > EXPLAINED_FOR_MS && !this.#closed) events.refused(`somebody hung up in the handshake: a server of another pattern than ${formatPattern(pattern)}, or one that uses ${security === null ? '' : 'no '}secure mode`);
    });
  }
}

function curveOptions(security: Security | null): { curveServer?: true; curvePublicKey?: string; curveSecretKey?: string; zapDomain?: string } {
  if (security === null) return {};
  const { publicKey, secretKey } = openReceiverKeys(security.folder);
  return { curveServer: true, curvePublicKey: publicKey, curveSecretKey: secretKey, zapDomain: 'global' };
}
