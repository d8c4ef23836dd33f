import { createServer, type Server, type Socket } from 'node:net';
import { listenAddress } from '../netgear/plain-server-socket.ts';
import { ZmtpConversation, type ZmtpProbeResult } from '../netgear/zmtp-peer.ts';

/**
 * Waits for a connection, and identifies the peer. ZeroMQ reconnects automatically, so a real socket can be bound
 * afterwards.
 *
 * Call it only if nothing is listening at the address, because a socket file is removed, as ZeroMQ does when it binds.
 *
 * @returns null if no peer has connected in time.
 * @throws if the address is in use, or not local.
 */
export async function awaitZmtpPeer(endpoint: string, timeoutMs: number): Promise<ZmtpProbeResult | null> {
  const sockets = new Set<Socket>();
  const server = createServer();
  await listen(server, endpoint);
  try {
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(null), timeoutMs);
      server.on('connection', (socket) => {
        sockets.add(socket);
        const conversation = new ZmtpConversation((bytes) => socket.write(bytes));
        // Ignores peers that disconnect immediately, such as port scanners.
        const take = (result: ZmtpProbeResult | null): void => {
          if (result === null || result.kind === 'silent') return;
          clearTimeout(timer);
          resolve(result);
        };
        socket.on('data', (chunk) => take(conversation.add(chunk)));
        socket.on('end', () => take(conversation.end()));
        socket.on('error', () => take(conversation.end()));
      });
    });
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

async function listen(server: Server, endpoint: string): Promise<void> {
  const address = await listenAddress(endpoint);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, resolve);
  });
}
