import type { FastifyInstance, FastifyRequest } from 'fastify';
import { closeCode } from '../../shared/protocol.ts';
import { type ViewerEnd, ViewerPlace } from '../clients/place.ts';
import type { Renditions } from '../clients/renditions.ts';
import { WebClient, type WebClientLimits } from '../clients/web-client.ts';
import { transportOf } from '../clients/web-socket.ts';
import type { EventLog } from '../hub/event-log.ts';
import type { Stream } from '../hub/stream.ts';
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
}

/** Most web viewers at once, over all streams. */
const MAX_WEB_CLIENTS = 4096;

type ViewerRequest = FastifyRequest<{ Params: { name: string } }>;

/** Adds the viewers' WebSocket, `/streams/NAME/ws`, behind the checks of names and origins. */
export function serveViewers(app: FastifyInstance, { streams, renditions, access, limits, webClients, events }: ViewersOptions): void {
  let count = 0;
  const createPlace = (request: ViewerRequest): ViewerPlace | null => {
    const stream = streams.get(request.params.name)?.stream;
    const shared = renditions.get(request.params.name);
    if (stream === undefined || shared === undefined || webClients.size >= MAX_WEB_CLIENTS) return null;
    count += 1;
    const { authorization } = request.headers;
    return new ViewerPlace({ id: `web-${count}`, stream, renditions: shared, address: request.ip, authorize: (token) => access.authorize(token ?? bearerToken(authorization)) });
  };
  const add = (viewer: ViewerEnd): void => {
    webClients.add(viewer);
    const forget = (): boolean => webClients.delete(viewer);
    viewer.closed.then(forget, forget);
  };

  app.get<{ Params: { name: string } }>(
    '/streams/:name/ws',
    { websocket: true },
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
