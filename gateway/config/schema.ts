import type { XStatic } from 'typebox/schema';
import { LOG_LEVELS } from '../../shared/logger.ts';
import { DEFAULT_SHARED_LIMITS, type ShareLimits } from '../hub/shares.ts';
import { RIGHTS } from '../rights/principal.ts';
import { WEBHOOK_EVENTS } from '../webhooks/webhook-settings.ts';

/**
 * How an option of the schema is written on the command line; the environment variable is `GEARWAY_` and its name in
 * upper case.
 */
export interface Flag {
  /** Without `--`. */
  readonly name: string;
  /** Placeholder of its value in `--help`; absent for a flag without a value. */
  readonly value?: string;
  /** Whether the flag may be repeated, and with `perStream`, whether a value may begin with `NAME=` for one stream. */
  readonly multiple?: boolean;
  readonly perStream?: boolean;
  /** Short form of the description for `--help`. */
  readonly help: string;
}

const ONE_OF = {
  start: {
    enum: ['any', 'all'],
    default: 'any',
    description: '`all` holds frames back until every native client has connected once.',
    flag: {
      name: 'start',
      value: 'any|all',
      help: 'all: hold frames back until every native client has connected once',
    },
  },
  distribution: {
    enum: ['broadcast', 'round-robin'],
    default: 'broadcast',
    description: 'Send every frame to all native clients, or to one of them in turn.',
    flag: {
      name: 'distribution',
      value: 'broadcast|round-robin',
      help: 'send every frame to all native clients, or to one in turn',
    },
  },
  onSourceEnd: {
    enum: ['wait', 'terminate'],
    default: 'wait',
    description: 'Whether to terminate native clients when the source ends.',
    flag: {
      name: 'on-source-end',
      value: 'wait|terminate',
      help: 'whether to terminate native clients when the source ends',
    },
  },
  idle: {
    enum: ['card', 'silence'],
    default: 'card',
    description:
      'Frames that native clients get while the source has none: a placeholder frame and repeats, or nothing.',
    flag: {
      name: 'idle',
      value: 'card|silence',
      help: 'send native clients a placeholder frame while there are no frames, or nothing',
    },
  },
  control: {
    enum: ['shared', 'exclusive'],
    default: 'shared',
    description:
      'Whether return data is accepted from all clients, or only from the viewer that has control (docs/control.md#one-driver).',
    flag: {
      name: 'control',
      value: 'shared|exclusive',
      help: 'exclusive: accept return data only from the viewer that has control',
    },
  },
} as const;

const RENDITIONS = {
  enum: ['auto', 'off'],
  default: 'auto',
  description: 'Whether web viewers with slow links get smaller pictures (docs/thin-links.md).',
  flag: {
    name: 'renditions',
    value: 'auto|off',
    multiple: true,
    perStream: true,
    help: 'whether viewers with slow links get smaller pictures',
  },
} as const;

const VIRTUAL_PORTS = {
  type: ['string', 'integer'],
  format: 'virtual-ports',
  default: '6000-6063',
  description:
    'Ports for web viewers: `FROM-TO`, or a list such as `6000,6002,7000-7009`. A NetGear server in multi-clients mode defines its own.',
  examples: ['6000-6063'],
  flag: { name: 'virtual-ports', value: 'RANGE', multiple: true, perStream: true, help: 'ports for web viewers' },
} as const;

const CLIENTS = {
  type: 'array',
  items: { type: 'string', format: 'client' },
  default: [],
  description: 'NetGear clients (`receive_mode=True`) to connect to. Address options: docs/netgear-options.md.',
  examples: [['tcp://127.0.0.1:5567?pattern=1']],
} as const;

/** One stream: its source, its native clients, and how it treats them. */
const STREAM = {
  type: 'object',
  additionalProperties: false,
  required: ['source'],
  description: 'One stream.',
  properties: {
    source: {
      type: 'string',
      format: 'source',
      description: 'Where frames come from. All kinds and their options: docs/source-urls.md.',
      examples: ['netgear:tcp://127.0.0.1:5555?pattern=1'],
      flag: {
        name: 'source',
        value: 'URL',
        multiple: true,
        perStream: true,
        help:
          'test-pattern:?size=1280x720&fps=30 (the default), netgear:tcp://127.0.0.1:5555?pattern=1 for a NetGear server that connects to it, ' +
          'ffmpeg:camera, ffmpeg:rtsp://HOST/PATH, ffmpeg:FILE?loop=true, ffmpeg:screen, mjpeg:http://HOST/PATH, directory:FOLDER, image:FILE, ' +
          'imagezmq:tcp://0.0.0.0:5555, netgear-async:tcp://127.0.0.1:5555, push: for publishers (docs/source-urls.md)',
      },
    },
    clients: {
      ...CLIENTS,
      flag: {
        name: 'client',
        value: 'ADDRESS',
        multiple: true,
        perStream: true,
        help: 'a NetGear client, tcp://127.0.0.1:5567?pattern=1; &secure=1 for secure mode, &fps= to limit the rate, &id= for another port as identity; without NAME for the first stream',
      },
    },
    virtualPorts: VIRTUAL_PORTS,
    ...ONE_OF,
    renditions: RENDITIONS,
  },
} as const;

const shares = ({ inAll, perAddress }: ShareLimits, what: string) =>
  ({
    type: 'object',
    additionalProperties: false,
    description: `Maximum number of ${what}.`,
    properties: {
      total: { type: 'integer', minimum: 1, maximum: 100_000, default: inAll, description: 'In the whole gateway.' },
      perAddress: {
        type: 'integer',
        minimum: 1,
        maximum: 100_000,
        default: perAddress,
        description: 'Per address: an IPv4 address, or an IPv6 network of 64 bits.',
      },
    },
  }) as const;

/** One token or user, and its rights. */
const TOKEN = {
  type: 'object',
  additionalProperties: false,
  required: ['hash', 'rights'],
  description: 'One token or user.',
  properties: {
    hash: {
      type: 'string',
      format: 'token-hash',
      secret: true,
      description: 'Hash of the token or password, as `gearway token` prints it.',
      examples: ['credential:wall-hash'],
    },
    rights: {
      type: 'array',
      items: { enum: RIGHTS },
      description: 'Rights: `watch`, `view`, `return` (which requires `view`), `publish` and `administer`.',
      examples: [['view', 'return']],
    },
    streams: {
      type: 'array',
      items: { type: 'string', format: 'stream-name' },
      description: 'Names of the streams to which the rights apply. Default: all.',
      examples: [['door']],
    },
    port: {
      type: 'integer',
      minimum: 1,
      maximum: 65_535,
      description: 'Virtual port that is reserved for this token, and the only one that it may use. Requires `return`.',
    },
    expires: {
      type: 'string',
      format: 'time',
      description: 'When the rights end: a date, for the end of that day in UTC, or a time with a zone.',
      examples: ['2027-01-31'],
    },
    limits: {
      type: 'object',
      additionalProperties: false,
      description: 'Limits shared by all connections of this token. Default: only the limits of docs/limits.md.',
      properties: {
        viewers: {
          type: 'integer',
          minimum: 1,
          maximum: 100_000,
          description: 'Maximum number of web viewers and MJPEG clients.',
        },
        bitrate: {
          type: ['integer', 'string'],
          format: 'bitrate',
          description:
            'Maximum bit rate of the pictures to all of them together. Viewers get smaller pictures, or fewer.',
          examples: ['4M'],
        },
        returnsPerSecond: {
          type: 'integer',
          minimum: 1,
          maximum: 100_000,
          description: 'Maximum number of returned values per second.',
        },
      },
    },
  },
} as const;

/** One webhook. */
const WEBHOOK = {
  type: 'object',
  additionalProperties: false,
  required: ['url'],
  description: 'One webhook.',
  properties: {
    url: {
      type: 'string',
      format: 'webhook-url',
      description: 'Address to which each event is posted, `http:` or `https:`. It is never logged.',
      examples: ['https://example.org/hooks/gearway'],
    },
    events: {
      type: 'array',
      items: { enum: WEBHOOK_EVENTS },
      description:
        'Kinds of events, and states of streams: `connect`, `disconnect`, `refuse`, `take-over`, `state`, `add`, `remove`, `configure`, `control`, `waiting`, `live`, `stale`, `ended` (docs/http-api.md#events). Default: all.',
      examples: [['live', 'stale', 'ended']],
    },
    streams: {
      type: 'array',
      items: { type: 'string', format: 'stream-name' },
      description: 'Names of streams. Default: all streams, and events of the whole gateway.',
      examples: [['door']],
    },
    secret: {
      type: 'string',
      format: 'webhook-secret',
      secret: true,
      description: 'Secret that signs each message: `whsec_` and 24 to 64 bytes in Base64. Default: not signed.',
      examples: ['credential:webhook-secret'],
    },
    timeout: {
      type: 'integer',
      minimum: 1,
      maximum: 60,
      default: 10,
      description: 'Time within which the receiver must answer, in seconds.',
    },
  },
} as const;

/**
 * The declaration of every option: the configuration file, the command line, the environment variables, `--help`, the
 * JSON Schema for editors and docs/configuration.md are derived from it. A JSON Schema with these keywords added:
 * - `flag`: how the option is written on the command line;
 * - `format`: name of a check in `formats.ts`;
 * - `secret`: the value may be read from a file, and is never printed.
 */
export const CONFIG_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  description: 'Configuration of a Gearway gateway.',
  properties: {
    streams: {
      type: 'object',
      propertyNames: { pattern: '^[A-Za-z0-9_-]{1,64}$' },
      additionalProperties: STREAM,
      maxProperties: 64,
      description:
        'The streams, by name: 1 to 64 letters, digits, `-` and `_`. Without any, the gateway shows the test pattern.',
    },
    clients: {
      ...CLIENTS,
      items: { type: 'string', format: 'listed-client' },
      description:
        'Further NetGear clients, `NAME=ADDRESS`, for streams that a source names itself (`multiserver=true`, `senders=`); without `NAME=` for the first stream.',
      examples: [['main-5566=tcp://127.0.0.1:5567']],
    },
    virtualPorts: {
      ...VIRTUAL_PORTS,
      description: `${VIRTUAL_PORTS.description} Default for streams that do not set their own; the same applies to \`start\`, \`distribution\`, \`onSourceEnd\`, \`idle\`, \`control\` and \`renditions\`.`,
    },
    ...ONE_OF,
    renditions: RENDITIONS,
    viewerMaxBitrate: {
      type: ['integer', 'string'],
      format: 'bitrate',
      description: 'Maximum bit rate of one web viewer that shows renditions, in bits per second.',
      examples: ['4M'],
      flag: {
        name: 'viewer-max-bitrate',
        value: 'RATE',
        help: 'maximum bit rate of one web viewer, 4M or 500k bits per second',
      },
    },
    onClose: {
      enum: ['keep', 'terminate'],
      description:
        'Whether to terminate native clients when the gateway ends. Default: `terminate` on SIGINT (Ctrl+C), `keep` on SIGTERM.',
      flag: {
        name: 'on-close',
        value: 'keep|terminate',
        help: 'whether to terminate native clients (default: terminate on SIGINT, keep on SIGTERM)',
      },
    },
    host: {
      type: 'string',
      format: 'listen-host',
      default: '127.0.0.1',
      description:
        'Address to listen on. Addresses that other machines can reach require `token`, `tokens`, `jwt` or `insecure`.',
      examples: ['0.0.0.0'],
      flag: {
        name: 'host',
        value: 'ADDRESS',
        help: 'address to listen on; all but loopback require a token, or --insecure',
      },
    },
    port: {
      type: 'integer',
      minimum: 0,
      maximum: 65_535,
      default: 8080,
      description: 'HTTP port; 0 for any free port.',
      flag: { name: 'port', value: 'NUMBER', help: 'HTTP port; 0 for any free port' },
    },
    tls: {
      type: 'object',
      additionalProperties: false,
      required: ['cert', 'key'],
      description: 'Serve over TLS. Browsers require it to use a camera from another machine.',
      properties: {
        cert: {
          type: 'string',
          format: 'path',
          description: 'File with the certificate chain, PEM.',
          examples: ['/etc/gearway/cert.pem'],
          flag: { name: 'tls-cert', value: 'FILE', help: 'serve over TLS: certificate chain (PEM)' },
        },
        key: {
          type: 'string',
          format: 'path',
          description: 'File with the private key, PEM.',
          examples: ['/etc/gearway/key.pem'],
          flag: { name: 'tls-key', value: 'FILE', help: 'serve over TLS: private key (PEM)' },
        },
      },
    },
    publicUrl: {
      type: 'string',
      format: 'public-url',
      description: 'Public address of the gateway behind a proxy (docs/behind-a-proxy.md).',
      examples: ['https://example.org/cams/'],
      flag: {
        name: 'public-url',
        value: 'URL',
        help: 'public address of the gateway behind a proxy, https://example.org/cams/ (docs/behind-a-proxy.md)',
      },
    },
    allowOrigins: {
      type: 'array',
      items: { type: 'string', format: 'origin' },
      default: [],
      description: 'Origins whose pages may embed the viewer.',
      examples: [['https://example.org']],
      flag: { name: 'allow-origin', value: 'URL', multiple: true, help: 'let pages of this origin embed the viewer' },
    },
    allowHosts: {
      type: 'array',
      items: { type: 'string', format: 'host' },
      default: [],
      description:
        "Further names by which browsers reach the gateway. This machine's name, alone and with `.local`, is always accepted.",
      examples: [['box.lan']],
      flag: { name: 'allow-host', value: 'NAME', multiple: true, help: 'additional host name of the gateway, box.lan' },
    },
    trustProxies: {
      type: 'array',
      items: { type: 'string', format: 'proxy' },
      default: [],
      description:
        "Proxies whose `X-Forwarded-*` headers contain the client's address: IP addresses, ranges such as `10.0.0.0/8`, or `loopback`.",
      examples: [['loopback']],
      flag: {
        name: 'trust-proxy',
        value: 'ADDRESS',
        multiple: true,
        help: 'trust client addresses from this proxy: an IP address, 10.0.0.0/8, loopback',
      },
    },
    webhooks: {
      type: 'object',
      propertyNames: { pattern: '^[A-Za-z0-9_-]{1,64}$' },
      additionalProperties: WEBHOOK,
      maxProperties: 16,
      description: 'URLs to which events are posted, by name (docs/operations.md#webhooks).',
    },
    logLevel: {
      enum: LOG_LEVELS,
      default: 'info',
      description: 'Entries of lower levels are not logged (docs/operations.md#log).',
      flag: { name: 'log-level', value: 'error|warn|info|debug', help: 'lowest level of log entries' },
    },
    logFormat: {
      enum: ['text', 'json'],
      default: 'text',
      description: 'Format of the log lines: readable text, or JSON for log collectors (docs/operations.md#log).',
      flag: { name: 'log-format', value: 'text|json', help: 'lines of the log: text, or JSON for log collectors' },
    },
    auditLog: {
      type: 'string',
      format: 'path',
      description:
        'File to which administrative changes and return data are appended as lines of JSON (docs/operations.md#audit-log).',
      examples: ['/var/log/gearway/audit.jsonl'],
      flag: { name: 'audit-log', value: 'FILE', help: 'append administrative changes and return data to this file' },
    },
    stateDir: {
      type: 'string',
      format: 'path',
      description:
        'Folder in which log-ins and share links are kept, so that they survive a restart (docs/security.md#restarts). Default: none; everyone has to log in again.',
      examples: ['/var/lib/gearway'],
      flag: { name: 'state-dir', value: 'DIR', help: 'keep log-ins and share links in this folder when restarting' },
    },
    metricsRight: {
      enum: ['view', 'administer', 'public'],
      default: 'view',
      description: 'Right that `GET /metrics` requires (docs/operations.md#metrics); `public` requires none.',
      flag: { name: 'metrics-right', value: 'view|administer|public', help: 'right that GET /metrics requires' },
    },
    cluster: {
      type: 'string',
      format: 'cluster',
      description:
        'NATS servers by which gateways form a cluster; each then serves the streams of all (docs/scale-out.md).',
      examples: ['nats://10.0.0.5:4222'],
      flag: {
        name: 'cluster',
        value: 'URL',
        help: 'form a cluster with other gateways over NATS, nats://HOST:4222 (docs/scale-out.md)',
      },
    },
    failover: {
      type: 'array',
      items: { type: 'string' },
      default: [],
      description:
        'Names of streams that are configured at other gateways of the cluster, too; one gateway runs the source at a time.',
      examples: [['door']],
      flag: {
        name: 'failover',
        value: 'NAME',
        multiple: true,
        help: 'let other gateways of the cluster that have this stream take over its source',
      },
    },
    token: {
      type: 'string',
      format: 'token',
      secret: true,
      description: 'Token that viewers and the API require; it grants all rights.',
      examples: ['file:/etc/gearway/token'],
      flag: { name: 'token', value: 'SECRET', help: 'require this token; it grants all rights' },
    },
    viewToken: {
      type: 'string',
      format: 'token',
      secret: true,
      description:
        'Token that grants viewing only: watching, and reading the API. Requires `token`, `tokens` or `jwt`.',
      examples: ['credential:view-token'],
      flag: { name: 'view-token', value: 'SECRET', help: 'token that grants viewing only' },
    },
    publishToken: {
      type: 'string',
      format: 'token',
      secret: true,
      description:
        'Token that grants publishing to `push:` sources only. If it is set, publishing always requires a token.',
      examples: ['file:/etc/gearway/publish-token'],
      flag: { name: 'publish-token', value: 'SECRET', help: 'token that grants publishing to push: sources only' },
    },
    tokens: {
      type: 'object',
      propertyNames: { pattern: '^[A-Za-z0-9_.@-]{1,64}$' },
      additionalProperties: TOKEN,
      maxProperties: 256,
      description:
        'Tokens and users with separate rights, by name (docs/security.md#tokens-and-users). With any of them, requests from this machine need a token, too.',
    },
    jwt: {
      type: 'object',
      additionalProperties: false,
      description:
        'Accept JSON Web Tokens of another service (docs/security.md#json-web-tokens). Requires `secret` or `keys`. Requests from this machine then need a token, too.',
      properties: {
        secret: {
          type: 'string',
          format: 'jwt-secret',
          secret: true,
          description: 'Shared secret of HS256, at least 32 characters.',
          examples: ['file:/etc/gearway/jwt-secret'],
        },
        keys: {
          type: 'string',
          format: 'jwks',
          description:
            'Public keys of RS256 and ES256: the URL of a JWK set, or the set itself, usually read from a file.',
          examples: ['https://login.example.org/jwks.json'],
        },
        issuer: {
          type: 'string',
          description: 'The `iss` that tokens must have.',
          examples: ['https://login.example.org/'],
        },
        audience: { type: 'string', description: 'The `aud` that tokens must have.', examples: ['gearway'] },
      },
    },
    reservedPorts: {
      type: 'object',
      propertyNames: { pattern: '^[0-9]{1,5}$' },
      additionalProperties: {
        type: 'string',
        format: 'token',
        secret: true,
        description: 'Token of the owner of this port.',
      },
      secret: true,
      description:
        'Virtual ports reserved for the owners of these tokens. Such a token grants viewing, and returning data on its port.',
      examples: [{ 6007: 'file:/etc/gearway/port-6007' }],
      flag: {
        name: 'reserve',
        value: 'PORT=SECRET',
        multiple: true,
        help: 'reserve a virtual port for the owner of this token',
      },
    },
    insecure: {
      type: 'boolean',
      default: false,
      description: 'Let anyone who can reach the gateway watch and return data without a token.',
      flag: { name: 'insecure', help: 'let anyone who can reach this gateway watch and return data' },
    },
    limits: {
      type: 'object',
      additionalProperties: false,
      description: 'Maximum numbers of concurrent viewers, publishers and requests (docs/limits.md).',
      properties: {
        viewers: shares(DEFAULT_SHARED_LIMITS.viewers, "viewers' WebSockets"),
        publishers: shares(DEFAULT_SHARED_LIMITS.publishers, "publishers' WebSockets"),
        mjpegClients: shares(DEFAULT_SHARED_LIMITS.mjpegClients, 'MJPEG clients'),
        eventFollowers: shares(DEFAULT_SHARED_LIMITS.eventFollowers, 'followers of `GET /api/events`'),
        snapshots: shares(DEFAULT_SHARED_LIMITS.snapshots, 'pending requests for snapshots and returned data'),
      },
    },
  },
} as const;

/** Content of a configuration file. */
export type Config = XStatic<typeof CONFIG_SCHEMA>;

/** A node of {@link CONFIG_SCHEMA}, with the keywords that the code evaluates. */
export interface SchemaNode {
  readonly type?: string | readonly string[];
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly description?: string;
  readonly examples?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxProperties?: number;
  readonly format?: string;
  readonly secret?: boolean;
  readonly flag?: Flag;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: false | SchemaNode;
  readonly propertyNames?: { readonly pattern: string };
  readonly items?: SchemaNode;
}

const PHRASES: Readonly<Record<string, string>> = {
  'virtual-ports': 'ports such as 6000-6063',
  bitrate: 'bits per second such as 500k or 4M',
};

/** The expected value, as a phrase. */
export function describe({ type, enum: words, minimum, maximum, format, required = [] }: SchemaNode): string {
  if (words !== undefined) return words.join(' or ');
  if (type === 'integer')
    return `a whole number${minimum === undefined || maximum === undefined ? '' : ` from ${minimum} to ${maximum}`}`;
  if (type === 'boolean') return 'true or false';
  if (type === 'array') return 'a list, each entry on its own line after "- "';
  if (type === 'object')
    return `a map of keys, indented below it${required.length === 0 ? '' : `, with ${required.join(' and ')}`}`;
  return PHRASES[format ?? ''] ?? 'text';
}
