import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createSecureServer } from 'node:tls';
import { readCertificate } from './certificate.ts';

/** A request to a {@link RawServer}: its lines, and the connection to answer on. */
export interface RawRequest {
  readonly path: string;
  /** Headers, by names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly socket: Socket;
  /** Number of earlier requests. */
  readonly index: number;
}

/** An HTTP server that responds with arbitrary bytes. */
export class RawServer implements AsyncDisposable {
  readonly requests: RawRequest[] = [];
  readonly #server: Server;
  readonly #scheme: string;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, scheme: string) {
    this.#server = server;
    this.#scheme = scheme;
  }

  /** @param answer called with each request when its headers have arrived. */
  static async start(
    answer: (request: RawRequest) => void,
    { isSecure = false, host = '127.0.0.1' } = {},
  ): Promise<RawServer> {
    const onSocket = (socket: Socket): void => {
      raw.#sockets.add(socket);
      socket.on('close', () => raw.#sockets.delete(socket));
      socket.on('error', () => undefined);
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        if (!text.includes('\r\n\r\n')) return;
        const [first = '', ...lines] = text.split('\r\n');
        text = '';
        const headers = new Map(
          lines
            .filter((line) => line !== '')
            .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
        );
        const request = { path: first.split(' ')[1]!, headers, socket, index: raw.requests.length };
        raw.requests.push(request);
        answer(request);
      });
    };
    const server = isSecure ? createSecureServer(readCertificate(), onSocket) : createServer(onSocket);
    const raw = new RawServer(server, isSecure ? 'https' : 'http');
    server.listen(0, host);
    await once(server, 'listening');
    return raw;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
