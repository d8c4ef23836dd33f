import { errorText, GearwayError } from '../../shared/errors.ts';
import type { SourceSink } from '../hub/stream.ts';
import type { NetGearAddress } from '../netgear/address.ts';
import { decodeFrame, TERMINATION_REPLY } from '../netgear/frame-codec.ts';
import { formatPattern } from '../netgear/pattern.ts';
import { encodeReply } from '../netgear/reply-codec.ts';
import { ServerSocket } from '../netgear/server-socket.ts';
import type { Source } from './source.ts';

/**
 * An unmodified NetGear server that connects to us, in patterns 0, 1 and 2. Every message is read as soon as it comes and
 * answered at once with all clients' return data, so that no client slows the camera down.
 */
export class NetGearSource implements Source {
  readonly kind = 'netgear';
  readonly address: string;
  readonly waitingReason: string;
  readonly takesReturns: boolean;
  readonly #address: NetGearAddress;
  readonly #log: (message: string) => void;
  #socket: ServerSocket | null = null;
  #reading: Promise<void> = Promise.resolve();
  #peers = 0;

  constructor(address: NetGearAddress, log: (message: string) => void) {
    this.#address = address;
    this.#log = log;
    this.address = `${address.endpoint}?pattern=${formatPattern(address.pattern)}`;
    this.takesReturns = address.pattern !== 'publish-subscribe';
    this.waitingReason = `waiting for a NetGear server to connect to ${address.endpoint} with pattern ${formatPattern(address.pattern)}`;
  }

  state(): string {
    if (this.#socket === null) return 'closed';
    if (this.#peers === 0) return 'listening';
    return this.#peers === 1 ? 'connected' : `connected, ${this.#peers} servers`;
  }

  async open(sink: SourceSink): Promise<void> {
    const socket = new ServerSocket(this.#address.pattern, { peers: (change) => (this.#peers = Math.max(0, this.#peers + change)) });
    try {
      await socket.bind(this.#address.endpoint);
    } catch (error) {
      socket.close();
      throw new GearwayError('source-unavailable', `cannot listen for a NetGear server at ${this.#address.endpoint}: ${errorText(error)}`, { cause: error });
    }
    this.#socket = socket;
    this.#reading = this.#read(socket, sink);
  }

  async close(): Promise<void> {
    this.#socket?.close();
    this.#socket = null;
    await this.#reading;
  }

  async #read(socket: ServerSocket, sink: SourceSink): Promise<void> {
    for await (const parts of socket) {
      if (this.#socket !== socket) return;
      let terminated = false;
      try {
        const decoded = decodeFrame(parts);
        terminated = decoded.kind === 'termination';
        if (decoded.kind === 'frame') {
          const { width, height, encoding, payload, message, headerText } = decoded;
          sink.publish({ width, height, encoding, payload, message, wireHeader: headerText });
        }
      } catch (error) {
        sink.reject(error);
      }
      // Also what was malformed is answered: an honest server would wait for it.
      await this.#answer(socket, terminated ? TERMINATION_REPLY : encodeReply(this.#address.port, 'dict', sink.takeReturns()));
      if (terminated) sink.end('the server has ended the stream');
    }
  }

  async #answer(socket: ServerSocket, text: string): Promise<void> {
    try {
      await socket.reply(text);
    } catch (error) {
      // The server has gone between its frame and our answer; the next one is served.
      this.#log(`source ${this.address}: a reply was not taken: ${errorText(error)}`);
    }
  }
}
