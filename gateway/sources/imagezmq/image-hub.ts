import { containFailure } from '../../../shared/background.ts';
import { errorText, GearwayError } from '../../../shared/errors.ts';
import { Refusals } from '../../netgear/refusals.ts';
import { type HubPattern, type HubSocket, openHubSocket } from './hub-socket.ts';
import { decodeSent, type SentPicture } from './picture-codec.ts';

export interface ImageHubOptions {
  readonly pattern: HubPattern;
  /** Where it binds, or the senders that it connects to. */
  readonly endpoints: readonly string[];
  readonly log: (message: string) => void;
}

/** Who takes the pictures of one sender, or of all. */
export interface HubReceiver {
  /** The `msg` of the pictures that are for it; null for all. */
  readonly sender: string | null;
  /** @throws {GearwayError} when it is no picture: that is counted. */
  received(picture: SentPicture): void;
  rejected(error: unknown): void;
  /** The hub's socket cannot be read any more: leave, and join again. */
  failed(error: unknown): void;
}

/** Of how many senders that nobody takes something is said. */
const MAX_STRANGERS = 16;

/** As an `ImageHub` of imagezmq: one socket, and the pictures of many senders. It is open while somebody receives. */
export class ImageHub {
  readonly #options: ImageHubOptions;
  readonly #receivers = new Set<HubReceiver>();
  readonly #strangers = new Set<string>();
  /** Opening and closing wait for each other: several streams come and go at once. */
  #turn: Promise<void> = Promise.resolve();
  #socket: HubSocket | null = null;
  #reading: Promise<void> = Promise.resolve();
  #peers = 0;
  readonly #refusals: Refusals;

  constructor(options: ImageHubOptions) {
    this.#options = options;
    this.#refusals = new Refusals((reason) => options.log(`imagezmq ${options.endpoints.join(', ')}: ${reason}`));
  }

  /** How many senders are connected. */
  get peers(): number {
    return this.#peers;
  }

  /** What it is doing, for people. */
  state(): string {
    const { pattern, endpoints } = this.#options;
    const binds = pattern === 'request-reply';
    if (this.#socket === null) return 'closed';
    if (this.#peers > 0) return this.#refusals.append(binds || endpoints.length > 1 ? `${this.#peers} ${this.#peers === 1 ? 'sender' : 'senders'} connected` : 'connected');
    return this.#refusals.append(binds ? 'listening' : 'connecting');
  }

  /** @throws {GearwayError} `source-unavailable` when an address is in use or not ours. */
  join(receiver: HubReceiver): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#socket === null) await this.#open();
      this.#receivers.add(receiver);
    });
  }

  /** Nothing is received afterwards. Idempotent. */
  leave(receiver: HubReceiver): Promise<void> {
    // At once: the socket may take its time.
    this.#receivers.delete(receiver);
    return this.#inTurn(async () => {
      // It may have been about to join.
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
          // All senders that it connects to are there.
          if (pattern === 'publish-subscribe' && count === endpoints.length) this.#refusals.clear();
        },
        refused: (reason) => this.#refusals.note(reason),
        failed: (error) => this.#failed(error),
      });
    } catch (error) {
      throw new GearwayError('source-unavailable', `cannot ${pattern === 'request-reply' ? 'listen for' : 'connect to'} imagezmq senders at ${endpoints.join(', ')}: ${errorText(error)}`, { cause: error });
    }
    const socket = this.#socket;
    this.#reading = containFailure(this.#read(socket), (error) => {
      if (this.#socket === socket) this.#failed(error);
    });
  }

  /** Each receiver leaves, and the last one closes the hub. */
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
      // What has come is answered also while closing: its sender would wait for ever.
      if (this.#socket === socket) this.#received(parts, socket);
      // Also where the picture was none. A sender that has gone meanwhile is no failure of ours.
      await socket.answer().catch(() => undefined);
    }
  }

  #received(parts: readonly Uint8Array[], socket: HubSocket): void {
    let sent: SentPicture;
    try {
      sent = decodeSent(parts);
    } catch (error) {
      socket.malformed();
      // Nobody knows whose it was.
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
    if (typeof message !== 'string' || this.#strangers.has(message) || this.#strangers.size >= MAX_STRANGERS) return;
    this.#strangers.add(message);
    this.#options.log(`imagezmq: pictures of ${JSON.stringify(message.slice(0, 64))} come, and are shown nowhere; add it to senders=`);
  }
}
