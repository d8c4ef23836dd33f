import { isIP } from 'node:net';
import { createSecureContext } from 'node:tls';
import { domainToASCII } from 'node:url';
import { errorText, GearwayError } from '../../shared/errors.ts';
import { isLoopback } from '../http/access.ts';
import { parseHost } from '../http/trusted-names.ts';
import type { NativeClientAddress } from '../clients/native/native-client.ts';
import { formatPortRanges, type PortRange } from '../hub/port-registry.ts';
import { DEFAULT_STREAM_POLICY, type StreamPolicy } from '../hub/stream.ts';
import { parseNetGearAddress } from '../netgear/address.ts';
import { checkModes } from '../netgear/modes.ts';

/** Options of `createGateway()`; every field has a default. The command's flags have the same names. */
export interface GatewayOptions extends Partial<StreamPolicy> {
  /** Address on which to listen. Default `127.0.0.1`; other than loopback requires a `token` or `insecure`. */
  readonly host?: string;
  /** 0 for any free port. Default 8080. */
  readonly port?: number;
  /**
   * Source URL: `test-pattern:?size=1280x720&fps=30`, `netgear:tcp://127.0.0.1:5555?pattern=1`, or `push:` for
   * `stream.push()` and other publishers; docs/source-urls.md lists all. Several, as `NAME=URL`, create a stream each.
   * Default `push:`.
   */
  readonly source?: string | readonly string[];
  /**
   * Native clients, `tcp://HOST:PORT?pattern=1`; docs/netgear-options.md lists the options. `NAME=tcp://…` adds the client to
   * the stream of that name. Default none.
   */
  readonly clients?: readonly string[];
  /**
   * Ports for web viewers, `FROM-TO` or `PORT,PORT`, with `NAME=` before it for one stream. Default `6000-6063` for
   * each stream; a source in multi-clients mode defines its own.
   */
  readonly virtualPorts?: string | readonly string[];
  /**
   * TLS certificate chain and key as PEM. Browsers require TLS to use the camera from another machine. Default none.
   */
  readonly tls?: { readonly cert: string; readonly key: string };
  /**
   * Token that viewers and the API require; it grants all rights. Default none: requests from this machine may watch,
   * return data and publish, and administering requires `Gateway.administratorKey`.
   */
  readonly token?: string;
  /** Token that grants only viewing and reading the API. Requires `token`. Default none. */
  readonly viewToken?: string;
  /**
   * Token that grants only publishing, to streams whose source is `push:`. If set, publishing always requires a token.
   * Default none.
   */
  readonly publishToken?: string;
  /**
   * Tokens of reserved virtual ports, by port, in each stream that has the port. Such a token grants watching, and
   * returning data only on that port. Default none.
   */
  readonly reservedPorts?: Readonly<Record<number, string>>;
  /**
   * Whether viewers with slow links get renditions, that is, smaller JPEGs: `auto` or `off`, with `NAME=` before it for
   * one stream. Default `auto`.
   */
  readonly renditions?: string | readonly string[];
  /** Maximum bit rate of one web viewer, in bits per second. Default none. */
  readonly viewerMaxBitrate?: number;
  /** Whether anyone who can reach the gateway may watch and return data without a token. Default false. */
  readonly insecure?: boolean;
  /** Origins (`https://example.org`) whose pages may embed the viewer. Default none. */
  readonly allowOrigins?: readonly string[];
  /**
   * Public address of the gateway behind a proxy, `https://example.org/cams/`: its name and origin are accepted, and
   * links use it. Default none.
   */
  readonly publicUrl?: string;
  /**
   * Additional host names of the gateway, `box.lan` or `box.lan:8080`. This machine's name, alone and with `.local`, is
   * always accepted. Default none.
   */
  readonly allowHosts?: readonly string[];
  /**
   * Proxies whose `X-Forwarded-For`, `-Host` and `-Proto` are trusted: IP addresses, ranges such as `10.0.0.0/8`, or
   * `loopback`. Default none.
   */
  readonly trustProxies?: readonly string[];
  /**
   * Right that `GET /metrics` requires: `view` (which includes programs on this machine, unless there is a `token`),
   * `administer`, or `public` for none. Default `view`.
   */
  readonly metricsRight?: 'public' | 'view' | 'administer';
  /**
   * What native clients get while there are no frames: a placeholder frame and repeats (`card`), or nothing. Default
   * `card`.
   */
  readonly idle?: 'card' | 'silence';
  /**
   * Whether closing terminates native clients. Default `keep`; the command terminates on SIGINT and keeps on SIGTERM.
   */
  readonly onClose?: 'keep' | 'terminate';
  /** Called with one line of text at a time. Default: no log. */
  readonly log?: (message: string) => void;
}

/** A parsed native client. */
interface ListedAddress {
  /** Name of its stream; null for the first. */
  readonly stream: string | null;
  readonly address: NativeClientAddress;
}

/** Validated options with defaults. */
export interface ResolvedGatewayOptions {
  readonly host: string;
  readonly port: number;
  readonly clients: readonly ListedAddress[];
  /** By stream name. */
  readonly virtualPorts: ReadonlyMap<string, readonly PortRange[]>;
  readonly policy: StreamPolicy;
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly insecure: boolean;
  readonly token: string | null;
  readonly viewToken: string | null;
  readonly publishToken: string | null;
  readonly reservedPorts: ReadonlyMap<number, string>;
  /** Names of the streams with `renditions: off`. */
  readonly withoutRenditions: ReadonlySet<string>;
  /** Bits per second; Infinity for no limit. */
  readonly viewerMaxBitrate: number;
  readonly allowOrigins: readonly string[];
  readonly allowHosts: readonly string[];
  /** Its path ends with a slash. */
  readonly publicUrl: URL | null;
  readonly trustProxies: readonly string[];
  readonly metricsRight: 'public' | 'view' | 'administer';
  readonly idle: 'card' | 'silence';
  readonly onClose: 'keep' | 'terminate';
  readonly log: (message: string) => void;
}

/** Maximum number of virtual ports per stream. */
const MAX_VIRTUAL_PORTS = 4096;

const DEFAULT_VIRTUAL_PORTS: readonly PortRange[] = [{ from: 6000, to: 6063 }];

/** Properties of a stream on which options depend. */
interface StreamPorts {
  readonly name: string;
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
  const { host = '127.0.0.1', port = 8080, token = null, viewToken = null, publishToken = null, insecure = false, allowOrigins = [], idle = 'card', onClose = 'keep' } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalid(`port is ${port}, expected 0 to 65535`);
  const virtualPorts = resolveVirtualPorts(options.virtualPorts ?? [], streams);
  const reservedPorts = resolveReserved(options.reservedPorts ?? {}, [...virtualPorts.values()].flat());
  const clients = (options.clients ?? []).map(resolveClient);
  for (const { stream, address } of clients) checkStream('client', stream, address.endpoint, streams);
  const both = clients.find(({ address }) => reservedPorts.has(address.port));
  if (both !== undefined) throw invalid(`port ${both.address.port} is reserved, but belongs to a native client: give that client another identity with ?id=`);
  checkTokens([token, viewToken, publishToken, ...reservedPorts.values()].filter((secret) => secret !== null));
  if (viewToken !== null && token === null) throw invalid('view-token requires token, because without it anyone may return data; add --token SECRET');
  if (!isLoopback(host) && token === null && !insecure) {
    throw invalid(`host ${host} can be reached from other machines: add --token SECRET, or --insecure to let anyone watch and return data`);
  }
  for (const origin of allowOrigins) {
    if (origin === 'null') {
      const remedy = 'serve the page over HTTP and allow its origin, or give the sandboxed frame allow-same-origin';
      throw invalid(`allow-origin is "null", which every local file and sandboxed frame has and nobody can be allowed by; ${remedy}`);
    }
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      throw invalid(`allow-origin is ${JSON.stringify(origin)}, expected an origin such as https://example.org, without a path`);
    }
  }
  oneOf('idle', idle, ['card', 'silence']);
  oneOf('on-close', onClose, ['keep', 'terminate']);
  return {
    host,
    port,
    clients,
    virtualPorts,
    policy: resolvePolicy(options),
    tls: resolveTls(options.tls ?? null),
    insecure,
    token,
    viewToken,
    publishToken,
    reservedPorts,
    withoutRenditions: resolveRenditions(options.renditions ?? [], streams),
    viewerMaxBitrate: resolveBitrate(options.viewerMaxBitrate),
    allowOrigins,
    allowHosts: (options.allowHosts ?? []).map(resolveHost),
    publicUrl: resolvePublicUrl(options.publicUrl ?? null),
    trustProxies: (options.trustProxies ?? []).map(resolveProxy),
    metricsRight: oneOf('metrics-right', options.metricsRight ?? 'view', ['view', 'administer', 'public']),
    idle,
    onClose,
    log: options.log ?? (() => undefined),
  };
}

function resolveVirtualPorts(option: string | readonly string[], streams: readonly StreamPorts[]): ReadonlyMap<string, readonly PortRange[]> {
  let common: readonly PortRange[] | null = null;
  const own = new Map<string, readonly PortRange[]>();
  for (const text of typeof option === 'string' ? [option] : option) {
    const { stream, rest } = splitName(text);
    checkStream('virtual-ports', stream, rest, streams);
    if (stream === null ? common !== null : own.has(stream)) {
      throw invalid(`virtual-ports is given twice for ${stream === null ? 'all streams' : `stream ${stream}`}; pass one list instead: FROM-TO,FROM-TO`);
    }
    if (stream === null) common = parseRanges(rest);
    else own.set(stream, parseRanges(rest));
  }
  return new Map(
    streams.map(({ name, serverPorts }) => {
      if (serverPorts === null) return [name, own.get(name) ?? common ?? DEFAULT_VIRTUAL_PORTS];
      if (own.has(name) || (common !== null && streams.every((stream) => stream.serverPorts !== null))) {
        const ports = serverPorts.join(', ');
        throw invalid(`virtual-ports is set for ${name}, whose virtual ports are those of its server in multi-clients mode: ${ports}`);
      }
      return [name, serverPorts.map((serverPort) => ({ from: serverPort, to: serverPort }))];
    }),
  );
}

/** @returns the names of the streams without renditions. */
function resolveRenditions(option: string | readonly string[], streams: readonly StreamPorts[]): ReadonlySet<string> {
  const off = new Map<string | null, boolean>();
  for (const text of typeof option === 'string' ? [option] : option) {
    const { stream, rest } = splitName(text);
    checkStream('renditions', stream, rest, streams);
    off.set(stream, oneOf('renditions', rest, ['auto', 'off']) === 'off');
  }
  return new Set(streams.map(({ name }) => name).filter((name) => off.get(name) ?? off.get(null) ?? false));
}

/** Lowest maximum bit rate with which a picture can be shown. */
const MIN_BITRATE = 10_000;

function resolveBitrate(bitsPerSecond: number | undefined): number {
  if (bitsPerSecond === undefined) return Infinity;
  if (!(bitsPerSecond >= MIN_BITRATE)) throw invalid(`viewer-max-bitrate is ${bitsPerSecond}, expected bits per second, at least ${MIN_BITRATE}`);
  return bitsPerSecond;
}

/** Splits `NAME=REST`, where the name of a stream is optional. */
function splitName(text: string): { readonly stream: string | null; readonly rest: string } {
  const [, stream = null, rest = text] = /^([A-Za-z0-9_-]{1,64})=(.*)$/s.exec(text) ?? [];
  return { stream, rest };
}

function checkStream(option: string, stream: string | null, rest: string, streams: readonly StreamPorts[]): void {
  if (stream === null || streams.some(({ name }) => name === stream)) return;
  throw invalid(`${option} ${stream}=${rest} names an unknown stream, expected one of ${streams.map(({ name }) => name).join(', ')}`);
}

function resolveTls(tls: ResolvedGatewayOptions['tls']): ResolvedGatewayOptions['tls'] {
  if (tls === null) return null;
  try {
    if (tls.cert === '' || tls.key === '') throw new TypeError('it is empty');
    createSecureContext(tls);
  } catch (error) {
    const expected = 'a certificate and its private key, both as PEM';
    throw new GearwayError('option-invalid', `the certificate or its key is invalid (${errorText(error)}), expected ${expected}`, { cause: error });
  }
  return tls;
}

function resolvePublicUrl(text: string | null): URL | null {
  if (text === null) return null;
  const url = URL.canParse(text) ? new URL(text) : null;
  const isAddress = url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (!isAddress || parseHost(url.host) === null) throw invalid(`public-url is ${JSON.stringify(text)}, expected an address such as https://example.org/cams/`);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}

/** @returns the name in ASCII (Punycode), as browsers send it. */
function resolveHost(text: string): string {
  const [, name = '', port = ''] = /^(.*?)(:\d+)?$/s.exec(text) ?? [];
  const host = `${domainToASCII(name)}${port}`;
  // domainToASCII would silently truncate the name at these characters.
  const parsed = /[/\\?#@\s]/.test(name) ? null : parseHost(host);
  if (parsed === null || (parsed.port ?? 0) > 65_535) {
    throw invalid(`allow-host is ${JSON.stringify(text)}, expected a host name such as box.lan, or box.lan:8080 for one port`);
  }
  return host;
}

function resolveProxy(text: string): string {
  const [, address = '', prefix = null] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const bits = isIP(address) === 4 ? 32 : 128;
  const isRange = isIP(address) !== 0 && (prefix === null || (Number(prefix) >= 1 && Number(prefix) <= bits));
  if (!isRange && text !== 'loopback') {
    throw invalid(`trust-proxy is ${JSON.stringify(text)}, expected the IP address of the proxy, a range such as 10.0.0.0/8, or loopback`);
  }
  return text;
}

function resolvePolicy({ distribution, start, onSourceEnd }: GatewayOptions): StreamPolicy {
  const defaults = DEFAULT_STREAM_POLICY;
  return {
    distribution: oneOf('distribution', distribution ?? defaults.distribution, ['broadcast', 'round-robin']),
    start: oneOf('start', start ?? defaults.start, ['any', 'all']),
    onSourceEnd: oneOf('on-source-end', onSourceEnd ?? defaults.onSourceEnd, ['wait', 'terminate']),
  };
}

/** Checks a value at run time, because callers from the command line or JavaScript are not type-checked. */
function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) throw invalid(`${name} is ${JSON.stringify(value)}, expected ${allowed.join(' or ')}`);
  return value;
}

function resolveReserved(reserved: Readonly<Record<number, string>>, ranges: readonly PortRange[]): ReadonlyMap<number, string> {
  return new Map(
    Object.entries(reserved).map(([text, token]) => {
      const port = Number(text);
      if (!Number.isInteger(port) || !ranges.some(({ from, to }) => port >= from && port <= to)) {
        throw invalid(`reserved port is ${text}, expected one of the virtual ports, ${formatPortRanges(ranges)}`);
      }
      return [port, token];
    }),
  );
}

function checkTokens(tokens: readonly string[]): void {
  for (const token of tokens) {
    if (!/^[\x21-\x7e]{1,512}$/.test(token)) throw invalid('a token is invalid, expected 1 to 512 printable ASCII characters without spaces');
  }
  if (new Set(tokens).size !== tokens.length) throw invalid('two tokens are equal, expected unique tokens, because each grants different rights');
}

/**
 * Parses a native client as in `--client` and the API: `tcp://HOST:PORT?…`, with `NAME=` before it for another stream
 * than the first.
 */
export function resolveClient(text: string): ListedAddress {
  const { stream, rest } = splitName(text);
  const { endpoints, ports, pattern, security, options } = parseNetGearAddress(rest, ['id', 'serverPort', 'fps', 'pace']);
  const [endpoint = '', port = ''] = [endpoints[0], ports[0]];
  if (endpoint.startsWith('tcp://*:')) {
    const expected = `the machine on which the client runs, such as tcp://127.0.0.1:${port} for this one`;
    throw new GearwayError('address-invalid', `client ${rest} names no machine (* is for an address to listen on), expected ${expected}`);
  }
  if (ports.length > 1) {
    const hint = 'list clients separately; for a receiver in multi-servers mode list one of its ports, with serverPort=';
    throw invalid(`client ${rest} has ${ports.length} ports, expected 1; ${hint}`);
  }
  const serverPort = options.get('serverPort') ?? null;
  checkModes({ pattern, multiclient: false, multiserver: serverPort !== null, bidirectional: false, ports: 1 });
  const fps = options.get('fps');
  if (fps !== undefined && !(Number(fps) >= 0.1 && Number(fps) <= 1000)) throw invalid(`client ${rest} has fps=${fps}, expected 0.1 to 1000`);
  return {
    stream,
    address: {
      endpoint,
      pattern,
      security,
      port: portOption(rest, 'id', options.get('id') ?? port),
      serverPort: serverPort === null ? null : String(portOption(rest, 'serverPort', serverPort)),
      maxFramesPerSecond: fps === undefined ? Infinity : Number(fps),
      paced: oneOf('pace', options.get('pace') ?? 'auto', ['auto', 'off']) === 'auto',
    },
  };
}

function portOption(client: string, name: string, text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65_535) {
    throw invalid(`client ${client} has ${name}=${text}, expected a port number`);
  }
  return Number(text);
}

function parseRanges(text: string): PortRange[] {
  const expected = `FROM-TO or PORT,PORT within 1 to 65535, in ascending order and at most ${MAX_VIRTUAL_PORTS} ports`;
  const refuse = (): GearwayError => invalid(`virtual-ports is ${JSON.stringify(text)}, expected ${expected}`);
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

function invalid(message: string): GearwayError {
  return new GearwayError('option-invalid', message);
}
