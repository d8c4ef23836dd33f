import type { AsyncPattern } from './pattern.ts';

/** Why a peer of a PAIR is refused that has one already: a sentence without its end. */
export const PAIR_IS_TAKEN = 'another server waits for the first one to end';

export interface ServerSocketOptions {
  readonly pattern: AsyncPattern;
  /** The peers that it is for, as named in the reasons of {@link ServerSocketEvents.refused}. */
  readonly expected: string;
}

/** What happens to a {@link ServerSocket}. Nothing is called after `close()`. */
export interface ServerSocketEvents {
  /** Number of servers that have completed the handshake. One that sends nothing yet is no proof of frames. */
  peers(count: number): void;
  /** A connection or a message was refused: why, a sentence without its end. */
  refused(reason: string): void;
  /** The socket no longer works: close it. */
  failed(error: unknown): void;
}

/** A message of a server. */
export interface ServerMessage {
  readonly parts: Uint8Array[];
  /** Identifies the connection that it came by; null where ZeroMQ hides that. */
  readonly peer: string | null;
}

/**
 * The receiving side towards NetGear servers, which connect: we bind. Iterate over it for messages, in order of arrival; answer each with {@link reply}
 * (not in patterns 2 and 3). The iterator returns when the socket is closed.
 */
export interface ServerSocket extends AsyncIterable<ServerMessage> {
  /** @throws when the address is in use or not ours. */
  bind(endpoint: string): Promise<void>;
  /** Answers the last message of a peer; does nothing in patterns 2 and 3, which have no answers. Rejects when the server is gone. */
  reply(peer: string | null, parts: readonly (string | Uint8Array)[]): Promise<void>;
  /** Counts the last message of a peer as malformed: who sends too many of them is disconnected. */
  malformed(peer: string | null): void;
  /**
   * Resolves when the address is free again. Idempotent.
   *
   * @param lingerMs for how long a reply that has not left yet may still leave; it is thrown away otherwise.
   */
  close(lingerMs?: number): Promise<void>;
}
