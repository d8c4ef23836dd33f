import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { formatLabel } from '../../shared/clean-text.ts';
import { GearwayError } from '../../shared/errors.ts';
import { closeCode } from '../../shared/protocol.ts';
import type { WebClientLimits } from '../clients/web/web-client.ts';
import { AddressBytes } from '../hub/address-bytes.ts';
import type { EventLog } from '../hub/event-log.ts';
import { addressKey, type SharedLimits, shareRefusalStatus, Shares } from '../hub/shares.ts';
import type { StreamStatus } from '../../shared/status.ts';
import type { Stream } from '../hub/stream.ts';
import type { Publishing, SinglePublisher } from '../sources/push/publishing.ts';
import type { AcceptedFrame } from '../sources/source.ts';
import { acceptSocket, type SocketShares } from './accept-socket.ts';
import { bearerToken, tokenCredential } from './access.ts';
import { clientAddress } from './client-address.ts';
import type { Guard } from './guard.ts';
import {
  type BodyType,
  MAX_FORM_BYTES,
  type PublishedFrame,
  readBodyType,
  readForm,
  readPicture,
} from '../publishers/published-frame.ts';
import { announcedBytes } from '../publishers/request-body.ts';
import { type Query, readQueryFlag } from './query.ts';
import { sendRefusal } from './refusals.ts';
import { unknownStream } from './unknown-stream.ts';
import { receiveStreamingPost } from '../publishers/streaming-post.ts';
import { WebPublisher } from '../publishers/web-publisher.ts';

interface PublishersOptions extends SocketShares {
  readonly streams: ReadonlyMap<string, PublishedStream>;
  readonly guard: Guard;
  /** Limits that apply to both viewers and publishers. */
  readonly limits: WebClientLimits;
  readonly events: EventLog;
  readonly sharedLimits: Pick<SharedLimits, 'publishers' | 'bodies' | 'bodyBytes'>;
}

interface PublishedStream {
  readonly stream: Stream;
  status(): StreamStatus;
  /** Null if the source does not accept publishers. */
  readonly publishing: Publishing | null;
}

/** Maximum length of a publisher's name. */
export const MAX_NAME = 64;

interface PublishRoute {
  Params: { name: string };
  Querystring: Query;
}

type PublishRequest = FastifyRequest<PublishRoute>;

/** Parsed query of a request. */
interface PublishQuery {
  /** Name of the publisher; empty for none. */
  readonly publisher: string;
  readonly label: string;
  readonly takeOver: boolean;
}

/** HTTP status by error code; all other errors are 400, because the picture is invalid. */
const STATUSES: ReadonlyMap<string, number> = new Map([
  ['publisher-present', 409],
  ['taken-over', 409],
  ['source-busy', 409],
  ['token-required', 401],
  ['length-required', 411],
  ['too-large', 413],
  ['type-unknown', 415],
  ['busy', 503],
  ['too-many', 503],
  ['address-limit', 429],
  ['closed', 503],
]);

/** Errors that do not count as a rejected frame, because they do not depend on the picture. */
const NOT_COUNTED: ReadonlySet<string> = new Set([
  'publisher-present',
  'taken-over',
  'closed',
  'busy',
  'too-many',
  'address-limit',
  'length-required',
]);

/** The reason why a stream accepts no publishers. */
function otherSource(served: PublishedStream, name: string): string {
  const { gateway } = served.status();
  if (gateway === undefined || gateway?.isHere === true)
    return `the stream ${name} has another source; start the gateway with --source ${name}=push:`;
  if (gateway === null)
    return `no gateway of the cluster runs the source of the stream ${name} at present; retry later`;
  return `the source of the stream ${name} is at gateway ${gateway.name}; publish there${gateway.url === null ? '' : `: ${gateway.url}`}`;
}

/**
 * Adds the routes for publishers: `POST /streams/NAME/frames` with single pictures or a streaming multipart body, and
 * the WebSocket `/streams/NAME/publish`. Closing `app` closes the WebSockets.
 */
export function servePublishers(app: FastifyInstance, options: PublishersOptions): void {
  serveFrames(app, options);
  serveWebPublishers(app, options);
}

function serveFrames(app: FastifyInstance, { streams, sharedLimits }: PublishersOptions): void {
  const bodies = new Shares('pictures in transfer', sharedLimits.bodies);
  const bodyBytes = new AddressBytes(sharedLimits.bodyBytes);

  /** Reads a picture within the limits for bodies and bytes. A chunked body counts as the largest possible one. */
  const receiveWithin = async (
    request: PublishRequest,
    type: Exclude<BodyType, { kind: 'streaming' }>,
  ): Promise<PublishedFrame> => {
    const bytes = announcedBytes(request.raw, MAX_FORM_BYTES) ?? MAX_FORM_BYTES;
    const address = addressKey(clientAddress(request));
    const share = bodies.acquire(address);
    try {
      const release = bodyBytes.reserve(address, bytes);
      try {
        return await readFrame(request, type);
      } finally {
        release();
      }
    } finally {
      share.release();
    }
  };

  const receiveSingle = async (
    request: PublishRequest,
    type: Exclude<BodyType, { kind: 'streaming' }>,
    publishing: Publishing,
    { label, publisher, takeOver }: PublishQuery,
  ): Promise<object> => {
    const single: SinglePublisher = { label, identity: `${clientAddress(request)} ${publisher}` };
    let accepted: AcceptedFrame;
    try {
      publishing.check(single, { takeOver });
      const { picture, info } = await receiveWithin(request, type);
      const end = request.principal?.ended ?? null;
      if (end !== null) throw new GearwayError('token-required', end.reason);
      accepted = publishing.publish(single, picture, info, { takeOver });
    } catch (error) {
      if (error instanceof GearwayError && !NOT_COUNTED.has(error.code)) publishing.reject(error);
      throw error;
    }
    const error = await accepted.turned;
    if (error instanceof GearwayError) throw error;
    return { sequence: accepted.sequence };
  };

  const publish = async (request: PublishRequest, reply: FastifyReply): Promise<unknown> => {
    const { name } = request.params;
    const served = streams.get(name);
    if (served === undefined) return sendRefusal(request, reply, unknownStream(streams, name, request.principal));
    const { stream, publishing } = served;
    try {
      if (publishing === null) {
        throw new GearwayError('source-busy', otherSource(served, name));
      }
      const query = readQuery(request);
      const type = readBodyType(request.headers['content-type']);
      if (type.kind !== 'streaming') return await receiveSingle(request, type, publishing, query);
      return await receiveStreamingPost({
        request: request.raw,
        boundary: type.boundary,
        stream,
        publishing,
        principal: request.principal,
        ...query,
      });
    } catch (error) {
      if (!(error instanceof GearwayError)) throw error;
      if (error.code === 'busy' || shareRefusalStatus(error) !== null) reply.header('retry-after', '1');
      return sendRefusal(request, reply, {
        status: STATUSES.get(error.code) ?? 400,
        code: error.code,
        message: error.message,
      });
    }
  };
  // A separate scope without Fastify's body parsers and their limits: bodies are read by this route.
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    scope.post<PublishRoute>('/streams/:name/frames', { config: { right: 'publish', basic: true } }, publish);
  });
}

function serveWebPublishers(
  app: FastifyInstance,
  { streams, guard, limits, events, sharedLimits, greetings, addressBudgets, largeMessages }: PublishersOptions,
): void {
  const publishers = new Set<WebPublisher>();
  const sockets = new Shares("publishers' connections", sharedLimits.publishers);

  app.get<{ Params: { name: string } }>(
    '/streams/:name/publish',
    { websocket: true, config: { right: 'hello' } },
    (socket, request) => {
      const { name } = request.params;
      acceptSocket(
        socket,
        request,
        { sockets, greetings, addressBudgets, largeMessages },
        publishers,
        ({ address, addressBudget, onAdmitted }) => {
          return new WebPublisher(socket, {
            served: streams.get(name) ?? {
              stream: null,
              reason: (principal) => unknownStream(streams, name, principal).message,
            },
            report: (event) => events.add({ stream: name.slice(0, 64), ...event }),
            address,
            authorize: (token) =>
              guard.decide(request, tokenCredential(token ?? bearerToken(request.headers.authorization)), 'publish', {
                stream: name,
              }),
            limits,
            addressBudget,
            onAdmitted,
          });
        },
      );
    },
  );
  // Must happen before the server waits for its connections. The source has already ended active publishers.
  app.addHook('preClose', async () => {
    for (const publisher of publishers) publisher.close(closeCode.goingAway, 'the gateway is stopping');
  });
}

function readFrame({ raw }: PublishRequest, type: Exclude<BodyType, { kind: 'streaming' }>): Promise<PublishedFrame> {
  return type.kind === 'form' ? readForm(raw, type.boundary) : readPicture(raw, type.type);
}

function readQuery(request: PublishRequest): PublishQuery {
  const { publisher = '' } = request.query;
  if (typeof publisher !== 'string' || publisher.length > MAX_NAME) {
    const text = JSON.stringify(publisher).slice(0, 100);
    throw new GearwayError('query-invalid', `publisher is ${text}, expected a name of at most ${MAX_NAME} characters`);
  }
  const takeOver = readQueryFlag(request.query, 'takeOver') ?? false;
  return { publisher, label: formatLabel(publisher, clientAddress(request)), takeOver };
}
