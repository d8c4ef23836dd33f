import { statSync } from 'node:fs';
import { GearwayError } from '../../shared/errors.ts';
import { parseNetGearAddress } from './address.ts';
import { parseSecureMode, resolveKeysFolder, type Security } from './curve-keys.ts';
import { checkModes } from './modes.ts';
import type { Pattern } from './pattern.ts';

/** A port as NetGear accepts it. It identifies a peer, and is returned as text. */
export type Port = string | number;

/** NetGear's parameters and options of both sides, under NetGear's names. Other options are rejected with a reason. */
export interface NetGearOptions {
  /**
   * NetGear's `address`: a host name or IP address (IPv6 in brackets); with `ipc` an absolute path. The sender's
   * default is `localhost`, the receiver's `*`.
   */
  readonly address?: string;
  /**
   * NetGear's `port`, `5555` by default; a list if this side has several peers. With `ipc` it is appended to the path,
   * as NetGear does.
   */
  readonly port?: Port | readonly Port[];
  /** NetGear's `protocol`, `tcp` by default. */
  readonly protocol?: 'tcp' | 'ipc';
  /**
   * NetGear's `pattern`: 0 pair (the default), 1 request and reply, 2 publish and subscribe. Both sides need the
   * same.
   */
  readonly pattern?: 0 | 1 | 2;
  /**
   * NetGear's `multiclient_mode`: one sender, several receivers. The sender has a list of ports, each receiver one of
   * them.
   */
  readonly multiclient_mode?: boolean;
  /**
   * NetGear's `multiserver_mode`: several senders, one receiver. The receiver has a list of ports, each sender one of
   * them.
   */
  readonly multiserver_mode?: boolean;
  /** NetGear's `bidirectional_mode`: the receiver returns data. */
  readonly bidirectional_mode?: boolean;
  /** NetGear's `secure_mode`: 0 none (the default), 1 StoneHouse, 2 IronHouse. */
  readonly secure_mode?: 0 | 1 | 2;
  /**
   * NetGear's `custom_cert_location`: an existing folder that has the keys in `.vidgear/keys`; the home directory by
   * default.
   */
  readonly custom_cert_location?: string;
}

/** Validated {@link NetGearOptions} with defaults. */
export interface ResolvedNetGearOptions {
  /** Ports as text; at least one. */
  readonly ports: readonly string[];
  /** Endpoints, one per port. */
  readonly endpoints: readonly string[];
  readonly pattern: Pattern;
  readonly multiclient: boolean;
  readonly multiserver: boolean;
  readonly bidirectional: boolean;
  readonly security: Security | null;
}

const SIDES = {
  sender: { address: 'localhost', several: 'multiclient_mode', one: 'multiserver_mode' },
  receiver: { address: '*', several: 'multiserver_mode', one: 'multiclient_mode' },
} as const;

const COMMON = [
  'address',
  'port',
  'protocol',
  'pattern',
  'multiclient_mode',
  'multiserver_mode',
  'bidirectional_mode',
  'secure_mode',
  'custom_cert_location',
] as const;

const FLAGS = ['multiclient_mode', 'multiserver_mode', 'bidirectional_mode'] as const;

const JPEG = 'frames are sent and received without re-encoding: encode a JPEG yourself, or send the array';
const SSH = 'SSH tunnels are not supported: forward the port with ssh -L, or use secure_mode';
const MEMORY = 'memory is never copied or tracked';

/** NetGear's options that are not supported here, and why. */
const REFUSED: Readonly<Record<string, string>> = {
  receive_mode: 'a NetGearSender sends and a NetGearReceiver receives',
  logging: 'nothing is logged; read the state and its reason',
  jpeg_compression: JPEG,
  jpeg_compression_quality: JPEG,
  jpeg_compression_fastdct: JPEG,
  jpeg_compression_fastupsample: JPEG,
  ssh_tunnel_mode: SSH,
  ssh_tunnel_pwd: SSH,
  ssh_tunnel_keyfile: SSH,
  max_retries: 'it retries until closed',
  request_timeout: 'only a sender waits for replies',
  subscriber_timeout: 'a receiver waits until closed',
  flag: 'no call blocks',
  copy: MEMORY,
  track: MEMORY,
  overwrite_cert: 'only the sender creates new keys',
};

/**
 * Validates the options of one side and applies NetGear's defaults.
 *
 * @param own names of the options that only this side has.
 * @throws {GearwayError} `option-invalid`, `address-invalid`, `modes-invalid`.
 */
export function resolveNetGearOptions(
  side: keyof typeof SIDES,
  options: NetGearOptions,
  own: readonly string[],
): ResolvedNetGearOptions {
  checkNames(options, [...COMMON, ...own]);
  for (const name of FLAGS) checkFlag(options, name);
  const { address = SIDES[side].address, port, protocol = 'tcp', pattern: patternNumber = 0 } = options;
  if (![0, 1, 2].includes(patternNumber))
    throw invalid(
      `pattern is ${JSON.stringify(patternNumber)}, expected 0 (pair), 1 (request-reply) or 2 (publish-subscribe)`,
    );
  if (!['tcp', 'ipc'].includes(protocol)) throw invalid(`protocol is ${JSON.stringify(protocol)}, expected tcp or ipc`);
  const {
    multiclient_mode: multiclient = false,
    multiserver_mode: multiserver = false,
    bidirectional_mode: bidirectional = false,
  } = options;
  const named = port === undefined ? ['5555'] : [port].flat();
  // Neither may inject a part of the URL that is built from them below.
  if (!named.every((name) => /^\d+$/.test(String(name))) || address.includes('?')) {
    const text = `address is ${JSON.stringify(address)} and port is ${JSON.stringify(port)}`;
    throw new GearwayError('address-invalid', `${text}, expected a host or path, and numeric ports`);
  }
  const { ports, endpoints, pattern } = parseNetGearAddress(
    `${protocol}://${address}:${named.join(',')}?pattern=${patternNumber}`,
  );
  checkModes({ pattern, multiclient, multiserver, bidirectional, ports: ports.length });
  checkPorts(side, options, ports.length);
  return { ports, endpoints, pattern, multiclient, multiserver, bidirectional, security: resolveSecurity(options) };
}

/** @throws {GearwayError} `option-invalid` if the option is set and not a boolean. */
export function checkFlag(options: object, name: string): void {
  const value: unknown = Reflect.get(options, name);
  if (value !== undefined && typeof value !== 'boolean')
    throw invalid(`${name} is ${JSON.stringify(value)}, expected true or false`);
}

/**
 * The side with several peers needs a list of ports. The other side needs one port without a default, because it is its
 * identity.
 */
function checkPorts(side: keyof typeof SIDES, options: NetGearOptions, count: number): void {
  const { several, one } = SIDES[side];
  if (options[several] === true && !Array.isArray(options.port)) {
    throw new GearwayError('modes-invalid', `with ${several} the ${side} needs a list of ports, one per peer`);
  }
  if (options[one] === true && (options.port === undefined || count !== 1)) {
    throw new GearwayError('modes-invalid', `with ${one} each ${side} needs exactly one port, which identifies it`);
  }
}

function checkNames(options: object, known: readonly string[]): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || known.includes(name)) continue;
    const reason = Object.hasOwn(REFUSED, name) ? REFUSED[name] : `expected one of ${known.join(', ')}`;
    throw invalid(`the option ${JSON.stringify(name)} is not supported: ${reason}`);
  }
}

function resolveSecurity({ secure_mode: number = 0, custom_cert_location: location }: NetGearOptions): Security | null {
  const mode = parseSecureMode(String(number));
  if (mode === null) {
    if (location !== undefined) throw invalid('custom_cert_location requires secure_mode 1 or 2');
    return null;
  }
  // Otherwise a mistyped folder would be created, with new keys that no peer has.
  if (location !== undefined && statSync(location, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw invalid(`custom_cert_location is ${JSON.stringify(location)}, expected an existing folder`);
  }
  return { mode, folder: resolveKeysFolder(location), allowedAddresses: null };
}

/** Creates an `option-invalid` error. */
export function invalid(message: string): GearwayError {
  return new GearwayError('option-invalid', message);
}
