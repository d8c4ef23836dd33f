import { setTimeout as delay } from 'node:timers/promises';
import { containFailure } from '../../shared/background.ts';
import { errorText, GearwayError } from '../../shared/errors.ts';
import { createServerSocket } from './create-server-socket.ts';
import type { Security } from './curve-keys.ts';
import { decodeFrame, type NetGearFrame, type NetGearTermination, TERMINATION_REPLY } from './frame-codec.ts';
import { formatPattern, type Pattern } from './pattern.ts';
import { encodeReply, NOTHING_RETURNED, type ReplyData } from './reply-codec.ts';
import { Refusals } from './refusals.ts';
import { PAIR_IS_TAKEN, type ServerSocket } from './server-socket.ts';

export interface ServerConnectionOptions {
  /** `tcp://HOST:PORT` or `ipc://PATH:PORT`, where we bind. */
  readonly endpoint: string;
  /** As the server's user typed it: replies carry it. */
  readonly port: string;
  readonly pattern: Pattern;
  readonly security: Security | null;
  /** Gets connections and messages that were refused, at most a line per 10 s. */
  readonly log?: (text: string) => void;
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

/** How long a server counts as the one that sends after its last frame. */
const SENDING_MS = 2000;

/** How long nothing is received after peers have sent faster than can be read: their connections and the queue are gone then. */
const FLOOD_PAUSE_MS = 500;

/** Maximum number of servers that are remembered as senders. */
const MAX_SENDERS = 64;

/** Connection to one NetGear server, which connects to us. Every message is read as soon as it arrives, and answered immediately. */
export class ServerConnection {
  readonly #options: ServerConnectionOptions;
  readonly #events: ServerConnectionEvents;
  readonly #refusals: Refusals;
  #socket: ServerSocket | null = null;
  #reading: Promise<void> = Promise.resolve();
  /** While the socket is closed for a moment, the way to its next one; `abort` ends the pause. */
  #reopening: { readonly done: Promise<void>; readonly pause: AbortController } | null = null;
  #peers = 0;
  #hasWaitingServer = false;
  /** When each server sent its last frame, by connection; the latest last. Empty where ZeroMQ hides the connections. */
  readonly #senders = new Map<string, number>();

  constructor(options: ServerConnectionOptions, events: ServerConnectionEvents) {
    this.#options = options;
    this.#events = events;
    this.#refusals = new Refusals(options.log);
  }

  /** What it is doing, and what was refused in the last minute, as a sentence without its end. */
  state(): string {
    if (this.#socket === null) return 'closed';
    return this.#refusals.append(this.#connectedState());
  }

  #connectedState(): string {
    if (this.#peers > 0) return this.#peers === 1 ? 'connected' : `connected, ${this.#peers} servers`;
    return 'listening';
  }

  /** Number of servers that are connected. */
  get peers(): number {
    return this.#peers;
  }

  /** Whether a further server has tried to connect to a PAIR, which serves one, since it was opened. */
  get hasWaitingServer(): boolean {
    return this.#hasWaitingServer;
  }

  /** @throws {GearwayError} `source-unavailable` when the address is in use or not ours, `keys-missing`, `keys-invalid`. */
  async open(): Promise<void> {
    this.#refusals.clear();
    this.#use(await this.#listen());
  }

  #use(socket: ServerSocket): void {
    this.#socket = socket;
    this.#reading = containFailure(this.#read(socket), (error) => this.#failed(socket, error));
  }

  async #listen(): Promise<ServerSocket> {
    const { endpoint, pattern, security } = this.#options;
    this.#senders.clear();
    this.#peers = 0;
    this.#hasWaitingServer = false;
    const socket: ServerSocket = createServerSocket({ pattern, expected: `a server of pattern ${formatPattern(pattern)}` }, security, {
      peers: (count) => {
        this.#peers = count;
      },
      refused: (reason) => {
        this.#hasWaitingServer ||= reason === PAIR_IS_TAKEN;
        this.#refusals.note(reason);
      },
      failed: (error) => this.#failed(socket, error),
    });
    try {
      await socket.bind(endpoint);
    } catch (error) {
      await socket.close();
      throw new GearwayError('source-unavailable', `cannot listen for a NetGear server of pattern ${formatPattern(pattern)} at ${endpoint}: ${errorText(error)}`, { cause: error });
    }
    return socket;
  }

  /**
   * Idempotent; nothing is received afterwards, and the address is free when it resolves.
   *
   * @param lingerMs for how long a reply that has not left yet may still leave; it is thrown away otherwise.
   */
  async close(lingerMs = 0): Promise<void> {
    const socket = this.#socket;
    this.#socket = null;
    this.#reopening?.pause.abort();
    await socket?.close(lingerMs);
    await this.#reopening?.done;
    await this.#reading;
  }

  #failed(socket: ServerSocket, error: unknown): void {
    if (this.#socket !== socket) return;
    if (!(error instanceof GearwayError) || error.code !== 'flooded') {
      this.#events.failed(error);
      return;
    }
    this.#refusals.note(error.message);
    const pause = new AbortController();
    this.#reopening = { pause, done: containFailure(this.#reopen(socket, pause.signal), (failure) => this.#failed(socket, failure)) };
  }

  /** The queue went with the socket. Listens again after a pause. */
  async #reopen(socket: ServerSocket, signal: AbortSignal): Promise<void> {
    await socket.close();
    await delay(FLOOD_PAUSE_MS, undefined, { signal }).catch(() => undefined);
    if (this.#socket !== socket) return;
    const next = await this.#listen();
    // It may have been closed meanwhile.
    if (this.#socket === socket) this.#use(next);
    else await next.close();
  }

  async #read(socket: ServerSocket): Promise<void> {
    for await (const { parts, peer } of socket) {
      if (this.#socket !== socket) return;
      let reply: (string | Uint8Array)[];
      let termination: NetGearTermination | null = null;
      try {
        const decoded = decodeFrame(parts);
        if (decoded.kind === 'termination') {
          termination = decoded;
          reply = [TERMINATION_REPLY];
        } else {
          this.#sent(peer);
          reply = encodeReply(this.#options.port, this.#events.received(decoded));
        }
      } catch (error) {
        // Nothing of what failed: building the same reply again would fail again.
        socket.malformed(peer);
        this.#events.rejected(error);
        reply = encodeReply(this.#options.port, NOTHING_RETURNED);
      }
      try {
        await socket.reply(peer, reply);
      } catch (error) {
        if (this.#socket === socket) this.#events.unanswered(error);
      }
      if (termination !== null && this.#socket === socket) this.#terminate(peer, termination);
    }
  }

  #sent(peer: string | null): void {
    if (peer === null) return;
    this.#senders.delete(peer);
    this.#senders.set(peer, performance.now());
    const [oldest] = this.#senders.keys();
    if (this.#senders.size > MAX_SENDERS && oldest !== undefined) this.#senders.delete(oldest);
  }

  /** Ignored when it comes from a peer that has sent no frame, while another one sends. */
  #terminate(peer: string | null, { serverPort }: NetGearTermination): void {
    const latestMs = [...this.#senders.values()].at(-1) ?? -Infinity;
    if (peer !== null && !this.#senders.delete(peer) && performance.now() - latestMs < SENDING_MS) {
      this.#refusals.note('a peer that sends no frames said that the stream ends, while another one sends: it was ignored');
      return;
    }
    this.#events.ended(serverPort);
  }
}
