import { COLORMAP_NAMES } from '../../../shared/arrays/colormaps.ts';
import { MAX_ADDRESS } from '../clients.ts';
import { MAX_NAME } from '../publishers.ts';
import { QUERY_NUMBERS } from '../query.ts';
import { MAX_CREDENTIAL } from '../session.ts';
import { MAX_HOURS } from '../share-links.ts';
import { type Schema, schemaOf } from './schemas.ts';

/** Description of one route of the API. */
export interface Operation {
  /** One line, imperative. */
  readonly summary: string;
  readonly description?: string;
  /** Group in which the API page shows it. */
  readonly tag: 'Monitoring' | 'Log-in' | 'Streams' | 'Clients' | 'Pictures' | 'Share links' | 'Publishing';
  readonly query?: Readonly<Record<string, { readonly schema: Schema; readonly description: string }>>;
  readonly headers?: Readonly<Record<string, { readonly schema: Schema; readonly description: string }>>;
  /** Keyed by media type. */
  readonly body?: Readonly<Record<string, Schema>>;
  /** Keyed by status, then by media type. Every other status has a `Refusal`. */
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content: Readonly<Record<string, Schema>> }>
  >;
}

const json = (description: string, schema: Schema, status = '200'): Operation['responses'] => ({
  [status]: { description, content: { 'application/json': schema } },
});

/** Binary data, in OpenAPI 3.1: a media type without a schema. */
const BINARY: Schema = {};

const WIDTH = {
  schema: QUERY_NUMBERS.width,
  description: 'Scales the picture down to this width in pixels, never up',
};
const QUALITY = {
  schema: QUERY_NUMBERS.quality,
  description: 'Encodes the JPEG with this quality',
};

const COLOR = { type: 'string', examples: ['ff8800'] };

/** How arrays are shown; without effect on frames that arrive as JPEG. */
const ARRAY_STYLE: NonNullable<Operation['query']> = {
  range: {
    schema: { type: 'string', examples: ['auto', 'type', '400,6000'] },
    description: 'Values shown in the first and the last colour',
  },
  colormap: { schema: { type: 'string', enum: COLORMAP_NAMES }, description: 'Colours of arrays of one channel' },
  invert: { schema: { type: 'boolean' }, description: 'Reverses the colours' },
  noData: {
    schema: { type: 'string', examples: ['0', 'none'] },
    description: 'Value that marks a missing measurement, or none',
  },
  nanColor: { schema: COLOR, description: 'Colour of NaN and of pixels without a measurement' },
  belowColor: { schema: COLOR, description: 'Colour of values below the range' },
  aboveColor: { schema: COLOR, description: 'Colour of values above the range' },
  channelOrder: { schema: { type: 'string', enum: ['bgr', 'rgb'] }, description: 'Order of three and four channels' },
};

const PERSIST = {
  schema: { type: 'boolean' },
  description: 'Writes the change to the configuration file; otherwise, the change is lost with a restart',
};

/** The API by method and URL of its routes. A unit test compares it with the routes of the server. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /healthz': {
    tag: 'Monitoring',
    summary: 'Check that the process serves requests',
    responses: json('The process serves requests', schemaOf('Health')),
  },
  'GET /readyz': {
    tag: 'Monitoring',
    summary: 'Check that every source delivers frames',
    responses: {
      ...json('All sources deliver', schemaOf('Ready')),
      ...json('Sources are down', schemaOf('NotReady'), '503'),
    },
  },
  'GET /metrics': {
    tag: 'Monitoring',
    summary: 'Read the metrics in the text format of Prometheus',
    responses: { 200: { description: 'Metrics', content: { 'text/plain': { type: 'string' } } } },
  },
  'GET /api/rights': {
    tag: 'Monitoring',
    summary: 'Read the rights of the sender',
    responses: json('Rights', schemaOf('Rights')),
  },
  'GET /api/cluster': {
    tag: 'Monitoring',
    summary: 'List the gateways of the cluster',
    responses: json('The cluster; null without one', schemaOf('Cluster')),
  },
  'GET /api/gateway': {
    tag: 'Monitoring',
    summary: 'Read the addresses of the gateway, and the status of its configuration file',
    responses: json('Addresses and configuration', schemaOf('Gateway')),
  },
  'GET /api/events': {
    tag: 'Monitoring',
    summary: 'Follow the events of clients and streams',
    description:
      'Server-sent events: the stored events, then each new one as it happens. The `data` of each is an `Event`.',
    responses: { 200: { description: 'Endless', content: { 'text/event-stream': schemaOf('Event') } } },
  },
  'GET /api/audit': {
    tag: 'Monitoring',
    summary: 'Read the latest administrative changes, and the clients that returned data',
    description: 'At most 256 of each, oldest first. The file of `--audit-log` has all of them.',
    responses: json('Entries', { type: 'array', items: schemaOf('AuditEntry') }),
  },
  'GET /api/session': {
    tag: 'Log-in',
    summary: 'Read which user the session cookie belongs to',
    responses: json('The user, or null', schemaOf('Session')),
  },
  'POST /api/session': {
    tag: 'Log-in',
    summary: 'Log in, and get a session cookie',
    description:
      "For the gateway's own pages: the request needs their Origin. Programs send a token with each request.",
    body: {
      'application/json': {
        type: 'object',
        properties: {
          token: { type: 'string', maxLength: MAX_CREDENTIAL },
          name: { type: 'string', maxLength: MAX_CREDENTIAL },
          password: { type: 'string', maxLength: MAX_CREDENTIAL },
          right: { type: 'string', description: 'Right that the log-in must grant; otherwise the log-in is refused' },
        },
      },
    },
    responses: json('Logged in', schemaOf('Session')),
  },
  'DELETE /api/session': {
    tag: 'Log-in',
    summary: 'Log out, and end all connections of the session',
    description: "For the gateway's own pages: the request needs their Origin.",
    responses: json('Nobody is logged in', schemaOf('Session')),
  },
  'GET /api/streams': {
    tag: 'Streams',
    summary: 'List all streams with their state, counters and clients',
    responses: json('Streams', { type: 'array', items: schemaOf('Stream') }),
  },
  'GET /api/streams/:name': {
    tag: 'Streams',
    summary: 'Read the state of one stream',
    responses: json('Stream', schemaOf('Stream')),
  },
  'GET /api/streams/:name/settings': {
    tag: 'Streams',
    summary: 'Read the options of a stream',
    responses: json('Options as in a configuration file', schemaOf('StreamSettings')),
  },
  'PUT /api/streams/:name': {
    tag: 'Streams',
    summary: 'Create a stream, or replace all its options',
    description:
      'Other streams are not touched. An address with … in place of its password keeps the password. With the header `If-None-Match: *`, an existing source is not replaced (412).',
    query: { persist: PERSIST },
    body: { 'application/json': schemaOf('StreamSettings') },
    responses: {
      ...json('Changed', schemaOf('StreamChange')),
      ...json('Created', schemaOf('StreamChange'), '201'),
    },
  },
  'PATCH /api/streams/:name': {
    tag: 'Streams',
    summary: 'Change some options of a stream',
    description: 'An option with the value null gets its default (RFC 7396).',
    query: { persist: PERSIST },
    body: { 'application/json': { type: 'object', examples: [{ virtualPorts: '7000-7009', start: null }] } },
    responses: json('Changed', schemaOf('StreamChange')),
  },
  'DELETE /api/streams/:name': {
    tag: 'Streams',
    summary: 'Remove a stream',
    query: { persist: PERSIST },
    responses: json('Removed', schemaOf('StreamChange')),
  },
  'POST /api/streams/:name/clients': {
    tag: 'Clients',
    summary: 'List a native client',
    description: 'The gateway connects to it whenever it is reachable.',
    query: { persist: PERSIST },
    body: {
      'application/json': {
        type: 'object',
        required: ['address'],
        properties: {
          address: { type: 'string', maxLength: MAX_ADDRESS, examples: ['tcp://127.0.0.1:5567?pattern=1'] },
        },
      },
    },
    responses: json('Its status', schemaOf('Client'), '201'),
  },
  'DELETE /api/streams/:name/clients/:id': {
    tag: 'Clients',
    summary: 'Disconnect a client permanently',
    query: {
      persist: PERSIST,
      reason: { schema: { type: 'string' }, description: 'Shown to the user of a viewer; truncated to 100 characters' },
    },
    responses: json('The last status of the client', schemaOf('Client')),
  },
  'GET /api/streams/:name/clients/:id/return': {
    tag: 'Clients',
    summary: 'Read the return data of a client',
    query: { width: WIDTH },
    responses: {
      200: {
        description: 'A value as JSON, or as text if JSON cannot represent it (NaN); a JPEG; an array as PNG',
        content: {
          'application/json': {},
          'text/plain': { type: 'string' },
          'image/jpeg': BINARY,
          'image/png': BINARY,
        },
      },
    },
  },
  'DELETE /api/streams/:name/control': {
    tag: 'Clients',
    summary: 'Take control back from the viewer that has it',
    description: 'Afterwards, nobody has control. The return data of that viewer ends, except an emergency stop.',
    responses: json('Holder of control', schemaOf('Control')),
  },
  'POST /api/streams/:name/shares': {
    tag: 'Share links',
    summary: 'Create a link with which anyone can watch the stream until it expires',
    description: 'Links end when the gateway stops, unless it has a `stateDir`.',
    body: {
      'application/json': {
        type: 'object',
        properties: { hours: { type: 'number', exclusiveMinimum: 0, maximum: MAX_HOURS, default: 24 } },
      },
    },
    responses: json('The link, whose address is shown only once', schemaOf('CreatedShareLink'), '201'),
  },
  'GET /api/streams/:name/shares': {
    tag: 'Share links',
    summary: 'List the share links of a stream',
    responses: json('Links', { type: 'array', items: schemaOf('ShareLink') }),
  },
  'DELETE /api/streams/:name/shares/:share': {
    tag: 'Share links',
    summary: 'Revoke a share link, and end the connections that it opened',
    responses: json('The link', schemaOf('ShareLink')),
  },
  'GET /streams/:name/mjpeg': {
    tag: 'Pictures',
    summary: 'Watch as MJPEG',
    query: {
      fps: {
        schema: QUERY_NUMBERS.fps,
        description: 'Maximum rate',
      },
      length: {
        schema: { type: 'boolean' },
        description: 'Whether parts have a Content-Length; by default for programs only',
      },
      width: WIDTH,
      quality: QUALITY,
      ...ARRAY_STYLE,
    },
    responses: { 200: { description: 'Endless', content: { 'multipart/x-mixed-replace': BINARY } } },
  },
  'GET /streams/:name/snapshot.jpg': {
    tag: 'Pictures',
    summary: 'Take a snapshot as JPEG',
    query: { width: WIDTH, quality: QUALITY, ...ARRAY_STYLE },
    responses: { 200: { description: 'The latest frame', content: { 'image/jpeg': BINARY } } },
  },
  'GET /streams/:name/snapshot.png': {
    tag: 'Pictures',
    summary: 'Take a snapshot as PNG',
    query: { width: WIDTH, ...ARRAY_STYLE },
    responses: { 200: { description: 'The latest frame', content: { 'image/png': BINARY } } },
  },
  'GET /streams/:name/snapshot.npy': {
    tag: 'Pictures',
    summary: 'Take a snapshot as a NumPy array',
    responses: { 200: { description: 'The samples of the latest frame', content: { 'application/x-npy': BINARY } } },
  },
  'POST /streams/:name/frames': {
    tag: 'Publishing',
    summary: 'Publish a picture, or many in one request, to a push: source',
    query: {
      publisher: { schema: { type: 'string', maxLength: MAX_NAME }, description: 'Name of the publisher' },
      takeOver: { schema: { type: 'boolean' }, description: 'Replaces the active publisher' },
    },
    headers: {
      'Gearway-Message': { schema: { type: 'string' }, description: 'JSON that is sent with the frame' },
      'Gearway-Captured-At': {
        schema: { type: 'string', format: 'date-time' },
        description: 'When the picture was taken',
      },
    },
    body: {
      'image/jpeg': BINARY,
      'application/x-npy': BINARY,
      'multipart/form-data': {
        type: 'object',
        required: ['frame'],
        properties: { frame: {}, message: { type: 'string' } },
      },
      'multipart/x-mixed-replace': BINARY,
    },
    responses: json('The sequence of the last frame', {
      type: 'object',
      required: ['sequence'],
      properties: { sequence: { type: 'integer' }, frames: { type: 'integer' }, rejected: { type: 'integer' } },
    }),
  },
};
