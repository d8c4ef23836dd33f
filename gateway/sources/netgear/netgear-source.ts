import { errorText } from '../../../shared/errors.ts';
import type { Logger } from '../../../shared/logger.ts';
import { NOTHING, type PortReturn } from '../../hub/returns/returns.ts';
import { readCapturedAt } from '../../netgear/captured-at.ts';
import type { Security } from '../../netgear/curve-keys.ts';
import { formatPattern, type Pattern } from '../../netgear/pattern.ts';
import type { ReplyData } from '../../netgear/reply-codec.ts';
import { ServerConnection } from '../../netgear/server-connection.ts';
import { encodePorts } from './encode-ports.ts';
import type { Source, SourceSink } from '../source.ts';

/**
 * Return data in a reply: `merge`, an object of all clients' data by port; `newest`, the newest value of any client;
 * `port`, the data of the client on the port that replies.
 */
export type ReturnsMode = 'merge' | 'newest' | 'port';

interface NetGearSourceOptions {
  /** Endpoints to bind: one, or in mode `port` one per port. */
  readonly endpoints: readonly string[];
  /** Ports, one per endpoint, as given in the server's options. */
  readonly ports: readonly string[];
  readonly pattern: Pattern;
  readonly security: Security | null;
  readonly returns: ReturnsMode;
  /** Name of the message's value with the capture time; null for none. */
  readonly capturedAt: string | null;
  /** Whether the server's JPEGs are verified before a NetGear client gets them, for a server other than VidGear's. */
  readonly isChecked: boolean;
  readonly log: Logger;
}

/**
 * An unmodified NetGear server that connects to the gateway, in patterns 0, 1 and 2. Every message is answered
 * immediately with return data, so that no client slows down the camera.
 *
 * A server in multi-clients mode with pattern 1 distributes its frames over its ports, each one after the reply to the
 * previous one. Reading all ports restores one stream, in order; each port is assigned to one of the gateway's clients.
 */
export class NetGearSource implements Source {
  readonly kind = 'netgear';
  readonly address: string;
  readonly waitingReason: string;
  readonly takesReturns: boolean;
  readonly verifiesJpegs: boolean;
  readonly serverPorts: readonly number[] | null;
  /** No timeout: servers may pause. */
  readonly stallMs = null;
  readonly #options: NetGearSourceOptions;
  #connections: ServerConnection[] = [];
  #hasEnded = false;
  /** The latest reply with all clients' data, which is encoded again only when it has changed. */
  #latest: { readonly all: readonly PortReturn[]; readonly reply: ReplyData } | null = null;

  constructor(options: NetGearSourceOptions) {
    this.#options = options;
    const { endpoints, ports, pattern, returns } = options;
    const target = [endpoints[0], ...ports.slice(1)].join(',');
    this.address = `${target}?pattern=${formatPattern(pattern)}`;
    this.takesReturns = pattern !== 'publish-subscribe';
    this.verifiesJpegs = options.isChecked;
    this.serverPorts = returns === 'port' ? ports.map(Number) : null;
    this.waitingReason = `waiting for a NetGear server to connect to ${target} with pattern ${formatPattern(pattern)}`;
  }

  state(): string {
    const states = this.#connections.map((connection) => connection.state());
    if (states.length === 0) return 'closed';
    if (new Set(states).size === 1) return states[0] ?? 'closed';
    return states.map((state, index) => `port ${this.#options.ports[index]}: ${state}`).join('; ');
  }

  problem(): string | null {
    for (const connection of this.#connections) if (connection.problem !== null) return connection.problem;
    return null;
  }

  async open(sink: SourceSink): Promise<void> {
    const { endpoints, ports, pattern, security, isChecked } = this.#options;
    try {
      for (const [index, endpoint] of endpoints.entries()) {
        const port = ports[index] ?? '';
        const connection = new ServerConnection(
          {
            endpoint,
            port,
            pattern,
            security,
            log: (text) => this.#options.log.warn({}, `source ${this.address}: ${text}`),
          },
          {
            received: ({ width, height, encoding, payload, orientation, message, headerText }) => {
              this.#hasEnded = false;
              sink.publish({
                width,
                height,
                encoding,
                payload,
                orientation,
                message,
                wireHeader: headerText,
                capturedAtUs: this.#capturedAtUs(message),
                isTrusted: !isChecked,
              });
              return this.#takeReturns(sink, port);
            },
            rejected: (error) => sink.reject(error),
            ended: () => this.#end(sink),
            unanswered: (error) =>
              this.#options.log.warn({}, `source ${this.address}: a reply could not be sent: ${errorText(error)}`),
            failed: (error) => sink.fail(error),
          },
        );
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

  /** Ends the stream once: a server in multi-clients mode sends a termination on each port. */
  #end(sink: SourceSink): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    sink.end('the server has ended the stream');
  }

  #takeReturns(sink: SourceSink, port: string): ReplyData {
    if (!this.takesReturns) return NOTHING;
    switch (this.#options.returns) {
      case 'merge':
        return this.#encodeAll(sink.returns.takeAll());
      case 'newest':
        return sink.returns.takeNewest();
      case 'port':
        return sink.returns.take(Number(port));
      default:
        return this.#options.returns satisfies never;
    }
  }

  #encodeAll(all: readonly PortReturn[]): ReplyData {
    if (all !== this.#latest?.all) this.#latest = { all, reply: { kind: 'object', json: encodePorts(all) } };
    return this.#latest.reply;
  }

  #capturedAtUs(message: Parameters<typeof readCapturedAt>[0]): number | null {
    const { capturedAt } = this.#options;
    return capturedAt === null ? null : readCapturedAt(message, capturedAt);
  }
}
