import { GearwayError } from '../shared/errors.ts';
import { isLoopback } from './http/access.ts';
import type { PortRange } from './hub/port-registry.ts';
import { type NetGearAddress, parseNetGearAddress } from './netgear/address.ts';
import type { Pattern } from './netgear/pattern.ts';

/** What `createGateway()` takes; every field has a default. The command's flags are the same by name. */
export interface GatewayOptions {
  /** The address to listen on. Default `127.0.0.1`; beyond loopback a `token` or `insecure` is required. */
  readonly host?: string;
  /** 0 takes any free port. Default 8080. */
  readonly port?: number;
  /** `test-pattern:?size=1280x720&fps=30`, `netgear:tcp://127.0.0.1:5555?pattern=1`, or `push:` for `stream.push()`. Default `push:`. */
  readonly source?: string;
  /** Native clients, `tcp://HOST:PORT?pattern=1`, with `&id=` for another identity than the port. Default none. */
  readonly clients?: readonly string[];
  /** Ports for web viewers, `FROM-TO`. Default `6000-6063`. */
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
  /** What native clients get before the first frame and while the source is silent: a card and repeats, or nothing. Default `card`. */
  readonly idle?: 'card' | 'silence';
  /** Whether closing tells native clients to end. Default `keep`; the command terminates on SIGINT and keeps on SIGTERM. */
  readonly onClose?: 'keep' | 'terminate';
  /** Takes one line of text at a time. Default: nowhere. */
  readonly log?: (message: string) => void;
}

/** A native client, resolved. */
export interface NativeClientAddress {
  readonly endpoint: string;
  readonly pattern: Exclude<Pattern, 'publish-subscribe'>;
  readonly port: number;
}

/** Options with all defaults, checked. */
export interface ResolvedOptions {
  readonly host: string;
  readonly port: number;
  readonly source: string;
  readonly clients: readonly NativeClientAddress[];
  readonly virtualPorts: PortRange;
  readonly token: string | null;
  readonly viewToken: string | null;
  readonly reservedPorts: ReadonlyMap<number, string>;
  readonly allowOrigins: readonly string[];
  readonly idle: 'card' | 'silence';
  readonly onClose: 'keep' | 'terminate';
  readonly log: (message: string) => void;
}

/** Most virtual ports of a stream. */
const MAX_VIRTUAL_PORTS = 4096;

/**
 * Checks options and fills in the defaults.
 *
 * @throws {GearwayError} `option-invalid` and what the addresses' parser throws, each with one sentence.
 */
export function resolveOptions(options: GatewayOptions): ResolvedOptions {
  const { host = '127.0.0.1', port = 8080, token = null, viewToken = null, insecure = false, allowOrigins = [], idle = 'card', onClose = 'keep' } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalid(`port is ${port}, expected 0 to 65535`);
  const virtualPorts = parseRange(options.virtualPorts ?? '6000-6063');
  const reservedPorts = resolveReserved(options.reservedPorts ?? {}, virtualPorts);
  const clients = (options.clients ?? []).map(resolveClient);
  const both = clients.find((client) => reservedPorts.has(client.port));
  if (both !== undefined) throw invalid(`port ${both.port} is reserved, and a native client's: give that one another identity with ?id=`);
  checkTokens([token, viewToken, ...reservedPorts.values()].filter((secret) => secret !== null));
  if (viewToken !== null && token === null) throw invalid('view-token is set, but no token: without one anybody may return data; add --token SECRET');
  if (!isLoopback(host) && token === null && !insecure) {
    throw invalid(`host ${host} can be reached from other machines: add --token SECRET, or --insecure to let anyone watch and return data`);
  }
  for (const origin of allowOrigins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) throw invalid(`allow-origin is ${JSON.stringify(origin)}, expected an origin such as https://example.org, without a path`);
  }
  if (idle !== 'card' && idle !== 'silence') throw invalid(`idle is ${JSON.stringify(idle)}, expected card or silence`);
  if (onClose !== 'keep' && onClose !== 'terminate') throw invalid(`on-close is ${JSON.stringify(onClose)}, expected keep or terminate`);
  return {
    host,
    port,
    source: options.source ?? 'push:',
    clients,
    virtualPorts,
    token,
    viewToken,
    reservedPorts,
    allowOrigins,
    idle,
    onClose,
    log: options.log ?? (() => undefined),
  };
}

function resolveReserved(reserved: Readonly<Record<number, string>>, { from, to }: PortRange): ReadonlyMap<number, string> {
  return new Map(
    Object.entries(reserved).map(([text, token]) => {
      const port = Number(text);
      if (!Number.isInteger(port) || port < from || port > to) throw invalid(`reserved port is ${text}, expected one of the virtual ports, ${from} to ${to}`);
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

function resolveClient(text: string): NativeClientAddress {
  const { endpoint, pattern, port, options }: NetGearAddress = parseNetGearAddress(text, ['id']);
  if (pattern === 'publish-subscribe') throw invalid(`client ${text} has pattern 2, expected 0 or 1: clients of pattern 2 are not served yet`);
  const id = options.get('id') ?? port;
  if (!/^\d{1,5}$/.test(id) || Number(id) < 1 || Number(id) > 65_535) throw invalid(`client ${text} has the id ${JSON.stringify(id)}, expected a port number`);
  return { endpoint, pattern, port: Number(id) };
}

function parseRange(text: string): PortRange {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text);
  const from = Number(match?.[1]);
  const to = Number(match?.[2]);
  if (!(from >= 1 && to <= 65_535 && from <= to && to - from < MAX_VIRTUAL_PORTS)) {
    throw invalid(`virtual-ports is ${JSON.stringify(text)}, expected FROM-TO within 1 to 65535 and at most ${MAX_VIRTUAL_PORTS} ports`);
  }
  return { from, to };
}

function invalid(message: string): GearwayError {
  return new GearwayError('option-invalid', message);
}
