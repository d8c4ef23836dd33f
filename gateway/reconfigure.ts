import { errorText } from '../shared/errors.ts';
import type { NativeClientAddress } from './clients/native/native-client.ts';
import type { Reconfiguration } from './config/gateway-options.ts';
import type { ResolvedGatewayOptions } from './config/options.ts';
import type { NamedSource } from './create-sources.ts';
import { reservedPortsIn, type RunningStream } from './running-stream.ts';

/** Streams with the options from which they were made. */
export interface Configuration {
  readonly sources: readonly NamedSource[];
  readonly resolved: ResolvedGatewayOptions;
}

/**
 * Whether a change of an option needs a restart. Contains every option, so that no change is ignored without a log
 * entry.
 */
const NEEDS_RESTART: Readonly<Record<keyof ResolvedGatewayOptions, boolean>> = {
  host: true,
  port: true,
  clients: false,
  virtualPorts: false,
  policies: false,
  defaultPolicy: false,
  limits: true,
  withoutRenditions: false,
  viewerMaxBitrate: true,
  // A changed certificate does not need a restart, but TLS itself does.
  tls: false,
  insecure: false,
  token: false,
  viewToken: false,
  publishToken: false,
  reservedPorts: false,
  tokens: false,
  jwt: false,
  allowOrigins: true,
  allowHosts: true,
  publicUrl: true,
  trustProxies: true,
  logLevel: false,
  logFormat: false,
  webhooks: false,
  auditLog: true,
  stateDir: true,
  metricsRight: true,
  onClose: false,
  cluster: true,
  failover: true,
};
const FIXED = (Object.keys(NEEDS_RESTART) as (keyof ResolvedGatewayOptions)[]).filter((name) => NEEDS_RESTART[name]);

/**
 * Applies a new configuration to running streams. Streams whose options are equal are not touched. If only the source
 * of a stream has changed, it is replaced and all clients stay; if only some native clients have changed, the others
 * stay; if other options have changed, the stream is created again, and its viewers reconnect.
 *
 * @param streams contains the running streams, and is modified.
 * @param create creates a stream of the new configuration.
 */
export async function reconfigure(
  streams: Map<string, RunningStream>,
  before: Configuration,
  after: Configuration,
  create: (source: NamedSource) => RunningStream,
): Promise<Omit<Reconfiguration, 'rights' | 'webhooks'>> {
  const problems: string[] = [];
  const oldSources = new Map(before.sources.map((source) => [source.name, source]));
  const newSources = new Map(after.sources.map((source) => [source.name, source]));
  const removed = [...oldSources.keys()].filter((name) => !newSources.has(name));
  const added = [...newSources.keys()].filter((name) => !oldSources.has(name));
  /** Streams that only other gateways of a cluster had until now. */
  const adopted = added.filter((name) => streams.has(name));
  const kept = [...newSources.keys()].filter((name) => oldSources.has(name));
  const isRecreated = (name: string): boolean =>
    fixedOptions(name, oldSources.get(name), before.resolved) !==
    fixedOptions(name, newSources.get(name), after.resolved);
  const recreated = kept.filter(isRecreated);
  const switched = kept.filter(
    (name) => !recreated.includes(name) && oldSources.get(name)?.url !== newSources.get(name)?.url,
  );
  const [oldClients, newClients] = [clientsByStream(before), clientsByStream(after)];
  const withOtherClients = kept.filter(
    (name) => !recreated.includes(name) && textOf(oldClients.get(name)) !== textOf(newClients.get(name)),
  );

  // Old sources are closed before new ones open, because they may use the same address or camera.
  const running = (name: string): RunningStream[] => [streams.get(name) ?? []].flat();
  await Promise.all(
    [...removed, ...recreated, ...adopted]
      .flatMap(running)
      .map((stream) => stream.closeSourceAndClients(after.resolved.onClose)),
  );
  for (const { stream } of removed.flatMap(running))
    for (const { id } of stream.clientStatuses()) stream.sendAway(id, 'the stream was removed from the configuration');
  for (const { stream } of [...removed, ...recreated, ...adopted].flatMap(running))
    stream.close('the configuration of the stream has changed');
  await Promise.all(switched.flatMap(running).map((stream) => stream.closeSource()));

  for (const name of switched) for (const stream of running(name)) startSource(stream, newSources.get(name));
  for (const name of removed) streams.delete(name);
  // Streams are kept in the order of the configuration, which determines the order of lists and the first stream.
  const order = after.sources.map(
    (source) =>
      [
        source.name,
        added.includes(source.name) || recreated.includes(source.name) ? create(source) : streams.get(source.name),
      ] as const,
  );
  const remote = [...streams].filter(([name]) => !oldSources.has(name) && !newSources.has(name));
  streams.clear();
  for (const [name, stream] of [...order, ...remote]) if (stream !== undefined) streams.set(name, stream);

  const attempt = async (name: string, work: () => Promise<void>): Promise<void> =>
    work().catch((error: unknown) => {
      problems.push(`stream ${name}: ${errorText(error)}`);
    });
  for (const name of [...added, ...recreated])
    for (const stream of running(name)) await attempt(name, () => stream.start(newClients.get(name) ?? []));
  for (const name of withOtherClients) {
    const [old, wanted] = [oldClients.get(name) ?? [], newClients.get(name) ?? []];
    const isIn = (list: readonly NativeClientAddress[], client: NativeClientAddress): boolean =>
      list.some((other) => textOf([other]) === textOf([client]));
    for (const stream of running(name)) {
      await stream.removeClients(old.filter((client) => !isIn(wanted, client)).map(({ port }) => port));
      await attempt(name, () => stream.addClients(wanted.filter((client) => !isIn(old, client))));
    }
  }
  const needsRestart = [
    ...FIXED.filter((name) => textOf(before.resolved[name]) !== textOf(after.resolved[name])),
    ...((before.resolved.tls === null) === (after.resolved.tls === null) ? [] : ['tls']),
  ];
  return {
    added,
    removed,
    changed: [...new Set([...recreated, ...switched, ...withOtherClients])],
    needsRestart,
    problems,
  };
}

function startSource(stream: RunningStream, source: NamedSource | undefined): void {
  if (source !== undefined) stream.startSource(source);
}

/** The options of a stream that cannot change while it runs, as a string for comparison. */
function fixedOptions(name: string, source: NamedSource | undefined, options: ResolvedGatewayOptions): string {
  const { virtualPorts, policies, withoutRenditions } = options;
  return textOf([
    virtualPorts.get(name),
    reservedPortsIn(name, virtualPorts.get(name) ?? [], options),
    policies.get(name),
    withoutRenditions.has(name),
    source?.isOnDemand,
    source?.source.takesReturns,
  ]);
}

function clientsByStream({ sources, resolved }: Configuration): ReadonlyMap<string, readonly NativeClientAddress[]> {
  const first = sources[0]?.name ?? '';
  const clients = new Map<string, NativeClientAddress[]>();
  for (const { stream, address } of resolved.clients)
    clients.set(stream ?? first, [...(clients.get(stream ?? first) ?? []), address]);
  return clients;
}

function textOf(value: unknown): string {
  return (
    JSON.stringify(value, (_key, part: unknown) =>
      part instanceof Map || part instanceof Set ? [...part] : part === Infinity ? 'Infinity' : part,
    ) ?? ''
  );
}
