import { SILENT_LOGGER } from '../../shared/logger.ts';
import type { ViewerSocket } from '../../gateway/clients/web/viewer-binding.ts';
import { DEFAULT_WEB_CLIENT_LIMITS, type WebClientLimits } from '../../gateway/clients/web/web-client.ts';
import { JpegVerifier } from '../../gateway/codecs/jpeg-verifier.ts';
import { Access } from '../../gateway/http/access.ts';
import { createServer, type ServerOptions } from '../../gateway/http/server.ts';
import { StreamRenditions } from '../../gateway/http/stream-renditions.ts';
import { TrustedNames } from '../../gateway/http/trusted-names.ts';
import { AuditLog } from '../../gateway/hub/audit-log.ts';
import { EventLog } from '../../gateway/hub/event-log.ts';
import { DEFAULT_SHARED_LIMITS, type SharedLimits } from '../../gateway/hub/shares.ts';
import type { RightsOptions } from '../../gateway/rights/rows.ts';
import { Stream, type StreamOptions } from '../../gateway/hub/stream.ts';
import { StreamEditor } from '../../gateway/stream-editor.ts';
import { GearwayError } from '../../shared/errors.ts';
import type { Publishing } from '../../gateway/sources/push/publishing.ts';

/** The real HTTP application with one stream, `main`, and neither sources nor native clients. */
export interface HttpApp extends AsyncDisposable {
  readonly app: Awaited<ReturnType<typeof createServer>>;
  readonly stream: Stream;
  readonly events: EventLog;
  readonly webClients: ReadonlySet<ViewerSocket>;
  /** Listens on 127.0.0.1. @returns the URL, without a trailing slash. */
  listen(): Promise<string>;
}

export interface HttpAppOptions {
  readonly stream?: Partial<StreamOptions>;
  readonly publishing?: Publishing | null;
  /** Kind of the stream's source; default `push`. */
  readonly sourceKind?: string;
  /** Default: no token. */
  readonly access?: Partial<RightsOptions>;
  readonly limits?: Partial<WebClientLimits>;
  readonly sharedLimits?: Partial<SharedLimits>;
  readonly trustProxies?: readonly string[];
  readonly allowOrigins?: readonly string[];
  readonly withoutRenditions?: ReadonlySet<string>;
  readonly connectionLimits?: NonNullable<ServerOptions['connectionLimits']>;
}

/** Disposal closes the application and its web clients. */
export async function createHttpApp({
  stream: streamOptions = {},
  publishing = null,
  sourceKind = 'push',
  access = {},
  limits = {},
  sharedLimits = {},
  trustProxies = [],
  allowOrigins = [],
  withoutRenditions = new Set(),
  connectionLimits,
}: HttpAppOptions = {}): Promise<HttpApp> {
  const events = new EventLog();
  const stream = new Stream({
    name: 'main',
    virtualPorts: [{ from: 6000, to: 6003 }],
    sourceTakesReturns: true,
    events,
    waitingReason: 'no frame yet',
    log: SILENT_LOGGER,
    ...streamOptions,
  });
  const verifier = new JpegVerifier();
  const webClients = new Set<ViewerSocket>();
  const streams = new Map([
    [
      'main',
      {
        stream,
        publishing,
        status: () => stream.status({ kind: sourceKind, address: '', state: '', lastError: null, restarts: 0 }),
        addClient: () => {
          throw new Error('no native clients here');
        },
        withdrawClient: () => Promise.resolve(),
      },
    ],
  ]);
  const app = await createServer({
    streams,
    renditions: new StreamRenditions({ streams, withoutRenditions, log: SILENT_LOGGER }),
    editor: new StreamEditor({
      options: { source: 'push:' },
      check: () => undefined,
      apply: () => Promise.reject(new GearwayError('closed', 'nothing can be changed here')),
      store: null,
    }),
    access: new Access({
      isLocal: true,
      insecure: false,
      token: null,
      administratorKey: null,
      viewToken: null,
      publishToken: null,
      reservedPorts: new Map(),
      tokens: [],
      jwt: null,
      ...access,
    }),
    names: new TrustedNames({ host: '127.0.0.1', allowHosts: [], allowOrigins, publicUrl: null, tls: null }),
    verifier,
    limits: { ...DEFAULT_WEB_CLIENT_LIMITS, ...limits },
    sharedLimits: { ...DEFAULT_SHARED_LIMITS, ...sharedLimits },
    webClients,
    events,
    audit: new AuditLog(),
    createPlaceholder: () => Promise.reject(new Error('no picture is requested here')),
    tls: null,
    publicUrl: null,
    trustProxies,
    log: SILENT_LOGGER,
    ...(connectionLimits === undefined ? {} : { connectionLimits }),
  });
  return {
    app,
    stream,
    events,
    webClients,
    listen: () => app.listen({ host: '127.0.0.1', port: 0 }),
    async [Symbol.asyncDispose]() {
      for (const client of webClients) client.close(1001, 'the test ends');
      events.close();
      await app.close();
      await verifier.close();
      stream.close();
    },
  };
}
