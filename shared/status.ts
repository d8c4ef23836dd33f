/**
 * State of a stream. `waiting`: no frame yet; `stale`: no frame for max(2 s, 5 frame times); `ended`: the source has
 * ended the stream.
 */
export type StreamState = (typeof STREAM_STATES)[number];

/** All values of {@link StreamState}. */
export const STREAM_STATES = ['waiting', 'live', 'stale', 'ended'] as const;

export type ClientKind = (typeof CLIENT_KINDS)[number];

/** All values of {@link ClientKind}. */
export const CLIENT_KINDS = ['native', 'web', 'spectator'] as const;

/**
 * State of a client. `connecting`: not connected; `slow`: gets a smaller rendition or fewer frames, because its link
 * carries less than the stream; `paused`: requests no frames; `stuck`: connected, but does not accept frames;
 * `unsupported`: a viewer that can decode none of the frames; `refused`: reachable, but incompatible (different pattern
 * or keys, no encryption).
 */
export type ClientState = (typeof CLIENT_STATES)[number];

/** All values of {@link ClientState}. */
export const CLIENT_STATES = ['connecting', 'live', 'slow', 'paused', 'stuck', 'unsupported', 'refused'] as const;

/** A client in `GET /api/streams/NAME`. Counters start when the client connects. */
export interface ClientStatus {
  /** Identifies this connection in the API and in events; unique while the gateway runs. */
  readonly id: string;
  /** Port; null for a spectator. */
  readonly port: number | null;
  readonly kind: ClientKind;
  readonly address: string;
  readonly state: ClientState;
  /** Why the client is in this state, or gets fewer frames than the stream has, as a sentence; otherwise empty. */
  readonly reason: string;
  readonly delivered: number;
  /** Total size of the pictures of these frames, in bytes. */
  readonly deliveredBytes: number;
  /** Number of frames replaced by a newer one before they could be sent. */
  readonly dropped: number;
  /** Number of frames not sent to a native client because it could not decode them. */
  readonly withheld: number;
  /** Number of frames sent again, without a message, so that a native client does not time out. */
  readonly repeated: number;
  /** Number of values returned by this client that were refused. */
  readonly rejected: number;
  readonly framesPerSecond: number;
  readonly roundTripMs: number | null;
  /**
   * Time from a frame's arrival at the gateway until a viewer has drawn it (as measured by the viewer) or a native
   * client has replied; null while unknown.
   */
  readonly delayMs: number | null;
  /** The sticky return data as JSON (numbers that JSON lacks as strings). An array is described, not included. */
  readonly returnData: unknown;
}

/** A range of virtual ports, inclusive. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** The virtual ports of a stream. `free`, `taken` and the unused reserved ones add up to the ranges. */
export interface PortsStatus {
  readonly ranges: readonly PortRange[];
  /** Number of ports that are available to any client. */
  readonly free: number;
  /** Number of ports that clients have, or that are reserved for clients that have just disconnected. */
  readonly taken: number;
  /** Reserved by the leases of viewers that have just disconnected. */
  readonly held: readonly number[];
  /** Reserved for the owners of tokens. */
  readonly reserved: readonly number[];
}

/**
 * Kind of an event. `refuse`: a client or a token was refused; `take-over`: a viewer was replaced by another one with
 * the same lease; `state`: the state of the stream has changed; `add`, `remove`: an administrator changed the list of
 * clients; `configure`: an administrator changed a stream, or a changed configuration file was applied, or was rejected
 * because it is invalid; `control`: a viewer got or lost control of a stream.
 */
export type EventKind = (typeof EVENT_KINDS)[number];

/** All values of {@link EventKind}. */
export const EVENT_KINDS = [
  'connect',
  'disconnect',
  'refuse',
  'take-over',
  'state',
  'add',
  'remove',
  'configure',
  'control',
] as const;

/** The user who made an administrative change. */
export interface EventActor {
  /** Name of the token or user: `token`, `administrator key`, or as in the configuration. */
  readonly principal: string;
  readonly address: string;
}

/** One entry of `GET /api/events`. */
export interface GatewayEvent {
  /** Id, which increases by one with each event of the gateway. */
  readonly id: number;
  /** Time by the gateway's clock, ISO 8601. */
  readonly time: string;
  readonly kind: EventKind;
  /** Stream; null for failed log-ins, which are counted by address, and for the configuration file. */
  readonly stream: string | null;
  /** The client's id, as in its status; null for `state`, and for a peer that did not become a client. */
  readonly client: string | null;
  readonly port: number | null;
  readonly address: string | null;
  /** Description of the event, as a sentence. */
  readonly reason: string;
  /** Present for `state`: the new state of the stream. */
  readonly state?: StreamState;
  /** Present for changes by an administrator. */
  readonly by?: EventActor;
}

/** Events of one webhook since it was configured. */
export interface WebhookStatus {
  readonly name: string;
  /** Number of events that the receiver has accepted. */
  readonly delivered: number;
  /** Number of waiting events, without the one that is being sent. */
  readonly waiting: number;
  /** Number of events that were dropped because too many waited. */
  readonly dropped: number;
  /** Number of events that the receiver has refused, or that could not be delivered in time. */
  readonly failed: number;
  /** Why the latest attempt failed, as a sentence; null if it succeeded. */
  readonly problem: string | null;
}

/** An entry of the audit log, as in `GET /api/audit` and as a line of the file. */
export type AuditEntry =
  /** A request that uses the right to administer and changes something. */
  | ({
      /** Time by the gateway's clock, ISO 8601. */
      readonly time: string;
      readonly kind: 'change';
      /** Method and route: `PUT /api/streams/:name`. */
      readonly request: string;
      /** Query of the request; null if it has none. */
      readonly query: string | null;
      readonly stream: string | null;
      /** Id of the client that was removed. */
      readonly client: string | null;
      /** HTTP status: below 400 if the change was made. */
      readonly status: number;
    } & EventActor)
  /** Return data of a client. */
  | {
      readonly time: string;
      readonly kind: 'return';
      readonly stream: string;
      readonly port: number;
      /** Id of the client that returned the latest value. */
      readonly client: string | null;
      readonly address: string | null;
      /** Number of values since the last entry for this port and address. */
      readonly values: number;
    };

/** Response of `GET /api/rights`. */
export interface RightsStatus {
  /** Name of the token or user: as in the configuration, or `token`, `administrator key`, `this machine`, … */
  readonly principal: string;
  /** Some of `watch`, `view`, `return`, `administer`, `publish`. */
  readonly rights: readonly string[];
  /** The only port that the sender may have; null for any free one. */
  readonly port: number | null;
  /** Names of the streams to which the rights apply; null for all. */
  readonly streams: readonly string[] | null;
  /** When the rights end, ISO 8601; null for never. */
  readonly expires: string | null;
}

/** Response of `GET /api/session`. */
export interface SessionStatus {
  /** The user who is logged in, with the latest end of the session; null if nobody is. */
  readonly user: RightsStatus | null;
  /** Credentials for which a log-in form should ask: `password` for a name and a password, `token` for a token or key. */
  readonly accepts: readonly ('password' | 'token')[];
}

/** A link with which anyone can watch one stream until the link expires. */
export interface ShareLinkStatus {
  /** Names the link; not secret. */
  readonly id: string;
  /** Name of the token or user of the administrator. */
  readonly createdBy: string;
  /** ISO 8601. */
  readonly createdAt: string;
  /** ISO 8601. */
  readonly expiresAt: string;
  /** Whether the link is still valid after a restart of the gateway. */
  readonly outlastsRestart: boolean;
}

/** Response of `POST /api/streams/NAME/shares`. */
export interface CreatedShareLink extends ShareLinkStatus {
  /** Address of the page, with the secret token in its fragment, which browsers do not send. */
  readonly url: string;
}

/** The configuration file of a gateway. */
export interface ConfigurationStatus {
  readonly file: string;
  /** When it was last applied, ISO 8601. */
  readonly loadedAt: string | null;
  /** Reason why its current content was not applied, as a sentence; null if it was. */
  readonly problem: string | null;
}

/** Response of `GET /api/streams/NAME/settings`: options of a stream as in a configuration file. */
export interface StreamSettingsStatus {
  /** Source URL. Passwords are replaced by `…`. */
  readonly source: string;
  /** Addresses of native clients, likewise. */
  readonly clients?: readonly string[];
  readonly virtualPorts?: string;
  readonly start?: 'any' | 'all';
  readonly distribution?: 'broadcast' | 'round-robin';
  readonly onSourceEnd?: 'wait' | 'terminate';
  readonly idle?: 'card' | 'silence';
  readonly renditions?: 'auto' | 'off';
  readonly control?: 'shared' | 'exclusive';
}

/** Response of `PUT`, `PATCH` and `DELETE /api/streams/NAME`. */
export interface StreamChange {
  readonly name: string;
  /** Whether the stream was created. */
  readonly isNew: boolean;
  /** Whether the change was written to the configuration file. */
  readonly isPersisted: boolean;
  /** null if the stream was removed. */
  readonly settings: StreamSettingsStatus | null;
  /** Problems that prevented parts of the change, as sentences: for example, a native client whose port is taken. */
  readonly problems: readonly string[];
}

/**
 * Response of `GET /api/gateway`. The addresses are those at which browsers reach the gateway, each with a trailing
 * slash.
 */
export interface GatewayStatus {
  /** Empty for senders without the right to administer. */
  readonly webhooks: readonly WebhookStatus[];
  /** null without a file, and for senders without the right to administer. */
  readonly configuration: ConfigurationStatus | null;
  /** Public address behind a proxy; null if none is configured. */
  readonly publicUrl: string | null;
  /**
   * Network addresses of this machine at which the gateway listens. Empty if a public address is configured, or if the
   * gateway serves this machine only.
   */
  readonly networkUrls: readonly string[];
  /** Connection of the gateway to its cluster; null without a cluster. */
  readonly cluster: ClusterConnection | null;
}

/** The source of a stream. */
export interface SourceStatus {
  /** The scheme of the source URL: `netgear`, `ffmpeg`, … */
  readonly kind: string;
  /** Origin of the frames, for display. */
  readonly address: string;
  /** State of the source in a few words. `asleep`: an on-demand source without viewers. */
  readonly state: string;
  /** Latest failure of the source, as a sentence; null if it has never failed. */
  readonly lastError: string | null;
  /** Number of times the source was reopened after a failure. */
  readonly restarts: number;
}

/** The gateway of a cluster that runs a stream's source. */
export interface StreamHome {
  /** Name of the gateway. */
  readonly name: string;
  /** Address of its pages, if known. */
  readonly url: string | null;
  /** Whether this gateway sent the response. */
  readonly isHere: boolean;
}

/** A gateway in `GET /api/cluster`. */
export interface ClusterMember {
  /** Different at each start. */
  readonly id: string;
  readonly name: string;
  readonly url: string | null;
  /** Whether this gateway sent the response. */
  readonly isSelf: boolean;
  /** Names of the streams whose sources are configured at it. */
  readonly streams: readonly {
    readonly name: string;
    readonly state: StreamState;
    readonly clients: number;
    readonly isOwner: boolean;
  }[];
}

/** Connection of a gateway to its cluster. */
export interface ClusterConnection {
  /** Whether a majority of the NATS servers can be reached. */
  readonly isConnected: boolean;
  /** When the gateway last reached them, by its clock, ISO 8601; null while it is connected. */
  readonly unreachableSince: string | null;
}

/** Response of `GET /api/cluster`. */
export interface ClusterStatus extends ClusterConnection {
  readonly members: readonly ClusterMember[];
}

/** State of control of a stream with `control: exclusive`, in which only the holder's return data is accepted. */
export interface ControlStatus {
  /** Port of the viewer that has control; null while nobody has control, like the next three fields. */
  readonly port: number | null;
  /** Id of that viewer in the list of clients; also null if the viewer is at another gateway of a cluster. */
  readonly client: string | null;
  /** Name that the viewer chose; may be empty. */
  readonly name: string | null;
  /** When the viewer got control, ISO 8601. */
  readonly since: string | null;
  /** Ports of the viewers that request control, in the order of their requests. */
  readonly requests: readonly number[];
  /** Number of values that were refused because the client did not have control. */
  readonly refused: number;
}

/** Reason of a stream whose source starts with the first viewer, at this gateway or another one of the cluster. */
export const SUSPENDED_REASON = 'the source is suspended until the first viewer connects';

/** Response of `GET /api/streams/NAME`. */
export interface StreamStatus {
  readonly name: string;
  /** Only in a cluster: where the source runs; null if no gateway runs it. */
  readonly gateway?: StreamHome | null;
  readonly state: StreamState;
  /** Why the stream is in this state, as a sentence. */
  readonly reason: string;
  readonly source: SourceStatus;
  /**
   * Whether browsers can show frames like the latest one: only NetGear clients can use arrays whose number of channels
   * is not 1, 3 or 4. True before the first frame; gateways before 0.2 do not report it.
   */
  readonly showable?: boolean;
  /** null before the first frame. `encoding` is `jpeg` or a dtype. */
  readonly frame: {
    readonly sequence: number;
    readonly width: number;
    readonly height: number;
    readonly encoding: string;
    readonly framesPerSecond: number;
  } | null;
  readonly counters: {
    readonly received: number;
    /** Total size of the pictures of published frames, in bytes. */
    readonly receivedBytes: number;
    /** Number of malformed frames, which were not forwarded. */
    readonly rejected: number;
    /** Number of refused return values and malformed messages of viewers. */
    readonly returnsRejected: number;
    /** Number of once-only values that were discarded because they were not read in time. */
    readonly returnsDropped: number;
    /** The latest reasons for rejections, newest first, at most 8. */
    readonly lastRejections: readonly string[];
  };
  readonly ports: PortsStatus;
  /** null if all clients may return data (`control: shared`); gateways before 0.2 do not report it. */
  readonly control?: ControlStatus | null;
  /** With `start: all`, the ports of native clients that must connect before any frame is sent; otherwise empty. */
  readonly awaited: readonly number[];
  readonly clients: readonly ClientStatus[];
}
