import type { ServerOptions, WebSocket } from 'ws';
import { PROTOCOL } from '../../shared/protocol.ts';
import type { Transport, WebClientLimits } from './web-client.ts';

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
