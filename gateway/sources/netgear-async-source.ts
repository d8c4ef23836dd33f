import { errorText, GearwayError } from '../../shared/errors.ts';
import { type AsyncMessage, ASYNC_RECEIVED, decodeAsyncMessage, encodeAsyncReturn, encodeAsyncTerminated } from '../netgear-async/async-codec.ts';
import { formatPattern, type Pattern, parsePattern } from '../netgear/pattern.ts';
import { parsePythonJson } from '../netgear/python-json.ts';
import { ServerSocket } from '../netgear/server-socket.ts';
import { publishPicture } from './publish-picture.ts';
import type { SourceUrl } from './source-options.ts';
import type { Source, SourceSink } from './source.ts';

export interface NetGearAsyncOptions {
  /** Where the server connects to. */
  readonly endpoint: string;
  readonly pattern: Pattern;
}

const ENDPOINT = /^(?:tcp:\/\/(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.*_-]+):\d{1,5}|ipc:\/\/\/[^?#\s,\0]{1,96})$/;

/**
 * Reads `netgear-async:tcp://127.0.0.1:5555?pattern=0`. VidGear's default there is pattern 0.
 *
 * @throws {GearwayError} `source-invalid`, `pattern-unknown`.
 */
export function parseNetGearAsync({ place, options }: SourceUrl): NetGearAsyncOptions {
  if (!ENDPOINT.test(place)) throw new GearwayError('source-invalid', `netgear-async: address is ${JSON.stringify(place)}, expected tcp://HOST:PORT?pattern=0`);
  return { endpoint: place, pattern: parsePattern(options.get('pattern') ?? '0') };
}

/** A server of VidGear's `NetGear_Async`, which connects to us, in patterns 0, 1 and 2. In bidirectional mode it gets all clients' return data with each answer. */
export class NetGearAsyncSource implements Source {
  readonly kind = 'netgear-async';
  readonly address: string;
  readonly waitingReason: string;
  readonly takesReturns: boolean;
  readonly seats = null;
  /** A server sends when it likes. */
  readonly stallMs = null;
  readonly #options: NetGearAsyncOptions;
  #socket: ServerSocket | null = null;
  #reading: Promise<void> = Promise.resolve();
  #peers = 0;

  constructor(options: NetGearAsyncOptions) {
    this.#options = options;
    const { endpoint, pattern } = options;
    this.address = `${endpoint}?pattern=${formatPattern(pattern)}`;
    this.takesReturns = pattern !== 'publish-subscribe';
    this.waitingReason = `waiting for a NetGear_Async server to connect to ${endpoint} with pattern ${formatPattern(pattern)}`;
  }

  state(): string {
    if (this.#socket === null) return 'closed';
    return this.#peers === 0 ? 'listening' : 'connected';
  }

  async open(sink: SourceSink): Promise<void> {
    const { endpoint, pattern } = this.#options;
    const socket = new ServerSocket(pattern, null, { peers: (count) => (this.#peers = count), refused: () => undefined });
    try {
      await socket.bind(endpoint);
    } catch (error) {
      await socket.close();
      throw new GearwayError('source-unavailable', `cannot listen for a NetGear_Async server at ${this.address}: ${errorText(error)}`, { cause: error });
    }
    this.#socket = socket;
    this.#reading = this.#read(socket, sink);
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = null;
    await socket?.close();
    await this.#reading;
  }

  async #read(socket: ServerSocket, sink: SourceSink): Promise<void> {
    for await (const parts of socket) {
      if (this.#socket !== socket) return;
      // A server that has gone between its frame and our answer is no failure of ours.
      await socket.reply([this.#received(parts, sink)]).catch(() => undefined);
    }
  }

  /** @returns the answer, also to what was no frame: an honest server waits for one. */
  #received(parts: readonly Uint8Array[], sink: SourceSink): string | Uint8Array {
    let message: AsyncMessage;
    try {
      message = decodeAsyncMessage(parts);
      if (message.kind === 'termination') {
        sink.end('the server has ended the stream');
        return encodeAsyncTerminated();
      }
      publishPicture(sink, message.array, { message: message.message });
    } catch (error) {
      sink.reject(error);
      return encodeAsyncReturn(null);
    }
    return message.bidirectional ? encodeAsyncReturn(parsePythonJson(sink.returns.takeJson())) : ASYNC_RECEIVED;
  }
}
