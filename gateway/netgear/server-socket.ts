import { type Event, Pair, Pull, Router, Subscriber } from 'zeromq';
import { type Admission, type ConnectingPeer, judgePeer, sharedAuthenticator, type Verdict } from './authenticator.ts';
import { openReceiverKeys, type Security } from './curve-keys.ts';
import { DEFAULT_FRAME_LIMITS } from './frame-codec.ts';
import { HandshakeLog } from './handshake-log.ts';
import { KEEP_ALIVE } from './keep-alive.ts';
import { type AsyncPattern, formatPattern } from './pattern.ts';
import { receiveAll, UNBOUNDED_QUEUE } from './receive-all.ts';
import { followEvents } from './socket-events.ts';

/** What happens to a {@link ServerSocket}. Nothing is called after `close()`. */
export interface ServerSocketEvents {
  /** Number of servers that have completed the handshake. One that sends nothing yet is no proof of frames. */
  peers(count: number): void;
  /** A connection or a message was refused: why, a sentence without its end. */
  refused(reason: string): void;
  /** The socket no longer works: close it. */
  failed(error: unknown): void;
}

/** A message of a server. */
export interface ServerMessage {
  readonly parts: Uint8Array[];
  /** Identifies the connection that it came by; null where ZeroMQ hides that, which it does in all patterns but 1. */
  readonly peer: string | null;
}

/** A kernel buffer for a server that sends faster than we read, and waits for no answer: more is delay that nobody sees. It doubles the figure. */
const SUBSCRIBER_RECEIVE_BUFFER_BYTES = 256 << 10;

/** Maximum duration of a handshake: a peer that stays silent holds a descriptor for this long. */
const HANDSHAKE_TIMEOUT_MS = 5000;

/**
 * Maximum number of peers. ZeroMQ reads them in turn, and one that has left counts until its last message is read: a flood over many connections would
 * delay the frames of the server by as many messages, and use up the descriptors of the process.
 */
const MAX_PEERS = 128;

/** Maximum number of parts before the empty delimiter of a request: its identifier, and a hop per broker. */
const MAX_ENVELOPE_PARTS = 16;

/**
 * The receiving side towards one NetGear server, which connects: we bind. In secure mode we are the CURVE server.
 * Iterate over it for messages; answer each with {@link reply} before asking for the next (not in patterns 2 and 3).
 *
 * Pattern 1 is a ROUTER that acts as a REP. A REP drops a malformed request without a word, in a loop that lasts as long as more of them come, and
 * refuses to work when a reply is missing; a ROUTER delivers everything, and who sent it.
 */
export class ServerSocket {
  readonly #socket: Router | Pair | Subscriber | Pull;
  readonly #admission: Admission;
  readonly #events: ServerSocketEvents;
  readonly #handshakes: HandshakeLog;
  /** Routing identifier, and what came before the delimiter and with it, of the message that is to be answered. */
  #envelope: Uint8Array[] = [];
  #onUnbound: (() => void) | null = null;
  readonly #expected: string;
  #closed = false;
  #closing: Promise<void> | null = null;

  /**
   * @param expected the peers that it is for, as named in the reasons of {@link ServerSocketEvents.refused}.
   * @throws {GearwayError} `keys-missing`, `keys-invalid`.
   */
  constructor(pattern: AsyncPattern, security: Security | null, events: ServerSocketEvents, expected = `a server of pattern ${formatPattern(pattern)}`) {
    const curve = curveOptions(security);
    this.#expected = expected;
    const authenticator = sharedAuthenticator();
    this.#events = {
      peers: (count) => !this.#closed && events.peers(count),
      refused: (reason) => !this.#closed && events.refused(reason),
      failed: (error) => !this.#closed && events.failed(error),
    };
    this.#handshakes = new HandshakeLog(expected, security !== null, this.#events);
    this.#admission = authenticator.admit((peer) => this.#judge(security, peer));
    const options = {
      context: authenticator.context,
      zapDomain: this.#admission.domain,
      linger: 0,
      handshakeInterval: HANDSHAKE_TIMEOUT_MS,
      ...KEEP_ALIVE,
      ...UNBOUNDED_QUEUE,
      maxMessageSize: DEFAULT_FRAME_LIMITS.payloadBytes,
      ...curve,
    };
    switch (pattern) {
      case 'pair':
        this.#socket = new Pair({ ...options, sendHighWaterMark: 2, sendTimeout: 0 });
        break;
      case 'request-reply':
        this.#socket = new Router({ ...options, sendHighWaterMark: 2, sendTimeout: 0 });
        break;
      case 'publish-subscribe': {
        const subscriber = new Subscriber({ ...options, receiveBufferSize: SUBSCRIBER_RECEIVE_BUFFER_BYTES });
        subscriber.subscribe();
        this.#socket = subscriber;
        break;
      }
      case 'push-pull':
        this.#socket = new Pull({ ...options, receiveBufferSize: SUBSCRIBER_RECEIVE_BUFFER_BYTES });
        break;
      default:
        pattern satisfies never;
        throw new TypeError(`no pattern: ${String(pattern)}`);
    }
    followEvents(this.#socket.events, (event) => this.#happened(event), (error) => this.#events.failed(error));
  }

  /** @throws when the address is in use or not ours. */
  async bind(endpoint: string): Promise<void> {
    // Only where it is asked for: it would make every IPv4 peer `::ffff:…` to the authenticator.
    this.#socket.ipv6 = endpoint.startsWith('tcp://[');
    await this.#socket.bind(endpoint);
  }

  /** The messages, in order of arrival. Returns when the socket is closed. @throws {GearwayError} `flooded`, as {@link receiveAll} does. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ServerMessage, void, void> {
    for await (const parts of receiveAll(this.#socket)) {
      if (!(this.#socket instanceof Router)) {
        yield { parts, peer: null };
        continue;
      }
      const delimiter = parts.findIndex((part, index) => index > 0 && part.byteLength === 0);
      if (delimiter < 0 || delimiter > MAX_ENVELOPE_PARTS || delimiter + 1 === parts.length) {
        this.#events.refused(`a ZeroMQ peer sent a message of ${parts.length - 1} ${parts.length === 2 ? 'part' : 'parts'} that is not a request of ${this.#expected}`);
        continue;
      }
      this.#envelope = parts.slice(0, delimiter + 1);
      yield { parts: parts.slice(delimiter + 1), peer: Buffer.from(parts[0] ?? []).toString('hex') };
    }
  }

  /** Answers the message that came last; does nothing in patterns 2 and 3, which have no answers. Rejects when the server is gone. */
  async reply(parts: (string | Uint8Array)[]): Promise<void> {
    if (this.#socket instanceof Router) await this.#socket.send([...this.#envelope, ...parts]);
    else if (this.#socket instanceof Pair) await this.#socket.send(parts);
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
    this.#admission.close();
    this.#handshakes.close();
  }

  /** libzmq closes a listener in a thread of its own, some time after it was told to. For it, to unbind and to disconnect are one; zeromq 6.8's `unbindSync` binds. */
  async #unbind(): Promise<void> {
    const endpoint = this.#socket.lastEndpoint;
    if (endpoint === null) return;
    await new Promise<void>((resolve) => {
      this.#onUnbound = resolve;
      this.#socket.disconnect(endpoint);
    });
  }

  #happened(event: Event): void {
    if (event.type === 'close') this.#onUnbound?.();
    this.#handshakes.add(event);
  }

  #judge(security: Security | null, peer: ConnectingPeer): Verdict {
    const reason = security === null ? null : judgePeer(security, peer);
    if (reason !== null) {
      this.#events.refused(reason);
      return 'refused';
    }
    if (this.#handshakes.peers >= MAX_PEERS) {
      this.#events.refused(`${peer.address} was refused: ${MAX_PEERS} ZeroMQ peers are connected already`);
      return 'later';
    }
    this.#handshakes.admitted(peer.address);
    return 'admitted';
  }
}

function curveOptions(security: Security | null): { curveServer?: true; curvePublicKey?: string; curveSecretKey?: string } {
  if (security === null) return {};
  const { publicKey, secretKey } = openReceiverKeys(security.folder);
  return { curveServer: true, curvePublicKey: publicKey, curveSecretKey: secretKey };
}
