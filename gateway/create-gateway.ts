import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import { join } from 'node:path';
import { runInBackground } from '../shared/background.ts';
import { closeCode } from '../shared/protocol.ts';
import { errorText, GearwayError } from '../shared/errors.ts';
import { type Logger, SILENT_LOGGER } from '../shared/logger.ts';
import { TokenBucket } from '../shared/token-bucket.ts';
import { systemErrorCode, systemErrorText } from '../shared/system-errors.ts';
import type { GatewayEvent } from '../shared/status.ts';
import { createPlaceholder } from './drawing/placeholder.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { StreamAnnouncement } from './cluster/stream-announcement.ts';
import type { ViewerSocket } from './clients/web/viewer-binding.ts';
import { DEFAULT_WEB_CLIENT_LIMITS } from './clients/web/web-client.ts';
import { JpegVerifier } from './codecs/jpeg-verifier.ts';
import { createSources, type NamedSource } from './create-sources.ts';
import { Access, isLoopback } from './http/access.ts';
import { listenOnAllOfLocalhost } from './http/http-server.ts';
import { networkUrls } from './http/network-urls.ts';
import { createServer } from './http/server.ts';
import { StreamRenditions } from './http/stream-renditions.ts';
import { TrustedNames } from './http/trusted-names.ts';
import { ByteBudget } from './hub/byte-budget.ts';
import { createClientLog } from './hub/client-log.ts';
import { AuditLog } from './hub/audit-log.ts';
import { EventLog } from './hub/event-log.ts';
import { MAX_RETURN_BYTES } from './hub/returns/returns.ts';
import type { ConfigurationStore } from './config/configuration-file.ts';
import type { GatewayOptions, Reconfiguration } from './config/gateway-options.ts';
import { listSources, redactorOf, type ResolvedGatewayOptions, resolveOptions } from './config/options.ts';
import { AppendedFile } from './process/append-file.ts';
import { StateFile } from './process/state-file.ts';
import { CleanLogger } from './process/clean-logger.ts';
import { applyLogOptions, LineLogger, type LineLoggerSettings } from './process/line-logger.ts';
import { type Configuration, reconfigure } from './reconfigure.ts';
import { hasAdministrator, type RightsOptions } from './rights/rows.ts';
import { type GatewayStream, reservedPortsIn, RunningStream } from './running-stream.ts';
import { StreamEditor } from './stream-editor.ts';
import { Webhooks } from './webhooks/webhooks.ts';

export type {
  GatewayOptions,
  LimitSettings,
  NativePolicy,
  Reconfiguration,
  StreamSettings,
  TokenSettings,
  WebhookOptions,
} from './config/gateway-options.ts';
export type { ConfigurationStore } from './config/configuration-file.ts';
export type { GatewayStream } from './running-stream.ts';
export type { StreamPolicy } from './hub/stream.ts';
export type { LogFields, Logger, LogLevel } from '../shared/logger.ts';
export type { PortData } from './hub/returns/returns.ts';
export type { ClientStatus, ConfigurationStatus, GatewayEvent, StreamStatus } from '../shared/status.ts';
export type { NDArray } from '../shared/ndarray.ts';
export type { Value } from '../shared/protocol.ts';
export { GearwayError } from '../shared/errors.ts';

/** A running gateway. The creator closes it. */
export interface Gateway {
  /** The first stream; it is called `main` unless its source is named. */
  readonly stream: GatewayStream;
  readonly streams: ReadonlyMap<string, GatewayStream>;
  /**
   * Secret with all rights, sent like a token; null if `token` is set, or one of `tokens` may administer all streams.
   * Without any token, requests from this machine may do everything except administer. Different at each start.
   */
  readonly administratorKey: string | null;
  /**
   * Events of clients (connect, disconnect, take-over, refusal), administrative changes, and state changes of streams:
   * first the latest 256 and the latest 64 refusals, then each new one as it happens.
   */
  events(): AsyncIterableIterator<GatewayEvent>;
  /**
   * Starts serving HTTP; resolves with the address, the public one from `publicUrl`, and `networkUrls`, the addresses
   * of this machine in its networks. @throws if the port is taken.
   */
  listen(): Promise<{
    readonly url: string;
    readonly publicUrl: string | null;
    readonly networkUrls: readonly string[];
    readonly host: string;
    readonly port: number;
  }>;
  /**
   * Closes sources, then native clients, then viewers, then HTTP. Idempotent. Takes at most about a second, regardless
   * of peers.
   */
  close(options?: { onClose?: 'keep' | 'terminate' }): Promise<void>;
  /**
   * Applies other options while the gateway runs. Streams whose options are equal are not touched. A stream that was
   * changed through the HTTP API keeps this change unless its own options differ from those given before.
   *
   * @param options the options, or a function that reads them when running changes have ended.
   * @returns what has changed.
   * @throws {GearwayError} for invalid options, in which case nothing has changed.
   */
  reconfigure(options: GatewayOptions | (() => Promise<GatewayOptions>)): Promise<Reconfiguration>;
  /** Adds an event of the kind `configure`, for programs that read a configuration. */
  report(reason: string): void;
  /** Resolves when `close()` is done. */
  readonly closed: Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const KEY_BYTES = 24;

/** Maximum number of streams of other gateways of a cluster. */
const MAX_REMOTE_STREAMS = 1024;

/** Maximum number of these streams that are added per second, after the first ones: each is logged. */
const REMOTE_STREAMS_PER_SECOND = 20;

/** Name of the file in the folder `stateDir`. */
const STATE_FILE = 'log-ins.json';

/**
 * Maximum time for closing HTTP and delivering the last events to webhooks together, and minimum time for the delivery.
 */
const MAX_CLOSE_MS = 500;
const MIN_WEBHOOK_CLOSE_MS = 100;

/**
 * Creates a gateway. When this resolves, its sources are open and its native clients are connecting. Call `listen()` to
 * serve web viewers.
 *
 * @param store storage for changes of streams through the HTTP API, if requested. Default: none.
 * @param signal ends the wait for a cluster that cannot be reached yet. Default: none.
 * @throws {GearwayError} for invalid options, `source-unavailable` if a source cannot be opened, and `closed` when the
 * signal aborts.
 */
export async function createGateway(
  options: GatewayOptions = {},
  store: ConfigurationStore | null = null,
  signal: AbortSignal = new AbortController().signal,
): Promise<Gateway> {
  const urls = listSources(options);
  const logSettings: LineLoggerSettings = { hasTime: false };
  applyLogOptions(logSettings, options);
  const log = createLogger(options, logSettings);
  try {
    return await buildGateway(options, { log, logSettings }, createSources(urls, log), store, signal);
  } catch (error) {
    // The message may quote an address with a password.
    throw redactorOf(options).error(error);
  }
}

async function buildGateway(
  options: GatewayOptions,
  { log, logSettings }: { readonly log: Logger; readonly logSettings: LineLoggerSettings },
  sources: readonly NamedSource[],
  store: ConfigurationStore | null,
  signal: AbortSignal,
): Promise<Gateway> {
  const resolved = resolveFor(options, sources);
  const webhooks = new Webhooks(resolved.webhooks, log);
  const logClient = createClientLog(log);
  const events = new EventLog((event) => {
    logClient(event);
    webhooks.offer(event);
  });
  const auditFile =
    resolved.auditLog === null
      ? null
      : new AppendedFile(resolved.auditLog, (problem) => log.error({ component: 'audit log' }, problem));
  await auditFile?.open().catch((error: unknown) => {
    throw new GearwayError(
      'option-invalid',
      `audit-log ${resolved.auditLog} cannot be written: ${systemErrorText(error)}`,
      {
        cause: error,
      },
    );
  });
  const audit = new AuditLog((line) => auditFile?.write(line));
  const returnBudget = new ByteBudget(MAX_RETURN_BYTES);
  const verifier = new JpegVerifier();
  const withoutRenditions = new Set(resolved.withoutRenditions);
  let configuration: Configuration = { sources, resolved };
  const cluster = await joinCluster(resolved, sources, log.child({ component: 'cluster' }), signal);
  const audited = (running: RunningStream): RunningStream => {
    const { stream } = running;
    audit.follow({
      name: stream.name,
      returns: stream.returns,
      clientAt: (port) => stream.clientStatuses().find((client) => client.port === port) ?? null,
    });
    return running;
  };
  const createStream = (named: NamedSource): RunningStream => {
    const ranges = configuration.resolved.virtualPorts.get(named.name) ?? [];
    const inCluster = cluster?.local(named.name, {
      ...named,
      hasFailover: resolved.failover.has(named.name),
      ranges,
      reserved: reservedPortsIn(named.name, ranges, configuration.resolved),
    });
    return audited(new RunningStream(named, configuration.resolved, log, events, returnBudget, verifier, inCluster));
  };
  const streams = new Map(sources.map((named) => [named.name, createStream(named)]));
  const [first] = streams.values();
  if (first === undefined) throw new TypeError('at least one source is required');
  const clients = resolved.clients.map(({ stream, address }) => ({ stream: stream ?? first.name, address }));
  /** Whether the stream is configured at this gateway, and not only at another one of the cluster. */
  const isListed = ({ name }: { readonly name: string }): boolean =>
    configuration.sources.some((source) => source.name === name);
  const webClients = new Set<ViewerSocket>();
  const administratorKey = randomBytes(KEY_BYTES).toString('base64url');
  const rightsOf = (options: ResolvedGatewayOptions): RightsOptions => ({
    ...options,
    isLocal: isLoopback(resolved.host),
    administratorKey,
  });
  const access = new Access(rightsOf(resolved), log);
  const stateFile = await openState(resolved.stateDir, access, log.child({ component: 'state' }));
  const editor = new StreamEditor({
    options,
    check: (changed) => {
      try {
        resolveFor(changed, createSources(listSources(changed), SILENT_LOGGER));
      } catch (error) {
        throw redactorOf(changed).error(error);
      }
    },
    apply: async (changed) =>
      applyOptions(changed).catch((error: unknown) => {
        throw redactorOf(changed).error(error);
      }),
    store,
  });
  const names = new TrustedNames(resolved);
  const renditions = new StreamRenditions({ streams, withoutRenditions, log });
  const app = await createServer({
    streams,
    editor,
    configurationStatus: () => store?.status() ?? null,
    access,
    verifier,
    names,
    limits: { ...DEFAULT_WEB_CLIENT_LIMITS, maxBitsPerSecond: resolved.viewerMaxBitrate },
    sharedLimits: resolved.limits,
    renditions,
    webClients,
    events,
    audit,
    createPlaceholder,
    cluster,
    webhookStatuses: () => webhooks.statuses(),
    tls: resolved.tls,
    publicUrl: resolved.publicUrl,
    trustProxies: resolved.trustProxies,
    metricsRight: resolved.metricsRight,
    log,
  });

  let closing: Promise<void> | null = null;
  const { promise: closed, resolve: settleClosed } = withResolvers();
  const close = (onClose: 'keep' | 'terminate'): Promise<void> => {
    closing ??= closeAll(onClose).finally(settleClosed);
    return closing;
  };
  const closeAll = async (onClose: 'keep' | 'terminate'): Promise<void> => {
    const all = [...streams.values()];
    await Promise.all(all.map((running) => running.closeSourceAndClients(onClose)));
    for (const client of webClients) client.close(closeCode.goingAway, 'the gateway is stopping');
    events.close();
    const fromMs = performance.now();
    await app.close();
    // Closed after the last clients have been disconnected.
    await webhooks.close(Math.max(MIN_WEBHOOK_CLOSE_MS, MAX_CLOSE_MS - (performance.now() - fromMs)));
    audit.close();
    await auditFile?.close();
    await stateFile?.close();
    await verifier.close();
    await cluster?.close();
    for (const { stream } of all) stream.close();
  };

  /** Streams of other gateways that are being closed. */
  const ending = new Set<string>();
  const endRemote = (name: string, running: RunningStream, reason: string): void => {
    ending.add(name);
    streams.delete(name);
    const ended = running.closeSourceAndClients('keep').finally(() => {
      running.stream.close(reason);
      ending.delete(name);
    });
    runInBackground(ended, (error) => log.warn({ stream: name }, errorText(error)));
  };

  const remoteStreams = new TokenBucket(REMOTE_STREAMS_PER_SECOND, MAX_REMOTE_STREAMS);
  /**
   * Makes room for one more stream of another gateway: if there are too many, ends those that no gateway lists any more,
   * so that there is room later.
   *
   * @returns whether the stream may be added now.
   */
  const makeRemoteRoom = (): boolean => {
    if (streams.size - configuration.sources.length + ending.size < MAX_REMOTE_STREAMS)
      return remoteStreams.take(performance.now());
    for (const [name, running] of streams)
      if (running.isAbandoned && !isListed(running))
        endRemote(name, running, 'no gateway of the cluster has this stream any more');
    return false;
  };

  /**
   * Adds a stream of another gateway, with its ports unless this gateway configures others. Called repeatedly.
   *
   * @returns false if it cannot be added now.
   */
  const addRemote = (inCluster: Cluster, { name, ranges, control: announced }: StreamAnnouncement): boolean => {
    if (closing !== null || ending.has(name)) return true;
    const present = streams.get(name);
    const control = announced === null ? ('shared' as const) : ('exclusive' as const);
    if (present !== undefined) {
      const isSame = (present.stream.control === null) === (announced === null);
      if (!isSame && !isListed(present)) endRemote(name, present, 'the configuration of the stream has changed');
      return true;
    }
    if (!makeRemoteRoom()) return false;
    const options = {
      ...configuration.resolved,
      virtualPorts: new Map([[name, ranges]]),
      policies: new Map([[name, { ...configuration.resolved.defaultPolicy, control }]]),
    };
    const stream = inCluster.remote(name, { ranges, reserved: reservedPortsIn(name, ranges, configuration.resolved) });
    const running = audited(
      new RunningStream(
        { name, entry: null, url: '', source: stream.source, isOnDemand: true },
        options,
        log,
        events,
        returnBudget,
        verifier,
        stream,
      ),
    );
    streams.set(name, running);
    runInBackground(running.open([]), (error) =>
      log.warn({ stream: name }, `the stream could not be opened: ${errorText(error)}`),
    );
    return true;
  };
  let ownUrl: string | null = resolved.publicUrl?.href ?? null;

  try {
    if (cluster !== null)
      cluster.start(
        () => ({
          url: ownUrl,
          streams: [...streams.values()].filter(isListed).map((running) => running.announcement()),
        }),
        (remote) => addRemote(cluster, remote),
        {
          renditionsOf: (stream) => renditions.local(stream),
          thumbnailOf: (stream, width) => renditions.thumbnail(stream, width),
        },
      );
    for (const running of [...streams.values()].filter(isListed)) {
      await running.open(clients.filter(({ stream }) => stream === running.name).map(({ address }) => address));
    }
  } catch (error) {
    await close('keep');
    throw error;
  }

  /** Called by the stream editor, one change at a time. */
  const applyOptions = async (changed: GatewayOptions): Promise<Reconfiguration> => {
    if (closing !== null) throw new GearwayError('closed', 'the gateway is closed');
    const nextSources = createSources(listSources(changed), log);
    const after: Configuration = {
      sources: nextSources,
      resolved: resolveFor(changed, nextSources),
    };
    const before = configuration;
    configuration = after;
    applyLogOptions(logSettings, after.resolved);
    withoutRenditions.clear();
    for (const name of after.resolved.withoutRenditions) withoutRenditions.add(name);
    // Rights are changed before streams are created again, so that no client connects to them with rights that have
    // ended.
    const rights = access.update(rightsOf(after.resolved));
    if (useCertificate(app.server, before.resolved.tls, after.resolved.tls)) {
      names.useCertificate(after.resolved.tls?.cert ?? null);
      log.info({ component: 'TLS' }, 'new connections get the new certificate');
    }
    return {
      ...(await reconfigure(streams, before, after, createStream)),
      rights,
      webhooks: await webhooks.update(after.resolved.webhooks),
    };
  };

  return {
    get stream() {
      return [...streams.values()][0] ?? first;
    },
    reconfigure: (changed) => editor.reconfigure(changed),
    report: (reason) =>
      events.add({ kind: 'configure', stream: null, client: null, port: null, address: null, reason }),
    streams,
    get administratorKey() {
      return hasAdministrator(configuration.resolved) ? null : administratorKey;
    },
    events: () => events.events(),
    async listen() {
      const { host, port } = resolved;
      await app.listen({ host, port }).catch((error: unknown) => {
        throw Object.assign(
          new Error(`cannot listen on ${host}, port ${port}: ${systemErrorText(error)}`, { cause: error }),
          { code: systemErrorCode(error) ?? 'listen-failed' },
        );
      });
      if (host === 'localhost') await listenOnAllOfLocalhost(app.server);
      const address = app.server.address();
      const isAddress = typeof address === 'object' && address !== null;
      const actualPort = isAddress ? address.port : port;
      const url = `${resolved.tls === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${actualPort}/`;
      ownUrl ??= url;
      return {
        networkUrls: isAddress ? networkUrls(address, resolved.tls !== null) : [],
        url,
        publicUrl: resolved.publicUrl?.href ?? null,
        host,
        port: actualPort,
      };
    },
    close: ({ onClose = configuration.resolved.onClose } = {}) => close(onClose),
    closed,
    [Symbol.asyncDispose]: () => close(configuration.resolved.onClose),
  };
}

/**
 * Uses another certificate for new connections. Open connections keep theirs.
 *
 * @returns whether the certificate differs from the previous one.
 */
function useCertificate(
  server: Server,
  before: ResolvedGatewayOptions['tls'],
  after: ResolvedGatewayOptions['tls'],
): boolean {
  if (before === null || after === null || (before.cert === after.cert && before.key === after.key)) return false;
  (server as TlsServer).setSecureContext(after);
  return true;
}

function resolveFor(options: GatewayOptions, sources: readonly NamedSource[]): ResolvedGatewayOptions {
  return resolveOptions(
    options,
    sources.map(({ name, entry, source }) => ({ name, entry, serverPorts: source.serverPorts })),
  );
}

/** Restores sessions and share links, and keeps them from now on. @returns null without `stateDir`. */
async function openState(folder: string | null, access: Access, log: Logger): Promise<StateFile | null> {
  if (folder === null) return null;
  const file = new StateFile(join(folder, STATE_FILE), { report: (text, level) => log[level]({}, text) });
  const saved = await file.open();
  try {
    access.keep(file, saved);
  } catch (error) {
    log.error({}, `${file.path} is ignored, and everyone has to log in again: ${errorText(error)}`);
  }
  return file;
}

/** @returns null without `cluster`. The libraries for NATS are loaded only with it. */
async function joinCluster(
  { cluster: address, failover }: ResolvedGatewayOptions,
  sources: readonly NamedSource[],
  log: Logger,
  signal: AbortSignal,
): Promise<Cluster | null> {
  if (address === null) return null;
  const { Cluster } = await import('./cluster/cluster.ts');
  return Cluster.join({
    address,
    streams: new Map(sources.map(({ name }) => [name, { hasFailover: failover.has(name) }])),
    log,
    signal,
  });
}

/** Creates the logger for the given options, which cleans all strings that it logs. */
function createLogger({ log }: GatewayOptions, settings: LineLoggerSettings): Logger {
  if (log === undefined) return SILENT_LOGGER;
  return new CleanLogger(typeof log === 'function' ? new LineLogger(log, settings) : log);
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let settle: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => (settle = resolve));
  return { promise, resolve: () => settle() };
}
