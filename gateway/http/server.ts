import fastifyWebsocket from '@fastify/websocket';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { cleanText } from '../../shared/clean-text.ts';
import type { Logger } from '../../shared/logger.ts';
import { AddressBudgets, type InputLimits } from '../connection/input-budget.ts';
import { LargeMessages } from '../connection/large-messages.ts';
import type { ViewerSocket } from '../clients/web/viewer-binding.ts';
import { ScaledPictures } from '../clients/scaled-pictures.ts';
import { UnsentFrames } from '../clients/unsent-frames.ts';
import type { WebClientLimits } from '../clients/web/web-client.ts';
import { webSocketOptions } from '../connection/web-socket.ts';
import type { JpegVerifier } from '../codecs/jpeg-verifier.ts';
import type {
  ClusterConnection,
  ClusterStatus,
  ConfigurationStatus,
  GatewayStatus,
  RightsStatus,
  WebhookStatus,
} from '../../shared/status.ts';
import type { AuditLog } from '../hub/audit-log.ts';
import type { EventLog } from '../hub/event-log.ts';
import type { Frame } from '../hub/frame.ts';
import { addressKey, DEFAULT_SHARED_LIMITS, type SharedLimits, Shares } from '../hub/shares.ts';
import type { Access } from './access.ts';
import { serveApiDescription } from './api-description.ts';
import { serveAudit } from './audit.ts';
import { clientAddress } from './client-address.ts';
import { type ServedStream, serveClients } from './clients.ts';
import { refusalOf } from './error-refusal.ts';
import { eventsRoute } from './events.ts';
import { FailedLogins } from './failed-logins.ts';
import { Guard } from './guard.ts';
import { serveHealth } from './health.ts';
import { type ConnectionLimits, createHttpServer, DEFAULT_CONNECTION_LIMITS } from './http-server.ts';
import { networkUrls } from './network-urls.ts';
import { PacedQueue } from './paced-queue.ts';
import { servePictures } from './pictures.ts';
import { servePublishers } from './publishers.ts';
import { RefusalLog, sendRefusal } from './refusals.ts';
import { checkRequestOrigin } from './request-origin.ts';
import { SecurityHeaders } from './security-headers.ts';
import { findSession, rightsStatus, serveSession } from './session.ts';
import { SessionCookies } from './session-cookies.ts';
import { mayAdminister, requireRights } from './rights.ts';
import { serveShareLinks } from './share-links.ts';
import type { StreamRenditions } from './stream-renditions.ts';
import { serveStreamSettings, type StreamEditing } from './stream-settings.ts';
import type { TrustedNames } from './trusted-names.ts';
import { trustedProxies } from './trusted-proxies.ts';
import { unknownStream } from './unknown-stream.ts';
import { boundUnreadBody } from './unread-body.ts';
import { Upgrades } from './upgrades.ts';
import { serveViewers } from './viewers.ts';
import { serveWebFiles } from './web-files.ts';

/** A cluster as the HTTP API describes it. */
interface ServedCluster {
  status(): ClusterStatus;
  connection(): ClusterConnection;
}

export interface ServerOptions {
  /** May change while the server runs. */
  readonly streams: ReadonlyMap<string, ServedStream>;
  readonly editor: StreamEditing;
  /** Status of the configuration file; null without one. Default null. */
  readonly configurationStatus?: () => ConfigurationStatus | null;
  readonly access: Access;
  readonly names: TrustedNames;
  /** Decodes the JPEGs that viewers return. */
  readonly verifier: JpegVerifier;
  readonly limits: WebClientLimits;
  /** Renditions of all streams; the server closes them. */
  readonly renditions: StreamRenditions;
  /** Limits shared by all peers, and per address. */
  readonly sharedLimits?: SharedLimits;
  /** Contains all connected web clients; the creator closes them. */
  readonly webClients: Set<ViewerSocket>;
  readonly events: EventLog;
  readonly audit: AuditLog;
  /** Creates the placeholder frame that an `<img>` shows before the first frame. */
  readonly createPlaceholder: (sentence: string) => Promise<Frame>;
  /** For `GET /api/cluster`; null without a cluster. Default null. */
  readonly cluster?: ServedCluster | null;
  /** Default: none. */
  readonly webhookStatuses?: () => readonly WebhookStatus[];
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /** Public address of the gateway; null if it is the one on which it listens. */
  readonly publicUrl: URL | null;
  /** Proxies whose `X-Forwarded-*` headers are trusted: IP addresses, ranges, `loopback`. */
  readonly trustProxies: readonly string[];
  /** Right that `GET /metrics` requires. Default `view`. */
  readonly metricsRight?: 'public' | 'view' | 'administer';
  readonly log: Logger;
  /** Default: `DEFAULT_CONNECTION_LIMITS`. */
  readonly connectionLimits?: ConnectionLimits;
}

/** Input limits of all WebSockets of one address together, excluding publishers' frames. */
const ADDRESS_INPUT_LIMITS: InputLimits = {
  messagesPerSecond: 5000,
  bytesPerSecond: 64 << 20,
  elementsPerSecond: 1 << 18,
};

/** Maximum size of a JSON body. Pictures are not read by Fastify, and have their own limits. */
const MAX_API_BODY_BYTES = 4 << 10;

/**
 * Replaces Fastify's schema compilers, which it loads even without schemas, and which take a tenth of the gateway's
 * start-up time.
 */
function noSchemas(): never {
  throw new TypeError('a route has a schema: let Fastify load its compilers again');
}

/**
 * Creates the HTTP server: health, the API, the pages, and the routes for viewers and publishers. Does not listen
 * before `listen()` is called.
 *
 * Refusals: 421 for an unknown Host, 403 for a foreign Origin, 401 without the token, 404, each with a message. Every
 * response has the security headers, including Fastify's own error responses.
 */
export async function createServer({
  streams,
  editor,
  configurationStatus = () => null,
  access,
  verifier,
  names,
  limits,
  sharedLimits = DEFAULT_SHARED_LIMITS,
  connectionLimits = DEFAULT_CONNECTION_LIMITS,
  webClients,
  events,
  audit,
  createPlaceholder,
  cluster = null,
  webhookStatuses = () => [],
  tls,
  publicUrl,
  trustProxies,
  metricsRight = 'view',
  log,
  renditions,
}: ServerOptions): Promise<FastifyInstance> {
  const headers = new SecurityHeaders(names, { isTls: tls !== null, publicUrl });
  const upgrades = new Upgrades(connectionLimits.upgradeTimeoutMs);
  const app = Fastify({
    serverFactory: (handler) =>
      createHttpServer(handler, {
        tls,
        limits: connectionLimits,
        isTrustedProxy: trustedProxies(trustProxies),
        onUpgrade: (request, socket, head) => upgrades.receive(request, socket, head),
      }),
    // `createHttpServer` answers these; without a handler Fastify would answer them again.
    clientErrorHandler: () => undefined,
    logger: false,
    bodyLimit: MAX_API_BODY_BYTES,
    forceCloseConnections: true,
    return503OnClosing: false,
    trustProxy: trustProxies.length === 0 ? false : [...trustProxies],
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    // Handles URLs that cannot be decoded, which match no route and run no hooks.
    frameworkErrors: (error, request, reply) => {
      headers.set(request, reply as FastifyReply);
      boundUnreadBody(request.raw);
      // @fastify/websocket closes the socket of a refused upgrade in a hook, which does not run here.
      if (upgrades.has(request.raw)) reply.raw.once('finish', () => request.raw.socket.destroySoon());
      sendRefusal(request, reply as FastifyReply, {
        status: error.statusCode ?? 400,
        code: 'request-invalid',
        message: error.message,
      });
    },
  });
  await app.register(fastifyWebsocket, { options: { ...webSocketOptions(), server: upgrades.server } });

  // Errors of the routes, Fastify's own (mainly for bodies that are not JSON), and unexpected exceptions.
  app.setErrorHandler<FastifyError>(async (error, request, reply) => {
    const refusal = refusalOf(error);
    if (refusal !== null) {
      if (refusal.status === 503) reply.header('retry-after', '1');
      return sendRefusal(request, reply, refusal);
    }
    const status = error.statusCode ?? 500;
    if (status < 500) return reply.code(status).send({ code: 'request-invalid', message: error.message });
    const { url: route = '' } = request.routeOptions;
    log.error(
      { code: 'internal-error', method: request.method, route },
      `internal error at ${request.method} ${route}: ${error.stack ?? error.message}`,
    );
    return reply
      .code(status)
      .send({ code: 'internal-error', message: 'internal error; the log of the gateway has the details' });
  });
  checkRequestOrigin(app, { names, headers, log: new RefusalLog(log) });
  // Refusals may quote untrusted input.
  app.addHook('preSerialization', async (_request, _reply, payload) => cleanMessage(payload));
  app.addHook('onSend', (request, _reply, _payload, done) => {
    boundUnreadBody(request.raw);
    done();
  });
  app.addHook('onResponse', async (request, { statusCode: status, elapsedTime }) => {
    // The URL is not logged, because its query may contain a token.
    const { url: route = 'an unknown route' } = request.routeOptions;
    const milliseconds = Math.round(elapsedTime);
    const peer = clientAddress(request);
    log.debug(
      { method: request.method, route, status, milliseconds, peer },
      `${request.method} ${route} from ${peer}: ${status} after ${milliseconds} ms`,
    );
  });
  let isClosing = false;
  app.addHook('preClose', async () => {
    isClosing = true;
  });
  app.addHook('onRequest', async (request, reply) =>
    isClosing
      ? sendRefusal(request, reply, { status: 503, code: 'closed', message: 'the gateway is stopping' })
      : undefined,
  );
  const failedLogins = new FailedLogins({ events, log });
  app.addHook('onClose', async () => failedLogins.close());
  app.addHook('onClose', async () => access.close());
  const cookies = new SessionCookies(names, publicUrl);
  const guard = new Guard(access, failedLogins, (request) => findSession(access.sessions, cookies, request));
  requireRights(app, guard);
  upgrades.addTo(app);

  const paced = new PacedQueue();
  serveHealth(app, { streams, guard, metricsRight, webhookStatuses, cluster, paced });
  serveSession(app, { access, guard, cookies, log });
  app.get(
    '/api/rights',
    { config: { right: 'view', scope: 'any' } },
    async ({ principal }): Promise<RightsStatus | null> => (principal === null ? null : rightsStatus(principal)),
  );
  app.get('/api/gateway', { config: { right: 'view', scope: 'any' } }, async (request): Promise<GatewayStatus> => {
    const address = app.server.address();
    const isListening = typeof address === 'object' && address !== null;
    return {
      publicUrl: publicUrl?.href ?? null,
      networkUrls: isListening && publicUrl === null ? networkUrls(address, tls !== null) : [],
      webhooks: mayAdminister(request) ? webhookStatuses() : [],
      configuration: mayAdminister(request) ? configurationStatus() : null,
      cluster: cluster?.connection() ?? null,
    };
  });
  app.get('/api/cluster', { config: { right: 'view' } }, async () => cluster?.status() ?? null);
  /** Sends the result of work whose cost grows with the number of clients. */
  const sendStatus = async (request: FastifyRequest, reply: FastifyReply, status: () => unknown): Promise<unknown> => {
    const json = await paced.run(addressKey(clientAddress(request)), () =>
      reply.raw.destroyed ? '' : JSON.stringify(status()),
    );
    return reply.type('application/json; charset=utf-8').send(json);
  };
  app.get('/api/streams', { config: { right: 'view', scope: 'any' } }, async (request, reply) =>
    sendStatus(request, reply, () =>
      [...streams]
        .filter(([name]) => request.principal?.may('view', { stream: name }) === true)
        .map(([, served]) => served.status()),
    ),
  );
  app.get<{ Params: { name: string } }>('/api/streams/:name', { config: { right: 'view' } }, async (request, reply) => {
    const served = streams.get(request.params.name);
    if (served === undefined)
      return sendRefusal(request, reply, unknownStream(streams, request.params.name, request.principal));
    return sendStatus(request, reply, () => served.status());
  });
  serveAudit(app, audit);
  serveStreamSettings(app, { editor, events, log });
  serveShareLinks(app, { streams, access, publicUrl, isTls: tls !== null, log });
  app.get('/api/events', { config: { right: 'view', scope: 'any' } }, eventsRoute(events, sharedLimits.eventFollowers));

  app.addHook('onClose', async () => renditions.close());
  const { pictures, videos } = renditions;
  const greetings = new Shares('connections without a hello', sharedLimits.greetings);
  const addressBudgets = new AddressBudgets(ADDRESS_INPUT_LIMITS);
  const largeMessages = new LargeMessages();
  const unsent = new UnsentFrames();
  serveViewers(app, {
    streams,
    renditions: pictures,
    videos,
    guard,
    verifier,
    limits,
    webClients,
    events,
    viewerLimits: sharedLimits.viewers,
    greetings,
    addressBudgets,
    largeMessages,
    unsent,
  });
  const { snapshots } = renditions;
  const snapshotShares = new Shares('requests for pictures', sharedLimits.snapshots);
  serveClients(app, { streams, editor, renditions: pictures, snapshots, snapshotShares, log });
  servePictures(app, {
    streams,
    renditions: pictures,
    snapshots,
    scaledPictures: new ScaledPictures(),
    createPlaceholder,
    sharedLimits,
    snapshotShares,
    unsent,
  });
  servePublishers(app, { streams, guard, limits, events, sharedLimits, greetings, addressBudgets, largeMessages });

  serveApiDescription(app);
  serveWebFiles(app);
  app.setNotFoundHandler(async (request, reply) =>
    sendRefusal(request, reply, {
      status: 404,
      code: 'not-found',
      message: `no resource at ${request.url.slice(0, 200)}`,
    }),
  );
  return app;
}

/** Cleans the message of a refusal, `{code, message}`; returns anything else unchanged. */
function cleanMessage(payload: unknown): unknown {
  if (
    typeof payload !== 'object' ||
    payload === null ||
    !('code' in payload) ||
    !('message' in payload) ||
    typeof payload.message !== 'string'
  )
    return payload;
  return { ...payload, message: cleanText(payload.message) };
}
