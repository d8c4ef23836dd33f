import { containFailure } from '../../shared/background.ts';
import { errorText, GearwayError } from '../../shared/errors.ts';
import type { Security } from './curve-keys.ts';
import { decodeFrame, type NetGearFrame, type NetGearTermination, TERMINATION_REPLY } from './frame-codec.ts';
import { formatPattern, type Pattern } from './pattern.ts';
import { encodeReply, NOTHING_RETURNED, type ReplyData } from './reply-codec.ts';
import { ServerSocket } from './server-socket.ts';

export interface ServerConnectionOptions {
  /** `tcp://HOST:PORT` or `ipc://PATH:PORT`, where we bind. */
  readonly endpoint: string;
  /** As the server's user typed it: replies carry it. */
  readonly port: string;
  readonly pattern: Pattern;
  readonly security: Security | null;
}

/** What happens to a {@link ServerConnection}. Nothing is called after `close()`. */
export interface ServerConnectionEvents {
  /**
   * A frame; its payload is the receiver's own from now on.
   *
   * @returns what the reply carries. In pattern 2 there are no replies, and it counts for nothing.
   */
  received(frame: NetGearFrame): ReplyData;
  /** A malformed frame, or one whose {@link received} threw. It is answered without return data: a server would wait for its reply. */
  rejected(error: unknown): void;
  /**
   * The server has said that it ends. Another may come, or the same one again.
   *
   * @param serverPort its own port, in multi-servers mode; else null.
   */
  ended(serverPort: string | null): void;
  /** A reply was not taken: the server has gone between its frame and our answer. */
  unanswered(error: unknown): void;
  /** The socket cannot be read any more. Close the connection; it can be opened again. */
  failed(error: unknown): void;
}

/** The way to one NetGear server, which connects to us: every message is read as soon as it comes, and answered at once. */
export class ServerConnection {
  readonly #options: ServerConnectionOptions;
  readonly #events: ServerConnectionEvents;
  #socket: ServerSocket | null = null;
  #reading: Promise<void> = Promise.resolve();
  #peers = 0;
  #refusal: string | null = null;

  constructor(options: ServerConnectionOptions, events: ServerConnectionEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** What it is doing, as a sentence without its end. */
  state(): string {
    if (this.#socket === null) return 'closed';
    if (this.#peers > 1 && this.#options.pattern === 'pair') return `connected, ${this.#peers - 1} more ${this.#peers === 2 ? 'server waits' : 'servers wait'} for the first one to end`;
    if (this.#peers > 0) return this.#peers === 1 ? 'connected' : `connected, ${this.#peers} servers`;
    return this.#refusal === null ? 'listening' : `listening; ${this.#refusal}`;
  }

  /** How many servers are connected. */
  get peers(): number {
    return this.#peers;
  }

  /** @throws {GearwayError} `source-unavailable` when the address is in use or not ours, `keys-missing`, `keys-invalid`. */
  async open(): Promise<void> {
    const { endpoint, pattern, security } = this.#options;
    const socket = new ServerSocket(pattern, security, {
      peers: (count) => {
        if (count > 0) this.#refusal = null;
        this.#peers = count;
      },
      refused: (reason) => {
        this.#refusal = reason;
      },
    });
    try {
      await socket.bind(endpoint);
    } catch (error) {
      await socket.close();
      throw new GearwayError('source-unavailable', `cannot listen for a NetGear server of pattern ${formatPattern(pattern)} at ${endpoint}: ${errorText(error)}`, { cause: error });
    }
    this.#socket = socket;
    this.#reading = containFailure(this.#read(socket), (error) => {
      if (this.#socket === socket) this.#events.failed(error);
    });
  }

  /**
   * Idempotent; nothing is received afterwards, and the address is free when it resolves.
   *
   * @param lingerMs for how long a reply that has not left yet may still leave; it is thrown away otherwise.
   */
  async close(lingerMs = 0): Promise<void> {
    const socket = this.#socket;
    this.#socket = null;
    await socket?.close(lingerMs);
    await this.#reading;
  }

  async #read(socket: ServerSocket): Promise<void> {
    for await (const parts of socket) {
      if (this.#socket !== socket) return;
      let reply: (string | Uint8Array)[];
      let termination: NetGearTermination | null = null;
      try {
        const decoded = decodeFrame(parts);
        if (decoded.kind === 'termination') termination = decoded;
        reply = decoded.kind === 'termination' ? [TERMINATION_REPLY] : encodeReply(this.#options.port, this.#events.received(decoded));
      } catch (error) {
        // Nothing of what failed: building the same reply again would fail again.
        this.#events.rejected(error);
        reply = encodeReply(this.#options.port, NOTHING_RETURNED);
      }
      try {
        await socket.reply(reply);
      } catch (error) {
        if (this.#socket === socket) this.#events.unanswered(error);
      }
      if (termination !== null && this.#socket === socket) this.#events.ended(termination.serverPort);
    }
  }
}
