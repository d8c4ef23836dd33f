import { GearwayError } from '../shared/errors.ts';
import { isLoopback } from './http/access.ts';
import type { NativeClientAddress } from './clients/native-client.ts';
import { formatPortRanges, type PortRange } from './hub/port-registry.ts';
import { DEFAULT_STREAM_POLICY, type StreamPolicy } from './hub/stream.ts';
import { parseNetGearAddress } from './netgear/address.ts';
import { checkModes } from './netgear/modes.ts';

/** What `createGateway()` takes; every field has a default. The command's flags are the same by name. */
export interface GatewayOptions extends Partial<StreamPolicy> {
  /** The address to listen on. Default `127.0.0.1`; beyond loopback a `token` or `insecure` is required. */
  readonly host?: string;
  /** 0 takes any free port. Default 8080. */
  readonly port?: number;
  /** `test-pattern:?size=1280x720&fps=30`, `netgear:tcp://127.0.0.1:5555?pattern=1`, or `push:` for `stream.push()`. Default `push:`. */
  readonly source?: string;
  /** Native clients, `tcp://HOST:PORT?pattern=1`; docs/netgear.md lists the options. `NAME=tcp://…` belongs to the stream of that name. Default none. */
  readonly clients?: readonly string[];
  /** Ports for web viewers, `FROM-TO` or `PORT,PORT`. Default `6000-6063`; a source in multi-clients mode brings its own. */
  readonly virtualPorts?: string;
  /** What viewers and the API must show. Default none. */
  readonly token?: string;
  /** Who shows this one instead of `token` may watch and read the API, but not return data. Needs `token`. Default none. */
  readonly viewToken?: string;
  /** Virtual ports kept for the owner of a token, by port. The token also lets its owner watch and return data there. Default none. */
  readonly reservedPorts?: Readonly<Record<number, string>>;
  /** Serve beyond this machine without a token. */
  readonly insecure?: boolean;
  /** Origins (`https://example.org`) whose pages may embed the viewer. Default none. */
  readonly allowOrigins?: readonly string[];
  /** How many more processes serve viewers' sockets, 0 to 64, for when one core is full. Default 0: this process does everything. */
  readonly workers?: number;
  /** What native clients get before the first frame and while the source is silent: a card and repeats, or nothing. Default `card`. */
  readonly idle?: 'card' | 'silence';
  /** Whether closing tells native clients to end. Default `keep`; the command terminates on SIGINT and keeps on SIGTERM. */
  readonly onClose?: 'keep' | 'terminate';
  /** Takes one line of text at a time. Default: nowhere. */
  readonly log?: (message: string) => void;
}

/** A native client, resolved. */
export interface ListedAddress {
  /** The stream that it belongs to; null for the first. */
  readonly stream: string | null;
  readonly address: NativeClientAddress;
}

/** Options with all defaults, checked. */
export interface ResolvedOptions {
  readonly host: string;
  readonly port: number;
  readonly source: string;
  readonly clients: readonly ListedAddress[];
  readonly virtualPorts: readonly PortRange[];
  readonly policy: StreamPolicy;
  readonly token: string | null;
  readonly viewToken: string | null;
  readonly reservedPorts: ReadonlyMap<number, string>;
  readonly allowOrigins: readonly string[];
  readonly workers: number;
  readonly idle: 'card' | 'silence';
  readonly onClose: 'keep' | 'terminate';
  readonly log: (message: string) => void;
}

/** Most virtual ports of a stream. */
const MAX_VIRTUAL_PORTS = 4096;

/** Most processes for viewers: each has every stream's frames sent to it. */
const MAX_WORKERS = 64;

/**
 * Checks options and fills in the defaults.
 *
 * @param seats the ports that the source's server knows its clients by: they are the virtual ports then; null when it knows none.
 * @throws {GearwayError} `option-invalid` and what the addresses' parser throws, each with one sentence.
 */
export function resolveOptions(options: GatewayOptions, seats: readonly number[] | null = null): ResolvedOptions {
  const { host = '127.0.0.1', port = 8080, token = null, viewToken = null, insecure = false, allowOrigins = [], workers = 0, idle = 'card', onClose = 'keep' } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalid(`port is ${port}, expected 0 to 65535`);
  if (seats !== null && options.virtualPorts !== undefined) throw invalid(`virtual-ports is ${options.virtualPorts}, but the source is a server in multi-clients mode: its ports, ${seats.join(', ')}, are the virtual ones`);
  const virtualPorts = seats === null ? parseRanges(options.virtualPorts ?? '6000-6063') : seats.map((seat) => ({ from: seat, to: seat }));
  const reservedPorts = resolveReserved(options.reservedPorts ?? {}, virtualPorts);
  const clients = (options.clients ?? []).map(resolveClient);
  const both = clients.find(({ address }) => reservedPorts.has(address.port));
  if (both !== undefined) throw invalid(`port ${both.address.port} is reserved, and a native client's: give that one another identity with ?id=`);
  checkTokens([token, viewToken, ...reservedPorts.values()].filter((secret) => secret !== null));
  if (viewToken !== null && token === null) throw invalid('view-token is set, but no token: without one anybody may return data; add --token SECRET');
  if (!isLoopback(host) && token === null && !insecure) {
    throw invalid(`host ${host} can be reached from other machines: add --token SECRET, or --insecure to let anyone watch and return data`);
  }
  for (const origin of allowOrigins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) throw invalid(`allow-origin is ${JSON.stringify(origin)}, expected an origin such as https://example.org, without a path`);
  }
  if (!Number.isInteger(workers) || workers < 0 || workers > MAX_WORKERS) throw invalid(`workers is ${workers}, expected 0 to ${MAX_WORKERS}`);
  oneOf('idle', idle, ['card', 'silence']);
  oneOf('on-close', onClose, ['keep', 'terminate']);
  return {
    host,
    port,
    source: options.source ?? 'push:',
    clients,
    virtualPorts,
    policy: resolvePolicy(options),
    token,
    viewToken,
    reservedPorts,
    allowOrigins,
    workers,
    idle,
    onClose,
    log: options.log ?? (() => undefined),
  };
}

function resolvePolicy({ distribution, start, onSourceEnd }: GatewayOptions): StreamPolicy {
  const defaults = DEFAULT_STREAM_POLICY;
  return {
    distribution: oneOf('distribution', distribution ?? defaults.distribution, ['broadcast', 'round-robin']),
    start: oneOf('start', start ?? defaults.start, ['any', 'all']),
    onSourceEnd: oneOf('on-source-end', onSourceEnd ?? defaults.onSourceEnd, ['wait', 'terminate']),
  };
}

/** What comes from the command line or from JavaScript may be anything. */
function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) throw invalid(`${name} is ${JSON.stringify(value)}, expected ${allowed.join(' or ')}`);
  return value;
}

function resolveReserved(reserved: Readonly<Record<number, string>>, ranges: readonly PortRange[]): ReadonlyMap<number, string> {
  return new Map(
    Object.entries(reserved).map(([text, token]) => {
      const port = Number(text);
      if (!Number.isInteger(port) || !ranges.some(({ from, to }) => port >= from && port <= to)) throw invalid(`reserved port is ${text}, expected one of the virtual ports, ${formatPortRanges(ranges)}`);
      return [port, token];
    }),
  );
}

function checkTokens(tokens: readonly string[]): void {
  for (const token of tokens) {
    if (!/^[\x21-\x7e]{1,512}$/.test(token)) throw invalid('a token is empty or has characters that a header cannot carry, expected 1 to 512 printable ASCII characters');
  }
  if (new Set(tokens).size !== tokens.length) throw invalid('two of the tokens are the same, expected different ones: a token says what its owner may do');
}

/** What `--client` and the API take: `tcp://HOST:PORT?…`, with `NAME=` before it for another stream than the first. */
export function resolveClient(text: string): ListedAddress {
  const [, stream = null, rest = text] = /^([A-Za-z0-9_-]{1,64})=(.*)$/s.exec(text) ?? [];
  const { endpoints, ports, pattern, security, options } = parseNetGearAddress(rest, ['id', 'serverPort', 'fps', 'pace']);
  const [endpoint = '', port = ''] = [endpoints[0], ports[0]];
  if (ports.length > 1) throw invalid(`client ${rest} names ${ports.length} ports, expected 1: list each client by itself, or one port of a receiver in multi-servers mode with serverPort=`);
  const serverPort = options.get('serverPort') ?? null;
  checkModes({ pattern, multiclient: false, multiserver: serverPort !== null, bidirectional: false, ports: 1 });
  const fps = options.get('fps');
  if (fps !== undefined && !(Number(fps) >= 0.1 && Number(fps) <= 1000)) throw invalid(`client ${rest} has fps=${fps}, expected 0.1 to 1000 frames a second`);
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
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65_535) throw invalid(`client ${client} has the ${name} ${JSON.stringify(text)}, expected a port number`);
  return Number(text);
}

function parseRanges(text: string): PortRange[] {
  const refuse = (): GearwayError => invalid(`virtual-ports is ${JSON.stringify(text)}, expected FROM-TO or PORT,PORT within 1 to 65535, in rising order and at most ${MAX_VIRTUAL_PORTS} ports`);
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
