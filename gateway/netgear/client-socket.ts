import { Dealer, Pair } from 'zeromq';
import { GearwayError } from '../../shared/errors.ts';
import { DEFAULT_REPLY_LIMITS } from './reply-codec.ts';
import type { Pattern } from './pattern.ts';

/** Most frames in flight to one client: more than that the socket does not take. */
export const MAX_IN_FLIGHT = 3;

/** What happens to a {@link ClientSocket}. Called in order; nothing is called after `close()`. */
export interface ClientSocketEvents {
  /** Somebody accepted the TCP connection, which the kernel of a stopped process does too. */
  accepted(): void;
  /** The ZMTP handshake is done: frames can be sent. */
  connected(): void;
  /** The connection is gone, or could not be made. ZeroMQ tries again by itself. */
  disconnected(): void;
  /** What the client answered, borrowed memory. */
  reply(parts: Uint8Array[]): void;
  failed(error: unknown): void;
}

/**
 * The sending side towards one NetGear client, which binds: we connect.
 *
 * Pattern 1 is a DEALER that plays REQ by sending the empty delimiter itself, so that several frames can be in flight and
 * a late reply harms nothing. `immediate` keeps frames from being stored for who is not there, and the high-water mark is what may be in flight.
 * After a time-out, close the socket and make another: a frame that is sent again on the same one arrives twice.
 */
export class ClientSocket {
  readonly #socket: Dealer | Pair;
  readonly #delimited: boolean;
  #closed = false;

  constructor(endpoint: string, pattern: Exclude<Pattern, 'publish-subscribe'>, events: ClientSocketEvents) {
    const options = {
      immediate: true,
      sendHighWaterMark: MAX_IN_FLIGHT,
      linger: 0,
      reconnectInterval: 100,
      reconnectMaxInterval: 500,
      heartbeatInterval: 1000,
      heartbeatTimeout: 3000,
      sendTimeout: 0,
      maxMessageSize: DEFAULT_REPLY_LIMITS.payloadBytes,
    };
    this.#delimited = pattern === 'request-reply';
    this.#socket = this.#delimited ? new Dealer(options) : new Pair(options);
    const on = (notify: () => void) => () => {
      if (!this.#closed) notify();
    };
    this.#socket.events.on('connect', on(() => events.accepted()));
    this.#socket.events.on('handshake', on(() => events.connected()));
    this.#socket.events.on('disconnect', on(() => events.disconnected()));
    this.#socket.events.on('close', on(() => events.disconnected()));
    this.#socket.connect(endpoint);
    void this.#receive(events);
  }

  /**
   * Sends a frame. Header and payload are not copied and must never be written to again.
   *
   * @throws when the socket cannot take it at once.
   */
  async send(header: Uint8Array | string, payload?: Uint8Array): Promise<void> {
    const parts = payload === undefined ? [header] : [header, payload];
    await this.#socket.send(this.#delimited ? [null, ...parts] : parts);
  }

  /** Idempotent. What was not sent is thrown away. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  async #receive(events: ClientSocketEvents): Promise<void> {
    try {
      for await (const parts of this.#socket) {
        if (this.#closed) return;
        if (this.#delimited && parts.shift()?.byteLength !== 0) {
          events.failed(new GearwayError('parts-unexpected', 'reply does not begin with an empty delimiter'));
          continue;
        }
        events.reply(parts);
      }
    } catch (error) {
      if (!this.#closed) events.failed(error);
    }
  }
}
