import {
  type AuditEntry,
  CLIENT_KINDS,
  CLIENT_STATES,
  type ClientStatus,
  type ClusterMember,
  type ClusterConnection,
  type ClusterStatus,
  type ConfigurationStatus,
  type ControlStatus,
  type CreatedShareLink,
  EVENT_KINDS,
  type EventActor,
  type GatewayEvent,
  type GatewayStatus,
  type PortsStatus,
  type RightsStatus,
  type SessionStatus,
  type ShareLinkStatus,
  type SourceStatus,
  STREAM_STATES,
  type StreamChange,
  type StreamHome,
  type StreamSettingsStatus,
  type StreamStatus,
  type WebhookStatus,
} from '../../../shared/status.ts';
import type { SourceDown } from '../../hub/readiness.ts';
import { RIGHTS } from '../../rights/principal.ts';

/** A JSON Schema, of the version that OpenAPI 3.1 uses (2020-12). */
export interface Schema {
  readonly [keyword: string]: unknown;
}

/** A schema for each field of a type, so that the compiler reports missing fields. */
type Fields<T> = { readonly [Key in keyof T]-?: Schema };

const text = (description?: string): Schema => ({
  type: 'string',
  ...(description === undefined ? {} : { description }),
});
const count = (description?: string): Schema => ({
  type: 'integer',
  minimum: 0,
  ...(description === undefined ? {} : { description }),
});
const number = (description?: string): Schema => ({
  type: 'number',
  minimum: 0,
  ...(description === undefined ? {} : { description }),
});
const oneOf = (...values: readonly string[]): Schema => ({ type: 'string', enum: values });
const list = (items: Schema, description?: string): Schema => ({
  type: 'array',
  items,
  ...(description === undefined ? {} : { description }),
});
const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: 'null' }] });
const port: Schema = { type: 'integer', minimum: 1, maximum: 65_535 };
/** Fields that every object has are required. Readers must ignore unknown fields. */
const object = <T>(properties: Fields<T>, optional: readonly (keyof T)[] = []): Schema => ({
  type: 'object',
  required: Object.keys(properties).filter((key) => !optional.includes(key as keyof T)),
  properties,
});
const reference = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

const clusterConnection = {
  isConnected: { type: 'boolean', description: 'Whether a majority of the NATS servers can be reached' },
  unreachableSince: orNull({ type: 'string', format: 'date-time' }),
} as const;

const shareLink: Fields<ShareLinkStatus> = {
  id: text('Names the link; not secret'),
  createdBy: text('Name of the token or user'),
  createdAt: { type: 'string', format: 'date-time' },
  expiresAt: { type: 'string', format: 'date-time' },
  outlastsRestart: { type: 'boolean', description: 'Whether the link is still valid after a restart of the gateway' },
};

const rights = object<RightsStatus>({
  principal: text('Name of the token or user'),
  rights: list(oneOf(...RIGHTS)),
  port: orNull(port),
  streams: orNull(list(text(), 'Names of the streams to which the rights apply')),
  expires: orNull(text('When the rights end, ISO 8601')),
});

/** Schemas of the API's responses, by name. */
export const SCHEMAS: Readonly<Record<string, Schema>> = {
  Refusal: object<{ code: string; message: string }>({
    code: text('Stable code; see Troubleshooting in the documentation'),
    message: text('Sentence with the expected and the received value'),
  }),
  NotReady: object<{ code: string; message: string; down: readonly SourceDown[] }>(
    {
      code: oneOf('not-ready', 'closed'),
      message: text(),
      down: list(
        object<SourceDown>({ stream: text(), kind: text(), reason: text() }),
        'Only for senders with the right to view',
      ),
    },
    ['down'],
  ),
  Ready: object<{ status: string; streams: number }>({ status: oneOf('ready'), streams: count('Number of streams') }),
  Health: object<{ status: string }>({ status: oneOf('ok') }),
  Rights: orNull(rights),
  Session: object<SessionStatus>({
    user: orNull(rights),
    accepts: list(oneOf('password', 'token'), 'Credentials for which a log-in form should ask'),
  }),
  ShareLink: object<ShareLinkStatus>(shareLink),
  CreatedShareLink: object<CreatedShareLink>({
    ...shareLink,
    url: text('Page with the secret token in its fragment, which browsers do not send'),
  }),
  Gateway: object<GatewayStatus>({
    publicUrl: orNull(text('Public address behind a proxy')),
    networkUrls: list(
      text(),
      'Addresses of this machine in its networks at which the gateway listens; empty with a public URL',
    ),
    webhooks: list(
      object<WebhookStatus>({
        name: text(),
        delivered: count('Number of events that the receiver has accepted'),
        waiting: count('Number of pending events'),
        dropped: count('Number of events that were dropped because too many were pending'),
        failed: count('Number of events that the receiver has refused, or that could not be delivered in time'),
        problem: orNull(text('Why the latest attempt failed')),
      }),
      'Empty for senders without the right to administer',
    ),
    configuration: orNull(
      object<ConfigurationStatus>({
        file: text(),
        loadedAt: orNull({ type: 'string', format: 'date-time' }),
        problem: orNull(text('Reason why its current content was not applied')),
      }),
    ),
    cluster: orNull(object<ClusterConnection>(clusterConnection)),
  }),
  Cluster: orNull(
    object<ClusterStatus>({
      ...clusterConnection,
      members: list(
        object<ClusterMember>({
          id: text('Different at each start'),
          name: text(),
          url: orNull(text()),
          isSelf: { type: 'boolean', description: 'Whether this gateway sent the response' },
          streams: list(
            object<ClusterMember['streams'][number]>({
              name: text(),
              state: oneOf(...STREAM_STATES),
              clients: count(),
              isOwner: { type: 'boolean', description: 'Whether this gateway runs the source' },
            }),
          ),
        }),
      ),
    }),
  ),
  StreamSettings: object<StreamSettingsStatus>(
    {
      source: text('Source URL; passwords are replaced by …'),
      clients: list(text(), 'Addresses of native clients'),
      virtualPorts: text('`FROM-TO`, or a list'),
      start: oneOf('any', 'all'),
      distribution: oneOf('broadcast', 'round-robin'),
      onSourceEnd: oneOf('wait', 'terminate'),
      idle: oneOf('card', 'silence'),
      renditions: oneOf('auto', 'off'),
      control: oneOf('shared', 'exclusive'),
    },
    ['clients', 'virtualPorts', 'start', 'distribution', 'onSourceEnd', 'idle', 'renditions', 'control'],
  ),
  StreamChange: object<StreamChange>({
    name: text(),
    isNew: { type: 'boolean', description: 'Whether the stream was created' },
    isPersisted: { type: 'boolean', description: 'Whether the change was written to the configuration file' },
    settings: orNull(reference('StreamSettings')),
    problems: list(text(), 'Parts of the change that could not be applied, with reasons'),
  }),
  Source: object<SourceStatus>({
    kind: text('Scheme of the source URL'),
    address: text(),
    state: text('State of the source in a few words'),
    lastError: orNull(text()),
    restarts: count('Number of times that the source was reopened after a failure'),
  }),
  Ports: object<PortsStatus>({
    ranges: list(object<{ from: number; to: number }>({ from: port, to: port })),
    free: count(),
    taken: count(),
    held: list(port, 'Reserved by the leases of viewers that have just disconnected'),
    reserved: list(port, 'Reserved for the owner of a token'),
  }),
  Control: object<ControlStatus>({
    port: orNull(port),
    client: orNull(
      text(
        'Id of the viewer that has control; null if nobody has it, or if that viewer is at another gateway of the cluster',
      ),
    ),
    name: orNull(text('Name that the viewer chose')),
    since: orNull({ type: 'string', format: 'date-time' }),
    requests: list(port, 'Viewers that request control'),
    refused: count('Values that were refused because their client had no control'),
  }),
  Client: object<ClientStatus>({
    id: text('Identifies this connection'),
    port: orNull(port),
    kind: oneOf(...CLIENT_KINDS),
    address: text(),
    state: oneOf(...CLIENT_STATES),
    reason: text('Reason for the state, or for fewer frames; may be empty'),
    delivered: count('Frames sent'),
    deliveredBytes: count('Bytes of the pictures of these frames'),
    dropped: count('Frames replaced by a newer one'),
    withheld: count('Frames that a native client could not decode'),
    repeated: count('Frames sent again'),
    rejected: count('Refused return data'),
    framesPerSecond: number(),
    roundTripMs: orNull(number()),
    delayMs: orNull(number('Latency from the arrival of a frame to its display or answer')),
    returnData: { description: 'The sticky value; an array or a JPEG is described' },
  }),
  Stream: object<StreamStatus>(
    {
      name: text(),
      state: oneOf(...STREAM_STATES),
      reason: text('Why the stream is in this state'),
      source: reference('Source'),
      showable: { type: 'boolean', description: 'Whether browsers can show frames like the latest one' },
      frame: orNull(
        object<NonNullable<StreamStatus['frame']>>({
          sequence: count(),
          width: count(),
          height: count(),
          encoding: text('`jpeg`, or the dtype of an array'),
          framesPerSecond: number(),
        }),
      ),
      counters: object<StreamStatus['counters']>({
        received: count(),
        receivedBytes: count(),
        rejected: count(),
        returnsRejected: count(),
        returnsDropped: count(),
        lastRejections: list(text()),
      }),
      ports: reference('Ports'),
      control: orNull(reference('Control')),
      awaited: list(port, 'Native clients that have not been connected yet (start: all)'),
      clients: list(reference('Client')),
      gateway: orNull(object<StreamHome>({ name: text(), url: orNull(text()), isHere: { type: 'boolean' } })),
    },
    ['gateway', 'control'],
  ),
  AuditEntry: {
    oneOf: [
      object<Extract<AuditEntry, { kind: 'change' }>>({
        time: { type: 'string', format: 'date-time' },
        kind: oneOf('change'),
        request: text('Method and route'),
        query: orNull(text()),
        stream: orNull(text()),
        client: orNull(text('Id of the client that was removed')),
        status: { type: 'integer', description: 'HTTP status: below 400 if the change was made' },
        principal: text(),
        address: text(),
      }),
      object<Extract<AuditEntry, { kind: 'return' }>>({
        time: { type: 'string', format: 'date-time' },
        kind: oneOf('return'),
        stream: text(),
        port,
        client: orNull(text('Id of the client')),
        address: orNull(text()),
        values: count('Number of values since the last entry for this client'),
      }),
    ],
  },
  Event: object<GatewayEvent>(
    {
      id: count(),
      time: { type: 'string', format: 'date-time' },
      kind: oneOf(...EVENT_KINDS),
      stream: orNull(text()),
      client: orNull(text()),
      port: orNull(port),
      address: orNull(text()),
      reason: text(),
      state: oneOf(...STREAM_STATES),
      by: object<EventActor>({ principal: text(), address: text() }),
    },
    ['state', 'by'],
  ),
};

/** A reference to one of {@link SCHEMAS}. */
export function schemaOf(name: string): Schema {
  if (SCHEMAS[name] === undefined) throw new TypeError(`${name} is not a schema of the API`);
  return reference(name);
}
