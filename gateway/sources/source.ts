import type { GearwayError } from '../../shared/errors.ts';
import type { FrameInput, FrameOutline } from '../hub/frame.ts';
import type { Returns } from '../hub/returns/returns.ts';

/** A frame that a stream has accepted. */
export interface AcceptedFrame {
  readonly sequence: number;
  /**
   * Present if the frame must first be rotated according to its EXIF orientation. Resolves when the frame has been
   * published or replaced by a newer one, or with an error, already counted, if it cannot be rotated. Never rejects.
   */
  readonly turned?: Promise<GearwayError | null>;
}

/** Interface of a source to its stream, from `open()` until `close()` is done. None of these calls throws. */
export interface SourceSink {
  /** Sends a frame to all clients. The stream takes ownership of its memory. */
  publish(input: FrameInput): AcceptedFrame;
  /** Whether a client needs the pictures of the frames: see {@link SourceSink.announce}. May change. */
  readonly needsPictures: boolean;
  /** Reports a frame without its picture, instead of publishing it, while no client needs pictures. */
  announce(outline: FrameOutline): void;
  /** Counts a malformed frame and keeps its reason for the API. */
  reject(error: unknown): void;
  /**
   * Reports that the source has ended normally, such as a file or a terminated server. Publishing another frame makes
   * the stream live again.
   */
  end(reason: string): void;
  /**
   * Reports that there are no frames for now, for instance because a publisher has left. Clients keep the last frame,
   * and get the reason.
   */
  interrupted(reason: string): void;
  /** Closes the source and reopens it immediately, because it has changed. This is not a failure. */
  reopen(): void;
  /** Reports that the source has failed: it is closed, and reopened after a back-off. Viewers get the reason. */
  fail(error: unknown): void;
  /** Return data of the clients, for a source that consumes it. */
  readonly returns: Pick<Returns, 'takeAll' | 'take' | 'takeNewest' | 'values' | 'changes' | 'follow' | 'unfollow'>;
}

/** Producer of a stream's frames. Opened, closed and reopened by its {@link SourceSupervisor}; calls never overlap. */
export interface Source {
  /** The scheme of its URL: `netgear`, `test-pattern`, … */
  readonly kind: string;
  /** Origin of its frames, for display, without passwords. */
  readonly address: string;
  /** Why there are no frames yet, as a sentence. */
  readonly waitingReason: string;
  /**
   * Reason for the missing frames while the source is suspended because no client needs them, as a sentence. Default
   * `SUSPENDED_REASON`.
   */
  readonly suspendedReason?: string;
  /** Whether it consumes all clients' return data with each frame. */
  readonly takesReturns: boolean;
  /** Whether its JPEGs come from unknown encoders, so that they are verified before a NetGear client gets them. */
  readonly verifiesJpegs: boolean;
  /**
   * The ports by which its server identifies clients, which become the stream's virtual ports; null if there are none.
   */
  readonly serverPorts: readonly number[] | null;
  /**
   * Time without a frame after which the source is reopened; the first frame may take three times as long. Null for no
   * timeout. May change while it is open.
   */
  readonly stallMs: number | null;
  /** Current activity in a few words, and the latest stray connection if there was one; for display. */
  state(): string;
  /**
   * Why the frames of a sender do not arrive, as a sentence: for instance, because the sender is a server of another
   * pattern. Null if nothing is known. A source that opens connections itself reports failures instead.
   */
  problem?(): string | null;
  /**
   * Starts feeding the sink; resolves once it is ready to deliver frames.
   *
   * @throws if the source cannot work at all, for instance if an address is in use or a program is not installed.
   */
  open(sink: SourceSink): Promise<void>;
  /** Idempotent. The sink is not used once this has resolved. */
  close(): Promise<void>;
}
