import { createServer, type Server, type Socket } from 'node:net';
import { listenAddress } from '../netgear/plain-server-socket.ts';
import { ZmtpConversation, type ZmtpProbeResult } from '../netgear/zmtp-peer.ts';

/**
 * Waits for somebody to connect, and reads who it is. ZeroMQ connects again by itself, so that a real socket can take its place.
 *
 * Nobody may listen at the address: the socket file that a killed program left behind is removed, as ZeroMQ itself does when it binds.
 *
 * @returns null when nobody has come in time.
 * @throws when the address is in use, or none of this machine's.
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
        // Who hangs up at once, as a port scanner does, is not waited for, and not taken for a server.
        const take = (look: ZmtpProbeResult | null): void => {
          if (look === null || look.kind === 'silent') return;
          clearTimeout(timer);
          resolve(look);
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
