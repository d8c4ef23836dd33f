import { Pair, Reply, Subscriber } from 'zeromq';
import { DEFAULT_FRAME_LIMITS } from './frame-codec.ts';
import type { Pattern } from './pattern.ts';

/** What happens to a {@link ServerSocket}. */
export interface ServerSocketEvents {
  /** A server's connection came (1) or went (-1). One that says nothing yet is no proof of frames. */
  peers(change: 1 | -1): void;
}

/**
 * The receiving side towards one NetGear server, which connects: we bind.
 * Iterate over it for messages; answer each with {@link reply} before asking for the next (not in pattern 2).
 */
export class ServerSocket {
  readonly #socket: Reply | Pair | Subscriber;

  constructor(pattern: Pattern, events: ServerSocketEvents) {
    const options = {
      linger: 0,
      heartbeatInterval: 500,
      heartbeatTimeout: 1500,
      maxMessageSize: DEFAULT_FRAME_LIMITS.payloadBytes,
    };
    switch (pattern) {
      case 'pair':
        this.#socket = new Pair({ ...options, receiveHighWaterMark: 2, sendHighWaterMark: 2, sendTimeout: 0 });
        break;
      case 'request-reply':
        this.#socket = new Reply({ ...options, receiveHighWaterMark: 2, sendHighWaterMark: 2, sendTimeout: 0 });
        break;
      case 'publish-subscribe': {
        const subscriber = new Subscriber({ ...options, receiveHighWaterMark: 8 });
        subscriber.subscribe();
        this.#socket = subscriber;
        break;
      }
      default:
        pattern satisfies never;
        throw new TypeError(`no pattern: ${String(pattern)}`);
    }
    this.#socket.events.on('accept', () => events.peers(1));
    this.#socket.events.on('disconnect', () => events.peers(-1));
  }

  /** @throws when the address is in use or not ours. */
  async bind(endpoint: string): Promise<void> {
    await this.#socket.bind(endpoint);
  }

  /** The parts of each message, in the order in which they came. Ends when the socket is closed. */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array[]> {
    return this.#socket[Symbol.asyncIterator]();
  }

  /** Answers the message that came last; does nothing in pattern 2, which has no answers. Rejects when the server is gone. */
  async reply(text: string): Promise<void> {
    if (!(this.#socket instanceof Subscriber)) await this.#socket.send(text);
  }

  /** Idempotent. */
  close(): void {
    this.#socket.close();
  }
}
