import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import { domainToASCII } from 'node:url';
import { errorText } from '../../shared/errors.ts';
import { LOG_LEVELS, type LogLevel } from '../../shared/logger.ts';
import { type ClusterAddress, parseClusterAddress } from '../cluster/cluster-address.ts';
import { isLoopback } from '../http/access.ts';
import { parseHost } from '../http/trusted-names.ts';
import { formatPortRanges, isInRanges, type PortRange } from '../hub/port-registry.ts';
import { DEFAULT_SHARED_LIMITS, type SharedLimits } from '../hub/shares.ts';
import { DEFAULT_STREAM_POLICY } from '../hub/stream.ts';
import { covers } from '../rights/principal.ts';
import type { JwtSettings } from '../rights/jwt-verifier.ts';
import { type NamedToken, requiresToken } from '../rights/rows.ts';
import { type Redactor, redactorOfUrls } from '../sources/redactor.ts';
import type { WebhookSettings } from '../webhooks/webhook-settings.ts';
import { type ListedAddress, resolveClient, splitName } from './client-address.ts';
import type { GatewayOptions, LimitSettings, NativePolicy } from './gateway-options.ts';
import { MIN_BITRATE } from './bit-rate.ts';
import { invalid, oneOf, OptionError } from './problem.ts';
import { resolveJwt, resolveNamedTokens } from './rights-options.ts';
import { suggest } from './suggest.ts';
import { resolveWebhooks } from './webhook-options.ts';

/** Validated options with defaults. */
export interface ResolvedGatewayOptions {
  readonly host: string;
  readonly port: number;
  readonly clients: readonly ListedAddress[];
  /** By stream name. */
  readonly virtualPorts: ReadonlyMap<string, readonly PortRange[]>;
  /** By stream name. */
  readonly policies: ReadonlyMap<string, NativePolicy>;
  /** For streams that are configured only at other gateways of the cluster. */
  readonly defaultPolicy: NativePolicy;
  readonly limits: SharedLimits;
  /** Names of the streams with `renditions: off`. */
  readonly withoutRenditions: ReadonlySet<string>;
  /** Bits per second; Infinity for no limit. */
  readonly viewerMaxBitrate: number;
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly insecure: boolean;
  readonly token: string | null;
  readonly viewToken: string | null;
  readonly publishToken: string | null;
  readonly reservedPorts: ReadonlyMap<number, string>;
  readonly tokens: readonly NamedToken[];
  readonly jwt: JwtSettings | null;
  readonly allowOrigins: readonly string[];
  readonly allowHosts: readonly string[];
  /** Public URL; its path ends with a slash. */
  readonly publicUrl: URL | null;
  readonly trustProxies: readonly string[];
  readonly logLevel: LogLevel;
  readonly logFormat: 'text' | 'json';
  readonly webhooks: readonly WebhookSettings[];
  /** Path of the file; null for none. */
  readonly auditLog: string | null;
  /** Path of the folder; null for none. */
  readonly stateDir: string | null;
  readonly metricsRight: 'public' | 'view' | 'administer';
  readonly onClose: 'keep' | 'terminate';
  readonly cluster: ClusterAddress | null;
  /** Names of the streams that are configured at other gateways of the cluster, too. */
  readonly failover: ReadonlySet<string>;
}

/** Maximum number of native clients per stream: each has a socket, which libzmq polls. */
export const MAX_NATIVE_CLIENTS = 256;

/** Maximum number of virtual ports per stream. */
const MAX_VIRTUAL_PORTS = 4096;

const DEFAULT_VIRTUAL_PORTS: readonly PortRange[] = [{ from: 6000, to: 6063 }];

/** Properties of a stream on which options depend. */
interface StreamPorts {
  readonly name: string;
  /**
   * Name of the source, which differs from that of the stream if the source feeds several streams; null if it has none.
   */
  readonly entry?: string | null;
  /**
   * The ports by which the source's server identifies clients, which become the virtual ports; null if there are none.
   */
  readonly serverPorts: readonly number[] | null;
}

/**
 * Validates options and applies defaults.
 *
 * @throws {GearwayError} `option-invalid`, and the errors of {@link parseNetGearAddress}.
 */
export function resolveOptions(options: GatewayOptions, streams: readonly StreamPorts[]): ResolvedGatewayOptions {
  const {
    host = '127.0.0.1',
    port = 8080,
    token = null,
    viewToken = null,
    publishToken = null,
    insecure = false,
    allowOrigins = [],
    onClose = 'keep',
  } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw invalid(`port is ${port}, expected 0 to 65535`, 'port');
  checkListenHost(host);
  const virtualPorts = resolveVirtualPorts(listPerStream(options, 'virtualPorts'), streams);
  const reservedPorts = resolveReserved(options.reservedPorts ?? {}, [...virtualPorts.values()].flat());
  const clients = resolveClients(options, streams);
  const tokens = resolveNamedTokens(options.tokens ?? {}, [...virtualPorts.values()].flat(), reservedPorts);
  const jwt = resolveJwt(options.jwt);
  for (const { stream, address } of clients) {
    const name = stream ?? streams[0]?.name ?? '';
    const owner = tokens.find((named) => named.port === address.port && covers(named, name));
    if (owner === undefined && !reservedPorts.has(address.port)) continue;
    throw new OptionError(
      owner === undefined ? ['reservedPorts', String(address.port)] : ['tokens', owner.name, 'port'],
      `port ${address.port} is reserved, but belongs to a native client: give that client another identity with ?id=`,
    );
  }
  checkTokens([
    [['token'], token],
    [['viewToken'], viewToken],
    [['publishToken'], publishToken],
    ...[...reservedPorts].map(([reserved, secret]) => [['reservedPorts', String(reserved)], secret] as const),
  ]);
  const hasTokens = requiresToken({ token, tokens, jwt });
  if (viewToken !== null && !hasTokens)
    throw invalid(
      'view-token requires token, tokens or jwt, because without them anyone may return data; add --token SECRET',
      'viewToken',
    );
  if (!isLoopback(host) && !hasTokens && !insecure) {
    throw invalid(
      `host ${host} can be reached from other machines: add --token SECRET, or --insecure to let anyone watch and return data`,
      'host',
    );
  }
  allowOrigins.forEach(checkOrigin);
  oneOf('on-close', onClose, ['keep', 'terminate']);
  return {
    host,
    port,
    clients,
    virtualPorts,
    policies: resolvePolicies(options, streams),
    defaultPolicy: resolvePolicy(options, {}),
    limits: resolveLimits(options.limits ?? {}),
    withoutRenditions: resolveRenditions(listPerStream(options, 'renditions'), streams),
    viewerMaxBitrate: resolveBitrate(options.viewerMaxBitrate),
    tls: resolveTls(options.tls ?? null),
    insecure,
    token,
    viewToken,
    publishToken,
    reservedPorts,
    tokens,
    jwt,
    allowOrigins,
    allowHosts: (options.allowHosts ?? []).map(resolveHost),
    publicUrl: resolvePublicUrl(options.publicUrl ?? null),
    trustProxies: (options.trustProxies ?? []).map(resolveProxy),
    logLevel: oneOf('log-level', options.logLevel ?? 'info', LOG_LEVELS),
    logFormat: oneOf('log-format', options.logFormat ?? 'text', ['text', 'json']),
    webhooks: resolveWebhooks(options.webhooks ?? {}),
    auditLog: options.auditLog ?? null,
    stateDir: options.stateDir ?? null,
    metricsRight: oneOf('metrics-right', options.metricsRight ?? 'view', ['view', 'administer', 'public']),
    onClose,
    ...resolveCluster(options, streams),
  };
}

/**
 * Checks the address on which to listen.
 *
 * @throws {GearwayError} `option-invalid`.
 */
export function checkListenHost(host: string): void {
  // Node.js listens on all addresses if the host is empty.
  if (host === '' || isIP(host.replace(/%[\w.-]+$/, '')) !== 0 || /^[a-z\d_](?:[\w.-]{0,252})$/i.test(host)) return;
  const [, address, port] = /^(?:https?:\/\/)?\[?(.*?)\]?(?::(\d+))?\/?$/i.exec(host) ?? [];
  const hint =
    address === '*'
      ? '; 0.0.0.0 stands for all addresses'
      : address === undefined || address === '' || address === host
        ? ''
        : `; did you mean ${address}${port === undefined ? '' : `, and port ${port}`}?`;
  throw invalid(`host is ${JSON.stringify(host)}, expected an IP address or a name, without a port${hint}`, 'host');
}

/**
 * Checks that an origin is one that may be allowed.
 *
 * @throws {GearwayError} `option-invalid`.
 */
export function checkOrigin(origin: string): void {
  if (origin === 'null') {
    const remedy = 'serve the page over HTTP and allow its origin, or give the sandboxed frame allow-same-origin';
    throw invalid(
      `allow-origin is "null", which every local file and sandboxed frame has and which identifies no page; ${remedy}`,
    );
  }
  if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
    throw invalid(
      `allow-origin is ${JSON.stringify(origin)}, expected an origin such as https://example.org, without a path`,
    );
  }
}

/** Source URLs of the options `source` and `streams`; those of `streams` as `NAME=URL`. Default `push:`. */
export function listSources({ source, streams = {} }: GatewayOptions): readonly string[] {
  const named = Object.entries(streams).map(([name, settings]) => `${name}=${settings.source}`);
  const listed =
    source === undefined ? (named.length === 0 ? ['push:'] : []) : typeof source === 'string' ? [source] : source;
  return [...listed, ...named];
}

/** Values of an option for all streams, and those in `streams` with `NAME=` before them. */
function listPerStream(options: GatewayOptions, key: 'virtualPorts' | 'renditions'): readonly string[] {
  const { [key]: common = [], streams = {} } = options;
  const named = Object.entries(streams).flatMap(([name, { [key]: own }]) =>
    own === undefined ? [] : [`${name}=${own}`],
  );
  return [...(typeof common === 'string' ? [common] : common), ...named];
}

/** A native client with the path of its option. */
interface ListedClient {
  /** Address of the client; for a client in `streams`, with `NAME=` before it. */
  readonly text: string;
  readonly path: readonly string[];
}

/** Native clients of both options. */
function listClients({ clients = [], streams = {} }: GatewayOptions): readonly ListedClient[] {
  return [
    ...clients.map((text, index) => ({ text, path: ['clients', String(index)] })),
    ...Object.entries(streams).flatMap(([name, settings]) =>
      (settings.clients ?? []).map((client, index) => ({
        text: `${name}=${client}`,
        path: ['streams', name, 'clients', String(index)],
      })),
    ),
  ];
}

/** Hides the passwords in the addresses of some options. */
export function redactorOf(options: GatewayOptions): Redactor {
  return redactorOfUrls([...listSources(options), ...listClients(options).map(({ text }) => text)]);
}

function resolveClients(options: GatewayOptions, streams: readonly StreamPorts[]): readonly ListedAddress[] {
  const counts = new Map<string, number>();
  const identities = new Map<string, ListedAddress['address']>();
  return listClients(options).map(({ text, path }) => {
    const client = resolveClient(text);
    const { stream, address } = client;
    checkStream('client', stream, address.endpoint, streams, 'clients', path);
    const name = stream ?? streams[0]?.name ?? '';
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    if (count > MAX_NATIVE_CLIENTS)
      throw new OptionError(path, `the stream ${name} has more than ${MAX_NATIVE_CLIENTS} clients, the maximum`, {
        code: 'too-many',
      });
    const identity = `${name} ${address.port}`;
    const other = identities.get(identity);
    // The same client may be listed twice, as in a file and by a flag.
    if (other !== undefined && JSON.stringify(other) !== JSON.stringify(address))
      throw new OptionError(
        path,
        `the clients ${other.endpoint} and ${address.endpoint} of the stream ${name} both have port ${address.port}, which identifies a client: remove one, or give it another identity with ?id=`,
        { code: 'port-taken' },
      );
    identities.set(identity, address);
    return client;
  });
}

function resolvePolicies(options: GatewayOptions, streams: readonly StreamPorts[]): ReadonlyMap<string, NativePolicy> {
  return new Map(
    streams.map(({ name, entry = name }) => [name, resolvePolicy(options, options.streams?.[entry ?? name] ?? {})]),
  );
}

function resolveLimits(limits: Partial<LimitSettings>): SharedLimits {
  const entries = Object.entries(limits).map(([name, { total, perAddress }]) => {
    const byDefault = DEFAULT_SHARED_LIMITS[name as keyof LimitSettings];
    return [
      name,
      {
        ...byDefault,
        ...(total === undefined ? {} : { inAll: total }),
        ...(perAddress === undefined ? {} : { perAddress }),
      },
    ];
  });
  return { ...DEFAULT_SHARED_LIMITS, ...(Object.fromEntries(entries) as Partial<SharedLimits>) };
}

function resolveCluster(
  options: GatewayOptions,
  streams: readonly StreamPorts[],
): Pick<ResolvedGatewayOptions, 'cluster' | 'failover'> {
  const { cluster, failover = [] } = options;
  for (const [index, name] of failover.entries())
    checkStream('failover', name, '', streams, 'failover', ['failover', String(index)]);
  if (cluster === undefined && failover.length > 0)
    throw invalid(
      'failover requires cluster, because other gateways take the stream over; add --cluster nats://HOST:4222',
      'failover',
    );
  return { cluster: cluster === undefined ? null : parseClusterAddress(cluster), failover: new Set(failover) };
}

function resolveVirtualPorts(
  option: string | readonly string[],
  streams: readonly StreamPorts[],
): ReadonlyMap<string, readonly PortRange[]> {
  let common: readonly PortRange[] | null = null;
  const own = new Map<string, readonly PortRange[]>();
  for (const text of typeof option === 'string' ? [option] : option) {
    const { stream, rest } = splitName(text);
    checkStream('virtual-ports', stream, rest, streams, 'virtualPorts');
    if (stream === null ? common !== null : own.has(stream)) {
      throw invalid(
        `virtual-ports is given twice for ${stream === null ? 'all streams' : `stream ${stream}`}; pass one list instead: FROM-TO,FROM-TO`,
      );
    }
    if (stream === null) common = parseRanges(rest);
    else own.set(stream, parseRanges(rest));
  }
  return new Map(
    streams.map(({ name, entry, serverPorts }) => {
      const given = own.get(name) ?? own.get(entry ?? name);
      if (serverPorts === null) return [name, given ?? common ?? DEFAULT_VIRTUAL_PORTS];
      if (given !== undefined || (common !== null && streams.every((stream) => stream.serverPorts !== null))) {
        const ports = serverPorts.join(', ');
        throw invalid(
          `virtual-ports is set for ${name}, whose virtual ports are those of its server in multi-clients mode: ${ports}`,
          'streams',
          entry ?? name,
          'virtualPorts',
        );
      }
      return [name, serverPorts.map((serverPort) => ({ from: serverPort, to: serverPort }))];
    }),
  );
}

/** @returns the names of the streams without renditions. */
function resolveRenditions(option: readonly string[], streams: readonly StreamPorts[]): ReadonlySet<string> {
  const off = new Map<string | null, boolean>();
  for (const text of option) {
    const { stream, rest } = splitName(text);
    checkStream('renditions', stream, rest, streams, 'renditions');
    off.set(stream, oneOf('renditions', rest, ['auto', 'off']) === 'off');
  }
  return new Set(
    streams
      .filter(({ name, entry }) => off.get(name) ?? off.get(entry ?? name) ?? off.get(null) ?? false)
      .map(({ name }) => name),
  );
}

function resolveBitrate(bitsPerSecond: number | undefined): number {
  if (bitsPerSecond === undefined) return Infinity;
  if (!(bitsPerSecond >= MIN_BITRATE))
    throw invalid(
      `viewer-max-bitrate is ${bitsPerSecond}, expected bits per second, at least ${MIN_BITRATE}`,
      'viewerMaxBitrate',
    );
  return bitsPerSecond;
}

function checkStream(
  option: string,
  stream: string | null,
  rest: string,
  streams: readonly StreamPorts[],
  key: 'clients' | 'failover' | 'virtualPorts' | 'renditions',
  path: readonly string[] = [key],
): void {
  if (
    stream === null ||
    streams.some(
      ({ name, entry }) => name === stream || ((key === 'virtualPorts' || key === 'renditions') && entry === stream),
    )
  )
    return;
  const isEntry = streams.some(({ entry }) => entry === stream);
  const names = streams.map(({ name }) => name);
  const similar = suggest(stream, names);
  const named = rest === '' ? stream : `${stream}=${rest}`;
  throw new OptionError(
    isEntry && key !== 'failover' ? ['streams', stream, key] : path,
    `${option} ${named} names an unknown stream, expected one of ${names.join(', ')}${similar === null ? '' : `; did you mean ${similar}?`}`,
  );
}

function resolveTls(tls: ResolvedGatewayOptions['tls']): ResolvedGatewayOptions['tls'] {
  if (tls === null) return null;
  try {
    if (tls.cert === '' || tls.key === '') throw new TypeError('it is empty');
    createSecureContext(tls);
  } catch (error) {
    const expected = 'a certificate and its private key, both as PEM';
    throw new OptionError(
      ['tls', 'cert'],
      `the certificate or its key is invalid (${errorText(error)}), expected ${expected}`,
      { cause: error },
    );
  }
  return tls;
}

/** @throws {GearwayError} `option-invalid`. */
export function resolvePublicUrl(text: string | null): URL | null {
  if (text === null) return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  const isAddress =
    url !== null &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.username === '' &&
    url.password === '' &&
    url.search === '' &&
    url.hash === '';
  if (!isAddress || parseHost(url.host) === null)
    throw invalid(`public-url is ${JSON.stringify(text)}, expected an address such as https://example.org/cams/`);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}

/**
 * @returns the name in ASCII (Punycode), as browsers send it.
 * @throws {GearwayError} `option-invalid`.
 */
export function resolveHost(text: string): string {
  const [, name = '', port = ''] = /^(.*?)(:\d+)?$/s.exec(text) ?? [];
  const host = `${domainToASCII(name)}${port}`;
  // domainToASCII would silently truncate the name at these characters.
  const parsed = /[/\\?#@\s]/.test(name) ? null : parseHost(host);
  if (parsed === null || (parsed.port ?? 0) > 65_535) {
    throw invalid(
      `allow-host is ${JSON.stringify(text)}, expected a host name such as box.lan, or box.lan:8080 for one port`,
    );
  }
  return host;
}

/** @throws {GearwayError} `option-invalid`. */
export function resolveProxy(text: string): string {
  const [, address = '', prefix = null] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const bits = isIP(address) === 4 ? 32 : 128;
  const isRange = isIP(address) !== 0 && (prefix === null || (Number(prefix) >= 1 && Number(prefix) <= bits));
  if (!isRange && text !== 'loopback') {
    throw invalid(
      `trust-proxy is ${JSON.stringify(text)}, expected the IP address of the proxy, a range such as 10.0.0.0/8, or loopback`,
    );
  }
  return text;
}

function resolvePolicy(common: Partial<NativePolicy>, own: Partial<NativePolicy>): NativePolicy {
  const { distribution, start, onSourceEnd, idle, control } = {
    ...DEFAULT_STREAM_POLICY,
    idle: 'card',
    ...pickPolicy(common),
    ...pickPolicy(own),
  } as const;
  return {
    distribution: oneOf('distribution', distribution, ['broadcast', 'round-robin']),
    start: oneOf('start', start, ['any', 'all']),
    onSourceEnd: oneOf('on-source-end', onSourceEnd, ['wait', 'terminate']),
    idle: oneOf('idle', idle, ['card', 'silence']),
    control: oneOf('control', control, ['shared', 'exclusive']),
  };
}

/** The fields of a policy that are set. */
function pickPolicy({ distribution, start, onSourceEnd, idle, control }: Partial<NativePolicy>): Partial<NativePolicy> {
  return {
    ...(distribution === undefined ? {} : { distribution }),
    ...(start === undefined ? {} : { start }),
    ...(onSourceEnd === undefined ? {} : { onSourceEnd }),
    ...(idle === undefined ? {} : { idle }),
    ...(control === undefined ? {} : { control }),
  };
}

function resolveReserved(
  reserved: Readonly<Record<number, string>>,
  ranges: readonly PortRange[],
): ReadonlyMap<number, string> {
  return new Map(
    Object.entries(reserved).map(([text, token]) => {
      const port = Number(text);
      if (!Number.isInteger(port) || !isInRanges(port, ranges)) {
        throw invalid(
          `reserved port is ${text}, expected one of the virtual ports, ${formatPortRanges(ranges)}`,
          'reservedPorts',
          text,
        );
      }
      return [port, token];
    }),
  );
}

/**
 * Checks the characters and the length of a token. Messages never contain it.
 *
 * @throws {GearwayError} `option-invalid`.
 */
export function checkToken(token: string): void {
  if (!/^[\x21-\x7e]{1,512}$/.test(token))
    throw invalid('a token is invalid, expected 1 to 512 printable ASCII characters without spaces');
}

/** @param tokens with the paths of their options; null for none. */
function checkTokens(tokens: readonly (readonly [path: readonly string[], token: string | null])[]): void {
  const names = new Map<string, string>();
  for (const [path, token] of tokens) {
    if (token === null) continue;
    checkToken(token);
    const name = path.join('.');
    const equal = names.get(token);
    if (equal !== undefined)
      throw new OptionError(
        path,
        `${equal} and ${name} are equal, expected unique tokens, because each grants different rights`,
      );
    names.set(token, name);
  }
}

/**
 * Parses virtual ports, `FROM-TO` or `PORT,PORT`.
 *
 * @throws {GearwayError} `option-invalid`.
 */
export function parseRanges(text: string): PortRange[] {
  const expected = `FROM-TO or PORT,PORT within 1 to 65535, in ascending order and at most ${MAX_VIRTUAL_PORTS} ports`;
  const refuse = (): OptionError => invalid(`virtual-ports is ${JSON.stringify(text)}, expected ${expected}`);
  const ranges = text.split(',').map((part) => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    if (match === null) throw refuse();
    return { from: Number(match[1]), to: Number(match[2] ?? match[1]) };
  });
  const count = ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  const rises = ranges.every(({ from, to }, index) => from <= to && from > (ranges[index - 1]?.to ?? 0));
  if (!rises || count > MAX_VIRTUAL_PORTS || (ranges.at(-1)?.to ?? 0) > 65_535) throw refuse();
  return ranges;
}
