import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';

/** The part of a ZeroMQ socket that is read here. */
export interface ReceivingSocket {
  readonly closed: boolean;
  receive(): Promise<Uint8Array[]>;
}

/** Number of messages after which the event loop gets a turn. zeromq.js alone would read 512 of a flood in a row. */
const MESSAGES_PER_TURN = 32;

/** Consecutive announcements without a message after which reading pauses, and the pause. */
const MAX_EMPTY = 16;
const EMPTY_PAUSE_MS = 5;

/**
 * Reads a socket until it is closed, whatever its peers send. All sockets are read through this function: libzmq can announce a message and then drop
 * it as malformed, for which zeromq.js rejects `receive()`, and its own iterator ends, with EAGAIN. Peers cannot make this one throw.
 *
 * @returns the parts of each message, in order of arrival. It returns when the socket is closed, and throws what else goes wrong with the socket.
 */
export async function* receiveAll(socket: ReceivingSocket): AsyncGenerator<Uint8Array[], void, void> {
  let messages = 0;
  let empty = 0;
  while (!socket.closed) {
    let parts: Uint8Array[];
    try {
      parts = await socket.receive();
    } catch (error) {
      if (socket.closed) return;
      if (!isEmpty(error)) throw error;
      empty += 1;
      await (empty < MAX_EMPTY ? turn() : delay(EMPTY_PAUSE_MS));
      continue;
    }
    empty = 0;
    yield parts;
    messages += 1;
    if (messages % MESSAGES_PER_TURN === 0) await turn();
  }
}

function isEmpty(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}
