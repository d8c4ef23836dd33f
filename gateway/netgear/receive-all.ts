import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { GearwayError } from '../../shared/errors.ts';

/** The part of a ZeroMQ socket that is read here. */
export interface ReceivingSocket {
  readonly closed: boolean;
  /** Whether a message waits in its queue. */
  readonly readable: boolean;
  receive(): Promise<Uint8Array[]>;
}

/**
 * Queue options of every socket that is read by {@link receiveAll}. A bounded queue is a way to end the process: when it is full, libzmq 4.3.5 stops the
 * peer's input. If that peer has sent a PING behind its messages and resets its connection, libzmq answers the PING on the failed connection as soon
 * as the queue is read, and aborts (`Assertion failed: !_io_error`). An unbounded queue never stops the input; {@link receiveAll} bounds it instead.
 */
export const UNBOUNDED_QUEUE = { receiveHighWaterMark: 0 } as const;

/** How long the reading of a queue may keep the event loop from its other work. zeromq.js alone would read 512 messages in a row. */
const TURN_MS = 4;

/** Consecutive announcements without a message after which reading pauses, and the pause. */
const MAX_EMPTY = 16;
const EMPTY_PAUSE_MS = 5;

/**
 * What may be read before the queue has been empty once. Peers that wait for their answers, and cameras, stay orders of magnitude below: the queue is longer
 * than this only while messages arrive faster than they can be read, and would fill the memory.
 */
export interface QueueLimits {
  readonly messages: number;
  readonly bytes: number;
  /** Time spent on reading and handling messages. With less, neither is too much: a busy gateway may be behind for a moment. */
  readonly ms: number;
}

export const DEFAULT_QUEUE_LIMITS: QueueLimits = { messages: 20_000, bytes: 128 << 20, ms: 1000 };

/** A longer time between two messages was spent on other work: the gateway was busy, or had no processor. */
const MAX_MESSAGE_MS = 50;

/**
 * Reads a socket until it is closed, whatever its peers send. All sockets are read through this function: libzmq can announce a message and then drop
 * it as malformed, for which zeromq.js rejects `receive()`, and its own iterator ends, with EAGAIN.
 *
 * @param limits null for a socket that only this process sends to.
 * @returns the parts of each message, in order of arrival. It returns when the socket is closed.
 * @throws {GearwayError} `flooded` when messages arrive faster than they can be read: close the socket, which frees its queue, and open it again
 *   after a pause. Otherwise what else goes wrong with the socket; nothing that a single message could cause.
 */
export async function* receiveAll(socket: ReceivingSocket, limits: QueueLimits | null = DEFAULT_QUEUE_LIMITS): AsyncGenerator<Uint8Array[], void, void> {
  let empty = 0;
  let turnAtMs = performance.now();
  let run = { messages: 0, bytes: 0, ms: 0 };
  let readAtMs = turnAtMs;
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
    const now = performance.now();
    if (socket.closed || !socket.readable) run = { messages: 0, bytes: 0, ms: 0 };
    else if (limits !== null) {
      run.messages += 1;
      for (const { byteLength } of parts) run.bytes += byteLength;
      run.ms += Math.min(now - readAtMs, MAX_MESSAGE_MS);
      if ((run.messages > limits.messages || run.bytes > limits.bytes) && run.ms > limits.ms) {
        throw new GearwayError('flooded', `peers send faster than can be read: ${run.messages} messages (${run.bytes} bytes) in a row; the socket is closed for a moment`);
      }
    }
    readAtMs = now;
    if (now - turnAtMs > TURN_MS) {
      await turn();
      turnAtMs = performance.now();
    }
  }
}

function isEmpty(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EAGAIN';
}
