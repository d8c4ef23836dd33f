import type { FrameInput, Frame } from '../hub/frame.ts';
import type { Returns } from '../hub/returns/returns.ts';

/** What a source may do with its stream, from `open()` until its `close()` is done. None of these calls throws. */
export interface SourceSink {
  /** Gives a frame to all clients. Its memory is the stream's from now on. */
  publish(input: FrameInput): Frame;
  /** Counts a malformed frame and keeps its reason for the API. */
  reject(error: unknown): void;
  /** There are no more frames, as they should: a file has ended, a server has said so. Another publish makes the stream live again. */
  end(reason: string): void;
  /** No frames come for now, as may be: whoever gave them has left. Clients keep the last one, and are told why. */
  interrupted(reason: string): void;
  /** The source cannot go on: it is closed, and opened again after a while. Viewers are told why. */
  fail(error: unknown): void;
  /** What the clients return, for a source that takes it. */
  readonly returns: Pick<Returns, 'takeJson' | 'take' | 'takeNewest' | 'values' | 'changes'>;
}

/** What feeds a stream. It is opened, closed, and opened again by its {@link SourceSupervisor}, and never twice at once. */
export interface Source {
  /** The scheme of its URL: `netgear`, `test-pattern`, … */
  readonly kind: string;
  /** Where its frames come from, for people. Without passwords. */
  readonly address: string;
  /** Why there are no frames yet, as a sentence. */
  readonly waitingReason: string;
  /** Whether it takes all clients' return data with each frame. */
  readonly takesReturns: boolean;
  /** Whether its JPEGs come from encoders that nobody knows, and are verified before a NetGear client gets them. */
  readonly verifiesJpegs: boolean;
  /** The ports that its server knows its clients by, which are the stream's virtual ports then; null when it knows none. */
  readonly seats: readonly number[] | null;
  /** A silence after which it is closed and opened again; null where silence is normal. Before the first frame it may take three times as long. */
  readonly stallMs: number | null;
  /** What it is doing: a word or two, for people. */
  state(): string;
  /**
   * Starts to feed the sink; resolves once frames can come.
   *
   * @throws when it cannot work at all, such as an address in use or a program that is not installed.
   */
  open(sink: SourceSink): Promise<void>;
  /** Idempotent; nothing reaches the sink once it is done. */
  close(): Promise<void>;
}
