import { errorText } from '../../../shared/errors.ts';
import { NOTHING, type ReturnData } from '../../hub/returns/returns.ts';
import { readCapturedAt } from '../../netgear/captured-at.ts';
import type { Security } from '../../netgear/curve-keys.ts';
import { formatPattern, type Pattern } from '../../netgear/pattern.ts';
import { ServerConnection } from '../../netgear/server-connection.ts';
import type { Source, SourceSink } from '../source.ts';

/** Which return data a server gets with each reply: an object of all clients' data by port, the newest value of any, or that of the client with the replying port. */
export type ReturnsMode = 'merge' | 'newest' | 'seat';

export interface NetGearSourceOptions {
  /** Where the server connects to: one place, or with `seat` one for each port. */
  readonly endpoints: readonly string[];
  /** One for each endpoint, as the server's user typed it. */
  readonly ports: readonly string[];
  readonly pattern: Pattern;
  readonly security: Security | null;
  readonly returns: ReturnsMode;
  /** Where in a message the time stands at which its picture was taken; null for nowhere. */
  readonly capturedAt: string | null;
  /** Whether the server's JPEGs are verified before a NetGear client gets them: for one that is not VidGear's own. */
  readonly isChecked: boolean;
  readonly log: (message: string) => void;
}

/**
 * An unmodified NetGear server that connects to us, in patterns 0, 1 and 2. Every message is read as soon as it comes and answered at once with
 * return data, so that no client slows the camera down.
 *
 * A server in multi-clients mode and pattern 1 deals its frames over its ports, each after the answer to the one before: read from all of
 * them, they are one stream again, in order, and each port is the seat of one of our clients.
 */
export class NetGearSource implements Source {
  readonly kind = 'netgear';
  readonly address: string;
  readonly waitingReason: string;
  readonly takesReturns: boolean;
  readonly verifiesJpegs: boolean;
  readonly seats: readonly number[] | null;
  /** A server sends when it likes. */
  readonly stallMs = null;
  readonly #options: NetGearSourceOptions;
  #connections: ServerConnection[] = [];
  #hasEnded = false;
  /** What the latest reply carried: the same object while nothing has changed, so that a large reply is encoded once. */
  #merged: ReturnData = NOTHING;

  constructor(options: NetGearSourceOptions) {
    this.#options = options;
    const { endpoints, ports, pattern, returns } = options;
    const place = [endpoints[0], ...ports.slice(1)].join(',');
    this.address = `${place}?pattern=${formatPattern(pattern)}`;
    this.takesReturns = pattern !== 'publish-subscribe';
    this.verifiesJpegs = options.isChecked;
    this.seats = returns === 'seat' ? ports.map(Number) : null;
    this.waitingReason = `waiting for a NetGear server to connect to ${place} with pattern ${formatPattern(pattern)}`;
  }

  state(): string {
    const states = this.#connections.map((connection) => connection.state());
    if (states.length === 0) return 'closed';
    if (new Set(states).size === 1) return states[0] ?? 'closed';
    return states.map((state, index) => `port ${this.#options.ports[index]}: ${state}`).join('; ');
  }

  async open(sink: SourceSink): Promise<void> {
    const { endpoints, ports, pattern, security, isChecked } = this.#options;
    try {
      for (const [index, endpoint] of endpoints.entries()) {
        const port = ports[index] ?? '';
        const connection = new ServerConnection({ endpoint, port, pattern, security, log: (text) => this.#options.log(`source ${this.address}: ${text}`) }, {
          received: ({ width, height, encoding, payload, message, headerText }) => {
            this.#hasEnded = false;
            sink.publish({ width, height, encoding, payload, message, wireHeader: headerText, capturedAtUs: this.#capturedAtUs(message), isTrusted: !isChecked });
            return this.#takeReturns(sink, port);
          },
          rejected: (error) => sink.reject(error),
          ended: () => this.#end(sink),
          unanswered: (error) => this.#options.log(`source ${this.address}: a reply was not taken: ${errorText(error)}`),
          failed: (error) => sink.fail(error),
        });
        await connection.open();
        this.#connections.push(connection);
      }
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    const connections = this.#connections;
    this.#connections = [];
    await Promise.all(connections.map((connection) => connection.close()));
  }

  /** A server in multi-clients mode says it once on each port. */
  #end(sink: SourceSink): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    sink.end('the server has ended the stream');
  }

  #takeReturns(sink: SourceSink, port: string): ReturnData {
    if (!this.takesReturns) return NOTHING;
    switch (this.#options.returns) {
      case 'merge': {
        const json = sink.returns.takeJson();
        if (this.#merged.kind !== 'value' || this.#merged.json !== json) this.#merged = { kind: 'value', value: null, json };
        return this.#merged;
      }
      case 'newest':
        return sink.returns.takeNewest();
      case 'seat':
        return sink.returns.take(Number(port));
      default:
        return this.#options.returns satisfies never;
    }
  }

  #capturedAtUs(message: Parameters<typeof readCapturedAt>[0]): number | null {
    const { capturedAt } = this.#options;
    return capturedAt === null ? null : readCapturedAt(message, capturedAt);
  }
}
