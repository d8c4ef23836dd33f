import type { Duplex } from 'node:stream';
import type { ServerOptions, WebSocket } from 'ws';
import { cleanText } from '../../shared/clean-text.ts';
import { MAX_HELLO_BYTES, PROTOCOL } from '../../shared/protocol.ts';

export type { WebSocket } from 'ws';

/** How long a peer may take to answer the close. */
const CLOSE_TIMEOUT_MS = 1000;

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
 * Sets the maximum number of bytes of a message from now on, and of its fragments. ws takes limits for all connections of a server, and a peer
 * that is not known yet must not fill the memory. ws has kept them in these fields since it has them.
 */
export function setMessageLimit(socket: WebSocket, bytes: number): void {
  const { _receiver: receiver } = socket as WebSocket & { readonly _receiver?: { _maxPayload?: number; _maxFragments?: number } };
  if (typeof receiver?._maxPayload !== 'number') throw new TypeError('a WebSocket of ws has no _receiver._maxPayload any more: its version has changed');
  receiver._maxPayload = bytes;
  receiver._maxFragments = Math.max(MIN_FRAGMENTS, Math.ceil(bytes / BYTES_PER_FRAGMENT));
}

/** Closes with a code of the protocol. Who does not close in turn is cut off. */
export function closeWebSocket(socket: WebSocket, code: number, reason: string): void {
  // A reason may be at most 123 bytes.
  socket.close(code, Buffer.from(cleanText(reason)).subarray(0, 123).toString().replace(/\uFFFD+$/, ''));
  const timer = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}
