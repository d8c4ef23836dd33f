import { setTimeout as delay } from 'node:timers/promises';
import { containFailure } from '../../shared/background.ts';
import { BoundedMap } from '../../shared/bounded-map.ts';
import { GearwayError } from '../../shared/errors.ts';
import { systemErrorText } from '../../shared/system-errors.ts';
import { createServerSocket } from './create-server-socket.ts';
import type { Security } from './curve-keys.ts';
import { decodeFrame, type NetGearFrame, type NetGearTermination, TERMINATION_REPLY } from './frame-codec.ts';
import { formatPattern, type Pattern } from './pattern.ts';
import { encodeReply, NOTHING_RETURNED, type ReplyData } from './reply-codec.ts';
import { Refusals } from './refusals.ts';
import { PAIR_IS_TAKEN, type ServerSocket } from './server-socket.ts';

interface ServerConnectionOptions {
  /** `tcp://HOST:PORT` or `ipc://PATH:PORT` to bind. */
  readonly endpoint: string;
  /** Port, as given in the server's options; sent with replies. */
  readonly port: string;
  readonly pattern: Pattern;
  readonly security: Security | null;
  /** Called for refused connections and messages, at most once per 10 s. */
  readonly log?: (text: string) => void;
}

/** Callbacks of a {@link ServerConnection}. None is called after `close()`. */
interface ServerConnectionEvents {
  /**
   * Called for each frame, which takes ownership of the payload.
   *
   * @returns the data of the reply; ignored in pattern 2, which has no replies.
   */
  received(frame: NetGearFrame): ReplyData;
  /**
   * Called when a frame was malformed, or {@link received} threw. The frame is answered without data, because a server
   * waits for its reply.
   */
  rejected(error: unknown): void;
  /**
   * Called when the server has terminated. The same or another server may connect later.
   *
   * @param serverPort its own port in multi-servers mode; otherwise null.
   */
  ended(serverPort: string | null): void;
  /** Called when a reply could not be sent, because the server disconnected after its frame. */
  unanswered(error: unknown): void;
  /** Called when the socket no longer works. Close the connection; it can be reopened. */
  failed(error: unknown): void;
}

/** How long a server counts as the sender of the stream after its last frame. */
const SENDING_MS = 2000;

/** How long the socket stays closed after a flood. Closing it frees the queue and drops the peers' connections. */
const FLOOD_PAUSE_MS = 500;

/** Maximum number of servers remembered as senders. */
const MAX_SENDERS = 64;

/**
 * Connection from one NetGear server. Every message is read as soon as it arrives, and
 * answered immediately.
 */
export class ServerConnection {
  readonly #options: ServerConnectionOptions;
  readonly #events: ServerConnectionEvents;
  readonly #refusals: Refusals;
  #socket: ServerSocket | null = null;
  #reading: Promise<void> = Promise.resolve();
  /** Set while the socket is being reopened after a flood; aborting `pause` ends the wait. */
  #reopening: { readonly done: Promise<void>; readonly pause: AbortController } | null = null;
  #peers = 0;
  #hasWaitingServer = false;
  /**
   * Time of each server's last frame, by connection, in ascending order. Empty if ZeroMQ does not expose connections.
   */
  readonly #senders = new BoundedMap<string, number>(MAX_SENDERS);

  constructor(options: ServerConnectionOptions, events: ServerConnectionEvents) {
    this.#options = options;
    this.#events = events;
    this.#refusals = new Refusals(options.log);
  }

  /** The state, and the latest refusal of the last minute, as a sentence without a full stop. */
  state(): string {
    if (this.#socket === null) return 'closed';
    return this.#refusals.append(this.#connectedState());
  }

  /** The latest refusal of the last minute, as a sentence without a full stop; null if there is none. */
  get problem(): string | null {
    return this.#refusals.latest;
  }

  #connectedState(): string {
    if (this.#peers > 0) return this.#peers === 1 ? 'connected' : `connected, ${this.#peers} servers`;
    return 'listening';
  }

  get peers(): number {
    return this.#peers;
  }

  /** Whether a second server has tried to connect to a PAIR socket, which serves only one, since it was opened. */
  get hasWaitingServer(): boolean {
    return this.#hasWaitingServer;
  }

  /**
   * @throws {GearwayError} `source-unavailable` when the address is in use or not local, `keys-missing`,
   * `keys-invalid`.
   */
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
    const socket: ServerSocket = createServerSocket(
      { pattern, expected: `a server of pattern ${formatPattern(pattern)}` },
      security,
      {
        peers: (count) => {
          this.#peers = count;
        },
        refused: (reason) => {
          this.#hasWaitingServer ||= reason === PAIR_IS_TAKEN;
          this.#refusals.note(reason);
        },
        failed: (error) => this.#failed(socket, error),
      },
    );
    try {
      await socket.bind(endpoint);
    } catch (error) {
      await socket.close();
      const text = `cannot listen for a NetGear server of pattern ${formatPattern(pattern)} at ${endpoint}: ${systemErrorText(error)}`;
      throw new GearwayError('source-unavailable', text, { cause: error });
    }
    return socket;
  }

  /**
   * Idempotent. No callback is called afterwards; the address is free when it resolves.
   *
   * @param lingerMs how long to wait for unsent replies to be transmitted before they are discarded.
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
    this.#reopening = {
      pause,
      done: containFailure(this.#reopen(socket, pause.signal), (failure) => this.#failed(socket, failure)),
    };
  }

  /** Closes the socket, which frees its queue, and listens again after a pause. */
  async #reopen(socket: ServerSocket, signal: AbortSignal): Promise<void> {
    await socket.close();
    await delay(FLOOD_PAUSE_MS, undefined, { signal }).catch(() => undefined);
    if (this.#socket !== socket) return;
    const next = await this.#listen();
    // The connection may have been closed in the meantime.
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
        // The reply is empty, because encoding the same data would fail again.
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
    this.#senders.set(peer, performance.now());
  }

  /** Ignores the termination of a peer that has sent no frames while another one is sending. */
  #terminate(peer: string | null, { serverPort }: NetGearTermination): void {
    const latestMs = [...this.#senders.values()].at(-1) ?? -Infinity;
    if (peer !== null && !this.#senders.delete(peer) && performance.now() - latestMs < SENDING_MS) {
      this.#refusals.note('a termination was ignored: it came from a peer that sends no frames while another one does');
      return;
    }
    this.#events.ended(serverPort);
  }
}
