import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP proxy that can simulate a lost network: data is dropped, and neither side is notified. */
export class CuttableProxy implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  private constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
    this.url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  static async start(target: string): Promise<CuttableProxy> {
    const { hostname, port } = new URL(target);
    const sockets = new Set<Socket>();
    const server = createServer((near) => {
      const far = connect(Number(port), hostname);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(from);
        from.on('data', (chunk) => void to.write(chunk));
        // The end of a connection during a cut is not forwarded.
        from.on('end', () => proxy.#isCut || to.end());
        from.on('error', () => proxy.#isCut || to.destroy());
        from.on('close', () => {
          sockets.delete(from);
          if (!proxy.#isCut) to.destroy();
        });
      }
      if (proxy.#isCut) for (const socket of [near, far]) socket.pause();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const proxy: CuttableProxy = new CuttableProxy(server, sockets);
    return proxy;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.pause();
  }

  mend(): void {
    this.#isCut = false;
    for (const socket of this.#sockets) socket.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
