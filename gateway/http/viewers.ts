import type { FastifyInstance, FastifyRequest } from 'fastify';
import { errorText } from '../../shared/errors.ts';
import { closeCode } from '../../shared/protocol.ts';
import type { AddressBudgets } from '../clients/input-budget.ts';
import { type ViewerEnd, ViewerPlace } from '../clients/place.ts';
import type { Renditions } from '../clients/renditions.ts';
import type { UnsentFrames } from '../clients/unsent-frames.ts';
import { WebClient, type WebClientLimits } from '../clients/web-client.ts';
import { closeWebSocket, setMessageLimit, transportOf, type WebSocket } from '../clients/web-socket.ts';
import type { JpegVerifier } from '../codecs/jpeg-verifier.ts';
import type { EventLog } from '../hub/event-log.ts';
import { addressKey, type Share, Shares, type ShareLimits } from '../hub/shares.ts';
import type { Stream } from '../hub/stream.ts';
import { bearerToken } from './access.ts';
import { clientAddress } from './client-address.ts';
import type { Guard } from './guard.ts';

export interface ViewersOptions {
  readonly streams: ReadonlyMap<string, { readonly stream: Stream }>;
  /** By the stream's name. */
  readonly renditions: ReadonlyMap<string, Renditions>;
  readonly guard: Guard;
  /** Decodes the JPEGs that viewers return. */
  readonly verifier: JpegVerifier;
  readonly limits: WebClientLimits;
  /** All viewers there are; the creator closes them. */
  readonly webClients: Set<ViewerEnd>;
  readonly events: EventLog;
  /** How many there may be, over all streams. */
  readonly viewerLimits: ShareLimits;
  /** WebSockets that have not been admitted yet. */
  readonly greetings: Shares;
  readonly addressBudgets: AddressBudgets;
  readonly unsent: UnsentFrames;
}

type ViewerRequest = FastifyRequest<{ Params: { name: string } }>;

/** Adds the viewers' WebSocket, `/streams/NAME/ws`, behind the checks of names and origins. Whether a stream exists is revealed only after the token was accepted. */
export function serveViewers(app: FastifyInstance, { streams, renditions, guard, verifier, limits, webClients, events, viewerLimits, greetings, addressBudgets, unsent }: ViewersOptions): void {
  let count = 0;
  const viewers = new Shares('viewers', viewerLimits);

  /** @throws {GearwayError} `too-many`, `address-limit`. */
  const add = (socket: WebSocket, request: ViewerRequest): void => {
    const { name } = request.params;
    const stream = streams.get(name)?.stream;
    const shared = renditions.get(name);
    const transport = transportOf(socket);
    const address = addressKey(clientAddress(request));
    const viewer: Share = viewers.acquire(address);
    let greeting: Share;
    try {
      greeting = greetings.acquire(address);
    } catch (error) {
      viewer.release();
      throw error;
    }
    count += 1;
    const place = new ViewerPlace({
      id: `web-${count}`,
      served: stream === undefined || shared === undefined ? { stream: null, reason: `no such stream; there is ${[...streams.keys()].join(', ')}` } : { stream, renditions: shared },
      report: (event) => events.add({ stream: name.slice(0, 64), ...event }),
      address: clientAddress(request),
      authorize: (token) => guard.decide(request, token ?? bearerToken(request.headers.authorization), 'view'),
    });
    const client = new WebClient(socket, {
      place,
      transport,
      limits,
      unsent,
      verifyJpeg: (jpeg) => verifier.verify(jpeg, { lane: 'returns', key: place, colorspace: 'BGR' }),
      addressBudget: addressBudgets.join(address),
      onAdmitted: (messageBytes) => {
        greeting.release();
        setMessageLimit(socket, messageBytes);
      },
    });
    transport.on('drain', () => client.drained());
    transport.on('data', (chunk: Buffer) => client.receivedBytes(chunk.byteLength));
    webClients.add(client);
    const forget = (): void => {
      webClients.delete(client);
      greeting.release();
      viewer.release();
      addressBudgets.leave(address);
    };
    client.closed.then(forget, forget);
  };

  app.get<{ Params: { name: string } }>('/streams/:name/ws', { websocket: true, config: { right: 'hello' } }, (socket, request) => {
    try {
      add(socket, request);
    } catch (error) {
      socket.on('error', () => undefined);
      closeWebSocket(socket, closeCode.tooMuch, errorText(error));
    }
  });
}
