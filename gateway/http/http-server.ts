import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import {
  createServer as createPlainServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createSocketServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { addressKey, type ShareLimits, Shares } from '../hub/shares.ts';
import { rememberPeer, socketAddress } from './client-address.ts';
import { answerClientError, refuseConnection, refuseRequest } from './client-errors.ts';
import type { IsTrustedProxy } from './trusted-proxies.ts';
import { boundUnreadBody, hasBody } from './unread-body.ts';

/** Limits of the HTTP server's connections. */
export interface ConnectionLimits {
  /** Timeout of a TLS handshake, and of the request line and headers of each request. */
  readonly headersTimeoutMs: number;
  /** Timeout of a whole request with its body; at least `headersTimeoutMs`. Streaming publications are exempt. */
  readonly requestTimeoutMs: number;
  /** How long an idle connection is kept open. Longer than nginx's 60 s, so that the proxy closes first. */
  readonly keepAliveTimeoutMs: number;
  /** How long a peer may accept no bytes of a response. */
  readonly stallTimeoutMs: number;
  /** Timeout until a WebSocket upgrade is accepted or refused. */
  readonly upgradeTimeoutMs: number;
  /** Maximum number of pending requests per connection (pipelining). */
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

/** Maximum number of connections, even if the process may open more descriptors. */
const MAX_CONNECTIONS = 8192;

/**
 * Minimum number of descriptors reserved for sources, native clients, files and programs; otherwise a quarter of the
 * limit.
 */
const MIN_RESERVED_DESCRIPTORS = 48;

/** Handles an upgrade request whose connection has no other pending response. Must take over or close `socket`. */
type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

interface HttpServerOptions {
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly limits: ConnectionLimits;
  readonly onUpgrade: UpgradeListener;
  /** Trusted proxies have no limit per address: their clients are limited individually. */
  readonly isTrustedProxy: IsTrustedProxy;
  /** Default: as many as the descriptor limit allows, and a quarter of that per address. */
  readonly connections?: ShareLimits;
}

/**
 * Creates the server below Fastify. It limits the resources of a connection, and ensures that they are released when it
 * closes:
 * - Every response emits `close`, including those pipelined after another one, for which Node emits none.
 * - Requests that do not reach Fastify are answered in the API's error format.
 *
 * Timeouts are set here, because Fastify sets `requestTimeout` after Node has derived `headersTimeout` from its
 * default, and Node swaps the two if the latter is larger.
 */
export function createHttpServer(
  handler: RequestListener,
  { tls, limits, onUpgrade, isTrustedProxy, connections = connectionShares(descriptorLimit()) }: HttpServerOptions,
): Server {
  const openResponses = new OpenResponses(limits.pipelinedRequests);
  const options = {
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // Node checks the first two timeouts at this interval; its default is 30 s.
    connectionsCheckingInterval: Math.ceil(limits.headersTimeoutMs / 10),
    // Requests without Host are answered by `checkRequestOrigin`, with a message.
    requireHostHeader: false,
  };
  const server =
    tls === null
      ? createPlainServer(options)
      : createTlsServer({ ...options, ...tls, handshakeTimeout: limits.headersTimeoutMs });
  server.timeout = limits.stallTimeoutMs;
  const shares = new Shares('connections', connections);
  // The event is also emitted for the additional addresses of `listenOnAllOfLocalhost`.
  server.on('connection', (socket: Socket) => limitConnection(socket, shares, isTrustedProxy));
  server.on('timeout', (socket) => {
    // A connection with a pending response and nothing to send is waiting for the gateway, not for the peer.
    if (socket.writableLength > 0 || !openResponses.has(socket)) socket.destroy();
  });
  server.on('request', (request, response) => {
    if (openResponses.admit(request, response)) handler(request, response);
  });
  server.on('checkExpectation', (request, response) => {
    if (!openResponses.admit(request, response)) return;
    boundUnreadBody(request);
    refuseRequest(request, response, {
      status: 417,
      code: 'request-invalid',
      message: 'the Expect header is not supported, except 100-continue',
    });
  });
  server.on('clientError', (error: Error & { readonly code?: string }, socket: Socket) =>
    answerClientError(error, socket, openResponses.hasStarted(socket)),
  );
  server.on('upgrade', (request, socket, head) => {
    if (takeConnection(request, socket, openResponses)) onUpgrade(request, socket, head);
  });
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    if (!takeConnection(request, socket, openResponses)) return;
    const message = 'this gateway is not a proxy: CONNECT is not supported';
    refuseConnection(socket, {
      status: 405,
      code: 'request-invalid',
      message,
      headers: { allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' },
    });
  });
  return server;
}

/**
 * Listens on the other addresses of `localhost` (usually 127.0.0.1 and ::1), on the same port; ignores failures. Closes
 * with `server`.
 *
 * @param server already listening on one of the addresses.
 */
export async function listenOnAllOfLocalhost(server: Server): Promise<void> {
  const first = server.address();
  if (first === null || typeof first === 'string') return;
  const addresses = await lookup('localhost', { all: true }).catch(() => []);
  for (const { address } of addresses.filter((other) => other.address !== first.address)) {
    // Forwards connections to the HTTP server, so that there is one set of limits and listeners.
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

/** Pending responses, by connection. */
class OpenResponses {
  readonly #bySocket = new WeakMap<Duplex, Set<ServerResponse>>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Registers a response until it closes. @returns false if the connection was closed, or has too many pending
   * requests.
   */
  admit(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request;
    // Node still emits requests that it read before the connection closed.
    if (!rememberPeer(socket)) {
      socket.destroy();
      return false;
    }
    const open = this.#bySocket.get(socket) ?? this.#add(socket);
    if (open.size >= this.#max) {
      socket.destroy();
      return false;
    }
    // Node would read an unwanted body to its end before the next request. The bodies of other requests are read by
    // their routes, or limited in size.
    if (!['POST', 'PUT', 'PATCH'].includes(request.method ?? '') && hasBody(request)) response.shouldKeepAlive = false;
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
      // Node closes only the response that was being written, not those pipelined after it.
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
 * Takes over a connection that Node's HTTP parser has released. Closes the connection if a response is still pending on
 * it: no answer is possible then, and Node no longer notifies that response when the connection drains.
 *
 * @returns whether the connection can be used.
 */
function takeConnection(request: IncomingMessage, socket: Duplex, openResponses: OpenResponses): boolean {
  socket.on('error', () => socket.destroy());
  if (rememberPeer(request.socket) && !openResponses.has(request.socket)) return true;
  socket.destroy();
  return false;
}

/** Closes a connection beyond the quota of its address, or the total. */
function limitConnection(socket: Socket, shares: Shares, isTrustedProxy: IsTrustedProxy): void {
  const address = socketAddress(socket);
  try {
    const share = shares.acquire(isTrustedProxy(address) ? null : addressKey(address));
    socket.once('close', () => share.release());
  } catch {
    socket.destroy(); // No HTTP response is sent: it would cost as much as serving the request.
  }
}

function connectionShares(descriptors: number): ShareLimits {
  const reserved = Math.max(MIN_RESERVED_DESCRIPTORS, Math.floor(descriptors / 4));
  const inAll = Math.min(MAX_CONNECTIONS, Math.max(1, descriptors - reserved));
  return { inAll, perAddress: Math.ceil(inAll / 4) };
}

/** Descriptor limit of this process; Infinity if it is unknown. */
function descriptorLimit(): number {
  try {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return limit === undefined ? Infinity : Number(limit);
  } catch {
    return Infinity; // Only Linux has this file.
  }
}
