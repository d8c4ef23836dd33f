import { once } from 'node:events';
import { createServer } from 'node:http';

/** A web site of another origin than the gateway's (another port is another origin). */
export interface Site extends AsyncDisposable {
  readonly origin: string;
}

/** Serves one page at every path. `html` may want to know what is only known later. */
export async function startSite(html: () => string, headers: () => Record<string, string> = () => ({})): Promise<Site> {
  const server = createServer((_request, response) => response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...headers() }).end(html()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
