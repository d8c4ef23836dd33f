import type { Socket } from 'node:net';

/** Connections whose request may take as long as its sender likes. */
const lasting = new WeakSet<Socket>();

/** Lets a connection's request last, whatever the server's `requestTimeout` says, until the returned function is called. */
export function letLast(socket: Socket): () => void {
  lasting.add(socket);
  return () => {
    lasting.delete(socket);
  };
}

/** What is answered to bytes that are no request, or not a whole one in time; by Node's code, and to all else. */
const ANSWERS: ReadonlyMap<string | undefined, { readonly status: string; readonly code: string; readonly message: string }> = new Map([
  ['ERR_HTTP_REQUEST_TIMEOUT', { status: '408 Request Timeout', code: 'request-timeout', message: 'the request was not complete in time; send it faster, or less' }],
  ['HPE_HEADER_OVERFLOW', { status: '431 Request Header Fields Too Large', code: 'too-large', message: 'the headers have more than 16384 bytes; a long message fits into a multipart field' }],
]);
const NO_REQUEST = { status: '400 Bad Request', code: 'request-invalid', message: 'this is no HTTP/1.1 request' };

/** Answers what Node tells of a connection, as its own handler of `clientError` would. */
export function answerClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && lasting.has(socket)) return;
  // Nobody is there any more.
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const { status, code, message } = ANSWERS.get(error.code) ?? NO_REQUEST;
  const body = JSON.stringify({ code, message });
  if (socket.writable) socket.write(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: ${body.length}\r\nContent-Type: application/json; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'\r\n\r\n${body}`);
  socket.destroy(error);
}
