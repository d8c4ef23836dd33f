import { containFailure } from '../../../shared/background.ts';
import { GearwayError } from '../../../shared/errors.ts';
import type { Logger } from '../../../shared/logger.ts';
import { systemErrorText } from '../../../shared/system-errors.ts';
import { Refusals } from '../../netgear/refusals.ts';
import { type HubPattern, type HubSocket, openHubSocket } from './hub-socket.ts';
import { decodeSent, type SentPicture } from './picture-codec.ts';

export interface ImageHubOptions {
  readonly pattern: HubPattern;
  /** Addresses to bind, or senders to connect to. */
  readonly endpoints: readonly string[];
  readonly log: Logger;
}

/** Receiver of the pictures of one sender, or of all. */
export interface HubReceiver {
  /** The `msg` of the pictures to receive; null for all. */
  readonly sender: string | null;
  /** @throws {GearwayError} if the picture is invalid, which is passed to {@link rejected}. */
  received(picture: SentPicture): void;
  rejected(error: unknown): void;
  /** Called when the hub's socket has failed: the receiver must leave, and join again. */
  failed(error: unknown): void;
}

/** Maximum number of unknown senders that are logged. */
const MAX_UNKNOWN_SENDERS = 16;

/** Equivalent of imagezmq's `ImageHub`: one socket for many senders. Open while it has receivers. */
export class ImageHub {
  readonly #options: ImageHubOptions;
  readonly #receivers = new Set<HubReceiver>();
  readonly #unknownSenders = new Set<string>();
  /** Serializes opening and closing, because several streams join and leave concurrently. */
  #turn: Promise<void> = Promise.resolve();
  #socket: HubSocket | null = null;
  #reading: Promise<void> = Promise.resolve();
  #peers = 0;
  readonly #refusals: Refusals;

  constructor(options: ImageHubOptions) {
    this.#options = options;
    this.#refusals = new Refusals((reason) =>
      options.log.warn({}, `imagezmq ${options.endpoints.join(', ')}: ${reason}`),
    );
  }

  /** Number of connected senders. */
  get peers(): number {
    return this.#peers;
  }

  /** Current state, for display. */
  state(): string {
    const { pattern, endpoints } = this.#options;
    const binds = pattern === 'request-reply';
    if (this.#socket === null) return 'closed';
    if (this.#peers > 0)
      return this.#refusals.append(
        binds || endpoints.length > 1
          ? `${this.#peers} ${this.#peers === 1 ? 'sender' : 'senders'} connected`
          : 'connected',
      );
    return this.#refusals.append(binds ? 'listening' : 'connecting');
  }

  /** @throws {GearwayError} `source-unavailable` if an address is in use or not local. */
  join(receiver: HubReceiver): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#socket === null) await this.#open();
      this.#receivers.add(receiver);
    });
  }

  /** Stops the receiver immediately. Idempotent. */
  leave(receiver: HubReceiver): Promise<void> {
    // The receiver is removed first, because closing the socket may take a while.
    this.#receivers.delete(receiver);
    return this.#inTurn(async () => {
      // A pending join may have added it again.
      this.#receivers.delete(receiver);
      if (this.#receivers.size === 0) await this.#close();
    });
  }

  #inTurn(task: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(task);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #open(): Promise<void> {
    const { pattern, endpoints } = this.#options;
    this.#peers = 0;
    this.#refusals.clear();
    try {
      this.#socket = await openHubSocket(pattern, endpoints, {
        peers: (count) => {
          this.#peers = count;
          // All senders are connected, so earlier refusals are obsolete.
          if (pattern === 'publish-subscribe' && count === endpoints.length) this.#refusals.clear();
        },
        refused: (reason) => this.#refusals.note(reason),
        failed: (error) => this.#failed(error),
      });
    } catch (error) {
      const what = `${pattern === 'request-reply' ? 'listen for' : 'connect to'} imagezmq senders at ${endpoints.join(', ')}`;
      throw new GearwayError('source-unavailable', `cannot ${what}: ${systemErrorText(error)}`, { cause: error });
    }
    const socket = this.#socket;
    this.#reading = containFailure(this.#read(socket), (error) => {
      if (this.#socket === socket) this.#failed(error);
    });
  }

  /** Notifies all receivers. Each one leaves, and the last one closes the hub. */
  #failed(error: unknown): void {
    for (const receiver of this.#receivers) receiver.failed(error);
  }

  async #close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = null;
    await socket?.close();
    await this.#reading;
  }

  async #read(socket: HubSocket): Promise<void> {
    for await (const parts of socket) {
      if (this.#socket === socket) this.#received(parts, socket);
      // The message is answered even if the picture is invalid or the hub is closing, because the sender would wait
      // forever. Fails if the sender has left.
      await socket.answer().catch(() => undefined);
    }
  }

  #received(parts: readonly Uint8Array[], socket: HubSocket): void {
    let sent: SentPicture;
    try {
      sent = decodeSent(parts);
    } catch (error) {
      socket.malformed();
      // The sender is unknown, so every receiver counts the malformed message.
      for (const receiver of this.#receivers) receiver.rejected(error);
      return;
    }
    const takers = [...this.#receivers].filter(({ sender }) => sender === null || sender === sent.message);
    for (const receiver of takers) {
      try {
        receiver.received(sent);
      } catch (error) {
        receiver.rejected(error);
      }
    }
    if (takers.length === 0) this.#mention(sent.message);
  }

  #mention(message: SentPicture['message']): void {
    if (
      typeof message !== 'string' ||
      this.#unknownSenders.has(message) ||
      this.#unknownSenders.size >= MAX_UNKNOWN_SENDERS
    )
      return;
    this.#unknownSenders.add(message);
    this.#options.log.warn(
      {},
      `imagezmq: pictures of the unknown sender ${JSON.stringify(message.slice(0, 64))} are discarded; add it to senders=`,
    );
  }
}
