import type { Security } from './curve-keys.ts';
import { CurveServerSocket } from './curve-server-socket.ts';
import { PlainServerSocket } from './plain-server-socket.ts';
import type { ServerSocket, ServerSocketEvents, ServerSocketOptions } from './server-socket.ts';

/** @throws {GearwayError} `keys-missing`, `keys-invalid`. */
export function createServerSocket(
  options: ServerSocketOptions,
  security: Security | null,
  events: ServerSocketEvents,
): ServerSocket {
  return security === null ? new PlainServerSocket(options, events) : new CurveServerSocket(options, security, events);
}
