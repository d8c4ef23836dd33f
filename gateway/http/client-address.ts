import { isIP, type Socket } from 'node:net';
import type { FastifyRequest } from 'fastify';

/**
 * The client's address: the peer's, or with `--trust-proxy` the one reported by the proxies in `X-Forwarded-For`.
 * Always an IP address, never IPv4-mapped. If a proxy reports anything else (a host name, `unknown`, any text), the
 * address of that proxy is used.
 */
export function clientAddress(request: FastifyRequest): string {
  // Trusted addresses, from the outermost one towards the peer.
  for (const text of request.ips?.toReversed() ?? []) {
    const address = parseAddress(text);
    if (address !== null) return address;
  }
  return parseAddress(request.ip) ?? request.ip;
}

/** Address of the TCP peer, which may be a proxy, trusted or not. undefined if the connection has closed. */
export function peerAddress(request: FastifyRequest): string | undefined {
  return request.raw.socket.remoteAddress;
}

/** Address of the peer of a TCP connection, before its first request; undefined if the connection has closed. */
export function socketAddress({ remoteAddress }: Socket): string | undefined {
  return remoteAddress;
}

/**
 * Makes Node cache the address of the TCP peer. After a reset, the system no longer returns it, even before Node
 * reports the reset.
 * @returns whether the socket still has a peer.
 */
export function rememberPeer(socket: Socket): boolean {
  return !socket.destroyed && socket.remoteAddress !== undefined;
}

/** Extracts the address from `192.0.2.7`, `192.0.2.7:1234`, `[2001:db8::7]:1234` and `::ffff:192.0.2.7`. */
function parseAddress(text: string | undefined): string | null {
  const [, bracketed, plain] = /^(?:\[(.*)\](?::\d+)?|(.*))$/.exec(text?.trim() ?? '') ?? [];
  const address = bracketed ?? plain?.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1') ?? '';
  if (isIP(address) === 0) return null;
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address.toLowerCase();
}
