import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';

const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

/** A separate web site on this machine: a port other than the gateway's is another origin. */
export class Site implements AsyncDisposable {
  readonly origin: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /**
   * @param read the file at a path; `/` is index.html.
   * @param headers headers of each response.
   */
  static async serve(
    read: (path: string) => Promise<string | Buffer> | string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Site> {
    const server = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://site');
      const path = pathname === '/' ? '/index.html' : pathname;
      Promise.resolve(path)
        .then(read)
        .then(
          (body) =>
            response
              .writeHead(200, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', ...headers })
              .end(body),
          () => response.writeHead(404).end(),
        );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Site(server);
  }

  /** Serves a folder. */
  static folder(folder: string): Promise<Site> {
    return Site.serve((path) => readFile(join(folder, path)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
