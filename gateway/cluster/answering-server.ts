import { connect } from 'node:net';

/** Maximum time until a server answers. */
const ANSWER_MS = 1000;

/**
 * Finds a NATS server that works: it sends its INFO on each new connection, even before a TLS handshake. A server that
 * hangs sends nothing, although its operating system accepts connections.
 *
 * @param servers `HOST:PORT` of each.
 * @returns the first that answers; null if none does in time.
 */
export function findAnsweringServer(servers: Iterable<string>): Promise<string | null> {
  return Promise.any([...new Set(servers)].map(answer)).catch(() => null);
}

/** Resolves with the server when it answers; otherwise rejects. */
function answer(server: string): Promise<string> {
  const [, host = '', port = ''] = /^\[?([^[\]]*?)\]?:(\d+)$/.exec(server) ?? [];
  const socket = connect({ host, port: Number(port) });
  return new Promise<void>((resolve, reject) => {
    socket.setTimeout(ANSWER_MS, () => reject(new Error('timeout')));
    socket.once('data', () => resolve());
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
  })
    .then(() => server)
    .finally(() => socket.destroy());
}
