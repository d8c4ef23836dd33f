/** What a stream is doing. `waiting`: no frame yet; `stale`: none for max(2 s, 5 frame times); `ended`: the source said so. */
export type StreamState = 'waiting' | 'live' | 'stale' | 'ended';

export type ClientKind = 'native' | 'web' | 'spectator';

/**
 * `connecting`: not connected (yet); `paused`: wants no frames; `stuck`: connected, but does not read frames; `unsupported`: a viewer that can decode
 * none of the frames; `refused`: reachable, but the two ends are incompatible (another pattern, other keys, no encryption).
 */
export type ClientState = 'connecting' | 'live' | 'paused' | 'stuck' | 'unsupported' | 'refused';

/** One client as `GET /api/streams/NAME` shows it. Counters count frames since the client came. */
export interface ClientStatus {
  /** Names this connection in the API and in events, as long as the gateway runs. */
  readonly id: string;
  /** null for a spectator. */
  readonly port: number | null;
  readonly kind: ClientKind;
  readonly address: string;
  readonly state: ClientState;
  /** Why it is in this state, or gets fewer frames than there are, as a sentence; empty when there is nothing to say. */
  readonly reason: string;
  readonly delivered: number;
  /** Replaced in the mailbox by a newer frame before they could be sent. */
  readonly dropped: number;
  /** Sent again without a message, so that a native client does not time out. */
  readonly repeated: number;
  /** Return data from this client that was refused as malformed or too large. */
  readonly rejected: number;
  readonly framesPerSecond: number;
  readonly roundTripMs: number | null;
  /** From a frame's arrival at the gateway to its drawing at a viewer, as the viewer measures it, or to a native client's answer; null while unknown. */
  readonly delayMs: number | null;
  /** The sticky return data as JSON (numbers that JSON lacks as text); an array is described, not contained. */
  readonly returnData: unknown;
}

/** A range of virtual ports, both ends included. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** The virtual ports of a stream. `free`, `taken` and the waiting reserved ones make up the ranges. */
export interface PortsStatus {
  readonly ranges: readonly PortRange[];
  /** How many anybody may have. */
  readonly free: number;
  /** How many have a client, or are held for one. */
  readonly taken: number;
  /** Kept for a viewer that has just left. */
  readonly held: readonly number[];
  /** Kept for the owner of their token, whether it is there or not. */
  readonly reserved: readonly number[];
}

/**
 * `refuse`: a client or a token was refused; `take-over`: a viewer was replaced by the next one with the same lease; `state`: the stream's own;
 * `add`, `remove`: an administrator changed the list of clients.
 */
export type EventKind = 'connect' | 'disconnect' | 'refuse' | 'take-over' | 'state' | 'add' | 'remove';

/** Who made an administrative change. */
export interface EventActor {
  /** Name of the principal: `administrator key` or `token`. */
  readonly principal: string;
  readonly address: string;
}

/** One entry of `GET /api/events`. */
export interface GatewayEvent {
  /** Rises by one with each event of the gateway. */
  readonly id: number;
  /** ISO 8601, by the gateway's clock. */
  readonly time: string;
  readonly kind: EventKind;
  /** null for failed log-ins, which are counted by address. */
  readonly stream: string | null;
  /** The client's id, as in its status; null for `state`, and for who never became a client. */
  readonly client: string | null;
  readonly port: number | null;
  readonly address: string | null;
  /** What happened, as a sentence. */
  readonly reason: string;
  /** Present for `add` and `remove`. */
  readonly by?: EventActor;
}

/** The answer of `GET /api/rights`. */
export interface RightsStatus {
  /** Name of the identity that the gateway takes the request for: `token`, `administrator key`, `this machine`, … */
  readonly principal: string;
  /** `view`, `return`, `administer`, `publish`. */
  readonly rights: readonly string[];
  /** The only port that it may have; null when any free one will do. */
  readonly port: number | null;
}

/** What feeds a stream, and how it is. */
export interface SourceStatus {
  /** The scheme of its URL: `netgear`, `ffmpeg`, … */
  readonly kind: string;
  /** Where its frames come from, for people. */
  readonly address: string;
  /** What it is doing: a word or two. `asleep` while nobody watches and it is on demand. */
  readonly state: string;
  /** Why it failed the last time, as a sentence; null when it never has. */
  readonly lastError: string | null;
  /** How often it was opened again after a failure. */
  readonly restarts: number;
}

/** The answer of `GET /api/streams/NAME`. */
export interface StreamStatus {
  readonly name: string;
  readonly state: StreamState;
  /** Why the stream is in this state, as a sentence. */
  readonly reason: string;
  readonly source: SourceStatus;
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
    /** Malformed frames that were not passed on. */
    readonly rejected: number;
    /** Return data refused, and viewers' messages that could not be read. */
    readonly returnsRejected: number;
    /** Once-only return data thrown away because nobody read it fast enough. */
    readonly returnsDropped: number;
    /** The latest reasons for a rejection, newest first, at most 8. */
    readonly lastRejections: readonly string[];
  };
  readonly ports: PortsStatus;
  /** The ports of the native clients that no frame goes anywhere before (`start: all`); empty when nobody is waited for. */
  readonly awaited: readonly number[];
  readonly clients: readonly ClientStatus[];
}
