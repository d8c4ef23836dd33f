import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { formatLabel } from '../../shared/clean-text.ts';
import { GearwayError } from '../../shared/errors.ts';
import { closeCode } from '../../shared/protocol.ts';
import type { WebClientLimits } from '../clients/web/web-client.ts';
import { AddressBytes } from '../hub/address-bytes.ts';
import type { EventLog } from '../hub/event-log.ts';
import { addressKey, type SharedLimits, shareRefusalStatus, Shares } from '../hub/shares.ts';
import type { Stream } from '../hub/stream.ts';
import type { Publishing, SinglePublisher } from '../sources/push/publishing.ts';
import { acceptSocket, type SocketShares } from './accept-socket.ts';
import { bearerToken } from './access.ts';
import { clientAddress } from './client-address.ts';
import type { Guard } from './guard.ts';
import { type BodyType, MAX_FORM_BYTES, type PublishedFrame, readBodyType, readForm, readPicture } from '../publishers/published-frame.ts';
import { announcedBytes } from '../publishers/request-body.ts';
import { sendRefusal } from './refusals.ts';
import { unknownStream } from './unknown-stream.ts';
import { receiveRunningPost } from '../publishers/running-post.ts';
import { WebPublisher } from '../publishers/web-publisher.ts';

export interface PublishersOptions extends SocketShares {
  readonly streams: ReadonlyMap<string, PublishedStream>;
  readonly guard: Guard;
  /** The same as for viewers, where both are limited. */
  readonly limits: WebClientLimits;
  readonly events: EventLog;
  readonly sharedLimits: Pick<SharedLimits, 'publishers' | 'bodies' | 'bodyBytes'>;
}

/** A stream, and where its publishers sit; null where its source takes none. */
export interface PublishedStream {
  readonly stream: Stream;
  readonly publishing: Publishing | null;
}

/** Longest name of a publisher. */
const MAX_NAME = 64;

interface PublishRoute {
  Params: { name: string };
  Querystring: Readonly<Record<string, string | string[] | undefined>>;
}

type PublishRequest = FastifyRequest<PublishRoute>;

/** What a request says of who sends it. */
interface Asked {
  /** Its name, empty when there is none. */
  readonly publisher: string;
  readonly label: string;
  readonly takeOver: boolean;
}

/** What is not a fault of what was sent: 400 says that. */
const STATUSES: ReadonlyMap<string, number> = new Map([
  ['publisher-present', 409],
  ['taken-over', 409],
  ['source-busy', 409],
  ['length-required', 411],
  ['too-large', 413],
  ['type-unknown', 415],
  ['busy', 503],
  ['too-many', 503],
  ['address-limit', 429],
  ['closed', 503],
]);

/** What is refused whatever was sent. */
const NO_REJECTIONS: ReadonlySet<string> = new Set(['publisher-present', 'taken-over', 'closed', 'busy', 'too-many', 'address-limit', 'length-required']);

/**
 * Adds the ways in for publishers, behind the checks of names and origins: `POST /streams/NAME/frames`, single pictures or a running
 * multipart body, and the WebSocket `/streams/NAME/publish`. Closing `app` ends the WebSockets.
 */
export function servePublishers(app: FastifyInstance, options: PublishersOptions): void {
  serveFrames(app, options);
  serveWebPublishers(app, options);
}

function serveFrames(app: FastifyInstance, { streams, sharedLimits }: PublishersOptions): void {
  const bodies = new Shares('pictures on their way', sharedLimits.bodies);
  const bodyBytes = new AddressBytes(sharedLimits.bodyBytes);

  /** Reads a picture with a share of the bodies and of their bytes; one that comes in chunks counts as the largest. */
  const receiveWithin = async (request: PublishRequest, type: Exclude<BodyType, { kind: 'running' }>): Promise<PublishedFrame> => {
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

  const receiveSingle = async (request: PublishRequest, type: Exclude<BodyType, { kind: 'running' }>, publishing: Publishing, { label, publisher, takeOver }: Asked): Promise<object> => {
    const single: SinglePublisher = { label, identity: `${clientAddress(request)} ${publisher}` };
    try {
      publishing.check(single, { takeOver });
      const { picture, info } = await receiveWithin(request, type);
      return { sequence: publishing.publish(single, picture, info, { takeOver }).sequence };
    } catch (error) {
      if (error instanceof GearwayError && !NO_REJECTIONS.has(error.code)) publishing.reject(error);
      throw error;
    }
  };

  const publish = async (request: PublishRequest, reply: FastifyReply): Promise<unknown> => {
    const { name } = request.params;
    const served = streams.get(name);
    if (served === undefined) return sendRefusal(request, reply, unknownStream(streams, name));
    const { stream, publishing } = served;
    try {
      if (publishing === null) throw new GearwayError('source-busy', `the stream ${name} has a source of its own; start the gateway with --source ${name}=push:`);
      const asked = readQuery(request);
      const type = readBodyType(request.headers['content-type']);
      if (type.kind !== 'running') return await receiveSingle(request, type, publishing, asked);
      return await receiveRunningPost({ request: request.raw, boundary: type.boundary, stream, publishing, ...asked });
    } catch (error) {
      if (!(error instanceof GearwayError)) throw error;
      if (error.code === 'busy' || shareRefusalStatus(error) !== null) reply.header('retry-after', '1');
      return sendRefusal(request, reply, { status: STATUSES.get(error.code) ?? 400, code: error.code, message: error.message });
    }
  };
  // In a scope of its own: bodies are read here, and not by Fastify's parsers with their limits.
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    scope.post<PublishRoute>('/streams/:name/frames', { config: { right: 'publish', basic: true } }, publish);
  });
}

function serveWebPublishers(app: FastifyInstance, { streams, guard, limits, events, sharedLimits, greetings, addressBudgets }: PublishersOptions): void {
  const publishers = new Set<WebPublisher>();
  const sockets = new Shares("publishers' connections", sharedLimits.publishers);

  app.get<{ Params: { name: string } }>('/streams/:name/publish', { websocket: true, config: { right: 'hello' } }, (socket, request) => {
    const { name } = request.params;
    acceptSocket(socket, request, { sockets, greetings, addressBudgets }, publishers, ({ address, addressBudget, onAdmitted }) => {
      return new WebPublisher(socket, {
        served: streams.get(name) ?? { stream: null, reason: unknownStream(streams, name).message },
        report: (event) => events.add({ stream: name.slice(0, 64), ...event }),
        address,
        authorize: (token) => guard.decide(request, token ?? bearerToken(request.headers.authorization), 'publish'),
        limits,
        addressBudget,
        onAdmitted,
      });
    });
  });
  // Before the server waits for its connections. Who had a seat has lost it with its source.
  app.addHook('preClose', async () => {
    for (const publisher of publishers) publisher.close(closeCode.goingAway, 'the gateway stops');
  });
}

function readFrame({ raw }: PublishRequest, type: Exclude<BodyType, { kind: 'running' }>): Promise<PublishedFrame> {
  return type.kind === 'form' ? readForm(raw, type.boundary) : readPicture(raw, type.type);
}

function readQuery(request: PublishRequest): Asked {
  const { publisher = '', takeOver = 'false' } = request.query;
  if (typeof publisher !== 'string' || publisher.length > MAX_NAME) throw new GearwayError('query-invalid', `publisher is ${JSON.stringify(publisher).slice(0, 100)}, expected a name of at most ${MAX_NAME} characters`);
  if (takeOver !== 'true' && takeOver !== 'false') throw new GearwayError('query-invalid', `takeOver is ${JSON.stringify(takeOver)}, expected true or false`);
  return { publisher, label: formatLabel(publisher, clientAddress(request)), takeOver: takeOver === 'true' };
}
