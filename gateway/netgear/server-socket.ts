import { Dealer, type Event, Pair, Pull, Router, Subscriber } from 'zeromq';
import { FRAME_LIMITS } from '../../shared/frame.ts';
import { GearwayError } from '../../shared/errors.ts';
import { TokenBucket } from '../../shared/token-bucket.ts';
import { type Admission, type ConnectingPeer, judgePeer, sharedAuthenticator, type Verdict } from './authenticator.ts';
import { openReceiverKeys, type Security } from './curve-keys.ts';
import { HandshakeLog } from './handshake-log.ts';
import { KEEP_ALIVE } from './keep-alive.ts';
import { type AsyncPattern, formatPattern } from './pattern.ts';
import { DEFAULT_QUEUE_LIMITS, type QueueLimits, receiveAll, UNBOUNDED_QUEUE } from './receive-all.ts';
import { followEvents } from './socket-events.ts';

export interface ServerSocketOptions {
  readonly pattern: AsyncPattern;
  /** Null for a socket that is not secured. */
  readonly security: Security | null;
  /** The reply that carries nothing. */
  readonly emptyReply: readonly (string | Uint8Array)[];
  /** The peers that it is for, as named in the reasons of {@link ServerSocketEvents.refused}. */
  readonly expected?: string;
}

/** A peer of a ROUTER. */
interface Peer {
  /** What a reply begins with, its delimiter included: the routing identifier, and those of brokers on the way. */
  envelope: Uint8Array[];
  readonly budget: TokenBucket;
  excess: number;
}

/** Numbers the internal endpoints of this process. */
let endpoints = 0;

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

/**
 * Requests of one peer: who waits for replies stays far below. One that is malformed costs as much as {@link MALFORMED_COST}: a flood of them is stopped
 * after few, and a server that knows no better may go on at the rate of its camera.
 */
const MAX_REQUESTS_PER_S = 5000;
const MALFORMED_COST = 50;

/** Requests beyond them that are thrown away before the peer is muted, which frees what waits of it. */
const MAX_EXCESS = 200;

/** The number of messages is limited for each peer instead: ZeroMQ reads peers in turn, and those that flood the socket delay the others little. */
const ROUTER_QUEUE_LIMITS: QueueLimits = { ...DEFAULT_QUEUE_LIMITS, messages: Infinity };

/** Number of muted peers among {@link MAX_PEERS} from which on the socket is closed for a moment: libzmq keeps the descriptors of those that have gone. */
const MAX_MUTED = 64;

/** For how long the replies to all may still leave when a flood closes the socket. */
const RELEASE_LINGER_MS = 200;

/**
 * Maximum number of peers of a PAIR, which reads one peer alone. libzmq accepts more, and stops the input of one that sends something: its connection then stays after it
 * has left. The next one tries again until the first has left.
 */
const MAX_PAIR_PEERS = 1;

/** Maximum number of parts before the empty delimiter of a request: its identifier, and a hop per broker. */
const MAX_ENVELOPE_PARTS = 16;

/**
 * The receiving side towards one NetGear server, which connects: we bind. In secure mode we are the CURVE server.
 * Iterate over it for messages; answer each with {@link reply} (not in patterns 2 and 3).
 *
 * Pattern 1 is a ROUTER that acts as a REP. A REP drops a malformed request without a word, in a loop that lasts as long as more of them come, and
 * refuses to work when a reply is missing; a ROUTER delivers everything, and who sent it.
 */
export class ServerSocket {
  readonly #socket: Router | Pair | Subscriber | Pull;
  readonly #admission: Admission;
  readonly #events: ServerSocketEvents;
  readonly #handshakes: HandshakeLog;
  /** By routing identifier, the latest sender last. */
  readonly #peers = new Map<string, Peer>();
  readonly #muteEndpoint = `inproc://mute-${(endpoints += 1)}`;
  #muted = 0;
  /** Where it listens. */
  #endpoint: string | null = null;
  #onUnbound: (() => void) | null = null;
  readonly #expected: string;
  readonly #emptyReply: readonly (string | Uint8Array)[];
  #closed = false;
  #closing: Promise<void> | null = null;

  /** @throws {GearwayError} `keys-missing`, `keys-invalid`. */
  constructor({ pattern, security, emptyReply, expected = `a server of pattern ${formatPattern(pattern)}` }: ServerSocketOptions, events: ServerSocketEvents) {
    const curve = curveOptions(security);
    this.#expected = expected;
    this.#emptyReply = emptyReply;
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
      maxMessageSize: FRAME_LIMITS.payloadBytes,
      ...curve,
    };
    switch (pattern) {
      case 'pair':
        this.#socket = new Pair({ ...options, sendHighWaterMark: 2, sendTimeout: 0 });
        break;
      case 'request-reply':
        // To take over the identifier of another peer one has to know it, and libzmq chooses them at random.
        this.#socket = new Router({ ...options, sendHighWaterMark: 2, sendTimeout: 0, handover: true });
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
    if (endpoint.startsWith('tcp://[')) this.#socket.ipv6 = true;
    await this.#socket.bind(endpoint);
    const isFirst = this.#endpoint === null;
    this.#endpoint = this.#socket.lastEndpoint;
    if (isFirst && this.#socket instanceof Router) await this.#socket.bind(this.#muteEndpoint);
  }

  /**
   * The messages, in order of arrival. Returns when the socket is closed.
   *
   * @throws {GearwayError} `flooded`, as {@link receiveAll} does; the socket is closed then.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ServerMessage, void, void> {
    try {
      for await (const parts of receiveAll(this.#socket, this.#socket instanceof Router ? ROUTER_QUEUE_LIMITS : DEFAULT_QUEUE_LIMITS)) {
        const message = this.#socket instanceof Router ? this.#request(parts, this.#socket) : { parts, peer: null };
        if (message !== null) yield message;
      }
    } catch (error) {
      await this.#releaseAll();
      throw error;
    }
  }

  /**
   * @returns null for what is no request, and for one too many; its peer is told nothing.
   * @throws {GearwayError} `flooded` when muted peers use up the connections.
   */
  #request(parts: Uint8Array[], router: Router): ServerMessage | null {
    if (this.#muted >= MAX_MUTED && this.#handshakes.peers >= MAX_PEERS) throw new GearwayError('flooded', 'too many ZeroMQ peers sent more requests than can be read; the socket is closed for a moment');
    const [routingId = new Uint8Array()] = parts;
    const id = Buffer.from(routingId).toString('hex');
    const peer = this.#peers.get(id) ?? { envelope: [], budget: new TokenBucket(MAX_REQUESTS_PER_S), excess: 0 };
    this.#peers.delete(id);
    this.#peers.set(id, peer);
    const [oldest] = this.#peers.keys();
    if (this.#peers.size > MAX_PEERS && oldest !== undefined) this.#peers.delete(oldest);
    if (!peer.budget.take(performance.now())) {
      peer.excess += 1;
      if (peer.excess === MAX_EXCESS) this.#mute(routingId, router);
      return null;
    }
    const delimiter = parts.findIndex((part, index) => index > 0 && part.byteLength === 0);
    if (delimiter < 0 || delimiter > MAX_ENVELOPE_PARTS || delimiter + 1 === parts.length) {
      this.malformed(id);
      this.#events.refused(`a ZeroMQ peer sent a message of ${parts.length - 1} ${parts.length === 2 ? 'part' : 'parts'} that is not a request of ${this.#expected}`);
      return null;
    }
    peer.envelope = parts.slice(0, delimiter + 1);
    return { parts: parts.slice(delimiter + 1), peer: id };
  }

  /** Counts the last message of a peer as malformed. */
  malformed(peer: string | null): void {
    const budget = this.#peers.get(peer ?? '')?.budget;
    const nowMs = performance.now();
    budget?.take(nowMs, Math.min(MALFORMED_COST - 1, budget.available(nowMs)));
  }

  /**
   * Reads nothing more of a peer, and frees what waits of it; libzmq can neither close one connection of a socket nor stop reading it. It drops a peer whose
   * routing identifier another one takes over: here a socket of this process, for a moment. If the peer has not gone yet, its connection stays open until
   * this socket is closed, and its sender stops when the buffers of the kernel are full.
   */
  #mute(routingId: Uint8Array, router: Router): void {
    this.#muted += 1;
    this.#events.refused(`a ZeroMQ peer sent more requests than can be read (${MAX_REQUESTS_PER_S} per second, ${MAX_REQUESTS_PER_S / MALFORMED_COST} of them malformed): nothing more is read of it`);
    // Identifiers are bytes, which zeromq takes and its types do not know.
    const successor = new Dealer({ context: sharedAuthenticator().context, linger: 0, routingId: Buffer.from(routingId) as unknown as string });
    try {
      successor.connect(this.#muteEndpoint);
      admitConnected(router);
    } finally {
      successor.close();
    }
  }

  /**
   * Closes the socket when a flood has filled its queue. A request that waits there is lost, and a REQ that sent it would wait for ever (imagezmq) or use
   * up one of its `max_retries` (NetGear). All get a reply: a REQ that waits for none throws it away with its next request.
   */
  async #releaseAll(): Promise<void> {
    if (this.#socket instanceof Router) {
      // One that has gone, or does not read, has no use for it.
      for (const { envelope } of this.#peers.values()) await this.#socket.send([...envelope, ...this.#emptyReply]).catch(() => undefined);
    }
    await this.close(RELEASE_LINGER_MS);
  }

  /** Answers the last message of a peer; does nothing in patterns 2 and 3, which have no answers. Rejects when the server is gone. */
  async reply(peer: string | null, parts: readonly (string | Uint8Array)[]): Promise<void> {
    if (this.#socket instanceof Router) await this.#socket.send([...(this.#peers.get(peer ?? '')?.envelope ?? []), ...parts]);
    else if (this.#socket instanceof Pair) await this.#socket.send([...parts]);
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
    const endpoint = this.#endpoint;
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
    if (this.#socket instanceof Pair && this.#handshakes.expectedPeers >= MAX_PAIR_PEERS) {
      this.#events.refused('another server waits for the first one to end');
      return 'later';
    }
    if (this.#handshakes.peers >= MAX_PEERS) {
      this.#events.refused(`${peer.address} was refused: ${MAX_PEERS} ZeroMQ peers are connected already`);
      return 'later';
    }
    this.#handshakes.admitted(peer.address);
    return 'admitted';
  }
}

/** libzmq does so whenever it is asked what can be done with a socket. */
function admitConnected(socket: Router): boolean {
  return socket.readable;
}

function curveOptions(security: Security | null): { curveServer?: true; curvePublicKey?: string; curveSecretKey?: string } {
  if (security === null) return {};
  const { publicKey, secretKey } = openReceiverKeys(security.folder);
  return { curveServer: true, curvePublicKey: publicKey, curveSecretKey: secretKey };
}
