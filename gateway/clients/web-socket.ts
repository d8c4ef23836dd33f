import type { ServerOptions, WebSocket } from 'ws';
import { PROTOCOL } from '../../shared/protocol.ts';
import type { Transport, WebClientLimits } from './web-client.ts';

/** How long a peer may take to answer the close. */
const CLOSE_TIMEOUT_MS = 1000;

/** How viewers' WebSockets are served, whichever process does it. */
export function webSocketOptions(limits: WebClientLimits): Pick<ServerOptions, 'maxPayload' | 'perMessageDeflate' | 'handleProtocols'> {
  return {
    maxPayload: limits.messageBytes,
    perMessageDeflate: false,
    handleProtocols: (protocols) => (protocols.has(PROTOCOL) ? PROTOCOL : false),
  };
}

/** ws gives no access to the connection below it, and has kept it in this field since its first version. */
export function transportOf(socket: WebSocket): Transport {
  const { _socket: transport } = socket as WebSocket & { readonly _socket?: Transport };
  if (transport === undefined) throw new TypeError('a WebSocket of ws has no _socket any more: its version has changed');
  return transport;
}

/**
 * Lets a peer send larger messages from now on: `maxPayload` is one for all connections of a server, and who has said nothing yet
 * shall not fill our memory. ws has kept it in this field since its first version.
 */
export function raiseMessageLimit(socket: WebSocket, bytes: number): void {
  const { _receiver: receiver } = socket as WebSocket & { readonly _receiver?: { _maxPayload?: number } };
  if (typeof receiver?._maxPayload !== 'number') throw new TypeError('a WebSocket of ws has no _receiver._maxPayload any more: its version has changed');
  receiver._maxPayload = bytes;
}

/** Closes with a code of the protocol. Who does not close in turn is cut off. */
export function closeWebSocket(socket: WebSocket, code: number, reason: string): void {
  // A reason may be at most 123 bytes.
  socket.close(code, Buffer.from(reason).subarray(0, 123).toString().replace(/\uFFFD+$/, ''));
  const timer = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}
