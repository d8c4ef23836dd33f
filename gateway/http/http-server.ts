import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { createServer as createPlainServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createSocketServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { addressKey, type ShareLimits, Shares } from '../hub/shares.ts';
import { rememberPeer, socketAddress } from './client-address.ts';
import { answerClientError, refuseConnection, refuseRequest } from './client-errors.ts';
import type { IsTrustedProxy } from './trusted-proxies.ts';
import { boundUnreadBody, hasBody } from './unread-body.ts';

/** Limits of the connections of the HTTP server. Times in milliseconds. */
export interface ConnectionLimits {
  /** Time for a TLS handshake, and for the request line and headers of each request. */
  readonly headersTimeoutMs: number;
  /** Time for a whole request with its body; at least `headersTimeoutMs`. Running publications are exempt. */
  readonly requestTimeoutMs: number;
  /** How long an idle connection is kept for its next request. Longer than nginx's 60 s, so that the proxy is the one that closes. */
  readonly keepAliveTimeoutMs: number;
  /** How long a response may have bytes to send of which the peer takes none. */
  readonly stallTimeoutMs: number;
  /** Time until a WebSocket upgrade is either accepted or answered. */
  readonly upgradeTimeoutMs: number;
  /** Maximum number of requests of one connection that wait for their response (pipelining). */
  readonly pipelinedRequests: number;
}

export const DEFAULT_CONNECTION_LIMITS: ConnectionLimits = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 72_000,
  stallTimeoutMs: 30_000,
  upgradeTimeoutMs: 10_000,
  pipelinedRequests: 16,
};

/** Maximum number of connections, however many descriptors the process may open. */
const MAX_CONNECTIONS = 8192;

/** Descriptors that are never used for connections: those of sources, native clients, files and programs. At least; a quarter of the limit where that is more. */
const MIN_RESERVED_DESCRIPTORS = 48;

/** Handles an upgrade request whose connection has no other response under way. It must take over or end `socket`. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface HttpServerOptions {
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly limits: ConnectionLimits;
  readonly onUpgrade: UpgradeListener;
  /** These have as many connections as they like: their clients have shares of their own. */
  readonly isTrustedProxy: IsTrustedProxy;
  /** Default: what the descriptors of the process allow, and a quarter of it per address. */
  readonly connections?: ShareLimits;
}

/**
 * Creates the server below Fastify. It bounds what one connection can hold, and makes sure that everything a connection holds is
 * released when it ends:
 * - Every response emits `close`, also one that still waited behind another in the pipeline, for which Node emits none.
 * - Requests that do not reach Fastify are answered in the API's error format.
 *
 * Timeouts are set here because Fastify sets `requestTimeout` after Node has derived `headersTimeout` from its default, and Node
 * swaps the two when the latter is larger.
 */
export function createHttpServer(handler: RequestListener, { tls, limits, onUpgrade, isTrustedProxy, connections = connectionShares(descriptorLimit()) }: HttpServerOptions): Server {
  const openResponses = new OpenResponses(limits.pipelinedRequests);
  const options = {
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // Node checks the two timeouts above only this often; its default is 30 s.
    connectionsCheckingInterval: Math.ceil(limits.headersTimeoutMs / 10),
    // The check of names answers these with a sentence.
    requireHostHeader: false,
  };
  const server = tls === null ? createPlainServer(options) : createTlsServer({ ...options, ...tls, handshakeTimeout: limits.headersTimeoutMs });
  server.timeout = limits.stallTimeoutMs;
  const shares = new Shares('connections', connections);
  // Of all addresses that the server listens on.
  server.on('connection', (socket: Socket) => limitConnection(socket, shares, isTrustedProxy));
  server.on('timeout', (socket) => {
    // With nothing to send, it is the response that waits, not the peer. Without a response it is an idle connection.
    if (socket.writableLength > 0 || !openResponses.has(socket)) socket.destroy();
  });
  server.on('request', (request, response) => {
    if (openResponses.admit(request, response)) handler(request, response);
  });
  server.on('checkExpectation', (request, response) => {
    if (!openResponses.admit(request, response)) return;
    boundUnreadBody(request);
    refuseRequest(request, response, { status: 417, code: 'request-invalid', message: 'the Expect header is not supported, except 100-continue' });
  });
  server.on('clientError', (error: Error & { readonly code?: string }, socket: Socket) => answerClientError(error, socket, openResponses.hasStarted(socket)));
  server.on('upgrade', (request, socket, head) => {
    if (takeConnection(request, socket, openResponses)) onUpgrade(request, socket, head);
  });
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    if (takeConnection(request, socket, openResponses)) refuseConnection(socket, { status: 405, code: 'request-invalid', message: 'this gateway is not a proxy: CONNECT is not supported', headers: { allow: 'GET, HEAD, POST, DELETE, OPTIONS' } });
  });
  return server;
}

/**
 * `localhost` is two addresses on most machines. Listens on the other one, too, on the same port; where that is not possible, the
 * first one alone serves. Ends with `server`.
 *
 * @param server listens on one of the addresses already.
 */
export async function listenOnAllOfLocalhost(server: Server): Promise<void> {
  const first = server.address();
  if (first === null || typeof first === 'string') return;
  const addresses = await lookup('localhost', { all: true }).catch(() => []);
  for (const { address } of addresses.filter((other) => other.address !== first.address)) {
    // The HTTP server gets the connections, so that there is one set of limits and listeners.
    const other = createSocketServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      server.emit('connection', socket);
    });
    await new Promise<void>((resolve) => {
      other.once('error', () => resolve());
      other.listen(first.port, address, resolve);
    });
    server.once('close', () => other.close());
  }
}

/** Responses that have not ended, by connection. */
class OpenResponses {
  readonly #bySocket = new WeakMap<Duplex, Set<ServerResponse>>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** Registers a response until it closes. @returns false when the connection is ended instead, because too many requests wait in it. */
  admit(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request;
    // Node goes on with the requests that it has read already.
    if (!rememberPeer(socket)) {
      socket.destroy();
      return false;
    }
    const open = this.#bySocket.get(socket) ?? this.#add(socket);
    if (open.size >= this.#max) {
      socket.destroy();
      return false;
    }
    // No such body is wanted, and Node would read all of it before the next request. A POST's is read by its route, or bounded when it is answered.
    if (request.method !== 'POST' && hasBody(request)) response.shouldKeepAlive = false;
    open.add(response);
    response.once('close', () => open.delete(response));
    // Followed by 'close'; an 'error' event without a listener would end the process.
    response.on('error', () => undefined);
    return true;
  }

  has(socket: Duplex): boolean {
    return (this.#bySocket.get(socket)?.size ?? 0) > 0;
  }

  /** Whether part of a response has been written to the connection. */
  hasStarted(socket: Duplex): boolean {
    for (const { headersSent } of this.#bySocket.get(socket) ?? []) if (headersSent) return true;
    return false;
  }

  #add(socket: Socket): Set<ServerResponse> {
    const open = new Set<ServerResponse>();
    this.#bySocket.set(socket, open);
    socket.once('close', () => {
      // Node closes the response that the connection was writing. It forgets those that waited behind it.
      setImmediate(() => {
        for (const response of open) {
          response.destroy();
          response.emit('close');
        }
      });
    });
    return open;
  }
}

/**
 * Takes a connection that Node's HTTP parser has let go of. Behind an unfinished response no answer is possible, and Node no longer
 * tells that response when the connection drains: the connection is ended.
 *
 * @returns whether the connection can be used.
 */
function takeConnection(request: IncomingMessage, socket: Duplex, openResponses: OpenResponses): boolean {
  socket.on('error', () => socket.destroy());
  if (rememberPeer(request.socket) && !openResponses.has(request.socket)) return true;
  socket.destroy();
  return false;
}

/** Ends a connection beyond the share of its address, or of all. */
function limitConnection(socket: Socket, shares: Shares, isTrustedProxy: IsTrustedProxy): void {
  const address = socketAddress(socket);
  try {
    const share = shares.acquire(isTrustedProxy(address) ? null : addressKey(address));
    socket.once('close', () => share.release());
  } catch {
    socket.destroy(); // that is the answer
  }
}

function connectionShares(descriptors: number): ShareLimits {
  const inAll = Math.min(MAX_CONNECTIONS, Math.max(1, descriptors - Math.max(MIN_RESERVED_DESCRIPTORS, Math.floor(descriptors / 4))));
  return { inAll, perAddress: Math.ceil(inAll / 4) };
}

/** Maximum number of descriptors of this process; Infinity where the system has no such file. */
function descriptorLimit(): number {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return limit === undefined ? Infinity : Number(limit);
  } catch {
    return Infinity; // not Linux
  }
}
