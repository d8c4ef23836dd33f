import type { ClientState, StreamStatus } from '../../shared/status.ts';

/** States of clients that need no frames. */
const IDLE: readonly ClientState[] = ['paused', 'connecting'];

/** A stream whose source is down. */
export interface SourceDown {
  readonly stream: string;
  /** The source's kind. */
  readonly kind: string;
  /** Reason, as a sentence. */
  readonly reason: string;
}

/**
 * Whether a stream lacks frames because of a fault of its source. A file that has ended, an on-demand source that is
 * suspended, and a `push:` stream without a publisher are not faults. If another gateway of the cluster runs the
 * source, or none does, a fault counts only if clients of this gateway need its frames.
 * @returns null if its source is not down.
 */
export function sourceDown({ name, state, reason, source, gateway, clients }: StreamStatus): SourceDown | null {
  const isElsewhere = gateway !== undefined && gateway?.isHere !== true;
  if (isElsewhere && clients.every((client) => IDLE.includes(client.state))) return null;
  if (state === 'live' || state === 'ended' || source.kind === 'push' || source.state === 'asleep') return null;
  return { stream: name, kind: source.kind, reason };
}
