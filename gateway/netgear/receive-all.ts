import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { GearwayError } from '../../shared/errors.ts';

/** The part of a ZeroMQ socket that is needed for reading. */
export interface ReceivingSocket {
  readonly closed: boolean;
  /** Whether the queue has a message. */
  readonly readable: boolean;
  receive(): Promise<Uint8Array[]>;
}

/**
 * Queue options of every socket that is read by {@link receiveAll}. A bounded queue would let a peer crash the process:
 * when it is full, libzmq 4.3.5 stops the peer's input. If that peer has sent a PING after its messages and resets its
 * connection, libzmq answers the PING on the failed connection as soon as the queue is read, and aborts (`Assertion
 * failed: !_io_error`). An unbounded queue never stops the input; {@link receiveAll} limits it instead.
 */
export const UNBOUNDED_QUEUE = { receiveHighWaterMark: 0 } as const;

/** Maximum time for which reading a queue may block the event loop. zeromq.js would read 512 messages in a row. */
const TURN_MS = 4;

/** Number of consecutive announcements without a message after which reading pauses, and the duration of the pause. */
const MAX_EMPTY = 16;
const EMPTY_PAUSE_MS = 5;

/**
 * Limits on the messages that are read before the queue becomes empty. Peers that wait for replies, and cameras, stay
 * far below them: the limits are exceeded only if messages arrive faster than they can be read, which would
 * exhaust memory.
 */
interface QueueLimits {
  readonly messages: number;
  readonly bytes: number;
  /** Time spent on reading and handling messages before the other limits apply: a busy gateway may lag briefly. */
  readonly ms: number;
}

const DEFAULT_QUEUE_LIMITS: QueueLimits = { messages: 20_000, bytes: 128 << 20, ms: 1000 };

/** Maximum time counted per message. Longer gaps were spent on other work, or without a processor. */
const MAX_MESSAGE_MS = 50;

/**
 * Reads a socket until it is closed, regardless of what its peers send. All sockets are read through this function,
 * because libzmq can announce a message and then drop it as malformed; `receive()` of zeromq.js then rejects with
 * EAGAIN, which ends its own iterator.
 *
 * @param limits null for a socket to which only this process sends.
 * @returns the parts of each message, in order of arrival. Returns when the socket is closed.
 * @throws {GearwayError} `flooded` when messages arrive faster than they can be read: close the socket, which frees its
 *   queue, and reopen it after a pause. Also any failure of the socket itself, which a single message cannot cause.
 */
export async function* receiveAll(
  socket: ReceivingSocket,
  limits: QueueLimits | null = DEFAULT_QUEUE_LIMITS,
): AsyncGenerator<Uint8Array[], void, void> {
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
        const amount = `${run.messages} messages (${run.bytes} bytes) in a row`;
        throw new GearwayError(
          'flooded',
          `peers send faster than messages can be read: ${amount}; the socket is reopened after a pause`,
        );
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
