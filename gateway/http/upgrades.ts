import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { type RawRefusal, refuseConnection } from './client-errors.ts';
import { sendRefusal } from './refusals.ts';

/** Sec-WebSocket-Key: 16 bytes in base64 (RFC 6455, section 4.1). */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

/**
 * Filters the upgrade requests for `@fastify/websocket`, which accepts every one and does not always close its socket.
 * Ensures that within the timeout a connection is either taken over by a WebSocket, or answered and closed.
 */
export class Upgrades {
  /** Never listens. `@fastify/websocket` handles the `upgrade` events of this server. */
  readonly server: Server = createServer();
  readonly #timeoutMs: number;
  readonly #timers = new WeakMap<IncomingMessage, NodeJS.Timeout>();
  readonly #pending = new Set<Duplex>();

  /** @param timeoutMs timeout until the connection is taken over or answered. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Refuses anything but a WebSocket handshake, and forwards handshakes to the route's hooks and handler. */
  receive(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refusal = checkHandshake(request);
    if (refusal !== null) {
      refuseConnection(socket, refusal);
      return;
    }
    const timer = setTimeout(() => socket.destroy(), this.#timeoutMs);
    this.#timers.set(request, timer);
    this.#pending.add(socket);
    socket.once('close', () => this.#settle(request, socket));
    if (!this.server.emit('upgrade', request, socket, head))
      refuseConnection(socket, { status: 503, code: 'closed', message: 'the gateway is stopping' });
  }

  /**
   * Adds the checks that need the matched route. Call this after registering `@fastify/websocket`, and before
   * registering routes. Upgrades of other routes get 404; requests without upgrade to a WebSocket's route get 426.
   */
  addTo(app: FastifyInstance): void {
    const webSocketUrls = new Set<string>();
    app.addHook('onRoute', (route) => {
      if (route.websocket === true) webSocketUrls.add(route.url);
    });
    app.addHook('onRequest', async (request, reply) => {
      const isWebSocketRoute = webSocketUrls.has(request.routeOptions.url ?? '');
      // A request without a route is answered with 404 anyway.
      if (request.ws && !isWebSocketRoute) {
        return sendRefusal(request, reply, {
          status: 404,
          code: 'not-found',
          message: `no WebSocket at ${request.url.slice(0, 200)}`,
        });
      }
      if (isWebSocketRoute && !request.ws) {
        reply.headers({ connection: 'upgrade', upgrade: 'websocket' });
        return sendRefusal(request, reply, {
          status: 426,
          code: 'upgrade-required',
          message: 'this URL accepts only WebSocket connections',
        });
      }
      return undefined;
    });
    const { websocketServer } = app;
    websocketServer.on('connection', (_webSocket, request) => this.#settle(request, request.socket));
    // Handles handshakes that pass the checks above, but not those of ws.
    websocketServer.on('wsClientError', (error, socket) => refuseConnection(socket, invalid(error.message)));
    // Must happen before the server waits for its connections.
    app.addHook('preClose', async () => {
      for (const socket of this.#pending) socket.destroy();
    });
  }

  /** Whether a request is a handshake whose connection has not been taken over. */
  has(request: IncomingMessage): boolean {
    return this.#timers.has(request);
  }

  #settle(request: IncomingMessage, socket: Duplex): void {
    clearTimeout(this.#timers.get(request));
    this.#pending.delete(socket);
  }
}

/** @returns null for a WebSocket handshake (RFC 6455, section 4.2.1) without a body. */
function checkHandshake({ method, headers }: IncomingMessage): RawRefusal | null {
  if (headers.upgrade?.toLowerCase() !== 'websocket')
    return invalid('unsupported protocol in Upgrade, expected websocket');
  if (method !== 'GET') return invalid('the method of a WebSocket handshake must be GET');
  if (headers['sec-websocket-version'] !== '13') {
    const refusal = invalid('unsupported version of the WebSocket protocol, expected 13');
    return { ...refusal, status: 426, headers: { 'sec-websocket-version': '13' } };
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) return invalid('Sec-WebSocket-Key is missing or malformed');
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0)
    return invalid('a WebSocket handshake must not have a body');
  return null;
}

function invalid(message: string): RawRefusal {
  return { status: 400, code: 'upgrade-invalid', message };
}
