import type { Duplex } from 'node:stream';
import type { ServerOptions, WebSocket } from 'ws';
import { cleanText } from '../../shared/clean-text.ts';
import { MAX_HELLO_BYTES, PROTOCOL } from '../../shared/protocol.ts';

export type { WebSocket } from 'ws';

/** How long a peer may take to answer the close. */
const CLOSE_TIMEOUT_MS = 1000;

/** Input is passed to ws in pieces of this size, so that it can stop in the middle of a chunk of the connection, which may hold 10 000 pings. */
const PIECE_BYTES = 8 << 10;

/** Input that is still read after the close was sent: enough for messages on their way and for the peer's close. */
const MAX_BYTES_AFTER_CLOSE = 16 << 10;

/** Maximum number of fragments of a small message, and bytes of a larger one for which there may be one more. An empty fragment has a cost, but no bytes that would count. */
const MIN_FRAGMENTS = 64;
const BYTES_PER_FRAGMENT = 8 << 10;

/** Options of the WebSocket server of viewers and publishers. A message has at most {@link MAX_HELLO_BYTES} until {@link setMessageLimit} sets another limit. */
export function webSocketOptions(): Pick<ServerOptions, 'maxPayload' | 'maxFragments' | 'perMessageDeflate' | 'handleProtocols'> {
  return {
    maxPayload: MAX_HELLO_BYTES,
    maxFragments: MIN_FRAGMENTS,
    perMessageDeflate: false,
    handleProtocols: (protocols) => (protocols.has(PROTOCOL) ? PROTOCOL : false),
  };
}

/** ws gives no access to the connection below it, and has kept it in this field since its first version. */
export function transportOf(socket: WebSocket): Duplex {
  const { _socket: transport } = socket as WebSocket & { readonly _socket?: Duplex };
  if (transport === undefined) throw new TypeError('a WebSocket of ws has no _socket any more: its version has changed');
  return transport;
}

/**
 * Counts the input of a WebSocket before ws parses it, and bounds it after the close was sent: ws goes on parsing until the connection ends.
 * Beyond {@link MAX_BYTES_AFTER_CLOSE} the rest stays unread. Call it before the first input, once.
 */
export function meterInput(socket: WebSocket, received: (bytes: number) => void): void {
  const receiver = receiverOf(socket);
  const write = receiver.write.bind(receiver);
  let bytesAfterClose = 0;
  const pass = (piece: Buffer): boolean => {
    if (socket.readyState !== socket.OPEN) bytesAfterClose += piece.byteLength;
    // false pauses the connection. No 'drain' follows, so that it stays paused until it is closed.
    if (bytesAfterClose > MAX_BYTES_AFTER_CLOSE) return false;
    received(piece.byteLength);
    return write(piece);
  };
  receiver.write = (chunk: Buffer): boolean => {
    let isReady = true;
    for (let at = 0; at < chunk.byteLength; at += PIECE_BYTES) isReady = pass(chunk.subarray(at, at + PIECE_BYTES));
    return isReady;
  };
}

/**
 * Sets the maximum number of bytes of a message from now on, and of its fragments. ws takes limits for all connections of a server, and a peer
 * that is not known yet must not fill the memory.
 */
export function setMessageLimit(socket: WebSocket, bytes: number): void {
  const receiver = receiverOf(socket);
  receiver._maxPayload = bytes;
  receiver._maxFragments = Math.max(MIN_FRAGMENTS, Math.ceil(bytes / BYTES_PER_FRAGMENT));
}

/** The part of ws that parses the input, of which the tests cover what is used here. */
interface Receiver {
  write(chunk: Buffer): boolean;
  _maxPayload: number;
  _maxFragments: number;
}

/** ws has kept its receiver and the limits in these fields since it has them. */
function receiverOf(socket: WebSocket): Receiver {
  const { _receiver: receiver } = socket as WebSocket & { readonly _receiver?: Receiver };
  if (typeof receiver?._maxPayload !== 'number') throw new TypeError('a WebSocket of ws has no _receiver._maxPayload any more: its version has changed');
  return receiver;
}

/** Closes with a code of the protocol. Who does not close in turn is cut off. */
export function closeWebSocket(socket: WebSocket, code: number, reason: string): void {
  // A reason may be at most 123 bytes.
  socket.close(code, Buffer.from(cleanText(reason)).subarray(0, 123).toString().replace(/\uFFFD+$/, ''));
  const timer = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}
