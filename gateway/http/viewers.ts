import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { closeCode } from '../../shared/protocol.ts';
import { LocalPlace } from '../clients/local-place.ts';
import type { ViewerEnd } from '../clients/place.ts';
import type { Renditions } from '../clients/renditions.ts';
import { WebClient, type WebClientLimits } from '../clients/web-client.ts';
import { transportOf } from '../clients/web-socket.ts';
import type { EventLog } from '../hub/event-log.ts';
import type { Stream } from '../hub/stream.ts';
import { WorkerPool } from '../workers/worker-pool.ts';
import type { Upgrade } from '../workers/viewer-worker.ts';
import { type Access, bearerToken } from './access.ts';

export interface ViewersOptions {
  readonly streams: ReadonlyMap<string, { readonly stream: Stream }>;
  /** By the stream's name. */
  readonly renditions: ReadonlyMap<string, Renditions>;
  readonly access: Access;
  readonly limits: WebClientLimits;
  /** All viewers there are; the creator closes them. */
  readonly webClients: Set<ViewerEnd>;
  readonly events: EventLog;
  /** How many more processes serve viewers' sockets; 0: this one alone does. */
  readonly workers: number;
  readonly log: (message: string) => void;
}

/** Most web viewers at once, over all streams. */
const MAX_WEB_CLIENTS = 4096;

type ViewerRequest = FastifyRequest<{ Params: { name: string } }>;

/** What has come behind a request to upgrade, which a viewer that waits for the answer never sends. */
const heads = new WeakMap<IncomingMessage, Buffer>();

/** Adds the viewers' WebSocket, `/streams/NAME/ws`, behind the checks of names and origins. Closing `app` ends the workers. */
export function serveViewers(app: FastifyInstance, { streams, renditions, access, limits, webClients, events, workers, log }: ViewersOptions): void {
  let count = 0;
  const createPlace = (request: ViewerRequest): LocalPlace | null => {
    const stream = streams.get(request.params.name)?.stream;
    const shared = renditions.get(request.params.name);
    if (stream === undefined || shared === undefined || webClients.size >= MAX_WEB_CLIENTS) return null;
    count += 1;
    const { authorization } = request.headers;
    return new LocalPlace({ id: `web-${count}`, stream, renditions: shared, address: request.ip, authorize: (token) => access.authorize(token ?? bearerToken(authorization)) });
  };
  const add = (viewer: ViewerEnd): void => {
    webClients.add(viewer);
    void viewer.closed.then(() => webClients.delete(viewer));
  };

  let pool: WorkerPool | null = null;
  if (workers > 0) {
    const served = [...streams].flatMap(([name, { stream }]) => {
      const shared = renditions.get(name);
      return shared === undefined ? [] : [{ stream, renditions: shared }];
    });
    const created = new WorkerPool({ count: workers, streams: served, limits, log });
    pool = created;
    app.server.prependListener('upgrade', (request: IncomingMessage, _socket: unknown, head: Buffer) => heads.set(request, head));
    // Before the server waits for its connections.
    app.addHook('preClose', () => created.close());
  }

  app.get<{ Params: { name: string } }>(
    '/streams/:name/ws',
    {
      websocket: true,
      // Before the handshake is answered. Who is refused is told so by the handler, over the WebSocket.
      preHandler: async (request, reply) => {
        const upgrade = pool === null ? null : upgradeOf(request);
        const place = upgrade === null ? null : createPlace(request);
        if (pool === null || upgrade === null || place === null) return undefined;
        const viewer = pool.serve(upgrade, place);
        if (viewer === null) return undefined;
        add(viewer);
        return reply.hijack();
      },
    },
    (socket, request) => {
      const place = createPlace(request);
      if (place !== null) {
        add(new WebClient(socket, { place, transport: transportOf(socket), limits }));
        return;
      }
      socket.on('error', () => undefined);
      if (streams.has(request.params.name)) {
        socket.close(closeCode.tooMuch, `${MAX_WEB_CLIENTS} viewers are connected already`);
        return;
      }
      events.add({ kind: 'refuse', stream: request.params.name.slice(0, 64), client: null, port: null, address: request.ip, reason: 'there is no such stream' });
      socket.close(closeCode.unknownStream, `no such stream; there is ${[...streams.keys()].join(', ')}`.slice(0, 120));
    },
  );
}

/** @returns null for what no other process can take: a plain request, or a connection that is not the kernel's, as one of TLS. */
function upgradeOf({ raw }: FastifyRequest): Upgrade | null {
  const head = heads.get(raw);
  // TypeScript believes that every request has a socket; one that a test injects has none.
  const socket: unknown = raw.socket;
  if (head === undefined || !(socket instanceof Socket) || socket instanceof TLSSocket || socket.pending) return null;
  const early = socket.read() as Buffer | null;
  return { socket, headers: handshakeHeaders(raw.headers), head: early === null ? head : Buffer.concat([head, early]) };
}

function handshakeHeaders(headers: IncomingHttpHeaders): Upgrade['headers'] {
  const { upgrade, 'sec-websocket-key': key, 'sec-websocket-version': version, 'sec-websocket-protocol': protocol } = headers;
  return { upgrade, 'sec-websocket-key': key, 'sec-websocket-version': version, 'sec-websocket-protocol': protocol };
}
