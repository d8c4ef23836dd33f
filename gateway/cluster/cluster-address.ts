import { GearwayError } from '../../shared/errors.ts';

/** The NATS servers of a cluster of gateways, from `--cluster`. */
export interface ClusterAddress {
  /** `host:port` of each server; they announce the other servers of the NATS cluster. */
  readonly servers: readonly string[];
  readonly isTls: boolean;
  /** From the URL, decoded; null if there is none. A user name without a password is sent as a token. */
  readonly user: string | null;
  readonly password: string | null;
  /** Paths of the files, as given; null for none. */
  readonly credentials: string | null;
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  /** Display name of this gateway; null for this machine's name. */
  readonly gateway: string | null;
  /** Name of the cluster: the first token of its subjects, and the name of its bucket. */
  readonly cluster: string;
  /** Number of NATS servers that keep the directory; null: 3 in a NATS cluster, otherwise 1. */
  readonly replicas: number | null;
  /** JetStream domain of the servers that keep the directory; null for that of the server itself. */
  readonly domain: string | null;
}

const OPTIONS: ReadonlySet<string> = new Set([
  'credentials',
  'ca',
  'cert',
  'key',
  'gateway',
  'cluster',
  'replicas',
  'domain',
]);

const EXPECTED = 'nats://HOST:4222, tls://USER:PASSWORD@HOST:4222 or a list nats://HOST,HOST,HOST, and options after ?';

/**
 * Parses `nats://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…][?OPTION=VALUE&…]`; `tls://` requires TLS.
 *
 * @throws {GearwayError} `option-invalid`. The message does not quote the password.
 */
export function parseClusterAddress(text: string): ClusterAddress {
  const match = /^(nats|tls):\/\/(?:([^@/?]*)@)?([^@/?]+)\/?(?:\?(.*))?$/s.exec(text);
  if (match === null)
    throw invalid(`cluster is ${JSON.stringify(text.replace(/\/\/[^@]*@/, '//…@'))}, expected ${EXPECTED}`);
  const [, scheme, login, hosts = '', query = ''] = match;
  const options = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (!OPTIONS.has(name))
      throw invalid(
        `cluster has the unknown option ${JSON.stringify(name)}, expected one of ${[...OPTIONS].join(', ')}`,
      );
    if (options.has(name) || value === '')
      throw invalid(`the cluster's option ${name} is given twice or is empty, expected one value`);
    options.set(name, value);
  }
  const [user = null, password = null] = login === undefined ? [] : splitLogin(login);
  const cluster = options.get('cluster') ?? 'gearway';
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(cluster))
    throw invalid(
      `the cluster's option cluster is ${JSON.stringify(cluster)}, expected up to 32 letters, digits, - and _`,
    );
  const gateway = options.get('gateway') ?? null;
  if (gateway !== null && !/^[\w.:-]{1,64}$/.test(gateway))
    throw invalid(
      `the cluster's option gateway is ${JSON.stringify(gateway)}, expected up to 64 letters, digits, '.', ':', - and _`,
    );
  const replicas = options.get('replicas');
  if (replicas !== undefined && !/^[135]$/.test(replicas))
    throw invalid(`the cluster's option replicas is ${JSON.stringify(replicas)}, expected 1, 3 or 5`);
  const domain = options.get('domain') ?? null;
  if (domain !== null && !/^[A-Za-z0-9_-]{1,64}$/.test(domain))
    throw invalid(
      `the cluster's option domain is ${JSON.stringify(domain)}, expected up to 64 letters, digits, - and _`,
    );
  if (options.has('cert') !== options.has('key'))
    throw invalid('the cluster has only one of the options cert and key, expected both');
  return {
    servers: hosts.split(',').map(parseServer),
    isTls: scheme === 'tls' || options.has('ca') || options.has('cert'),
    user,
    password,
    credentials: options.get('credentials') ?? null,
    ca: options.get('ca') ?? null,
    cert: options.get('cert') ?? null,
    key: options.get('key') ?? null,
    gateway,
    cluster,
    replicas: replicas === undefined ? null : Number(replicas),
    domain,
  };
}

function splitLogin(login: string): readonly [string, string?] {
  const [, user = '', password] = /^([^:]*)(?::(.*))?$/s.exec(login) ?? [];
  try {
    return password === undefined
      ? [decodeURIComponent(user)]
      : [decodeURIComponent(user), decodeURIComponent(password)];
  } catch (error) {
    throw new GearwayError(
      'option-invalid',
      "the cluster's user or password is not percent-encoded correctly, expected % as %25",
      { cause: error },
    );
  }
}

function parseServer(host: string): string {
  const [, name = '', port = '4222'] = /^(\[[0-9A-Fa-f:]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/.exec(host.trim()) ?? [];
  if (name === '' || Number(port) < 1 || Number(port) > 65_535)
    throw invalid(`the cluster's server is ${JSON.stringify(host)}, expected HOST or HOST:PORT`);
  return `${name}:${port}`;
}

function invalid(message: string): GearwayError {
  return new GearwayError('option-invalid', message);
}
