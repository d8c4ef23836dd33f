/** What a stream is doing. `waiting`: no frame yet; `stale`: none for max(2 s, 5 frame times); `ended`: the source said so. */
export type StreamState = 'waiting' | 'live' | 'stale' | 'ended';

export type ClientKind = 'native' | 'web' | 'spectator';

/** `connecting`: not there (yet); `paused`: asked for nothing; `stuck`: there, but does not take frames. */
export type ClientState = 'connecting' | 'live' | 'paused' | 'stuck';

/** One client as `GET /api/streams/NAME` shows it. Counters count frames since the client came. */
export interface ClientStatus {
  /** null for a spectator. */
  readonly port: number | null;
  readonly kind: ClientKind;
  readonly address: string;
  readonly state: ClientState;
  readonly delivered: number;
  /** Replaced in the mailbox by a newer frame before they could be sent. */
  readonly dropped: number;
  /** Sent again without a message, so that a native client does not time out. */
  readonly repeated: number;
  /** Return data from this client that was refused as malformed or too large. */
  readonly rejected: number;
  readonly framesPerSecond: number;
  readonly roundTripMs: number | null;
  /** The sticky return data as JSON (numbers that JSON lacks as text); an array is described, not contained. */
  readonly returnData: unknown;
}

/** The answer of `GET /api/streams/NAME`. */
export interface StreamStatus {
  readonly name: string;
  readonly state: StreamState;
  /** Why the stream is in this state, as a sentence. */
  readonly reason: string;
  readonly source: { readonly kind: string; readonly address: string; readonly state: string };
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
  readonly ports: { readonly free: number; readonly taken: number };
  readonly clients: readonly ClientStatus[];
}
