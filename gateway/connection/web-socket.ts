import type { Duplex } from 'node:stream';
import type { ServerOptions, WebSocket } from 'ws';
import { cleanText } from '../../shared/clean-text.ts';
import { MAX_HELLO_BYTES, PROTOCOL } from '../../shared/protocol.ts';

export type { WebSocket } from 'ws';

/** How long to wait for the peer's close frame. */
const CLOSE_TIMEOUT_MS = 1000;

/**
 * Input is passed to ws in pieces of this size, so that it can be stopped within a chunk, which may contain 10 000
 * pings.
 */
const PIECE_BYTES = 8 << 10;

/** Maximum input read after a close was sent: enough for messages in flight and for the peer's close frame. */
const MAX_BYTES_AFTER_CLOSE = 16 << 10;

/**
 * Maximum number of fragments per message: one per `BYTES_PER_FRAGMENT` of the maximum size, and at least
 * `MIN_FRAGMENTS`. Empty fragments cost time, but no bytes.
 */
const MIN_FRAGMENTS = 64;
const BYTES_PER_FRAGMENT = 8 << 10;

/**
 * Options of the WebSocket server. Messages have at most {@link MAX_HELLO_BYTES} until {@link setMessageLimit} raises
 * the limit.
 */
export function webSocketOptions(): Pick<
  ServerOptions,
  'maxPayload' | 'maxFragments' | 'perMessageDeflate' | 'handleProtocols'
> {
  return {
    maxPayload: MAX_HELLO_BYTES,
    maxFragments: MIN_FRAGMENTS,
    perMessageDeflate: false,
    handleProtocols: (protocols) => (protocols.has(PROTOCOL) ? PROTOCOL : false),
  };
}

/**
 * Returns the connection below a WebSocket. ws offers no public access to it, but has had an internal field for it
 * since its first version.
 */
export function transportOf(socket: WebSocket): Duplex {
  const { _socket: transport } = socket as WebSocket & { readonly _socket?: Duplex };
  if (transport === undefined) throw new TypeError('a WebSocket of ws no longer has _socket: its version has changed');
  return transport;
}

/**
 * Counts the input of a WebSocket before ws parses it, and limits it to {@link MAX_BYTES_AFTER_CLOSE} after a close was
 * sent, because ws keeps parsing until the connection closes. Call it once, before the first input.
 *
 * @param isPaused called after each chunk; returns whether reading must pause until the connection is resumed.
 */
export function meterInput(socket: WebSocket, received: (bytes: number) => void, isPaused: () => boolean): void {
  const receiver = receiverOf(socket);
  const write = receiver.write.bind(receiver);
  let bytesAfterClose = 0;
  const pass = (piece: Buffer): boolean => {
    if (socket.readyState !== socket.OPEN) bytesAfterClose += piece.byteLength;
    // Returning false pauses the connection. It stays paused until it is closed, because no 'drain' event follows.
    if (bytesAfterClose > MAX_BYTES_AFTER_CLOSE) return false;
    received(piece.byteLength);
    return write(piece);
  };
  receiver.write = (chunk: Buffer): boolean => {
    let isReady = true;
    // Most chunks are acknowledgements, for which a view would cost more than everything else here.
    if (chunk.byteLength <= PIECE_BYTES) isReady = pass(chunk);
    else
      for (let at = 0; at < chunk.byteLength; at += PIECE_BYTES) isReady = pass(chunk.subarray(at, at + PIECE_BYTES));
    // The chunk may have completed the large message that required the pause.
    return isReady && !isPaused();
  };
}

/**
 * Sets the maximum size of further messages, and their maximum number of fragments. Needed because ws has only limits
 * per server, and a peer that is not authorized yet must not be able to fill the memory.
 */
export function setMessageLimit(socket: WebSocket, bytes: number): void {
  const receiver = receiverOf(socket);
  receiver._maxPayload = bytes;
  receiver._maxFragments = Math.max(MIN_FRAGMENTS, Math.ceil(bytes / BYTES_PER_FRAGMENT));
}

/** The parser of ws. These members are internal; tests verify that they still exist. */
interface Receiver {
  write(chunk: Buffer): boolean;
  _maxPayload: number;
  _maxFragments: number;
}

/** Returns the parser of a WebSocket, from an internal field of ws. */
function receiverOf(socket: WebSocket): Receiver {
  const { _receiver: receiver } = socket as WebSocket & { readonly _receiver?: Receiver };
  if (typeof receiver?._maxPayload !== 'number')
    throw new TypeError('a WebSocket of ws no longer has _receiver._maxPayload: its version has changed');
  return receiver;
}

/** Size of a ping or pong in the input: two bytes, the mask, and the data (RFC 6455, 5.2). */
export function controlFrameBytes(data: Buffer): number {
  return 6 + data.byteLength;
}

/** Maximum length of the reason in a close frame, in bytes (RFC 6455, 5.5). */
const MAX_REASON_BYTES = 123;

/** The reason for a close frame: without control characters; a long one is shortened, and ends with an ellipsis. */
export function closeReason(reason: string): string {
  const bytes = Buffer.from(cleanText(reason));
  if (bytes.byteLength <= MAX_REASON_BYTES) return bytes.toString();
  const start = bytes.subarray(0, MAX_REASON_BYTES - Buffer.byteLength('…')).toString();
  // The last character may be incomplete.
  return `${start.replace(/\uFFFD+$/, '')}…`;
}

/** Closes a WebSocket with a close code of the protocol. Terminates it if the peer does not answer the close. */
export function closeWebSocket(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, closeReason(reason));
  const timer = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}
