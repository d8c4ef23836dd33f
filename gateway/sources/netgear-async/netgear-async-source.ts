import { containFailure } from '../../../shared/background.ts';
import { GearwayError } from '../../../shared/errors.ts';
import type { Logger } from '../../../shared/logger.ts';
import { checkHost, lowerCaseScheme } from '../../netgear/address.ts';
import { systemErrorText } from '../../../shared/system-errors.ts';
import type { PortReturn, ReturnData } from '../../hub/returns/returns.ts';
import {
  type AsyncMessage,
  ASYNC_RECEIVED,
  decodeAsyncMessage,
  encodeAsyncArray,
  encodeAsyncPorts,
  encodeAsyncReturn,
  encodeAsyncTerminated,
} from './async-codec.ts';
import { readCapturedAt } from '../../netgear/captured-at.ts';
import { type AsyncPattern, formatPattern, parseAsyncPattern } from '../../netgear/pattern.ts';
import { Refusals } from '../../netgear/refusals.ts';
import { createServerSocket } from '../../netgear/create-server-socket.ts';
import type { ServerSocket } from '../../netgear/server-socket.ts';
import { publishPicture } from '../publish-picture.ts';
import { readWord, type SourceUrl } from '../../config/source-url.ts';
import type { Source, SourceSink } from '../source.ts';

interface NetGearAsyncOptions {
  /** Endpoint to bind. */
  readonly endpoint: string;
  readonly pattern: AsyncPattern;
  /** Return data for a server in bidirectional mode: all clients' data by port, or the newest value of any client. */
  readonly returns: 'merge' | 'newest';
  /** Name of the message's value with the capture time; null for none. */
  readonly capturedAt: string | null;
}

const ENDPOINT = /^(?:tcp:\/\/(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.*_-]+):(\d{1,5})|ipc:\/\/\/[^?#\s,\0]{1,96})$/;

/**
 * Parses `netgear-async:tcp://127.0.0.1:5555?pattern=0`. As in VidGear, the default is pattern 0.
 *
 * @throws {GearwayError} `source-invalid`, `pattern-unknown`.
 */
export function parseNetGearAsync({ target, options }: SourceUrl): NetGearAsyncOptions {
  const endpoint = lowerCaseScheme(target);
  const match = ENDPOINT.exec(endpoint);
  const port = Number(match?.[1] ?? '1');
  if (match === null || port < 1 || port > 65_535)
    throw new GearwayError(
      'source-invalid',
      `netgear-async: address is ${JSON.stringify(target)}, expected tcp://HOST:PORT?pattern=0 or ipc:///PATH:PORT?pattern=0`,
    );
  checkHost(endpoint);
  return {
    endpoint,
    pattern: parseAsyncPattern(options.get('pattern') ?? '0'),
    returns: readWord(options, 'returns', ['merge', 'newest']) ?? 'merge',
    capturedAt: options.get('capturedAt') ?? null,
  };
}

/**
 * A server of VidGear's `NetGear_Async`, which connects to the gateway. In bidirectional mode, each reply contains the
 * clients' return data.
 */
export class NetGearAsyncSource implements Source {
  readonly kind = 'netgear-async';
  readonly address: string;
  readonly waitingReason: string;
  readonly takesReturns: boolean;
  /** The frames are arrays, not JPEGs. */
  readonly verifiesJpegs = false;
  readonly serverPorts = null;
  /** No timeout: servers may pause. */
  readonly stallMs = null;
  readonly #options: NetGearAsyncOptions;
  #socket: ServerSocket | null = null;
  #reading: Promise<void> = Promise.resolve();
  #peers = 0;
  /** The latest reply with all clients' data, which is encoded again only when it has changed. */
  #latest: { readonly all: readonly PortReturn[]; readonly reply: Uint8Array[] } | null = null;
  readonly #refusals: Refusals;

  constructor(options: NetGearAsyncOptions, log: Logger) {
    this.#options = options;
    const { endpoint, pattern } = options;
    this.#refusals = new Refusals((reason) => log.warn({}, `source ${this.address}: ${reason}`));
    this.address = `${endpoint}?pattern=${formatPattern(pattern)}`;
    this.takesReturns = pattern === 'pair' || pattern === 'request-reply';
    this.waitingReason = `waiting for a NetGear_Async server to connect to ${endpoint} with pattern ${formatPattern(pattern)}`;
  }

  state(): string {
    if (this.#socket === null) return 'closed';
    if (this.#peers > 0)
      return this.#refusals.append(this.#peers === 1 ? 'connected' : `connected, ${this.#peers} servers`);
    return this.#refusals.append('listening');
  }

  async open(sink: SourceSink): Promise<void> {
    const { endpoint, pattern } = this.#options;
    this.#refusals.clear();
    this.#peers = 0;
    const socket: ServerSocket = createServerSocket(
      { pattern, expected: `a server of pattern ${formatPattern(pattern)}` },
      null,
      {
        peers: (count) => {
          this.#peers = count;
        },
        refused: (reason) => this.#refusals.note(reason),
        failed: (error) => this.#failed(socket, sink, error),
      },
    );
    try {
      await socket.bind(endpoint);
    } catch (error) {
      await socket.close();
      throw new GearwayError(
        'source-unavailable',
        `cannot listen for a NetGear_Async server at ${this.address}: ${systemErrorText(error)}`,
        { cause: error },
      );
    }
    this.#socket = socket;
    this.#reading = containFailure(this.#read(socket, sink), (error) => this.#failed(socket, sink, error));
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = null;
    await socket?.close();
    await this.#reading;
  }

  #failed(socket: ServerSocket, sink: SourceSink, error: unknown): void {
    if (this.#socket === socket) sink.fail(error);
  }

  async #read(socket: ServerSocket, sink: SourceSink): Promise<void> {
    for await (const { parts, peer } of socket) {
      if (this.#socket !== socket) return;
      // Fails if the server has disconnected in the meantime, which is not an error.
      await socket
        .reply(
          peer,
          this.#received(parts, sink, () => socket.malformed(peer)),
        )
        .catch(() => undefined);
    }
  }

  /** @returns the reply. A malformed frame is answered too, because the server waits for a reply. */
  #received(parts: readonly Uint8Array[], sink: SourceSink, malformed: () => void): (string | Uint8Array)[] {
    try {
      const message = decodeAsyncMessage(parts);
      if (message.kind === 'termination') {
        sink.end('the server has ended the stream');
        return [encodeAsyncTerminated()];
      }
      const { capturedAt } = this.#options;
      publishPicture(sink, message.array, {
        message: message.message,
        messageJson: message.messageJson,
        capturedAtUs: capturedAt === null ? null : readCapturedAt(message.message, capturedAt),
      });
      return this.#reply(message, sink);
    } catch (error) {
      malformed();
      sink.reject(error);
      // Servers of both modes accept an empty reply. Encoding the return data may have caused the failure.
      return encodeAsyncReturn('null');
    }
  }

  #reply(message: Exclude<AsyncMessage, { kind: 'termination' }>, sink: SourceSink): (string | Uint8Array)[] {
    if (!this.takesReturns) return [ASYNC_RECEIVED];
    // The values are taken even if the server does not expect them: otherwise once-only values would stay pending
    // forever.
    if (this.#options.returns === 'merge') {
      const all = sink.returns.takeAll();
      return message.bidirectional ? this.#encodeAll(all) : [ASYNC_RECEIVED];
    }
    const newest = sink.returns.takeNewest();
    return message.bidirectional ? encodeNewest(newest) : [ASYNC_RECEIVED];
  }

  #encodeAll(all: readonly PortReturn[]): Uint8Array[] {
    if (all !== this.#latest?.all) this.#latest = { all, reply: encodeAsyncPorts(all) };
    return this.#latest.reply;
  }
}

/** Encodes a value, an array, or a JPEG as a one-dimensional array of its bytes. */
function encodeNewest(data: ReturnData): Uint8Array[] {
  switch (data.kind) {
    case 'value':
      return encodeAsyncReturn(data.json);
    case 'array':
      return encodeAsyncArray(data.array);
    case 'jpeg':
      return encodeAsyncArray({ dtype: 'uint8', shape: [data.data.byteLength], data: data.data });
    default:
      return data satisfies never;
  }
}
