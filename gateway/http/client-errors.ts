import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { isExemptFromTimeout } from '../connection/request-timeout.ts';
import type { Refusal } from './refusal-page.ts';

/** A refusal outside of Fastify, always JSON. */
export interface RawRefusal extends Refusal {
  readonly headers?: Readonly<Record<string, string>>;
}

/** Headers of responses outside of Fastify. */
const HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'",
};

/** How long to wait for the peer of a refused upgrade to read the response and close. */
const LINGER_MS = 1000;

/** Refusals by Node's error code. */
const REFUSALS: ReadonlyMap<string | undefined, RawRefusal> = new Map([
  [
    'ERR_HTTP_REQUEST_TIMEOUT',
    {
      status: 408,
      code: 'request-timeout',
      message: 'the request was not complete in time; send less data, or send it faster',
    },
  ],
  [
    'HPE_HEADER_OVERFLOW',
    {
      status: 431,
      code: 'too-large',
      message: 'the headers exceed 16384 bytes; send a long message in a multipart field',
    },
  ],
]);
const MALFORMED: RawRefusal = { status: 400, code: 'request-invalid', message: 'malformed HTTP/1.1 request' };

/**
 * Answers a malformed or timed-out request and closes its connection (`clientError` of Node's HTTP server).
 *
 * @param hasStartedResponse whether another response has been sent in part, so that no answer can follow it.
 */
export function answerClientError(
  error: Error & { readonly code?: string },
  socket: Socket,
  hasStartedResponse: boolean,
): void {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && isExemptFromTimeout(socket)) return;
  const canAnswer = error.code !== 'ECONNRESET' && socket.writable && !hasStartedResponse;
  if (canAnswer) socket.write(formatRefusal(REFUSALS.get(error.code) ?? MALFORMED));
  socket.destroy(error);
}

/** Refuses a request outside of Fastify. The connection stays open. */
export function refuseRequest(
  request: IncomingMessage,
  response: ServerResponse,
  { status, code, message, headers }: RawRefusal,
): void {
  const body = JSON.stringify({ code, message });
  response.writeHead(status, {
    ...HEADERS,
    ...headers,
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** Answers on a connection that Node's HTTP server has released (an upgrade or CONNECT), and closes it. */
export function refuseConnection(socket: Duplex, refusal: RawRefusal): void {
  // Input is read until the peer closes: data that arrives after close() would cause a TCP reset, which can overtake
  // the answer.
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.once('end', () => socket.destroy());
  socket.end(formatRefusal(refusal));
  socket.resume();
}

function formatRefusal({ status, code, message, headers }: RawRefusal): string {
  const body = JSON.stringify({ code, message });
  const all = {
    ...HEADERS,
    ...headers,
    connection: 'close',
    'content-length': String(Buffer.byteLength(body)),
    'content-type': 'application/json; charset=utf-8',
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`;
}
