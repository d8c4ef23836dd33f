import type { IncomingMessage } from 'node:http';

/** How long a client that is still sending its body has to read the answer. */
const LINGER_MS = 1000;

/** Chunks that are thrown away whatever their size, and average size of any more. Each chunk costs a call, however short it is. */
const FREE_CHUNKS = 256;
const MIN_CHUNK_BYTES = 1024;

/** Whether a request announces a body. Node reports the end of one without a body only after it was read. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/**
 * Bounds what is read of a body that nobody wants: its request is being answered, and Node would read to its end, to use the connection
 * again. A client that is still sending can read the answer and is then disconnected; one that sends tiny chunks is disconnected sooner.
 */
export function boundUnreadBody(request: IncomingMessage): void {
  if (!hasBody(request) || request.complete || request.destroyed) return;
  const timer = setTimeout(() => request.destroy(), LINGER_MS);
  timer.unref();
  request.once('close', () => clearTimeout(timer));
  let chunks = 0;
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    chunks += 1;
    bytes += chunk.byteLength;
    if (chunks <= FREE_CHUNKS + bytes / MIN_CHUNK_BYTES) return;
    request.pause(); // what is buffered would still be emitted
    request.destroy();
  });
}
