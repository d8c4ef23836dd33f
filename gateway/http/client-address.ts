import { isIP, type Socket } from 'node:net';
import type { FastifyRequest } from 'fastify';

/**
 * The address of the client: the peer's, or with `--trust-proxy` the one that the proxies in front of us report in `X-Forwarded-For`.
 * Always an IP address, IPv4 in its own form: what a proxy reports beyond that (a host name, `unknown`, any text) counts as the proxy itself.
 */
export function clientAddress(request: FastifyRequest): string {
  // From the peer outwards, as far as the addresses are trusted.
  for (const text of request.ips?.toReversed() ?? []) {
    const address = parseAddress(text);
    if (address !== null) return address;
  }
  return parseAddress(request.ip) ?? request.ip;
}

/** The address of the TCP peer: of the proxy where there is one, whether it is trusted or not. undefined when the connection has ended. */
export function peerAddress(request: FastifyRequest): string | undefined {
  return request.raw.socket.remoteAddress;
}

/** The address of a TCP connection that no request has come over yet; undefined when it has ended. */
export function socketAddress({ remoteAddress }: Socket): string | undefined {
  return remoteAddress;
}

/**
 * Reads the address of the TCP peer, which stays known from then on for as long as the socket is used. After a reset the system no
 * longer knows it, before Node reports the reset.
 *
 * @returns whether there is a peer.
 */
export function rememberPeer(socket: Socket): boolean {
  return !socket.destroyed && socket.remoteAddress !== undefined;
}

/** `192.0.2.7`, `192.0.2.7:1234`, `[2001:db8::7]:1234` and `::ffff:192.0.2.7` as the address alone. */
function parseAddress(text: string | undefined): string | null {
  const [, bracketed, plain] = /^(?:\[(.*)\](?::\d+)?|(.*))$/.exec(text?.trim() ?? '') ?? [];
  const address = bracketed ?? plain?.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1') ?? '';
  if (isIP(address) === 0) return null;
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address.toLowerCase();
}
