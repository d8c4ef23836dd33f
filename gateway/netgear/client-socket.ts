import { Dealer, type EventType, Pair, XPublisher } from 'zeromq';
import { runInBackground } from '../../shared/background.ts';
import { GearwayError } from '../../shared/errors.ts';
import { systemErrorText } from '../../shared/system-errors.ts';
import { openSenderKeys, type Security } from './curve-keys.ts';
import { KEEP_ALIVE } from './keep-alive.ts';
import type { Pattern } from './pattern.ts';
import { receiveAll, UNBOUNDED_QUEUE } from './receive-all.ts';
import { DEFAULT_REPLY_LIMITS } from './reply-codec.ts';
import { followEvents } from './socket-events.ts';

/** Maximum number of frames in flight to one client. */
export const MAX_IN_FLIGHT = 3;

/**
 * SO_SNDBUF for subscribers (the kernel doubles it). Small, because the latency of frames in this buffer cannot be
 * detected.
 */
const SUBSCRIBER_SEND_BUFFER_BYTES = 64 << 10;

/** First byte of a subscription message; other values unsubscribe. */
const SUBSCRIBED = 1;

/**
 * Maximum size of a message from a subscriber, including the handshake, where CURVE needs up to 168 bytes. A NetGear
 * client subscribes to the empty topic. libzmq takes 70 bytes of memory, and 0.1 µs of the event loop, per byte of a
 * topic.
 */
const MAX_SUBSCRIPTION_BYTES = 256;

/** Maximum number of messages from a subscriber. A NetGear client sends one. */
const MAX_SUBSCRIPTIONS = 64;

/** Why ZeroMQ ended a handshake. `closed`: the peer closed the connection without an error. */
export type HandshakeFailure = 'mechanism' | 'refused' | 'closed';

/** Callbacks of a {@link ClientSocket}. Called in order; none is called after `close()`. */
interface ClientSocketEvents {
  /** Called when the connection was accepted, which the kernel does even for a stopped process. */
  accepted(): void;
  /** Called when the ZMTP handshake is done, and in pattern 2 the client has subscribed: frames can be sent. */
  ready(): void;
  /** Called when the peer closed the connection before the handshake was complete. ZeroMQ may then stop connecting. */
  handshakeFailed(failure: HandshakeFailure): void;
  /** Called when the connection was lost or could not be established. ZeroMQ reconnects automatically. */
  disconnected(): void;
  /** Called with the client's reply, in borrowed memory. */
  reply(parts: Uint8Array[]): void;
  /** Called when a reply was malformed and has been discarded. */
  failed(error: unknown): void;
  /** Called when the socket no longer works: close it and create another one. */
  broken(error: unknown): void;
}

/**
 * The sending socket for one NetGear client. The client binds, so this side connects.
 *
 * Pattern 1 is a DEALER that emulates REQ by sending the empty delimiter itself, so that several frames can be in
 * flight and a late reply is harmless. Pattern 2 is an XPUB, which reports subscriptions, and refuses a frame instead
 * of dropping it silently. `immediate` prevents ZeroMQ from queueing frames while disconnected; the high-water mark
 * limits the frames in flight. After a timeout, close the socket and create another: a frame sent again on the same
 * socket arrives twice.
 */
export class ClientSocket {
  readonly #socket: Dealer | Pair | XPublisher;
  readonly #delimited: boolean;
  /** Whether a subscriber has subscribed. */
  #hasSubscribed = false;
  #closed = false;

  /** @throws {GearwayError} `keys-missing`, `keys-invalid`; `address-invalid` if ZeroMQ cannot use the endpoint. */
  constructor(endpoint: string, pattern: Pattern, security: Security | null, events: ClientSocketEvents) {
    const options = {
      immediate: true,
      sendHighWaterMark: MAX_IN_FLIGHT,
      linger: 0,
      reconnectInterval: 100,
      reconnectMaxInterval: 500,
      ...KEEP_ALIVE,
      ...UNBOUNDED_QUEUE,
      sendTimeout: 0,
      maxMessageSize: DEFAULT_REPLY_LIMITS.payloadBytes,
      ipv6: endpoint.startsWith('tcp://['),
      ...curveOptions(security),
    };
    this.#delimited = pattern === 'request-reply';
    if (this.#delimited) this.#socket = new Dealer(options);
    else if (pattern === 'pair') this.#socket = new Pair(options);
    else {
      this.#socket = new XPublisher({
        ...options,
        sendHighWaterMark: 1,
        sendBufferSize: SUBSCRIBER_SEND_BUFFER_BYTES,
        maxMessageSize: MAX_SUBSCRIPTION_BYTES,
        noDrop: true,
      });
    }
    this.#listen(events);
    try {
      this.#socket.connect(endpoint);
    } catch (error) {
      this.close();
      throw new GearwayError('address-invalid', `cannot connect to ${endpoint}: ${systemErrorText(error)}`, {
        cause: error,
      });
    }
    runInBackground(this.#receive(events), (error) => this.#broken(events, error));
  }

  /**
   * Sends a frame. Header and payload are not copied and must never be written to again.
   *
   * @throws if the socket cannot accept it immediately.
   */
  async send(header: Uint8Array | string, payload?: Uint8Array): Promise<void> {
    const parts = payload === undefined ? [header] : [header, payload];
    await this.#socket.send(this.#delimited ? [null, ...parts] : parts);
  }

  /**
   * Idempotent.
   *
   * @param lingerMs how long to wait for unsent messages to be transmitted before they are discarded.
   */
  close(lingerMs = 0): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.linger = lingerMs;
    this.#socket.close();
  }

  #listen(events: ClientSocketEvents): void {
    let accepted = false;
    let shaken = false;
    const on = (notify: () => void) => () => {
      if (!this.#closed) notify();
    };
    const gone = on(() => {
      const failed = accepted && !shaken;
      const isSubscriber = shaken && this.#socket instanceof XPublisher;
      accepted = shaken = false;
      if (failed) events.handshakeFailed('closed');
      // libzmq does not reconnect after a message that is too large.
      else if (isSubscriber && !this.#hasSubscribed)
        events.broken(new GearwayError('disconnected', 'the client disconnected before it had subscribed'));
      else events.disconnected();
    });
    const failed = (failure: HandshakeFailure): (() => void) =>
      on(() => {
        accepted = false;
        events.handshakeFailed(failure);
      });
    const listeners: Partial<Record<EventType, () => void>> = {
      connect: on(() => {
        accepted = true;
        events.accepted();
      }),
      handshake: on(() => {
        shaken = true;
        if (!(this.#socket instanceof XPublisher)) events.ready();
      }),
      'handshake:error:auth': failed('refused'),
      'handshake:error:protocol': failed('mechanism'),
      disconnect: gone,
      close: gone,
    };
    followEvents(
      this.#socket.events,
      ({ type }) => listeners[type]?.(),
      (error) => this.#broken(events, error),
    );
  }

  #broken(events: ClientSocketEvents, error: unknown): void {
    if (!this.#closed) events.broken(error);
  }

  async #receive(events: ClientSocketEvents): Promise<void> {
    let subscriptions = 0;
    for await (const parts of receiveAll(this.#socket)) {
      if (this.#closed) return;
      if (this.#socket instanceof XPublisher) {
        subscriptions += 1;
        if (subscriptions > MAX_SUBSCRIPTIONS) {
          throw new GearwayError(
            'flooded',
            `the client has sent more than ${MAX_SUBSCRIPTIONS} subscriptions, expected one`,
          );
        }
        if (parts[0]?.[0] !== SUBSCRIBED) continue;
        this.#hasSubscribed = true;
        events.ready();
      } else if (this.#delimited && parts.shift()?.byteLength !== 0) {
        events.failed(new GearwayError('parts-unexpected', 'reply does not begin with an empty delimiter'));
      } else {
        events.reply(parts);
      }
    }
  }
}

function curveOptions(security: Security | null): {
  curvePublicKey?: string;
  curveSecretKey?: string;
  curveServerKey?: string;
} {
  if (security === null) return {};
  const { publicKey, secretKey, peerPublicKey } = openSenderKeys(security.folder);
  return { curvePublicKey: publicKey, curveSecretKey: secretKey, curveServerKey: peerPublicKey };
}
