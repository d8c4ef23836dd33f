import type { SourceSink } from '../hub/stream.ts';

/** What feeds a stream. The creator opens it once and closes it before the stream. */
export interface Source {
  /** The scheme of its URL: `netgear`, `test-pattern`, … */
  readonly kind: string;
  /** Where its frames come from, for people. */
  readonly address: string;
  /** Why there are no frames yet, as a sentence. */
  readonly waitingReason: string;
  /** Whether it takes all clients' return data with each frame. */
  readonly takesReturns: boolean;
  /** The ports that its server knows its clients by, which are the stream's virtual ports then; null when it knows none. */
  readonly seats: readonly number[] | null;
  /** What it is doing: a word or two, for people. */
  state(): string;
  /**
   * Starts to feed the sink; resolves once frames can come.
   *
   * @throws when it cannot work at all, such as an address in use.
   */
  open(sink: SourceSink): Promise<void>;
  /** Idempotent; nothing reaches the sink afterwards. */
  close(): Promise<void>;
}
