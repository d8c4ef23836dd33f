import { type Event, Pair, Pull, Router, Subscriber } from 'zeromq';
import { FRAME_LIMITS } from '../../shared/frame.ts';
import { type Admission, type ConnectingPeer, judgePeer, sharedAuthenticator, type Verdict } from './authenticator.ts';
import { openReceiverKeys, type Security } from './curve-keys.ts';
import { HandshakeLog } from './handshake-log.ts';
import { KEEP_ALIVE } from './keep-alive.ts';
import { receiveAll, UNBOUNDED_QUEUE } from './receive-all.ts';
import {
  PAIR_IS_TAKEN,
  type ServerMessage,
  type ServerSocket,
  type ServerSocketEvents,
  type ServerSocketOptions,
} from './server-socket.ts';
import { followEvents } from './socket-events.ts';

/**
 * SO_RCVBUF for servers that do not wait for replies (the kernel doubles it). Small, because the latency of frames in
 * this buffer cannot be detected.
 */
const SUBSCRIBER_RECEIVE_BUFFER_BYTES = 256 << 10;

/** Maximum duration of a handshake: a silent peer occupies a descriptor for this long. */
const HANDSHAKE_TIMEOUT_MS = 5000;

/**
 * Maximum number of peers. ZeroMQ reads them in turn, and one that has left counts until its last message is read: a
 * flood over many connections would delay the server's frames by as many messages, and use up the process's
 * descriptors.
 */
const MAX_PEERS = 128;

/**
 * Maximum number of peers of a PAIR, which reads only one. libzmq accepts more, and stops the input of those that send
 * data: their connections then stay open after they have left. A refused peer retries until the first one has left.
 */
const MAX_PAIR_PEERS = 1;

/** Maximum number of parts before the empty delimiter of a request: its identifier, and one per broker. */
const MAX_ENVELOPE_PARTS = 16;

/**
 * A bound ZeroMQ socket with encryption: libzmq's CURVE server. Only peers that know its public key, and in IronHouse
 * mode have a listed key, can send messages.
 *
 * Pattern 1 is a ROUTER that emulates REP. A REP drops malformed requests silently, in a loop that runs for as long as
 * more of them arrive, and stops working when a reply is missing; a ROUTER delivers everything together with its
 * sender.
 */
export class CurveServerSocket implements ServerSocket {
  readonly #socket: Router | Pair | Subscriber | Pull;
  readonly #admission: Admission;
  readonly #events: ServerSocketEvents;
  readonly #handshakes: HandshakeLog;
  /** Routing identifier and envelope, including the delimiter, of the message to be answered. */
  #envelope: Uint8Array[] = [];
  #onUnbound: (() => void) | null = null;
  readonly #expected: string;
  #closed = false;
  #closing: Promise<void> | null = null;

  /** @throws {GearwayError} `keys-missing`, `keys-invalid`. */
  constructor({ pattern, expected }: ServerSocketOptions, security: Security, events: ServerSocketEvents) {
    const { publicKey, secretKey } = openReceiverKeys(security.folder);
    this.#expected = expected;
    const authenticator = sharedAuthenticator();
    this.#events = {
      peers: (count) => !this.#closed && events.peers(count),
      refused: (reason) => !this.#closed && events.refused(reason),
      failed: (error) => !this.#closed && events.failed(error),
    };
    this.#handshakes = new HandshakeLog(expected, this.#events);
    this.#admission = authenticator.admit((peer) => this.#judge(security, peer));
    const options = {
      context: authenticator.context,
      zapDomain: this.#admission.domain,
      linger: 0,
      handshakeInterval: HANDSHAKE_TIMEOUT_MS,
      ...KEEP_ALIVE,
      ...UNBOUNDED_QUEUE,
      maxMessageSize: FRAME_LIMITS.payloadBytes,
      curveServer: true,
      curvePublicKey: publicKey,
      curveSecretKey: secretKey,
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
    followEvents(
      this.#socket.events,
      (event) => this.#happened(event),
      (error) => this.#events.failed(error),
    );
  }

  async bind(endpoint: string): Promise<void> {
    // Only if needed: with ipv6 set, the authenticator gets every IPv4 peer as `::ffff:…`.
    this.#socket.ipv6 = endpoint.startsWith('tcp://[');
    await this.#socket.bind(endpoint);
  }

  /**
   * Messages in order of arrival. Returns when the socket is closed. @throws {GearwayError} `flooded`, like {@link
   * receiveAll}.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ServerMessage, void, void> {
    for await (const parts of receiveAll(this.#socket)) {
      if (!(this.#socket instanceof Router)) {
        yield { parts, peer: null };
        continue;
      }
      const delimiter = parts.findIndex((part, index) => index > 0 && part.byteLength === 0);
      if (delimiter < 0 || delimiter > MAX_ENVELOPE_PARTS || delimiter + 1 === parts.length) {
        const count = `${parts.length - 1} ${parts.length === 2 ? 'part' : 'parts'}`;
        this.#events.refused(`a ZeroMQ peer sent a message of ${count} that is not a request of ${this.#expected}`);
        continue;
      }
      this.#envelope = parts.slice(0, delimiter + 1);
      yield { parts: parts.slice(delimiter + 1), peer: Buffer.from(parts[0] ?? []).toString('hex') };
    }
  }

  /** Answers the latest message. It comes from the current peer, because messages are read one at a time. */
  async reply(_peer: string | null, parts: readonly (string | Uint8Array)[]): Promise<void> {
    if (this.#socket instanceof Router) await this.#socket.send([...this.#envelope, ...parts]);
    else if (this.#socket instanceof Pair) await this.#socket.send([...parts]);
  }

  /** Does nothing: libzmq cannot disconnect a peer. */
  malformed(): void {}

  /**
   * Resolves when the address is free again. Idempotent.
   *
   * @param lingerMs how long to wait for unsent replies to be transmitted before they are discarded.
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

  /**
   * Waits until libzmq's I/O thread has closed the listener. Uses `disconnect` because libzmq treats it like unbind,
   * and `unbindSync` of zeromq 6.8 binds.
   */
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

  #judge(security: Security, peer: ConnectingPeer): Verdict {
    const reason = judgePeer(security, peer);
    if (reason !== null) {
      this.#events.refused(reason);
      return 'refused';
    }
    if (this.#socket instanceof Pair && this.#handshakes.expectedPeers >= MAX_PAIR_PEERS) {
      this.#events.refused(PAIR_IS_TAKEN);
      return 'later';
    }
    if (this.#handshakes.peers >= MAX_PEERS) {
      this.#events.refused(`${peer.address} was refused: ${MAX_PEERS} ZeroMQ peers are already connected`);
      return 'later';
    }
    this.#handshakes.admitted(peer.address);
    return 'admitted';
  }
}
