import type { AsyncPattern } from './pattern.ts';

/** Why a second peer of a PAIR is refused, as a sentence without a full stop. */
export const PAIR_IS_TAKEN = 'another server is waiting for the first one to disconnect';

export interface ServerSocketOptions {
  readonly pattern: AsyncPattern;
  /** Name of the expected peers, used in the reasons of {@link ServerSocketEvents.refused}. */
  readonly expected: string;
}

/** Callbacks of a {@link ServerSocket}. None is called after `close()`. */
export interface ServerSocketEvents {
  /**
   * Called when the number of servers that have completed the handshake has changed. They need not have sent a frame.
   */
  peers(count: number): void;
  /** Called when a connection or a message was refused; `reason` is a sentence without a full stop. */
  refused(reason: string): void;
  /** Called when the socket no longer works; it must then be closed. */
  failed(error: unknown): void;
}

/** A message of a server. */
export interface ServerMessage {
  readonly parts: Uint8Array[];
  /** Identifies the connection; null if ZeroMQ does not expose it. */
  readonly peer: string | null;
}

/**
 * The receiving socket for NetGear servers. The servers connect, so this side binds. Iterate over it for messages, in
 * order of arrival; answer each with {@link reply} (not in patterns 2 and 3). The iterator returns when the socket is
 * closed.
 */
export interface ServerSocket extends AsyncIterable<ServerMessage> {
  /** @throws when the address is in use or not local. */
  bind(endpoint: string): Promise<void>;
  /**
   * Answers a peer's last message; does nothing in patterns 2 and 3, which have no replies. Rejects if the server has
   * disconnected.
   */
  reply(peer: string | null, parts: readonly (string | Uint8Array)[]): Promise<void>;
  /** Counts a peer's last message as malformed. Peers that send too many of them are disconnected. */
  malformed(peer: string | null): void;
  /**
   * Resolves when the address is free again. Idempotent.
   *
   * @param lingerMs how long to wait for unsent replies to be transmitted before they are discarded.
   */
  close(lingerMs?: number): Promise<void>;
}
