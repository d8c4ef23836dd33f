import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

/** Grace period before a client that is still sending its body after the response is disconnected. */
const LINGER_MS = 1000;

/**
 * Number of chunks that are discarded regardless of their size, and minimum average size of further ones: each chunk
 * costs a call.
 */
const FREE_CHUNKS = 256;
const MIN_CHUNK_BYTES = 1024;

/**
 * Whether a request announces a body. `request.complete` does not help: Node sets it only after the request has been
 * read.
 */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/**
 * Limits how much of an unwanted body is read. The request has been answered, and Node would read the body to its end
 * to reuse the connection, or close the connection immediately if the client does not want to reuse it. A client that
 * is still sending gets time to read the response and is then disconnected; one that sends tiny chunks is disconnected
 * earlier.
 */
export function boundUnreadBody(request: IncomingMessage): void {
  if (!hasBody(request) || request.complete || request.destroyed) return;
  closeAfterGracePeriod(request.socket);
  const timer = setTimeout(() => request.destroy(), LINGER_MS);
  timer.unref();
  request.once('close', () => clearTimeout(timer));
  let chunks = 0;
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    chunks += 1;
    bytes += chunk.byteLength;
    if (chunks <= FREE_CHUNKS + bytes / MIN_CHUNK_BYTES) return;
    request.pause(); // Otherwise buffered data would still be emitted.
    request.destroy();
  });
}

/**
 * Node calls `destroySoon` after the last response of a connection. While data is arriving, the kernel would reset the
 * connection, and the client might lose the response. Instead, only the gateway's direction is closed until the client
 * has had time to read.
 */
function closeAfterGracePeriod(socket: Socket): void {
  socket.destroySoon = () => {
    socket.end();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    timer.unref();
    socket.once('close', () => clearTimeout(timer));
  };
}
