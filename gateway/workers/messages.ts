/**
 * What the main process and a worker say to each other. Both are of one build on one machine, so nothing here is checked.
 *
 * `ToWorker` and `ToMain` travel by Node's channel between parent and child, in order and as structured clones; so do
 * sockets. `PipeRecord` has a pipe of its own, beside the large frames that it announces.
 */
import type { Hello, Return } from '../../shared/protocol.ts';
import type { EventKind, StreamState } from '../../shared/status.ts';
import type { Admission, ViewerFigures } from '../clients/place.ts';
import type { WebClientLimits } from '../clients/web-client.ts';
import type { ReturnData } from '../hub/returns.ts';

/** A stream as a worker is told of it when it starts. */
export interface StreamSummary {
  readonly name: string;
  readonly state: StreamState;
  readonly reason: string;
}

/** The headers of a request that ws looks at. */
export type HandshakeHeaders = Readonly<Record<string, string | undefined>>;

/** `viewer` is a viewer's id in the gateway. */
export type ToWorker =
  /** The first message. */
  | { readonly type: 'start'; readonly streams: readonly StreamSummary[]; readonly limits: WebClientLimits }
  /**
   * With the socket of a request to upgrade that nobody has answered. It must not be answered before `viewer` comes: until the
   * main process knows that the socket has arrived, it reads from it too, and what the viewer says would be lost there.
   */
  | { readonly type: 'socket'; readonly viewer: string }
  /** `head`: what has come behind the request. */
  | { readonly type: 'viewer'; readonly viewer: string; readonly stream: string; readonly headers: HandshakeHeaders; readonly head: Uint8Array }
  /** Answers `hello`. */
  | { readonly type: 'admission'; readonly viewer: string; readonly admission: Admission }
  /** Answers `return`; `refusal` is null when the data was accepted. */
  | { readonly type: 'returned'; readonly viewer: string; readonly id: number; readonly refusal: { readonly code: string; readonly message: string } | null }
  | { readonly type: 'close'; readonly viewer: string; readonly code: number; readonly reason: string }
  /** The last message: the worker closes what is still open, and ends. */
  | { readonly type: 'stop' };

export type ToMain =
  | { readonly type: 'hello'; readonly viewer: string; readonly hello: Hello }
  | { readonly type: 'return'; readonly viewer: string; readonly id: number; readonly mode: Return['mode']; readonly ttlMs: number | undefined; readonly data: ReturnData }
  | { readonly type: 'rejected'; readonly viewer: string }
  | { readonly type: 'left'; readonly viewer: string; readonly kind: EventKind; readonly reason: string }
  /** The last of a viewer: its socket has ended. */
  | { readonly type: 'gone'; readonly viewer: string }
  | { readonly type: 'figures'; readonly viewers: readonly (readonly [viewer: string, figures: ViewerFigures])[] }
  /** Which renditions of a stream some viewer of this worker takes now. */
  | { readonly type: 'wants'; readonly stream: string; readonly wants: FormsWanted };

/** The forms in which viewers take frames: `jpeg` is what they get who don't ask for `raw`. */
export type Form = 'jpeg' | 'raw';

export type FormsWanted = Readonly<Record<Form, boolean>>;

/** Main process to worker. Frames and what the stream says of itself keep their order. */
export type PipeRecord =
  | { readonly type: 'state'; readonly stream: string; readonly state: StreamState; readonly reason: string }
  /**
   * Followed by a rendition, `beginBytes` of it before the payload. `form` is null where all viewers get the same.
   */
  | { readonly type: 'frame'; readonly stream: string; readonly form: Form | null; readonly sequence: number; readonly frameTimeMs: number | undefined; readonly beginBytes: number };
